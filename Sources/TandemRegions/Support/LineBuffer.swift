// A line being written: text and base64, in one buffer that is used again.

struct LineBuffer {
  private(set) var bytes: [UInt8] = []

  mutating func clear() { bytes.removeAll(keepingCapacity: true) }

  mutating func add(_ text: String) { bytes.append(contentsOf: text.utf8) }

  mutating func add(_ byte: UInt8) { bytes.append(byte) }

  mutating func add(base64 values: [Float]) { values.withUnsafeBytes { add(base64: $0) } }

  /// As int64, as NumPy's default integers are.
  mutating func add(base64 values: [Int32]) {
    values.map { Int64($0) }.withUnsafeBytes { add(base64: $0) }
  }

  mutating func add(base64 raw: UnsafeRawBufferPointer) {
    let start = bytes.count
    let count = Base64.encodedCount(raw.count)
    bytes.reserveCapacity(start + count)
    bytes.append(contentsOf: repeatElement(0, count: count))
    bytes.withUnsafeMutableBytes {
      Base64.encode(raw, into: UnsafeMutableRawBufferPointer(rebasing: $0[start...]))
    }
  }

  /// A JSON string, with what JSON asks to be escaped escaped, and other characters beyond ASCII as
  /// \u sequences, as Python writes them.
  mutating func add(json text: String) {
    add(UInt8(ascii: "\""))
    for unit in text.utf16 {
      switch unit {
      case 34: add("\\\"")
      case 92: add("\\\\")
      case 10: add("\\n")
      case 13: add("\\r")
      case 9: add("\\t")
      case 32..<127: add(UInt8(unit))
      default:
        let digits = String(unit, radix: 16)
        add("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
      }
    }
    add(UInt8(ascii: "\""))
  }
}

extension String {
  /// Whether the text can stand between `separator`s in a line.
  func fits(between separator: UInt8) -> Bool {
    !utf8.contains { $0 == separator || $0 == 10 || $0 == 13 }
  }
}
