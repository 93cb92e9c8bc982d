// How much the words alone give away, and how fast they come.

import Foundation
import TandemScenes
import Testing

@Suite(.serialized) struct BalanceTests {
  /// The most that text-only guesses may get.
  static let typeLimit = 0.45
  static let textLimit = 0.50

  @Test func wordsAloneAnswerLittle() throws {
    let all = try TestScenes.facts(9000, seed: 31)
    let pool = TestScenes.pool(all)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    var random = LanguageTestRandom(32)
    var baseline = BlindBaseline()
    var polarity: [String: [String: Int]] = [:]
    for facts in all.prefix(6000) {
      let texts = writer.texts(of: facts, among: pool, using: &random)
      baseline.learn(texts)
      for one in texts.questions where one.form.answerType == "yes/no" {
        polarity[one.type.rawValue, default: [:]][one.answer, default: 0] += 1
      }
    }
    for facts in all.suffix(3000) {
      baseline.score(writer.texts(of: facts, among: pool, using: &random), of: facts.scene)
    }
    for (half, learns) in [(all.prefix(6000), true), (all.suffix(3000), false)] {
      let index = SceneIndex(Array(half))
      for group in writer.pairStatements(2000, among: index, using: &random) {
        for one in group.statements {
          if learns { baseline.learn(one) } else { baseline.score(one) }
        }
      }
      for one in writer.entailments(groups: 2000, among: index, using: &random).joined() {
        if learns { baseline.learn(one) } else { baseline.score(one) }
      }
    }
    let figures = baseline.figures
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    print(String(decoding: try encoder.encode(figures), as: UTF8.self), polarity)
    #expect(figures.questionsByType < Self.typeLimit)
    #expect(figures.questionsByText < Self.textLimit)
    #expect(figures.questionsByType > 0.1)
    #expect(abs(figures.statements - 0.5) < 0.01)
    #expect(figures.statementsByWords < 0.54)
    #expect(figures.entailmentByWords < 0.47)
    #expect(figures.entailment < 0.45 && figures.entailment > 0.25)
    #expect(figures.expressionsLargestBox < 0.4)
    #expect(figures.firstAnswer < 0.3 && figures.firstRationale < 0.3)
    #expect(figures.longestAnswer < 0.35 && figures.longestRationale < 0.35)
    for (type, counts) in polarity {
      let total = counts.values.reduce(0, +)
      let yes = Double(counts["yes", default: 0]) / Double(total)
      #expect(abs(yes - 0.5) < 0.04, "\(type): \(counts)")
    }
  }

  /// The floor is far below what was measured, so that a busy machine does not fail it.
  @Test func textsOfFiveHundredScenesASecond() throws {
    let all = try TestScenes.facts(1500, seed: 33)
    let pool = TestScenes.pool(all)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    var random = LanguageTestRandom(34)
    let clock = ContinuousClock()
    var bytes = 0
    var writing = Duration.zero
    let all1 = try clock.measure {
      for facts in all {
        var texts: SceneTexts?
        writing += clock.measure { texts = writer.texts(of: facts, among: pool, using: &random) }
        bytes += try texts?.jsonLine().count ?? 0
      }
    }
    let perSecond = { (time: Duration) in Double(all.count) / (time / .seconds(1)) }
    print(
      "scenes a second: \(Int(perSecond(writing))) texts, \(Int(perSecond(all1))) with JSON of",
      bytes / all.count, "bytes")
    #expect(bytes > 1000 * all.count)
    #expect(perSecond(writing) > 150)
  }

  @Test func theSameSeedGivesTheSameTexts() throws {
    let all = try TestScenes.facts(60, seed: 35)
    let pool = TestScenes.pool(all)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    let texts = { (seed: UInt64) in
      var random = LanguageTestRandom(seed)
      return all.map { writer.texts(of: $0, among: pool, using: &random) }
    }
    #expect(texts(1) == texts(1))
    #expect(texts(1) != texts(2))
  }

  @Test func textsSurviveTheirLineOfJSON() throws {
    try SentenceTests.forEachScene(seed: 36) { facts, texts, _ in
      guard facts.scene.id < 200 else { return }
      let line = try texts.jsonLine()
      #expect(!line.contains(10))
      #expect(try SceneTexts(jsonLine: line) == texts)
    }
  }
}
