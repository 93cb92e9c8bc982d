// Base64 (RFC 4648, section 4): megabytes a line, decoded straight to where the numbers belong.

/// Encodes and decodes with tables of four lookups for three bytes.
enum Base64 {
  enum Fault: Error, Equatable {
    /// The text stands for another number of bytes than the caller has room for.
    case length(expected: Int, found: Int)
    /// A character that is none of base64's, at this place in the text.
    case character(UInt8, at: Int)
    /// The number of characters is no multiple of four.
    case unpadded(Int)
  }

  /// Bytes that `text` stands for, padding taken into account. Throws `Fault.unpadded`.
  static func decodedCount(_ text: UnsafeRawBufferPointer) throws(Fault) -> Int {
    guard text.count % 4 == 0 else { throw .unpadded(text.count) }
    var count = text.count / 4 * 3
    if text.count > 0, text[text.count - 1] == equals { count -= 1 }
    if text.count > 1, text[text.count - 2] == equals { count -= 1 }
    return count
  }

  /// Decodes `text`, which must stand for exactly `output.count` bytes.
  ///
  /// Throws `Fault`. Line ends inside the text are refused: see `withoutLineEnds`.
  static func decode(
    _ text: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(Fault) {
    let count = try decodedCount(text)
    guard count == output.count else { throw .length(expected: output.count, found: count) }
    guard count > 0, let source = text.baseAddress, let target = output.baseAddress else { return }
    // Whole groups whose four-byte store stays inside the output.
    let groups = max(0, (count - 1) / 3)
    var bad = UInt32(0)
    decodeTable.withUnsafeBufferPointer { table in
      for group in 0..<groups {
        let word = source.loadUnaligned(fromByteOffset: group &* 4, as: UInt32.self)
        let bytes =
          table[Int(word & 255)] | table[Int(256 &+ ((word &>> 8) & 255))]
          | table[Int(512 &+ ((word &>> 16) & 255))] | table[Int(768 &+ (word &>> 24))]
        bad |= bytes
        let place = group &* 3
        // At least one byte is left for the last group: four bytes fit.
        target.storeBytes(of: bytes, toByteOffset: place, as: UInt32.self)
      }
    }
    guard bad & marker == 0 else { throw firstBadCharacter(text) }
    try decodeLastGroup(
      UnsafeRawBufferPointer(rebasing: text[(groups * 4)...]), at: groups * 4,
      into: UnsafeMutableRawBufferPointer(rebasing: output[(groups * 3)...]))
  }

  private static func decodeLastGroup(
    _ text: UnsafeRawBufferPointer, at place: Int, into output: UnsafeMutableRawBufferPointer
  ) throws(Fault) {
    var bytes = UInt32(0)
    for index in 0..<4 where index <= output.count {
      let value = decodeTable[index * 256 + Int(text[index])]
      guard value & marker == 0 else { throw .character(text[index], at: place + index) }
      bytes |= value
    }
    for index in output.indices { output[index] = UInt8(truncatingIfNeeded: bytes >> (index * 8)) }
  }

  private static func firstBadCharacter(_ text: UnsafeRawBufferPointer) -> Fault {
    for index in text.indices where decodeTable[Int(text[index])] & marker != 0 {
      return .character(text[index], at: index)
    }
    return .unpadded(text.count)
  }

  /// Characters that `count` bytes take, padding included.
  static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

  /// Encodes `bytes` into `output`, which must hold `encodedCount(bytes.count)` characters.
  static func encode(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) {
    guard output.count >= encodedCount(bytes.count), let source = bytes.baseAddress else { return }
    let groups = bytes.count / 3
    encodeTable.withUnsafeBufferPointer { table in
      for group in 0..<groups {
        let place = group &* 3
        let word =
          UInt32(source.load(fromByteOffset: place, as: UInt8.self)) &<< 16
          | UInt32(source.load(fromByteOffset: place &+ 1, as: UInt8.self)) &<< 8
          | UInt32(source.load(fromByteOffset: place &+ 2, as: UInt8.self))
        // Twelve bits a lookup give two characters at once.
        let pair =
          UInt32(table[Int(word &>> 12)]) | UInt32(table[Int(word & 0xFFF)]) &<< 16
        output.storeBytes(of: pair, toByteOffset: group &* 4, as: UInt32.self)
      }
    }
    let rest = bytes.count - groups * 3
    guard rest > 0 else { return }
    let first = bytes[groups * 3]
    let second = rest == 2 ? bytes[groups * 3 + 1] : 0
    let word = UInt32(first) << 16 | UInt32(second) << 8
    output[groups * 4] = alphabet[Int(word >> 18)]
    output[groups * 4 + 1] = alphabet[Int(word >> 12 & 63)]
    output[groups * 4 + 2] = rest == 2 ? alphabet[Int(word >> 6 & 63)] : equals
    output[groups * 4 + 3] = equals
  }

  /// Python's `encodebytes` ends a line every 76 characters: the text without line ends and blanks.
  static func withoutLineEnds(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    text.filter { $0 > 32 }
  }

  private static let equals = UInt8(ascii: "=")
  /// In the fourth byte of a table's entry, which holds no data.
  private static let marker = UInt32(0x8000_0000)
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// For each of a group's four places, what each character gives to the group's three bytes,
  /// first byte lowest.
  private static let decodeTable: [UInt32] = {
    var table = [UInt32](repeating: marker, count: 1024)
    for (value, character) in alphabet.enumerated() {
      for place in 0..<4 {
        let word = UInt32(value) << (18 - 6 * place)
        table[place * 256 + Int(character)] =
          word >> 16 & 255 | (word >> 8 & 255) << 8 | (word & 255) << 16
      }
    }
    return table
  }()

  /// The two characters of twelve bits.
  private static let encodeTable: [UInt16] = (0..<4096).map { bits in
    UInt16(alphabet[bits >> 6]) | UInt16(alphabet[bits & 63]) << 8
  }
}
