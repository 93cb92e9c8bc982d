import Foundation
import TandemCore
import TandemNN
import TandemObjectives
import TandemTorch
import Testing
import TestSupport

@Suite struct RegionObjectiveTests {
  private static let cuts = [[6], [1, 5], [2, 2, 2], [1, 1, 1, 1, 1, 1], [5, 1]]

  /// Any cut of a step gives the same loss and the same gradients.
  private func expectNoCutMatters<O: Objective>(
    _ type: O.Type, _ options: O.Options, background: Bool = true, answers: [String] = []
  ) throws {
    let store = ParameterStore(seed: 4, productInitialization: .fanIn)
    defer { withExtendedLifetime(store) {} }
    let objective = try O(options, RegionToy.facts(background: background), at: store.root)
    let prepared = try RegionToy.prepared(
      type, options, examples: RegionToy.examples(answers: answers))
    #expect(prepared.count > 3)
    let whole = try RegionToy.loss(objective, prepared, cut: Self.cuts[0])
    #expect(abs(whole.total) > 1e-3)
    #expect(
      whole.gradients.contains { abs($0) > 1e-4 } && whole.gradients.allSatisfy { $0.isFinite })
    // The first metric is the loss.
    let (encoding, _) = try RegionToy.encoding(prepared.map(\.sequence))
    let denominator = prepared.reduce(0) { $0 + O.weight(of: $1.target) }
    let report = try objective.loss(
      encoding, prepared.enumerated().map { Placed(sequence: $0, target: $1.target) },
      denominator: denominator)
    #expect(report.metrics[0].name == "\(O.name).loss" && report.metrics[0].count == denominator)
    let mean = try report.metrics[0].sum.item() / denominator
    #expect(abs(mean - whole.total) < Tolerance.output * max(1, abs(whole.total)))
    for cut in Self.cuts.dropFirst() {
      let parts = try RegionToy.loss(objective, prepared, cut: cut)
      #expect(abs(parts.total - whole.total) < Tolerance.output * max(1, abs(whole.total)))
      #expect(
        difference(parts.gradients.map(Float.init), whole.gradients.map(Float.init))
          < Tolerance.output)
    }
  }

  // MARK: features

  @Test func squaresAndSmoothOnesByHand() throws {
    let predicted = try Tensor([1, 2, 0, -1] as [Float], [2, 2])
    let features = try Tensor([0, 0, 0, 2] as [Float], [2, 2])
    var options = MaskedRegionFeatures.Options()
    func sum() throws -> Double {
      try MaskedRegionFeatures.lossSum(predicted, features, options).item()
    }
    #expect(try sum() == 7)
    options.reduction = .rows
    #expect(try sum() == 14)
    options.loss = .smoothL1
    #expect(try sum() == 4.5)
    options.reduction = .elements
    options.scale = 4
    #expect(try sum() == 9)
  }

  @Test func featuresAreTheOnesBeforeHiding() throws {
    var options = MaskedRegionFeatures.Options()
    options.masking = .lxmert
    options.masking.probability = 0.7
    for item in try RegionToy.prepared(
      MaskedRegionFeatures.self, options, examples: RegionToy.examples())
    {
      let regions = try #require(item.sequence.picture?.regions)
      #expect(item.target.regions == item.sequence.chosen)
      #expect(item.target.features == item.target.regions.flatMap { Array(regions.feature($0)) })
      #expect(MaskedRegionFeatures.weight(of: item.target) == Double(item.target.regions.count))
    }
    options.divisor = .all
    options.masking.probability = 0
    let none = try RegionToy.prepared(
      MaskedRegionFeatures.self, options, examples: RegionToy.examples())
    #expect(none.map { MaskedRegionFeatures.weight(of: $0.target) } == [7, 1, 5, 9, 2, 6])
    // Nothing is asked, and yet there is a loss to go back from.
    let store = ParameterStore(seed: 1)
    defer { withExtendedLifetime(store) {} }
    let objective = try MaskedRegionFeatures(options, RegionToy.facts(), at: store.root)
    let result = try RegionToy.loss(objective, none, cut: [6])
    #expect(result.total == 0 && result.gradients.allSatisfy { $0 == 0 })
  }

  @Test(
    arguments: [MaskedRegionFeatures.Loss.l2, .smoothL1], [RegionDivisor.chosen, .all])
  func featuresDoNotDependOnTheCut(
    _ loss: MaskedRegionFeatures.Loss, _ divisor: RegionDivisor
  ) throws {
    var options = MaskedRegionFeatures.Options()
    options.loss = loss
    options.divisor = divisor
    options.masking.probability = 0.5
    try expectNoCutMatters(MaskedRegionFeatures.self, options)
  }

  // MARK: classes

  @Test(
    arguments: [MaskedRegionClasses.Loss.kl, .crossEntropy],
    [MaskedRegionClasses.Reduction.rows, .elements])
  func softClassesByTheBook(
    _ loss: MaskedRegionClasses.Loss, _ reduction: MaskedRegionClasses.Reduction
  ) throws {
    let regions = RegionToy.regions(8, seed: 3)
    let p = try Tensor(regions.classProbabilities, [8, RegionToy.classes])
    #expect(regions.classProbabilities.count { $0 == 0 } == 8)
    let logits = try leaf(randomTensor([8, RegionToy.classes], seed: 5) * 3)
    var options = MaskedRegionClasses.Options()
    options.loss = loss
    options.reduction = reduction
    let sum = try MaskedRegionClasses.softSum(logits, p, options)
    var expected = 0.0
    var gradients: [Float] = []
    let share = reduction == .rows ? 1 : 1 / Double(RegionToy.classes)
    for (row, target) in try zip(table(logits), table(p)) {
      let scores = logSoftmax(row)
      for (score, chance) in zip(scores, target) {
        expected -= chance * score
        if loss == .kl, chance > 0 { expected += chance * log(chance) }
      }
      let mass = target.reduce(0, +)
      gradients += zip(scores, target).map { Float(share * (exp($0) * mass - $1)) }
    }
    expected *= share
    #expect(abs(try sum.item() - expected) < Tolerance.output * abs(expected))
    try sum.backward()
    let found = try #require(try logits.gradient())
    #expect(difference(try found.floats(), gradients) < Tolerance.rounding)
    // A distribution that is met exactly costs nothing, wherever its zeros are.
    guard loss == .kl else { return }
    let exact = try p.clamped(from: 1e-30).log()
    #expect(abs(try MaskedRegionClasses.softSum(exact, p, options).item()) < Tolerance.output)
  }

  private func classTargets(
    _ change: (inout MaskedRegionClasses.Options) -> Void, _ regions: Regions
  ) throws -> MaskedRegionClasses.Target? {
    var options = MaskedRegionClasses.Options()
    options.classes = RegionToy.classes
    options.masking.probability = 1
    options.masking.keepsOne = false
    change(&options)
    let example = try RegionToy.example(0, Picture(key: 1, regions: regions))
    var stream = RandomStream(seed: 1)
    return try MaskedRegionClasses.prepare(
      example, options, RegionToy.context(), using: &stream
    ).first?.target
  }

  @Test func hardClassesAreNeverTheBackground() throws {
    var regions = RegionToy.regions(3, seed: 1)
    regions.classProbabilities = [
      0.9, 0, 0.04, 0.06, 0, 0.1, 0.3, 0.3, 0.2, 0.1, 1, 0, 0, 0, 0,
    ]
    let target = try #require(try classTargets({ $0.loss = .hard }, regions))
    #expect(target.objects == [2, 0, 0] && target.regions == [0, 1, 2])
    #expect(target.probabilities.isEmpty)
    // Without probabilities the detector's own word counts.
    regions.classProbabilities = []
    regions.classCount = 0
    regions.objects = [3, -1, 0]
    let plain = try #require(try classTargets({ $0.loss = .hard }, regions))
    #expect(plain.objects == [3, 0] && plain.regions == [0, 2])
  }

  @Test func targetsMustSumToOne() throws {
    var regions = RegionToy.regions(4, seed: 1)
    for column in 0..<RegionToy.classes {
      regions.classProbabilities[RegionToy.classes + column] *= 0.89
      regions.classProbabilities[2 * RegionToy.classes + column] *= 1.09
    }
    #expect(try classTargets({ _ in }, regions)?.regions == [0, 1, 2, 3])
    #expect(try classTargets({ $0.sumTolerance = 0.1 }, regions)?.regions == [0, 2, 3])
    #expect(try classTargets({ $0.sumTolerance = 0.05 }, regions)?.regions == [0, 3])
  }

  @Test func classesDoNotDependOnTheCut() throws {
    var options = MaskedRegionClasses.Options()
    options.classes = RegionToy.classes
    options.masking.probability = 0.5
    for loss in [MaskedRegionClasses.Loss.hard, .kl, .crossEntropy] {
      options.loss = loss
      try expectNoCutMatters(MaskedRegionClasses.self, options)
    }
    options.loss = .hard
    try expectNoCutMatters(MaskedRegionClasses.self, options, background: false)
  }

  /// A head without background has a column less, and its first one is the first object.
  @Test(arguments: [true, false]) func theBackgroundShiftsLabels(_ background: Bool) throws {
    var options = MaskedRegionClasses.Options()
    options.loss = .hard
    options.classes = RegionToy.classes
    options.masking.probability = 1
    let store = ParameterStore(seed: 4)
    defer { withExtendedLifetime(store) {} }
    let objective = try MaskedRegionClasses(
      options, RegionToy.facts(background: background), at: store.root)
    let bias = try #require(store["classes.decoder.bias"])
    #expect(bias.count == RegionToy.classes - (background ? 0 : 1))
    // All weight on the class of object 1.
    try withoutGradients {
      try store["classes.decoder.weight"]?.value.fillZero()
      try bias.value.narrow(0, from: background ? 2 : 1, 1).fill(5)
    }
    var prepared = try RegionToy.prepared(
      MaskedRegionClasses.self, options, examples: RegionToy.examples())
    for place in prepared.indices {
      prepared[place].target.objects = prepared[place].target.regions.map { _ in 1 }
    }
    let others = Double(bias.count - 1)
    let expected = log(1 + others * exp(-5))
    #expect(
      abs(try RegionToy.loss(objective, prepared, cut: [6]).total - expected) < Tolerance.rounding)
  }

  // MARK: labels

  @Test func labelsByTheBook() throws {
    let logits = try leaf(randomTensor([4, 3], seed: 2))
    let labels = [2, -1, 0, 1]
    let weights: [Float] = [0.5, 0.9, 0, 2]
    let sum = try RegionLabels.lossSum(logits, Tensor(labels), Tensor(weights))
    var expected = 0.0
    for (row, (label, weight)) in try zip(table(logits), zip(labels, weights)) where label >= 0 {
      expected -= Double(weight) * logSoftmax(row)[label]
    }
    #expect(abs(try sum.item() - expected) < Tolerance.output)
    try sum.backward()
    let gradient = try table(#require(try logits.gradient()))
    #expect(gradient[1].allSatisfy { $0 == 0 } && gradient[2].allSatisfy { $0 == 0 })
    #expect(gradient[0].contains { $0 != 0 } && gradient[3].contains { $0 != 0 })
  }

  private var labelOptions: RegionLabels.Options {
    var options = RegionLabels.Options()
    options.objects = RegionToy.classes - 1
    options.attributes = 3
    return options
  }

  @Test func labelsOfAllOrOfTheChosen() throws {
    var options = labelOptions
    options.masking.probability = 0.5
    let all = try RegionToy.prepared(RegionLabels.self, options, examples: RegionToy.examples())
    options.regions = .chosen
    let some = try RegionToy.prepared(RegionLabels.self, options, examples: RegionToy.examples())
    #expect(all.count == 6 && some.count == 6)
    for (one, other) in zip(all, some) {
      let regions = try #require(one.sequence.picture?.regions)
      #expect(one.target.regions == Array(0..<regions.count))
      #expect(other.target.regions == other.sequence.chosen)
      #expect(one.sequence.chosen == other.sequence.chosen)
      #expect(RegionLabels.weight(of: one.target) == Double(regions.count))
      #expect(RegionLabels.weight(of: other.target) == Double(regions.count))
      #expect(one.target.objects.classes == regions.objects.map(Int.init))
      #expect(one.target.objects.weights == regions.objectConfidences)
      #expect(one.target.attributes.weights == regions.attributeConfidences)
    }
    options.divisor = .chosen
    options.weighsByConfidence = false
    let divided = try RegionToy.prepared(RegionLabels.self, options, examples: RegionToy.examples())
    for item in divided {
      #expect(RegionLabels.weight(of: item.target) == Double(item.sequence.chosen.count))
      #expect(item.target.objects.weights.allSatisfy { $0 == 1 })
    }
  }

  @Test func labelsDoNotDependOnTheCut() throws {
    var options = labelOptions
    for background in [true, false] {
      try expectNoCutMatters(RegionLabels.self, options, background: background)
    }
    options.regions = .chosen
    options.masking.probability = 0.4
    options.scale = 1 / 0.15
    try expectNoCutMatters(RegionLabels.self, options, background: false)
    options.attributes = 0
    try expectNoCutMatters(RegionLabels.self, options, background: false)
  }

  @Test func labelsReportTheirParts() throws {
    let store = ParameterStore(seed: 1)
    defer { withExtendedLifetime(store) {} }
    let objective = try RegionLabels(
      labelOptions, RegionToy.facts(background: false), at: store.root)
    let prepared = try RegionToy.prepared(
      RegionLabels.self, labelOptions, examples: RegionToy.examples())
    let (encoding, _) = try RegionToy.encoding(prepared.map(\.sequence))
    let report = try objective.loss(
      encoding, prepared.enumerated().map { Placed(sequence: $0, target: $1.target) },
      denominator: 30)
    let metrics = Dictionary(uniqueKeysWithValues: report.metrics.map { ($0.name, $0) })
    func value(_ name: String) throws -> Double {
      let metric = try #require(metrics["labels.\(name)"])
      return try metric.sum.item() / metric.count
    }
    let total = try report.total.item()
    #expect(abs(try value("loss") - total) < Tolerance.output * total)
    #expect(
      abs(try value("object.loss") + value("attribute.loss") - total) < Tolerance.output * total)
    let known = prepared.reduce(0) { $0 + $1.target.objects.classes.count { $0 >= 0 } }
    #expect(metrics["labels.object.accuracy"]?.count == Double(known) && known < 30)
    #expect(try (0...1).contains(value("attribute.accuracy")))
  }

  // MARK: questions

  @Test func answersAreDrawnByTheirCounts() throws {
    var options = ImageQuestionAnswering.Options()
    options.answers = ["red", "blue", "two"]
    let example = try RegionToy.example(
      0, RegionToy.picture(3, key: 1), answers: ["two", "red", "two", "odd", "two"])
    var counts = [0, 0, 0]
    var stream = RandomStream(seed: 8)
    for _ in 0..<4000 {
      var sequence = InputSequence(example)
      let target = try ImageQuestionAnswering.join(
        &sequence, example, options, RegionToy.context(), using: &stream)
      counts[try #require(target).answer] += 1
      #expect(sequence.asksAnswer)
    }
    #expect(counts[1] == 0)
    #expect(abs(Double(counts[0]) - 1000) < 5 * (4000 * 0.25 * 0.75).squareRoot())
    // No question, no known answer, no true pair: nothing is asked.
    for (answers, isTrue, isAsked) in [
      ([], true, false), (["odd"], true, false), (["red"], false, false), (["red"], true, true),
    ] as [([String], Bool, Bool)] {
      let example = try RegionToy.example(0, RegionToy.picture(3, key: 1), answers: answers)
      var sequence = InputSequence(example)
      sequence.isTruePair = isTrue
      let target = try ImageQuestionAnswering.join(
        &sequence, example, options, RegionToy.context(), using: &stream)
      #expect((target != nil) == isAsked && sequence.asksAnswer == isAsked)
    }
  }

  @Test func answersStartAtChance() throws {
    var options = ImageQuestionAnswering.Options()
    options.answers = ["red", "blue", "two"]
    let store = ParameterStore(seed: 4)
    defer { withExtendedLifetime(store) {} }
    let objective = try ImageQuestionAnswering(options, RegionToy.facts(), at: store.root)
    try withoutGradients { try store["answers.2.weight"]?.value.fillZero() }
    let prepared = try RegionToy.prepared(
      ImageQuestionAnswering.self, options, examples: RegionToy.examples(answers: ["blue"]))
    let (encoding, _) = try RegionToy.encoding(prepared.map(\.sequence))
    let report = try objective.loss(
      encoding, prepared.enumerated().map { Placed(sequence: $0, target: $1.target) },
      denominator: 6)
    #expect(abs(try report.total.item() - log(3)) < Tolerance.rounding)
    #expect(report.metrics.map(\.name) == ["iqa.loss", "iqa.accuracy"])
  }

  // MARK: refusals

  @Test func refusalsSayWhy() throws {
    func refused<O: Objective>(
      _ type: O.Type, _ facts: ModelFacts = RegionToy.facts(),
      _ change: (inout O.Options) -> Void
    ) -> String {
      var options = O.defaults
      change(&options)
      return message { _ = try O(options, facts, at: ParameterStore(seed: 1).root) } ?? "nothing"
    }
    let bare = RegionToy.facts(heads: false)
    #expect(
      refused(MaskedRegionFeatures.self, bare) { _ in }
        == "objectives.mrfr: impossible with toy, which has no head for features of regions")
    #expect(
      refused(MaskedRegionClasses.self, bare) { $0.classes = 5 }
        == "objectives.mrc: impossible with toy, which has no head for classes of regions")
    #expect(
      refused(RegionLabels.self, bare) { $0.objects = 5 }
        == "objectives.labels: impossible with toy, which has no head for classes of regions")
    #expect(
      refused(ImageQuestionAnswering.self, bare) { $0.answers = ["a"] }
        == "objectives.iqa: impossible with toy, which has no vector to answer from")
    #expect(
      refused(MaskedRegionClasses.self) { _ in }.hasPrefix(
        "objectives.mrc.options.classes is 0, expected the number"))
    #expect(
      refused(MaskedRegionClasses.self, RegionToy.facts(background: false)) { $0.classes = 5 }
        .contains("choose options.loss=hard"))
    #expect(
      refused(MaskedRegionClasses.self) {
        $0.classes = 5
        $0.sumTolerance = -1
      }.hasPrefix("objectives.mrc.options.sumTolerance is -1.0"))
    #expect(
      refused(RegionLabels.self) { _ in }.hasPrefix("objectives.labels.options: objects is 0"))
    var facts = RegionToy.facts()
    facts.heads.regionAttributes = nil
    #expect(
      refused(RegionLabels.self, facts) {
        $0.objects = 5
        $0.attributes = 2
      }.contains("has no head for attributes of regions: --set"))
    #expect(refused(RegionLabels.self, facts) { $0.objects = 5 } == "nothing")
    #expect(
      refused(ImageQuestionAnswering.self) { _ in }
        == "objectives.iqa.options.answers: the answer vocabulary is empty")
    #expect(
      refused(ImageQuestionAnswering.self) { $0.answers = ["a", "a"] }
        == "objectives.iqa.options.answers: an answer stands there twice")
  }

  @Test func badRegionsAreNamed() throws {
    var regions = RegionToy.regions(3, seed: 1)
    let wide = message { _ = try classTargets({ $0.classes = 7 }, regions) }
    #expect(
      wide == "record train/0: its regions have 5 class probabilities, "
        + "objectives.mrc.options.classes expects 7")
    regions.classProbabilities = []
    regions.classCount = 0
    let none = message { _ = try classTargets({ _ in }, regions) }
    #expect(none?.hasSuffix("objectives.mrc.options.loss=hard needs none") == true)
    regions.objects = []
    let nothing = message { _ = try classTargets({ $0.loss = .hard }, regions) }
    #expect(nothing == "record train/0: its regions have no classes")
    func labelled(_ regions: Regions) -> String? {
      message {
        let example = try RegionToy.example(0, Picture(key: 1, regions: regions))
        var stream = RandomStream(seed: 1)
        _ = try RegionLabels.prepare(
          example, labelOptions, RegionToy.context(), using: &stream)
      }
    }
    #expect(labelled(regions) == "record train/0: its regions have no objects to learn from")
    regions.objects = [0, 4, -1]
    #expect(
      labelled(regions) == "record train/0: region 1 has the label 4, "
        + "objectives.labels.options.objects allows 0 to 3")
  }
}
