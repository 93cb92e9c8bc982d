extension BytePairEncoding {
  /// The text that `ids` spell. Ids outside the vocabulary are passed over.
  ///
  /// With CLIP a space follows each piece that ends a word, the last one excepted; case, white
  /// space and what cleaning changed do not come back. Bytes that are not UTF-8, as when a cut
  /// leaves half an emoji, turn into U+FFFD.
  ///
  /// - Parameter skippingSpecial: whether the special tokens are left out.
  public func decode(_ ids: [Int32], skippingSpecial: Bool = true) -> String {
    var bytes: [UInt8] = []
    var endsWithSpace = false
    for id in ids {
      guard vocabulary.tokens.indices.contains(Int(id)) else { continue }
      if skippingSpecial && isSpecial(id) { continue }
      let token = vocabulary.tokens[Int(id)]
      bytes += token.bytes
      if token.endsWord { bytes.append(UInt8(ascii: " ")) }
      endsWithSpace = token.endsWord
    }
    if endsWithSpace { bytes.removeLast() }
    return String(decoding: bytes, as: UTF8.self)
  }
}
