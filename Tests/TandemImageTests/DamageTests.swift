import TandemImage
import Testing

/// Damaged files give a picture or an error, and never end the process.
@Suite struct DamageTests {
  static let options = DecodeOptions(maximumPixels: 20_000)

  /// The picture's size, or nil when an error with a message was thrown.
  static func outcome(_ bytes: [UInt8]) throws -> PixelSize? {
    do {
      let image = try Image(bytes: bytes, name: "damaged", options: options)
      #expect(image.pixels.count == image.width * image.height * 3)
      return image.size
    } catch let error as ImageError {
      #expect(error.name == "damaged")
      #expect(!error.reason.isEmpty)
      return nil
    }
  }

  @Test(arguments: Fixtures.readable)
  func everyCutIsRefused(_ file: String) throws {
    let bytes = try Fixtures.bytes(file)
    for length in 0..<bytes.count {
      let size = try DamageTests.outcome(Array(bytes.prefix(length)))
      // A JPEG of one scan that lacks only its end marker of two bytes has all its pixels.
      if file.hasSuffix(".jpg"), length >= bytes.count - 2 { continue }
      #expect(size == nil, "\(length) of \(bytes.count) bytes were taken for a whole picture")
    }
  }

  @Test(arguments: ["jpeg-420.jpg", "jpeg-progressive.jpg", "png-rgb8.png", "webp-lossy.webp"])
  func halfAFileIsCalledTruncated(_ file: String) throws {
    let bytes = try Fixtures.bytes(file)
    let error = try #require(throws: ImageError.self) {
      try Image(bytes: Array(bytes.prefix(bytes.count / 2)), name: file)
    }
    #expect(error.kind == .truncated)
    #expect(error.reason.contains("truncated"))
  }

  @Test(arguments: Fixtures.readable)
  func changedBytesNeverCrash(_ file: String) throws {
    let bytes = try Fixtures.bytes(file)
    for position in bytes.indices {
      for mask: UInt8 in [0xFF, 0x01, 0x80] {
        var damaged = bytes
        damaged[position] ^= mask
        _ = try DamageTests.outcome(damaged)
      }
    }
  }

  @Test(arguments: Fixtures.readable)
  func scatteredDamageNeverCrashes(_ file: String) throws {
    let bytes = try Fixtures.bytes(file)
    var random = TestRandom(state: 7)
    for _ in 0..<200 {
      var damaged = bytes
      for _ in 0..<8 {
        let position = Int.random(in: 2..<bytes.count, using: &random)
        damaged[position] = UInt8.random(in: 0...255, using: &random)
      }
      _ = try DamageTests.outcome(damaged)
    }
  }

  @Test func changedPixelsOfAPNGAreNoticed() throws {
    // The check sums of the format see every change from the header on, in any chunk that counts.
    let bytes = try Fixtures.bytes("png-rgba8.png")
    for position in 8..<bytes.count {
      var damaged = bytes
      damaged[position] ^= 0x10
      #expect(try DamageTests.outcome(damaged) == nil, "a change at \(position) went unnoticed")
    }
  }
}
