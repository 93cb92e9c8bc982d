extension WordPiece {
  /// The text that `ids` spell: `##` pieces joined to the piece before, and a space between words
  /// except before the marks and English contractions that follow a word closely.
  ///
  /// Case, accents and white space that encoding took away do not come back. Ids outside the
  /// vocabulary are passed over. The result is that of the reference's WordPiece decoder with
  /// its clean-up.
  ///
  /// - Parameter skippingSpecial: whether the five special tokens are left out.
  public func decode(_ ids: [Int32], skippingSpecial: Bool = true) -> String {
    var text: [UInt8] = []
    var isFirst = true
    for id in ids {
      guard id >= 0, Int(id) < vocabulary.count else { continue }
      if skippingSpecial && vocabulary.isSpecial(id) { continue }
      let token = vocabulary.tokens[Int(id)].utf8
      if !isFirst && token.starts(with: "##".utf8) {
        text += token.dropFirst(2)
      } else {
        if !isFirst && !Self.followsClosely(token) { text.append(UInt8(ascii: " ")) }
        text += token
      }
      isFirst = false
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func followsClosely(_ token: String.UTF8View) -> Bool {
    closeFollowers.contains { token.starts(with: $0.utf8) }
  }

  private static let closeFollowers = [".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"]
}
