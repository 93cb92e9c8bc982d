/// The printable characters that merges and vocabularies write bytes with.
///
/// A byte that prints in Latin-1 is written as itself; the other 68 are written as U+0100 and
/// upwards in their order, so that a space is `Ġ`. Source: A. Radford et al., "Language Models are
/// Unsupervised Multitask Learners", 2019, in the code published with it.
enum ByteAlphabet {
  /// The bytes that print, then the others: the order of the first 256 ids of CLIP.
  static let order: [UInt8] = (0...255).filter(prints) + (0...255).filter { !prints($0) }

  /// The character of each byte.
  static let characters: [Unicode.Scalar] = {
    var characters = (UInt8.min...UInt8.max).map { Unicode.Scalar($0) }
    for (place, byte) in order[printing...].enumerated() {
      characters[Int(byte)] = Unicode.Scalar(UInt16(0x100 + place)) ?? "?"
    }
    return characters
  }()

  /// The byte of each character below U+0144, or -1.
  private static let bytes: [Int16] = {
    var bytes = [Int16](repeating: -1, count: 0x100 + 256 - printing)
    for (byte, character) in characters.enumerated() {
      bytes[Int(character.value)] = Int16(byte)
    }
    return bytes
  }()

  private static let printing = (UInt8.min...UInt8.max).count(where: prints)

  /// The bytes that `text` writes, or nil when it holds a character that writes none.
  static func bytes(of text: some StringProtocol) -> [UInt8]? {
    var result: [UInt8] = []
    result.reserveCapacity(text.utf8.count)
    for character in text.unicodeScalars {
      guard character.value < bytes.count else { return nil }
      let byte = bytes[Int(character.value)]
      guard byte >= 0 else { return nil }
      result.append(UInt8(byte))
    }
    return result
  }

  /// The characters that write `bytes`.
  static func text(of bytes: some Sequence<UInt8>) -> String {
    var text = String.UnicodeScalarView()
    for byte in bytes { text.append(characters[Int(byte)]) }
    return String(text)
  }

  private static func prints(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x21...0x7E, 0xA1...0xAC, 0xAE...0xFF: true
    default: false
    }
  }
}
