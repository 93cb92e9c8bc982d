import Foundation
import TandemImage
import Testing

@Suite struct ResizeTests {
  /// Same fixed-point arithmetic, so the same bytes.
  static let tolerance = 0

  @Test(arguments: Fixtures.expected.resize)
  func equalsPillow(_ entry: Fixtures.Entry) throws {
    let source = try Image(contentsOfFile: Fixtures.path("source.png"))
    let filter = try #require(ResizeFilter(rawValue: entry.filter ?? ""))
    let result = try source.resized(width: entry.width, height: entry.height, filter: filter)
    let difference = try #require(largestDifference(result, try entry.image))
    #expect(difference <= ResizeTests.tolerance)
  }

  @Test func oneColourStays() throws {
    let color = RGB(3, 128, 251)
    let image = try Image(width: 57, height: 41, color: color)
    for filter in ResizeFilter.allCases {
      for (width, height) in [(1, 1), (13, 200), (400, 3), (57, 40)] {
        let result = try image.resized(width: width, height: height, filter: filter)
        #expect(result == (try Image(width: width, height: height, color: color)))
      }
    }
  }

  @Test func mirroringAndResizingCommute() throws {
    let image = try noise(50, 34)
    let one = try image.mirrored().resized(width: 23, height: 51)
    let other = try image.resized(width: 23, height: 51).mirrored()
    // A weight at exactly half a step may round to either side.
    let difference = try #require(largestDifference(one, other))
    #expect(difference <= 1)
  }

  @Test func badSizesAreRefused() throws {
    let image = try noise(4, 4)
    for (width, height) in [(0, 4), (4, 0), (-1, 4), (Int.max, 1), (1_000_000, 1_000_000)] {
      #expect(throws: ImageError.self) { try image.resized(width: width, height: height) }
    }
  }

  // systems reference, ViLT's rule: width, height, resized width, resized height, patches of 32.
  @Test(arguments: [
    [640, 480, 512, 384, 192], [500, 375, 512, 384, 192], [640, 427, 576, 384, 216],
    [500, 333, 576, 384, 216], [640, 400, 608, 384, 228], [1333, 800, 608, 352, 209],
    [640, 360, 608, 352, 209], [1920, 1080, 608, 352, 209], [1000, 300, 608, 192, 114],
    [100, 100, 384, 384, 144], [480, 640, 384, 512, 192],
  ])
  func viltRule(_ row: [Int]) throws {
    let size = try ResizeRule.vilt().size(for: PixelSize(width: row[0], height: row[1]))
    #expect(size == PixelSize(width: row[2], height: row[3]))
    #expect(size.width / 32 * (size.height / 32) == row[4])
  }

  @Test func viltRuleNumbers() {
    #expect(ResizeRule.vilt() == .fit(shorter: 384, longer: 639, multiple: 32))
    #expect(ResizeRule.vilt(shorter: 800) == .fit(shorter: 800, longer: 1333, multiple: 32))
    #expect(ResizeRule.vilt().longestSide == 608)
  }

  @Test func fittedSizesKeepTheirPromise() throws {
    var random = TestRandom(state: 3)
    for _ in 0..<2000 {
      let picture = PixelSize(
        width: Int.random(in: 1...4000, using: &random),
        height: Int.random(in: 1...4000, using: &random))
      let size = try ResizeRule.vilt().size(for: picture)
      #expect(size.width % 32 == 0 && size.height % 32 == 0)
      #expect(min(size.width, size.height) >= 32 && max(size.width, size.height) <= 608)
      #expect(min(size.width, size.height) <= 384)
    }
  }

  @Test func otherRules() throws {
    let size = PixelSize(width: 70, height: 31)
    #expect(try ResizeRule.square(side: 64).size(for: size) == PixelSize(width: 64, height: 64))
    #expect(try ResizeRule.multiple(of: 32).size(for: size) == PixelSize(width: 64, height: 32))
    #expect(try ResizeRule.multiple(of: 1).size(for: size) == size)
    let small = ResizeRule.fit(shorter: 32, longer: 48, multiple: 8)
    #expect(try small.size(for: size) == PixelSize(width: 48, height: 16))
    let resized = try noise(70, 31).resized(by: small)
    #expect(resized.size == PixelSize(width: 48, height: 16))
  }

  @Test(arguments: [
    ResizeRule.fit(shorter: 0, longer: 3, multiple: 1), .fit(shorter: 5, longer: 4, multiple: 1),
    .fit(shorter: 5, longer: 9, multiple: 10), .square(side: 0), .multiple(of: -1),
  ])
  func badRulesAreRefused(_ rule: ResizeRule) {
    #expect(throws: ImageError.self) { try rule.size(for: PixelSize(width: 10, height: 10)) }
  }

  @Test func rulesAsJSON() throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let rules: [(ResizeRule, String)] = [
      (.vilt(), #"{"longer":639,"multiple":32,"rule":"fit","shorter":384}"#),
      (.square(side: 224), #"{"rule":"square","side":224}"#),
      (.multiple(of: 16), #"{"multiple":16,"rule":"multiple"}"#),
    ]
    for (rule, json) in rules {
      #expect(String(decoding: try encoder.encode(rule), as: UTF8.self) == json)
      #expect(try JSONDecoder().decode(ResizeRule.self, from: Data(json.utf8)) == rule)
    }
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(ResizeRule.self, from: Data(#"{"rule":"stretch"}"#.utf8))
    }
  }
}
