import Foundation
import TandemImage
import Testing

@Suite struct AugmentTests {
  /// Tables, blending in single precision, and nearest-pixel geometry are those of Pillow.
  static let tolerance = 0

  @Test(arguments: Fixtures.expected.augment)
  func equalsPillow(_ entry: Fixtures.Entry) throws {
    let subject = try Image(contentsOfFile: Fixtures.path("subject.png"))
    let operation = try #require(AugmentOperation(rawValue: entry.operation ?? ""))
    let magnitude = try #require(entry.magnitude)
    let result = try operation.apply(to: subject, magnitude: magnitude)
    let difference = try #require(largestDifference(result, try entry.image))
    #expect(difference <= AugmentTests.tolerance)
  }

  /// The published list: every operation's value at level 9, with inversion and cut-out absent.
  @Test func valuesAtTheUsualLevel() {
    let expected: [AugmentOperation: Double] = [
      .autoContrast: 0.3, .equalize: 0.3, .rotate: 9, .posterize: 1.2, .solarize: 76.8,
      .solarizeAdd: 33, .color: 0.64, .contrast: 0.64, .brightness: 0.64, .sharpness: 0.64,
      .shearX: 0.09, .shearY: 0.09, .translateX: 30, .translateY: 30,
    ]
    #expect(AugmentOperation.allCases.count == expected.count)
    for operation in AugmentOperation.allCases {
      let value = operation.value(atLevel: 9)
      #expect(abs(value - (expected[operation] ?? .nan)) < 1e-12)
    }
  }

  @Test(arguments: AugmentOperation.allCases)
  func anySizeAndMagnitudeIsSafe(_ operation: AugmentOperation) throws {
    for (width, height) in [(1, 1), (1, 9), (9, 1), (2, 2), (3, 3), (5, 4)] {
      let image = try noise(width, height)
      for magnitude in [-10_000, -300, -1, -0.5, 0, 0.5, 1, 8, 255, 256, 300, 10_000] {
        let result = try operation.apply(to: image, magnitude: magnitude)
        #expect(result.size == image.size)
        #expect(result.pixels.count == image.pixels.count)
      }
    }
    let image = try noise(2, 2)
    for magnitude in [Double.nan, .infinity, -.infinity, 1e300] {
      #expect(throws: ImageError.self) { try operation.apply(to: image, magnitude: magnitude) }
    }
  }

  @Test func veryLongPicturesMoveToo() throws {
    // Too long for 16.16 fixed point: the floating point way. Row 1 moves left by one pixel.
    var image = try Image(width: 40_000, height: 2, color: .black)
    image.drawBox(x: 39_000, y: 0, width: 1, height: 2, color: .white, thickness: 1)
    let sheared = try AugmentOperation.shearX.apply(to: image, magnitude: 1)
    #expect(sheared[39_000, 0] == .white || sheared[38_999, 0] == .white)
    #expect(sheared[38_999, 1] == .white || sheared[38_998, 1] == .white)
    #expect(sheared.pixels.count { $0 == 255 } == 6)
  }

  @Test func drawsAreSeededUniformAndSigned() throws {
    let augment = try RandAugment(count: 2, magnitude: 9)
    var random = TestRandom(state: 11)
    var counts: [AugmentOperation: Int] = [:]
    var negative = 0
    var signed = 0
    let draws = 14_000
    for _ in 0..<draws {
      let drawn = augment.draw(using: &random)
      #expect(drawn.count == 2)
      for (operation, value) in drawn {
        counts[operation, default: 0] += 1
        #expect(abs(value) == operation.value(atLevel: 9))
        if operation.hasSign {
          signed += 1
          if value < 0 { negative += 1 }
        } else {
          #expect(value >= 0)
        }
      }
    }
    // 2000 expected for each of 14; five standard deviations are about 215.
    for operation in AugmentOperation.allCases {
      #expect(abs((counts[operation] ?? 0) - 2000) < 215)
    }
    #expect(abs(Double(negative) / Double(signed) - 0.5) < 0.03)
  }

  @Test func sameSeedSamePicture() throws {
    let image = try Image(contentsOfFile: Fixtures.path("subject.png"))
    let augment = try RandAugment()
    var results: [Image] = []
    for seed: UInt64 in [5, 5, 6, 7, 8] {
      var random = TestRandom(state: seed)
      results.append(try augment.apply(to: image, using: &random))
    }
    #expect(results[0] == results[1])
    #expect(results[2...].contains { $0 != results[0] })
    var random = TestRandom(state: 1)
    #expect(try RandAugment(count: 0).apply(to: image, using: &random) == image)
  }

  @Test func settingsAreChecked() throws {
    #expect(throws: ImageError.self) { try RandAugment(count: -1) }
    #expect(throws: ImageError.self) { try RandAugment(magnitude: 31) }
    #expect(throws: ImageError.self) { try RandAugment(magnitude: .nan) }
    let json = Data(#"{"count":3,"magnitude":12}"#.utf8)
    #expect(
      try JSONDecoder().decode(RandAugment.self, from: json)
        == RandAugment(count: 3, magnitude: 12))
    #expect(throws: ImageError.self) {
      try JSONDecoder().decode(RandAugment.self, from: Data(#"{"count":3,"magnitude":99}"#.utf8))
    }
  }
}
