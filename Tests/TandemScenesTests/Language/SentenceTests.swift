// Every sentence is read back from its English and tried in worlds that settle all doubts.

import TandemScenes
import Testing

@Suite struct SentenceTests {
  static let sceneCount = 1500
  static let worldCount = 5

  /// Calls `body` with each scene, its texts and a few worlds.
  static func forEachScene(
    seed: UInt64, _ body: (SceneFacts, SceneTexts, [PossibleWorld]) throws -> Void
  ) throws {
    let all = try TestScenes.facts(sceneCount, seed: seed)
    let pool = TestScenes.pool(all)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    var random = LanguageTestRandom(seed + 1)
    for facts in all {
      let texts = writer.texts(of: facts, among: pool, using: &random)
      let worlds = (0..<worldCount).map { _ in PossibleWorld(facts.scene, &random) }
      try body(facts, texts, worlds)
    }
  }

  @Test func everyCaptionIsTrueAsItReads() throws {
    var count = 0
    var five = 0
    try Self.forEachScene(seed: 11) { facts, texts, worlds in
      #expect(Set(texts.captions.map(\.text)).count == texts.captions.count)
      if texts.captions.count == 5 { five += 1 }
      for caption in texts.captions {
        let meaning = try EnglishReader.statement(caption.text)
        let isTrue = worlds.allSatisfy { meaning($0) == true }
        #expect(isTrue, "\(caption.text) of \(facts.scene)")
        #expect(facts.truth(caption.claim) == true)
        count += 1
      }
    }
    #expect(count > 4 * Self.sceneCount)
    #expect(five > Self.sceneCount * 95 / 100)
  }

  @Test func everyRegionPhraseIsTrueOfItsObject() throws {
    try Self.forEachScene(seed: 12) { facts, texts, worlds in
      #expect(texts.regions.count >= facts.scene.objects.count)
      for region in texts.regions {
        var reader = try EnglishReader(phrase: region.phrase)
        let phrase = try reader.single()
        try reader.end()
        #expect(region.box == facts.scene.objects[region.object].box)
        let fits = worlds.allSatisfy { $0.fitting(phrase)?.contains(region.object) == true }
        #expect(fits, "\(region.phrase)")
      }
    }
  }

  @Test func everyExpressionMeansExactlyItsObject() throws {
    var kinds: [ReferringExpression.Kind: Int] = [:]
    try Self.forEachScene(seed: 13) { facts, texts, worlds in
      for expression in texts.expressions {
        kinds[expression.kind, default: 0] += 1
        var reader = try EnglishReader(phrase: expression.text)
        _ = reader.take("the")
        let phrase = try reader.bare()
        try reader.end()
        let isUnique = worlds.allSatisfy { $0.only(phrase) == expression.object }
        #expect(isUnique, "\(expression.text) of \(facts.scene)")
        #expect(expression.isUnique(in: facts))
        #expect(expression.box == facts.scene.objects[expression.object].box)
      }
      #expect(Set(texts.expressions.map(\.object)).count == texts.expressions.count)
    }
    let total = kinds.values.reduce(0, +)
    #expect(total > Self.sceneCount * 2)
    for kind in ReferringExpression.Kind.allCases {
      #expect(kinds[kind, default: 0] * 10 > total, "\(kind): \(kinds)")
    }
  }

  @Test func everyQuestionHasTheAnswerItIsGiven() throws {
    var types: [QuestionType: Int] = [:]
    var six = 0
    try Self.forEachScene(seed: 14) { facts, texts, worlds in
      if texts.questions.count == 6 { six += 1 }
      for question in texts.questions {
        types[question.type, default: 0] += 1
        let answer = try EnglishReader.question(question.text)
        let isRight = worlds.allSatisfy { answer($0) == question.answer }
        #expect(isRight, "\(question.text) \(question.answer) of \(facts.scene)")
        #expect(facts.answer(question.form) == question.answer)
        #expect(question.answer == VQAAnswer.normalized(question.answer))
        #expect(question.answers.count == 10)
        let counts = Dictionary(grouping: question.answers, by: \.answer).mapValues(\.count)
        let others = counts.filter { $0.key != question.answer }.values.max() ?? 0
        #expect(counts[question.answer, default: 0] > others)
      }
    }
    #expect(six > Self.sceneCount * 95 / 100)
    let total = types.values.reduce(0, +)
    for type in QuestionType.allCases {
      #expect(types[type, default: 0] * 9 > total, "\(type): \(types)")
    }
  }

  @Test func oneAnswerAndOneRationaleAreRight() throws {
    var places = [[0, 0, 0, 0], [0, 0, 0, 0]]
    var kinds: [ReasonedChoice.Kind: Int] = [:]
    try Self.forEachScene(seed: 15) { facts, texts, worlds in
      for choice in texts.choices {
        kinds[choice.kind, default: 0] += 1
        places[0][choice.answer] += 1
        places[1][choice.rationale] += 1
        for (options, right) in [
          (choice.answers, choice.answer), (choice.rationales, choice.rationale),
        ] {
          #expect(options.count == 4)
          #expect(Set(options.map(\.text)).count == 4)
          for (place, option) in options.enumerated() {
            let meaning = try TaggedReader.option(option.text, in: choice.question)
            let agrees = worlds.allSatisfy { meaning($0) == (place == right) }
            #expect(agrees, "\(choice.question.text) \(option.text.text) in \(facts.scene)")
            #expect(facts.truth(option.claim) == (place == right))
          }
        }
      }
    }
    for counts in places {
      let total = Double(counts.reduce(0, +))
      #expect(total > Double(Self.sceneCount) / 2)
      // Four standard deviations of an even place.
      let margin = 4 * (total * 0.25 * 0.75).squareRoot()
      for count in counts { #expect(abs(Double(count) - total / 4) < margin) }
    }
    for kind in ReasonedChoice.Kind.allCases { #expect(kinds[kind, default: 0] > 50, "\(kinds)") }
  }

  @Test func statementsAreTrueOfOnePairAndFalseOfAnother() throws {
    let all = try TestScenes.facts(600, seed: 16)
    let index = SceneIndex(all)
    var random = LanguageTestRandom(17)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    let groups = writer.pairStatements(1500, among: index, using: &random)
    #expect(groups.count == 1500)
    #expect(Set(groups.map(\.text)).count == groups.count)
    var forms: [String: Int] = [:]
    for group in groups {
      forms[Self.form(group.claim), default: 0] += 1
      let meaning = try EnglishReader.pair(group.text)
      #expect(group.statements.map(\.answer) == [true, false])
      for statement in group.statements {
        let (left, right) = (all[statement.left], all[statement.right])
        #expect(group.claim.truth(left: left, right: right) == statement.answer)
        for _ in 0..<Self.worldCount {
          let worlds = (
            PossibleWorld(left.scene, &random), PossibleWorld(right.scene, &random)
          )
          let found = meaning(worlds.0, worlds.1)
          #expect(found == statement.answer, "\(statement)")
        }
      }
    }
    #expect(forms.count == 8)
    for (form, count) in forms { #expect(count > groups.count / 30, "\(form): \(forms)") }
  }

  private static func form(_ claim: PairClaim) -> String {
    switch claim {
    case .one: "one"
    case .both: "both"
    case .either: "either"
    case .exactlyOne: "exactly one"
    case .neither: "neither"
    case .more: "more"
    case .asMany: "as many"
    case .total: "total"
    }
  }

  @Test func hypothesesHaveTheirLabels() throws {
    let all = try TestScenes.facts(800, seed: 18)
    var random = LanguageTestRandom(19)
    let writer = SceneTextWriter(try TestScenes.lexicon())
    let groups = writer.entailments(groups: 1200, among: SceneIndex(all), using: &random)
    #expect(groups.count == 1200)
    var labels: [EntailmentLabel: Int] = [:]
    for group in groups {
      #expect(Set(group.map(\.label)).count == group.count && group.count >= 2)
      #expect(Set(group.map(\.hypothesis)).count == 1)
      for triple in group {
        labels[triple.label, default: 0] += 1
        let scene = all[triple.scene].scene
        let meaning = try EnglishReader.statement(triple.hypothesis)
        for _ in 0..<Self.worldCount {
          // All ways in which the objects could have what no picture shows.
          let doubt = random.state
          let truths = Set(
            (0..<(1 << scene.objects.count)).map { bits -> Bool? in
              var doubts = LanguageTestRandom(doubt)
              let hidden = Set(scene.objects.indices.filter { bits >> $0 & 1 == 1 })
              return meaning(PossibleWorld(scene, hidden: hidden, &doubts))
            })
          #expect(!truths.contains(nil), "\(triple.hypothesis)")
          _ = random.next()
          let label: EntailmentLabel =
            truths.count == 2
            ? .neutral : truths.contains(true) ? .entailment : .contradiction
          #expect(label == triple.label, "\(triple.hypothesis) of \(scene)")
        }
        let premise = try EnglishReader.statement(triple.premise)
        #expect(premise(PossibleWorld(scene, &random)) == true, "\(triple.premise)")
      }
    }
    let total = labels.values.reduce(0, +)
    for label in EntailmentLabel.allCases {
      #expect(abs(labels[label, default: 0] * 3 - total) < total / 20, "\(labels)")
    }
  }
}
