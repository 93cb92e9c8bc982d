import TandemReport
import Testing
import TestSupport

@Suite struct IntervalTests {
  private struct Expected: Decodable {
    struct Interval: Decodable {
      let successes: Double
      let trials: Double
      let low: Double
      let high: Double
    }
    struct Wilson: Decodable { let intervals: [Interval] }
    let wilson: Wilson
  }

  @Test func wilson() throws {
    let cases = try Fixtures.json(Expected.self, "training/metrics.json").wilson.intervals
    #expect(cases.count == 6)
    for item in cases {
      let found = try ConfidenceInterval.wilson(successes: item.successes, count: item.trials)
      #expect(abs(found.lowerBound - item.low) < Tolerance.double)
      #expect(abs(found.upperBound - item.high) < Tolerance.double)
    }
    #expect(try ConfidenceInterval.wilson(successes: 0, count: 0) == 0...1)
  }
}
