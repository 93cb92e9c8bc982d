// The checksum against published vectors.

import TandemEvents
import Testing

@Suite struct CRC32CTests {
  /// RFC 3720, appendix B.4, and the check value of the CRC catalogue ("123456789").
  static let vectors: [(name: String, bytes: [UInt8], checksum: UInt32)] = [
    ("nothing", [], 0),
    ("123456789", Array("123456789".utf8), 0xE306_9283),
    ("32 bytes of zero", Array(repeating: 0, count: 32), 0x8A91_36AA),
    ("32 bytes of ones", Array(repeating: 0xFF, count: 32), 0x62A8_AB43),
    ("0 to 31", Array(0..<32), 0x46DD_794E),
    ("31 to 0", Array((0..<32).reversed()), 0x113F_DB5C),
    (
      "an iSCSI read command",
      [
        0x01, 0xC0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
      ],
      0xD996_3A56
    ),
  ]

  @Test(arguments: vectors.indices) func publishedVector(index: Int) {
    let vector = Self.vectors[index]
    #expect(CRC32C.checksum(of: vector.bytes) == vector.checksum, "\(vector.name)")
  }

  /// From the definition: rotating a power of two is easy to do by hand.
  @Test func maskRotatesRightBy15AndAddsTheConstant() {
    #expect(CRC32C.masked(0) == 0xA282_EAD8)
    #expect(CRC32C.masked(1 << 15) == 0xA282_EAD9)
    #expect(CRC32C.masked(1) == 0xA284_EAD8)
    #expect(CRC32C.masked(0xFFFF_FFFF) == 0xA282_EAD7)
  }
}
