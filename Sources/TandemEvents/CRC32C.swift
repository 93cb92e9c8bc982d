// CRC-32C, the checksum of TFRecord framing: the CRC with Castagnoli's polynomial (RFC 3720,
// appendix B.4). One table look-up a byte; an event is a few dozen bytes long.

/// The CRC-32C checksum, and the masked form that TFRecord stores.
package enum CRC32C {
  /// The checksum of `bytes`; 0 for none.
  package static func checksum(of bytes: UnsafeRawBufferPointer) -> UInt32 {
    var remainder: UInt32 = 0xFFFF_FFFF
    table.withUnsafeBufferPointer { table in
      for byte in bytes {
        remainder = table[Int(UInt8(truncatingIfNeeded: remainder) ^ byte)] ^ (remainder >> 8)
      }
    }
    return ~remainder
  }

  /// The checksum of `bytes`; 0 for none.
  package static func checksum(of bytes: [UInt8]) -> UInt32 {
    bytes.withUnsafeBytes { checksum(of: $0) }
  }

  /// The checksum as TFRecord stores it: rotated right by 15 bits, plus a constant. A plain CRC of
  /// bytes that hold their own CRC says little; the mask prevents that.
  package static func masked(_ checksum: UInt32) -> UInt32 {
    ((checksum >> 15) | (checksum << 17)) &+ 0xA282_EAD8
  }

  /// Castagnoli's polynomial with its bits in reverse order, as the byte-wise form wants it.
  private static let reversedPolynomial: UInt32 = 0x82F6_3B78

  /// What each value of a byte does to the remainder.
  private static let table: [UInt32] = (0..<256).map { (byte: UInt32) in
    (0..<8).reduce(byte) { remainder, _ in
      remainder & 1 == 0 ? remainder >> 1 : (remainder >> 1) ^ reversedPolynomial
    }
  }
}
