// A fast 64-bit checksum for records, and the hash that orders the index.

/// Four lanes of multiply and rotate over 32 bytes at a time.
///
/// Every step is one-to-one in its lane, so a change confined to one 8-byte word always changes the
/// result; other damage goes unseen with a chance of 2⁻⁶⁴. It guards against accidents (a torn
/// write, a bad disk), not against people. Part of the store's format: never change it, only add a
/// version.
enum Checksum {
  static func of(_ bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) -> UInt64 {
    var (a, b, c, d) = (seed ^ p1, seed ^ p2, seed ^ p3, seed ^ p4)
    guard let base = bytes.baseAddress else { return finish(a, b, c, d, 0) }
    var offset = 0
    while offset &+ 32 <= bytes.count {
      a = step(a, base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      b = step(b, base.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt64.self))
      c = step(c, base.loadUnaligned(fromByteOffset: offset &+ 16, as: UInt64.self))
      d = step(d, base.loadUnaligned(fromByteOffset: offset &+ 24, as: UInt64.self))
      offset &+= 32
    }
    while offset &+ 8 <= bytes.count {
      a = step(a, base.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      (a, b, c, d) = (b, c, d, a)
      offset &+= 8
    }
    var tail = UInt64(0)
    var shift = UInt64(0)
    while offset < bytes.count {
      tail |= UInt64(bytes[offset]) &<< shift
      shift &+= 8
      offset &+= 1
    }
    return finish(step(a, tail), b, c, d, UInt64(bytes.count))
  }

  static func of(_ text: String, seed: UInt64 = 0) -> UInt64 {
    var text = text
    return text.withUTF8 { of(UnsafeRawBufferPointer($0), seed: seed) }
  }

  private static let p1: UInt64 = 0x9E37_79B9_7F4A_7C15
  private static let p2: UInt64 = 0xD1B5_4A32_D192_ED03
  private static let p3: UInt64 = 0x8CB9_2BA7_2F3D_8DD7
  private static let p4: UInt64 = 0xABC9_8388_FB8F_AC03

  private static func step(_ lane: UInt64, _ word: UInt64) -> UInt64 {
    let mixed = (lane ^ word) &* p1
    return mixed &<< 29 | mixed &>> 35
  }

  private static func finish(
    _ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64, _ count: UInt64
  ) -> UInt64 {
    var value = step(step(step(step(count &+ p2, a), b), c), d)
    value = (value ^ value &>> 31) &* p3
    value = (value ^ value &>> 29) &* p4
    return value ^ value &>> 32
  }
}
