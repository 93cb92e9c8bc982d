/// The word being read, normalised: its UTF-8 bytes, and the scalar each byte came from.
struct WordBuffer {
  private(set) var bytes: [UInt8] = []
  /// For each byte, the place of its scalar in the original text.
  private(set) var origins: [Int32] = []
  private(set) var scalarCount = 0

  init() {
    bytes.reserveCapacity(64)
    origins.reserveCapacity(64)
  }

  var isEmpty: Bool { bytes.isEmpty }

  @inline(__always)
  mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    origins.removeAll(keepingCapacity: true)
    scalarCount = 0
  }

  @inline(__always)
  mutating func append(_ value: UInt32, origin: Int32) {
    if value < 0x80 {
      append(byte: value, origin)
    } else if value < 0x800 {
      append(byte: 0xC0 | value >> 6, origin)
      append(byte: 0x80 | value & 0x3F, origin)
    } else if value < 0x10000 {
      append(byte: 0xE0 | value >> 12, origin)
      append(byte: 0x80 | value >> 6 & 0x3F, origin)
      append(byte: 0x80 | value & 0x3F, origin)
    } else {
      append(byte: 0xF0 | value >> 18, origin)
      append(byte: 0x80 | value >> 12 & 0x3F, origin)
      append(byte: 0x80 | value >> 6 & 0x3F, origin)
      append(byte: 0x80 | value & 0x3F, origin)
    }
    scalarCount += 1
  }

  @inline(__always)
  private mutating func append(byte: UInt32, _ origin: Int32) {
    bytes.append(UInt8(truncatingIfNeeded: byte))
    origins.append(origin)
  }

  /// The stretch of the original text that `bytes[range]`, not empty, came from.
  @inline(__always)
  func original(_ range: Range<Int>) -> Range<Int32> {
    let first = origins[range.lowerBound]
    let last = origins[range.upperBound - 1]
    // Marks put into canonical order keep rising origins, so the range is never reversed.
    return first..<last + 1
  }
}
