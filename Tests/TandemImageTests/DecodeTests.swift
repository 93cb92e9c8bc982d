import Foundation
import TandemImage
import Testing

@Suite struct DecodeTests {
  /// Decoding is exact: libjpeg-turbo's accurate integer DCT is specified to the bit, and the
  /// other formats leave no choice but the blending over white, which has one rounding.
  static let tolerance = 0

  @Test func fixturesAreComplete() {
    #expect(Fixtures.expected.decode.count == 47)
    #expect(Fixtures.expected.resize.count == 16)
    #expect(Set(Fixtures.expected.augment.compactMap(\.operation)).count == 14)
  }

  @Test(arguments: Fixtures.expected.decode)
  func equalsPillow(_ entry: Fixtures.Entry) throws {
    let file = try #require(entry.file)
    let image = try Image(contentsOfFile: Fixtures.path(file))
    let difference = try #require(largestDifference(image, try entry.image))
    #expect(difference <= DecodeTests.tolerance)
    let fromMemory = try Image(bytes: Fixtures.bytes(file), name: file)
    #expect(fromMemory == image)
    #expect(try Image.size(ofFile: Fixtures.path(file)) == image.size)
  }

  @Test func orientationCanBeLeftAlone() throws {
    let path = Fixtures.path("jpeg-orientation-6.jpg")
    let stored = try Image(
      contentsOfFile: path, options: DecodeOptions(appliesOrientation: false))
    #expect(stored.size == PixelSize(width: 20, height: 11))
    let upright = try Image(contentsOfFile: path)
    #expect(upright.size == PixelSize(width: 11, height: 20))
    // A quarter turn to the right: the stored bottom left corner comes to the top left.
    #expect(upright[0, 0] == stored[0, 10])
    #expect(upright[10, 0] == stored[0, 0])
    #expect(
      try Image.size(ofFile: path, appliesOrientation: false) == PixelSize(width: 20, height: 11))
  }

  @Test(arguments: [
    (18, 14, 19, 15), (19, 14, 37, 29), (9, 7, 10, 8), (4, 3, 5, 4), (1, 1, 5, 4), (37, 29, 37, 29),
  ])
  func scaledDecodeStaysAboveTheTarget(
    _ width: Int, _ height: Int, _ expectedWidth: Int, _ expectedHeight: Int
  ) throws {
    let options = DecodeOptions(scale: .atLeast(width: width, height: height))
    let image = try Image(contentsOfFile: Fixtures.path("jpeg-444.jpg"), options: options)
    #expect(image.size == PixelSize(width: expectedWidth, height: expectedHeight))
  }

  @Test func scaledDecodeLooksLikeTheExactOne() throws {
    // A smooth picture: what is left is the difference of two ways to average 2x2 pixels.
    let tolerance = 6
    let bytes = try slope(48, 32).jpegData(quality: 98)
    let options = DecodeOptions(scale: .atLeast(width: 24, height: 16))
    let scaled = try Image(bytes: bytes, name: "smooth", options: options)
    let exact = try Image(bytes: bytes, name: "smooth")
      .resized(width: 24, height: 16, filter: .bilinear)
    let difference = try #require(largestDifference(scaled, exact))
    #expect(difference <= tolerance)
  }

  @Test(arguments: [
    ("refused-empty.jpg", ImageError.Kind.unreadable, "empty"),
    ("refused-text.jpg", .notAPicture, "54 68 69 73"),
    ("refused-huge.png", .tooLarge, "30000x20000"),
    ("refused-huge.jpg", .tooLarge, "60000x60000"),
    ("refused-huge.webp", .tooLarge, "65536x65536"),
    ("refused-animated.webp", .invalid, "animated"),
    ("missing.jpg", .unreadable, "No such file"),
    ("", .unreadable, "folder"),
  ])
  func refusesWithFileAndReason(
    _ file: String, _ kind: ImageError.Kind, _ reason: String
  ) throws {
    let path = Fixtures.path(file)
    let error = try #require(throws: ImageError.self) { try Image(contentsOfFile: path) }
    #expect(error.kind == kind)
    #expect(error.name == path)
    #expect(error.description.hasPrefix(path))
    #expect(error.description.contains(reason))
  }

  @Test func refusesEmptyBytes() {
    #expect(throws: ImageError(.unreadable, "nothing", "there are no bytes")) {
      try Image(bytes: [], name: "nothing")
    }
  }

  @Test func limitsAreTheCallers() throws {
    let path = Fixtures.path("jpeg-444.jpg")
    let error = try #require(throws: ImageError.self) {
      try Image(contentsOfFile: path, options: DecodeOptions(maximumPixels: 37 * 29 - 1))
    }
    #expect(error.kind == .tooLarge)
    let exact = DecodeOptions(maximumPixels: 37 * 29)
    #expect(try Image(contentsOfFile: path, options: exact).width == 37)
    let bytes = try #require(throws: ImageError.self) {
      try Image(contentsOfFile: path, options: DecodeOptions(maximumBytes: 100))
    }
    #expect(bytes.kind == .tooLarge)
  }

  @Test func hugePictureIsRefusedFromItsHeader() throws {
    // A header and 8 GB of nothing (a file with a hole). Reading it whole would take 8 GB.
    let file = FileManager.default.temporaryDirectory
      .appending(path: "huge-\(ProcessInfo.processInfo.globallyUniqueString).png")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data(Fixtures.bytes("refused-huge.png").prefix(33)).write(to: file)
    let handle = try FileHandle(forWritingTo: file)
    try handle.truncate(atOffset: 8 << 30)
    try handle.close()
    let error = try #require(throws: ImageError.self) { try Image(contentsOfFile: file.path) }
    #expect(error.kind == .tooLarge)
    #expect(error.reason.contains("30000x20000"))
    #expect(
      try Image.size(ofFile: file.path) == PixelSize(width: 30000, height: 20000))
  }

  @Test func encodesWhatItDecodes() throws {
    let image = try noise(33, 17)
    let png = try Image(bytes: image.pngData(), name: "png")
    #expect(png == image)
    // A slope of colours, which the format keeps almost as it is at its best quality.
    let source = try slope(48, 32)
    let file = try source.jpegData(quality: 100)
    let jpeg = try Image(bytes: file, name: "jpeg")
    let difference = try #require(largestDifference(jpeg, source))
    #expect(difference <= 4)
    #expect(try source.jpegData(quality: 20).count < file.count * 3 / 4)
    #expect(throws: ImageError.self) { try source.jpegData(quality: 0) }
    #expect(throws: ImageError.self) { try source.jpegData(quality: 101) }
  }

  @Test func jpegEncoderReportsItsLimit() throws {
    let long = try Image(width: 70_000, height: 1, color: .white)
    let error = try #require(throws: ImageError.self) { try long.jpegData(quality: 50) }
    #expect(error.reason.contains("65500"))
  }
}
