import Foundation
import TandemScenes
import Testing

@Suite struct VQAAnswerTests {
  private struct Fixture: Decodable {
    struct Scored: Decodable {
      var answer: String
      var humans: [String]
      var accuracy: Double
    }

    var cleaned: [[String]]
    var scored: [Scored]
  }

  private static func fixture() throws -> Fixture {
    try JSONDecoder().decode(
      Fixture.self, from: Data(contentsOf: SceneFixtures.url("answers.json")))
  }

  @Test func answersAreCleanedByTheRulesOfTheEvaluation() throws {
    let pairs = try Self.fixture().cleaned
    #expect(pairs.count > 40)
    for pair in pairs { #expect(VQAAnswer.normalized(pair[0]) == pair[1], "\(pair[0])") }
  }

  @Test func accuracyIsThatOfTheEvaluation() throws {
    let scored = try Self.fixture().scored
    #expect(Set(scored.map { Int($0.accuracy * 10) }).count > 3)
    for one in scored {
      let found = VQAAnswer.accuracy(one.answer, among: one.humans)
      #expect(abs(found - one.accuracy) < 1e-12, "\(one)")
    }
  }

  @Test func accuracyOfFewAnnotators() {
    // Of ten: 0, then n(n-1)/30 + (10-n)·n/30, then 1 from four on.
    let known = [0: 0.0, 1: 0.3, 2: 0.6, 3: 0.9, 4: 1, 10: 1]
    for (count, expected) in known {
      let humans =
        Array(repeating: "cat", count: count) + Array(repeating: "dog", count: 10 - count)
      #expect(abs(VQAAnswer.accuracy("The cat", among: humans) - expected) < 1e-12)
    }
    #expect(VQAAnswer.accuracy("cat", among: ["cat"]) == 1)
    #expect(VQAAnswer.accuracy("cat", among: ["dog"]) == 0)
    #expect(VQAAnswer.accuracy("cat", among: []) == 0)
  }

  /// The rates of the ten come out as they were asked for.
  @Test func annotatorsDisagreeAsOftenAsTheyShould() throws {
    let all = try TestScenes.facts(3000, seed: 41)
    let pool = TestScenes.pool(all)
    var options = SceneTextWriter.Options()
    (options.captions, options.regions, options.expressions, options.choices) = (0, 0, 0, 0)
    let lexicon = try TestScenes.lexicon()
    var random = LanguageTestRandom(42)
    var (others, yesNo, unsure, total) = (0, 0, 0, 0)
    let writer = SceneTextWriter(lexicon, options)
    let hesitant = ["not sure", "unknown", "i don't know", "can't tell"]
    for facts in all {
      for question in writer.questions(of: facts, among: pool, using: &random) {
        for one in question.answers {
          total += 1
          if hesitant.contains(one.answer) {
            unsure += 1
            #expect(one.confidence == .no)
          } else if ["yes", "no"].contains(question.answer) {
            yesNo += 1
            if one.answer != question.answer { others += 1 }
          }
        }
      }
    }
    let rates = options.annotators
    #expect(total > 150_000)
    #expect(abs(Double(unsure) / Double(total) - rates.unsure) < 0.003)
    #expect(abs(Double(others) / Double(yesNo) - rates.flip) < 0.004)
    options.annotators = .unanimous
    for facts in all.prefix(100) {
      for question in SceneTextWriter(lexicon, options).questions(
        of: facts, among: pool, using: &random)
      {
        #expect(question.answers.allSatisfy { $0.answer == question.answer })
      }
    }
  }
}
