import Foundation
import TandemImage
import Testing

/// The files of Tests/Fixtures/image and what Pillow sees in them (make_image.py).
enum Fixtures {
  /// One picture that Pillow gave, and what it was made from.
  struct Entry: Decodable, Sendable, CustomTestStringConvertible {
    let width: Int
    let height: Int
    let pixels: Data
    let file: String?
    let filter: String?
    let operation: String?
    let magnitude: Double?

    var image: Image {
      get throws { try Image(width: width, height: height, pixels: [UInt8](pixels)) }
    }

    var testDescription: String {
      let value = magnitude.map { " \($0)" } ?? ""
      return "\(file ?? filter ?? operation ?? "") \(width)x\(height)\(value)"
    }
  }

  struct Expected: Decodable, Sendable {
    let decode: [Entry]
    let resize: [Entry]
    let augment: [Entry]
  }

  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appending(path: "Fixtures/image")

  static func path(_ name: String) -> String { folder.appending(path: name).path }

  static func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: folder.appending(path: name)))
  }

  /// A missing or broken file gives empty lists; `FixtureTests` fails on those.
  static let expected: Expected = {
    let data = (try? Data(contentsOf: folder.appending(path: "expected.json"))) ?? Data()
    let decoded = try? JSONDecoder().decode(Expected.self, from: data)
    return decoded ?? Expected(decode: [], resize: [], augment: [])
  }()

  /// Every picture file that can be read.
  static let readable = expected.decode.compactMap(\.file) + ["source.png", "subject.png"]
}

/// The largest difference between two pictures of the same size, in bytes; nil for unequal sizes.
func largestDifference(_ one: Image, _ other: Image) -> Int? {
  guard one.size == other.size else { return nil }
  return zip(one.pixels, other.pixels).map { abs(Int($0) - Int($1)) }.max()
}

/// SplitMix64 (Steele et al. 2014), so that tests draw the same numbers on every machine.
struct TestRandom: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}

/// A picture of random bytes.
func noise(_ width: Int, _ height: Int, seed: UInt64 = 1) throws -> Image {
  var random = TestRandom(state: seed)
  let pixels = (0..<width * height * 3).map { _ in UInt8.random(in: 0...255, using: &random) }
  return try Image(width: width, height: height, pixels: pixels)
}

/// A picture whose red rises to the right and whose green falls to the bottom.
func slope(_ width: Int, _ height: Int) throws -> Image {
  let pixels = (0..<width * height).flatMap { position -> [UInt8] in
    let (x, y) = (position % width, position / width)
    return [UInt8(40 + 3 * x), UInt8(200 - 4 * y), 120]
  }
  return try Image(width: width, height: height, pixels: pixels)
}
