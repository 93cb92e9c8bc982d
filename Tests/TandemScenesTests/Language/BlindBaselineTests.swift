// The text-only guesses on a few texts, counted by hand.

import TandemScenes
import Testing

@Suite struct BlindBaselineTests {
  private static let claim = SceneClaim.count(
    is: Quantity(.atLeast, 1), of: SceneDescription("cat"))

  private static func question(
    _ text: String, _ answer: String, _ other: String = "x", agreeing: Int = 10
  ) -> SceneQuestion {
    let humans = (0..<10).map {
      AnnotatorAnswer(answer: $0 < agreeing ? answer : other, confidence: .yes)
    }
    return SceneQuestion(
      text: text, type: .existence, form: .truth(of: claim), answer: answer, answers: humans)
  }

  @Test func questions() {
    var baseline = BlindBaseline()
    for (text, answer) in [("A?", "yes"), ("A?", "yes"), ("B?", "no"), ("C?", "yes")] {
      baseline.learn(Self.question(text, answer))
    }
    // By type always "yes"; by text "no" to B.
    baseline.score(Self.question("A?", "yes"))
    baseline.score(Self.question("B?", "no"))
    baseline.score(Self.question("B?", "no", "yes", agreeing: 8))
    baseline.score(Self.question("new?", "yes"))
    let figures = baseline.figures
    // Two of ten say "yes" to the third: 0.6.
    #expect(abs(figures.questionsByType - (1 + 0 + 0.6 + 1) / 4) < 1e-12)
    #expect(abs(figures.questionsByText - (1 + 1 + 1 + 1) / 4) < 1e-12)
    #expect(figures.questionTypes == ["existence": figures.questionsByType])
    #expect(figures.counts["questions"] == 4)
  }

  @Test func aFullTableFallsBackToTheType() {
    var baseline = BlindBaseline(textLimit: 1)
    for (text, answer) in [("A?", "yes"), ("A?", "yes"), ("B?", "no")] {
      baseline.learn(Self.question(text, answer))
    }
    baseline.score(Self.question("B?", "no"))
    #expect(baseline.figures.questionsByText == 0)
  }

  @Test func statementsAndHypotheses() {
    var baseline = BlindBaseline()
    let pair = PairClaim.both(claim: Self.claim)
    let statement = { PairStatement(text: $0, claim: pair, left: 0, right: 1, answer: $1) }
    for one in [statement("Cats.", true), statement("Dogs.", false), statement("Owls.", true)] {
      baseline.learn(one)
    }
    for one in [statement("Dogs.", false), statement("Cats.", false), statement("Ants.", true)] {
      baseline.score(one)
    }
    #expect(abs(baseline.figures.statements - 2 / 3) < 1e-12)
    let triple = {
      EntailmentTriple(scene: 0, premise: "", hypothesis: $0, claim: Self.claim, label: $1)
    }
    for one in [
      triple("A hungry cat.", .neutral), triple("A hungry dog.", .neutral),
      triple("A cat.", .entailment),
    ] {
      baseline.learn(one)
    }
    baseline.score(triple("A hungry owl.", .neutral))
    baseline.score(triple("A cat.", .contradiction))
    #expect(baseline.figures.entailment == 0.5)
    #expect(baseline.figures.entailmentByWords == 0.5)
  }

  @Test func boxesAndChoices() throws {
    let facts = try FactsTests.facts()
    var baseline = BlindBaseline()
    for place in 0..<4 {
      baseline.score(
        ReferringExpression(
          text: "x", kind: .noun, object: place, box: facts.scene.objects[place].box,
          description: SceneDescription("cat")), in: facts.scene)
    }
    #expect(baseline.figures.expressionsLargestBox == 0.25)
    let option = { (words: [String]) in
      ReasonedChoice.Option(
        text: TaggedText(tokens: words.map { .word($0) }),
        claim: .description(of: 0, is: SceneDescription("cat")))
    }
    let options = [["a"], ["a", "b"], ["c"], ["d"]].map(option)
    for (answer, rationale) in [(0, 1), (1, 1), (2, 0), (1, 3)] {
      baseline.score(
        ReasonedChoice(
          kind: .identity, question: TaggedText(tokens: []), answers: options, answer: answer,
          rationales: options, rationale: rationale))
    }
    let figures = baseline.figures
    #expect(figures.firstAnswer == 0.25 && figures.longestAnswer == 0.5)
    #expect(figures.firstRationale == 0.25 && figures.longestRationale == 0.5)
  }
}
