/// A token as the bytes it stands for.
struct ByteToken: Hashable, Sendable {
  /// How CLIP writes that a word ends with a token.
  static let ending = "</w>"

  let bytes: [UInt8]
  /// Whether the token stands at the end of a word only.
  let endsWord: Bool

  init(_ bytes: [UInt8], endsWord: Bool = false) {
    self.bytes = bytes
    self.endsWord = endsWord
  }

  /// Reads a token as files write it; nil when a character writes no byte or there is none.
  init?(written text: some StringProtocol, style: BytePairEncoding.Style) {
    // "</w>" alone, without a byte to end the word, is the four characters.
    let endsWord =
      style == .clip && text.utf8.count > 4 && text.utf8.suffix(4).elementsEqual(Self.ending.utf8)
    let spelled = endsWord ? text.dropLast(4) : text.dropLast(0)
    guard let bytes = ByteAlphabet.bytes(of: spelled), !bytes.isEmpty else { return nil }
    self.init(bytes, endsWord: endsWord)
  }

  /// The token as files write it.
  var written: String {
    ByteAlphabet.text(of: bytes) + (endsWord ? Self.ending : "")
  }

  /// The two joined; the left one must not end a word.
  static func + (left: ByteToken, right: ByteToken) -> ByteToken {
    ByteToken(left.bytes + right.bytes, endsWord: right.endsWord)
  }
}
