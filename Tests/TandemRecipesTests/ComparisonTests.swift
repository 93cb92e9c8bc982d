import Foundation
import TandemRecipes
import TandemReport
import Testing

@Suite struct ComparisonTests {
  @Test func spreadsAreThoseOfTextbooks() {
    let spread = Spread([2, 4, 4, 4, 5, 5, 7, 9])
    #expect(spread.mean == 5 && spread.count == 8)
    // Squares around the mean sum to 32; the sample's variance is 32 / 7.
    #expect(abs(spread.deviation - (32.0 / 7).squareRoot()) < 1e-12)
    #expect(Spread([3]).deviation == 0 && Spread([]).mean == 0)
    // Variances 1 and 4 with two and four degrees of freedom: (2·1 + 4·4) / 6 = 3.
    let one = Spread([1, 2, 3])
    let other = Spread([0, 0, 5, 5, 2.5].map { $0 * (16.0 / 25).squareRoot() })
    #expect(abs(one.deviation - 1) < 1e-12 && abs(other.deviation - 2) < 1e-12)
    #expect(abs(Spread.pooled(one, other) - 3.0.squareRoot()) < 1e-12)
  }

  @Test func noiseIsNoDifference() {
    let low = Spread([0.50, 0.52, 0.54])
    // The pooled spread is 0.02: 0.03 is none, 0.05 is some.
    #expect(Spread.difference(Spread([0.53, 0.55, 0.57]), low) == nil)
    let gap = Spread.difference(Spread([0.55, 0.57, 0.59]), low)
    #expect(abs((gap ?? 0) - 0.05) < 1e-12)
    #expect(abs((Spread.difference(low, Spread([0.55, 0.57, 0.59])) ?? 0) + 0.05) < 1e-12)
    // Two seeds tell nothing, however far they lie apart.
    #expect(Spread.difference(Spread([1, 1]), Spread([0, 0])) == nil)
  }

  @Test func objectivesAreLeftOutAndAlone() throws {
    let plan = try Ablation.plan(of: "vl-bert/scenes", adding: ["itm"], wrongTexts: [0, 0.3])
    #expect(
      plan.entrants.map(\.name) == [
        "all", "without mlm", "without mrc", "without itm", "only mlm", "only mrc", "only itm",
        "all, 30 % wrong", "without mlm, 30 % wrong", "without mrc, 30 % wrong",
        "without itm, 30 % wrong", "only mlm, 30 % wrong", "only mrc, 30 % wrong",
        "only itm, 30 % wrong",
      ])
    #expect(plan.entrants[3].objectives == ["mlm", "mrc"])
    #expect(plan.entrants[9].settings == ["data.wrongTexts=0.3"])
    #expect(plan.entrants.allSatisfy { $0.model == "vl-bert" } && plan.data == "scenes")
    // With two objectives, one left out is the other alone: no run is done twice.
    let two = try Ablation.plan(of: "vl-bert/scenes", adding: [], wrongTexts: [0])
    #expect(two.entrants.map(\.name) == ["all", "without mlm", "without mrc"])
    #expect(throws: (any Error).self) {
      _ = try Ablation.plan(of: "clip/scenes", adding: [], wrongTexts: [0])
    }
    #expect(throws: (any Error).self) {
      _ = try Ablation.plan(of: "vl-bert/scenes", adding: [], wrongTexts: [1.5])
    }
  }

  @Test func switchesAreTurnedOneAtATime() throws {
    let plan = try Ablation.plan(
      ofSwitchesIn: "uniter/scenes", variants: ["fewer words: objectives.0.options.probability=0.3"]
    )
    #expect(
      plan.entrants.map(\.name) == [
        "as it is", "joint masking", "whole words", "without wpa", "fewer words",
      ])
    #expect(plan.entrants[1].settings == ["mixture.masking=joint"])
    // Words are masked in captions and in questions.
    #expect(
      plan.entrants[2].settings == [
        "objectives.0.options.wholeWords=true", "objectives.5.options.wholeWords=true",
      ])
    #expect(plan.entrants[3].objectives == ["mlm", "itm", "mrfr", "mrc"])
    #expect(plan.entrants[4].settings == ["objectives.0.options.probability=0.3"])
    let joint = try Ablation.plan(ofSwitchesIn: "vl-bert/scenes", variants: []).entrants
    #expect(
      joint.map(\.name) == ["as it is", "conditional masking", "words by pieces", "with wpa"])
    #expect(throws: (any Error).self) {
      _ = try Ablation.plan(ofSwitchesIn: "uniter/scenes", variants: ["nameless"])
    }
  }

  /// Numbers of three seeds become the table and its verdicts.
  @Test func resultsBecomeATable() throws {
    var plan = ComparisonPlan()
    plan.entrants = ["a", "b"].map { Entrant($0) }
    plan.tasks = ["questions"]
    func result(
      _ entrant: String, _ seed: UInt64, _ stage: ComparisonArm.Stage, _ accuracy: Double
    ) throws -> ArmResult {
      let json = """
        {"arm": {"entrant": "\(entrant)", "seed": \(seed), "stage": \(try Self.json(stage))},
         "figures": \(stage == .pretraining ? "{}" : "{\"vqa.accuracy\": \(accuracy)}"),
         "parameters": 510000, "secondsPerStep": 0.04, "megabytes": 300,
         "curve": [[10, 0.3], [20, \(accuracy)]], "gradients": []}
        """
      return try JSONDecoder().decode(ArmResult.self, from: Data(json.utf8))
    }
    var results: [ArmResult] = []
    for (entrant, base) in [("a", 0.60), ("b", 0.61)] {
      for seed in 1...3 as ClosedRange<UInt64> {
        let accuracy = base + 0.02 * Double(seed)
        results.append(try result(entrant, seed, .pretraining, 0))
        results.append(
          try result(entrant, seed, .task("questions", isPretrained: true), accuracy))
        results.append(
          try result(entrant, seed, .task("questions", isPretrained: false), accuracy - 0.1))
      }
    }
    let summary = ComparisonSummary(plan, results)
    let text = summary.markdown
    #expect(text.contains("| a      |  0.51 M |        40 | 300 |"), "\(text)")
    #expect(text.contains("64.0 ± 2.0") && text.contains("65.0 ± 2.0"))
    #expect(text.contains("+10.0"))
    // One point apart with a spread of two.
    let pairs = try #require(summary.differences.first)
    #expect(pairs.rows == [["a", "", "none"], ["b", "none", ""]])
    let page = summary.report(title: "Toys").html()
    #expect(page.contains("<svg") && page.contains("64.0 ± 2.0"))
    plan.seeds = [1]
    #expect(ComparisonSummary(plan, results).differences.isEmpty)
  }

  private static func json(_ stage: ComparisonArm.Stage) throws -> String {
    String(decoding: try JSONEncoder().encode(stage), as: UTF8.self)
  }
}
