import Foundation
import TandemReport
import Testing

@Suite struct ConfidenceIntervalTests {
  static let rounding = 1e-12

  /// With nothing right the upper end is z² / (n + z²); with all right the lower end is n / (n + z²).
  @Test(arguments: [1.0, 7, 20, 5000])
  func endsHaveClosedForms(count: Double) throws {
    let square = ConfidenceInterval.normalQuantile * ConfidenceInterval.normalQuantile
    let none = try ConfidenceInterval.wilson(successes: 0, count: count)
    #expect(none.lowerBound == 0)
    #expect(abs(none.upperBound - square / (count + square)) < Self.rounding)
    let all = try ConfidenceInterval.wilson(successes: count, count: count)
    #expect(all.upperBound == 1)
    #expect(abs(all.lowerBound - count / (count + square)) < Self.rounding)
    let half = try ConfidenceInterval.wilson(successes: count / 2, count: count)
    let reach = ConfidenceInterval.normalQuantile / (2 * (count + square).squareRoot())
    #expect(abs(half.lowerBound - (0.5 - reach)) < Self.rounding)
    #expect(abs(half.upperBound - (0.5 + reach)) < Self.rounding)
  }

  /// The printed values of R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
  @Test(arguments: [
    (81.0, 263.0, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611),
    (1, 29, 0.0061, 0.1718),
  ])
  func publishedValues(successes: Double, count: Double, low: Double, high: Double) throws {
    let interval = try ConfidenceInterval.wilson(successes: successes, count: count)
    #expect(abs(interval.lowerBound - low) <= 0.00005)
    #expect(abs(interval.upperBound - high) <= 0.00005)
  }

  /// Both ends solve |share - p| = z √(p (1 - p) / n), which defines the interval.
  @Test(arguments: [(3208.0, 5000.0), (2.6, 9), (1, 2)])
  func endsSolveTheScoreEquation(successes: Double, count: Double) throws {
    let share = successes / count
    let interval = try ConfidenceInterval.wilson(successes: successes, count: count)
    for end in [interval.lowerBound, interval.upperBound] {
      let deviation = ConfidenceInterval.normalQuantile * (end * (1 - end) / count).squareRoot()
      #expect(abs(abs(share - end) - deviation) < Self.rounding)
    }
  }

  @Test func nothingTriedMeansNothingKnown() throws {
    #expect(try ConfidenceInterval.wilson(successes: 0, count: 0) == 0...1)
  }

  @Test(arguments: [(-1.0, 4.0), (5, 4), (.nan, 4), (1, .nan), (1, .infinity), (0, -2)])
  func impossibleCountsAreRefused(successes: Double, count: Double) {
    #expect(throws: ReportError.self) {
      try ConfidenceInterval.wilson(successes: successes, count: count)
    }
  }
}

@Suite struct ResultTableTests {
  private func page(_ results: [RunReport.Result]) -> PageReader {
    PageReader(RunReport(title: "t", results: results).html())
  }

  /// Positions on the scale grow with the value and are the same for the same value in every row.
  @Test func resultsShareOneScale() throws {
    let reader = page([
      .init(name: "a", value: 0.6, interval: 0.5...0.7),
      .init(name: "b", value: 0.7, interval: 0.6...0.8),
    ])
    let dots = reader.elements.filter { $0.name == "circle" }
      .compactMap { $0.attributes["cx"] }.compactMap { Double($0.dropLast()) }
    let whiskers = reader.elements.filter {
      $0.name == "line" && $0.attributes["class"] == "whisker" && $0.attributes["y1"] == "50%"
    }
    let ends = whiskers.map { line in
      ["x1", "x2"].compactMap { line.attributes[$0] }.compactMap { Double($0.dropLast()) }
    }
    #expect(dots.count == 2)
    #expect(ends.count == 2)
    #expect(ends[0][0] < dots[0] && dots[0] < ends[0][1])
    #expect(dots[0] == ends[1][0])
    #expect(dots[1] == ends[0][1])
  }

  @Test func numbersAreWrittenInTheirUnits() {
    let text = page([
      .init(
        name: "accuracy", value: 0.6417, interval: 0.629...0.6551, count: 5000,
        baselines: [.init("majority", 0.37)]),
      .init(name: "rank", value: 12.345, style: .plain, baselines: [.init("chance", 500)]),
    ]).text
    for expected in [
      "64.2%", "62.9–65.5%", "5,000 examples", "majority 37.0%", "+27.2", "12.35", "−487.7",
    ] {
      #expect(text.contains(expected), "\(expected)")
    }
  }

  @Test func numbersThatAreNotFiniteBecomeDashes() {
    let reader = page([
      .init(
        name: "a", value: .nan, interval: -.infinity ... .infinity,
        baselines: [.init("b", .infinity)]),
      .init(name: "c", value: 0.5, interval: 0 ... .infinity, baselines: [.init("d", .nan)]),
    ])
    #expect(reader.problem == nil)
    #expect(reader.text.contains("–"))
    #expect(!reader.text.lowercased().contains("nan"))
    #expect(!reader.text.contains("inf"))
  }

  @Test func withoutSharesThereIsNoScale() {
    let reader = page([.init(name: "rank", value: 3, style: .plain)])
    #expect(!reader.attributes("class", of: "th").contains("graphic"))
  }
}

@Suite struct NumberTextTests {
  @Test func coordinatesAreShort() {
    let pairs: [(Double, String)] = [
      (0, "0"), (1, "1"), (1.5, "1.5"), (1.05, "1.05"), (-0.25, "-0.25"), (-0.001, "0"),
      (12.999, "13"), (.nan, "0"), (.infinity, "0"), (1e300, "1000000"),
    ]
    for (value, text) in pairs { #expect(NumberText.coordinate(value) == text) }
  }

  @Test func numbersForReaders() {
    let pairs: [(Double, String)] = [
      (0, "0"), (2.05, "2.05"), (12340, "12,340"), (3.2e-5, "3.2e-5"), (9.9996, "10"),
      (-1234.5, "−1,234"), (1e7, "1e7"), (0.0001, "0.0001"), (.nan, "–"), (-4e-12, "−4e-12"),
    ]
    for (value, text) in pairs { #expect(NumberText.significant(value) == text) }
    #expect(NumberText.fixed(1_234_567.891, decimals: 2) == "1,234,567.89")
    #expect(NumberText.fixed(-0.001, decimals: 1) == "0.0")
    #expect(NumberText.difference(0.0001, style: .share) == "0.0")
    #expect(NumberText.difference(-0.012, style: .share) == "−1.2")
    #expect(NumberText.data(4200) == "4200")
    #expect(NumberText.data(1.0 / 3) == "0.333333")
  }
}

@Suite struct PaletteTests {
  /// The relative luminance of WCAG 2.2 of a colour such as #2456b3.
  private func luminance(_ color: String) throws -> Double {
    let number = try #require(UInt32(color.dropFirst(), radix: 16))
    let parts = [16, 8, 0].map { shift -> Double in
      let share = Double(number >> UInt32(shift) & 255) / 255
      return share <= 0.04045 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
  }

  @Test func textHasEnoughContrast() throws {
    for palette in [Palette.light, Palette.dark] {
      #expect(palette.series.count == Palette.seriesCount)
      let texts = [palette.ink, palette.muted, palette.accent, palette.right, palette.wrong]
      for color in texts + palette.series {
        let pair = [try luminance(color), try luminance(palette.paper)].sorted()
        #expect((pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, "\(color)")
      }
    }
  }
}
