// Texts as pickles hold them: UTF-8 with lone surrogates, and the escaped lines of protocol 0.

/// Whether the bytes are UTF-8 as Python writes it: strict, save that lone surrogates may stand in
/// it (they read as U+FFFD).
func isPythonText(_ bytes: UnsafeRawBufferPointer) -> Bool {
  var position = 0
  let count = bytes.count
  while position < count {
    if position <= count - 8,
      bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
    {
      position += 8
      continue
    }
    let first = bytes[position]
    let length: Int
    let least: UInt32
    switch first {
    case 0..<0x80: (length, least) = (1, 0)
    case 0xc2..<0xe0: (length, least) = (2, 0x80)
    case 0xe0..<0xf0: (length, least) = (3, 0x800)
    case 0xf0..<0xf5: (length, least) = (4, 0x1_0000)
    default: return false
    }
    guard length <= count - position else { return false }
    var scalar = length == 1 ? UInt32(first) : UInt32(first) & (0x7f >> UInt32(length))
    for place in 1..<max(1, length) {
      let byte = bytes[position + place]
      guard byte & 0xc0 == 0x80 else { return false }
      scalar = scalar << 6 | UInt32(byte & 0x3f)
    }
    guard scalar >= least, scalar <= 0x10_ffff else { return false }
    position += length
  }
  return true
}

enum PickleText {
  /// The UTF-8 of a line in Python's "raw-unicode-escape": Latin-1 with \uXXXX and \UXXXXXXXX; nil
  /// for a damaged escape.
  static func unescapingUnicode(_ line: UnsafeRawBufferPointer) -> [UInt8]? {
    var text: [UInt8] = []
    var position = 0
    while position < line.count {
      let byte = line[position]
      position += 1
      let digits: Int
      switch (byte, position < line.count ? line[position] : 0) {
      case (0x5c, 0x75): digits = 4
      case (0x5c, 0x55): digits = 8
      default: digits = 0
      }
      guard digits > 0 else {
        appendScalar(UInt32(byte), to: &text)
        continue
      }
      guard let scalar = hexadecimal(line, at: position + 1, digits: digits), scalar <= 0x10_ffff
      else { return nil }
      appendScalar(scalar, to: &text)
      position += 1 + digits
    }
    return text
  }

  /// The bytes of a quoted string literal of Python 2; nil where it is none.
  static func unescapingBytes(_ line: UnsafeRawBufferPointer) -> [UInt8]? {
    var end = line.count
    while end > 0, [0x20, 0x0d, 0x09].contains(line[end - 1]) { end -= 1 }
    guard end >= 2, line[0] == line[end - 1], line[0] == 0x27 || line[0] == 0x22 else {
      return nil
    }
    let simple: [UInt8: UInt8] = [
      0x5c: 0x5c, 0x27: 0x27, 0x22: 0x22, 0x6e: 0x0a, 0x72: 0x0d, 0x74: 0x09, 0x61: 0x07,
      0x62: 0x08, 0x66: 0x0c, 0x76: 0x0b,
    ]
    var bytes: [UInt8] = []
    var position = 1
    while position < end - 1 {
      let byte = line[position]
      position += 1
      guard byte == 0x5c else {
        bytes.append(byte)
        continue
      }
      guard position < end - 1 else { return nil }
      let kind = line[position]
      if let plain = simple[kind] {
        bytes.append(plain)
        position += 1
      } else if kind == 0x78 {
        guard position + 3 <= end - 1, let value = hexadecimal(line, at: position + 1, digits: 2)
        else { return nil }
        bytes.append(UInt8(value))
        position += 3
      } else if (0x30...0x37).contains(kind) {
        var value: UInt32 = 0
        var digits = 0
        while digits < 3, position < end - 1, (0x30...0x37).contains(line[position]) {
          value = value * 8 + UInt32(line[position] - 0x30)
          position += 1
          digits += 1
        }
        bytes.append(UInt8(truncatingIfNeeded: value))
      } else {
        bytes.append(byte)  // Python keeps the backslash of an escape it does not know
      }
    }
    return bytes
  }

  /// The Latin-1 bytes of a UTF-8 text; nil where a character has none.
  static func latin1(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var position = 0
    while position < text.count {
      let byte = text[position]
      if byte < 0x80 {
        bytes.append(byte)
        position += 1
      } else {
        guard byte & 0xfc == 0xc0, position + 1 < text.count else { return nil }
        bytes.append((byte & 3) << 6 | text[position + 1] & 0x3f)
        position += 2
      }
    }
    return bytes
  }

  private static func hexadecimal(
    _ line: UnsafeRawBufferPointer, at start: Int, digits: Int
  ) -> UInt32? {
    guard start + digits <= line.count else { return nil }
    var value: UInt32 = 0
    for place in start..<(start + digits) {
      let digit: UInt8
      switch line[place] {
      case 0x30...0x39: digit = line[place] - 0x30
      case 0x41...0x46: digit = line[place] - 0x41 + 10
      case 0x61...0x66: digit = line[place] - 0x61 + 10
      default: return nil
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  /// Appends the UTF-8 of a scalar, that of a lone surrogate too.
  private static func appendScalar(_ scalar: UInt32, to text: inout [UInt8]) {
    func tail(_ shift: UInt32) -> UInt8 { 0x80 | UInt8(scalar >> shift & 0x3f) }
    switch scalar {
    case 0..<0x80: text.append(UInt8(scalar))
    case 0x80..<0x800: text.append(contentsOf: [0xc0 | UInt8(scalar >> 6), tail(0)])
    case 0x800..<0x1_0000:
      text.append(contentsOf: [0xe0 | UInt8(scalar >> 12), tail(6), tail(0)])
    default:
      text.append(contentsOf: [0xf0 | UInt8(scalar >> 18), tail(12), tail(6), tail(0)])
    }
  }
}
