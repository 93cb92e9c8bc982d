import TandemRecipes
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
      let found = Interval.wilson(successes: item.successes, count: item.trials)
      #expect(abs(found.low - item.low) < Tolerance.double)
      #expect(abs(found.high - item.high) < Tolerance.double)
    }
    let nothing = Interval.wilson(successes: 0, count: 0)
    #expect(nothing.low == 0 && nothing.high == 1)
  }
}
