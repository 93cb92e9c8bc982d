import TandemCore
import TandemNN
import TandemObjectives
import TandemTorch
import Testing
import TestSupport

/// For every objective of the catalogue.
@Suite struct CatalogOptionTests {
  @Test func namesDiffer() {
    let names = ObjectiveCatalog.all.map { $0.name }
    #expect(Set(names).count == names.count)
    #expect(Set(names).isSuperset(of: ["mrfr", "mrc", "labels", "iqa", "itc", "triplet"]))
  }

  @Test(arguments: ObjectiveCatalog.all.indices) func optionsSurviveJSON(_ index: Int) throws {
    func check<O: Objective>(_ type: O.Type) throws {
      let json = try JSONValue(encoding: O.defaults)
      let text = try #require(JSONValue(parsing: json.compact))
      #expect(try text.decoded(O.Options.self) == O.defaults)
      let definition = try ObjectiveDefinition(type, weight: 0.5, options: .object([:]))
      #expect(try definition.options.decoded(O.Options.self) == O.defaults)
      let wrong = JSONValue.object(["noSuchOption": .integer(1)])
      let found = message { _ = try ObjectiveDefinition(type, weight: 1, options: wrong) }
      #expect(found?.contains("noSuchOption") == true)
    }
    try check(ObjectiveCatalog.all[index])
  }

  /// A recipe may change a part of the masking.
  @Test func maskingIsMerged() throws {
    let changes = try #require(
      JSONValue(parsing: #"{"loss": "smoothL1", "masking": {"otherShare": 0.1, "maskShare": 0.8}}"#)
    )
    let definition = try ObjectiveDefinition(MaskedRegionFeatures.self, weight: 1, options: changes)
    var expected = MaskedRegionFeatures.Options()
    expected.loss = .smoothL1
    expected.masking = .lxmert
    #expect(try definition.options.decoded(MaskedRegionFeatures.Options.self) == expected)
  }

  /// LXMERT's pass: matching decides, words and regions are hidden once, the question is answered;
  /// one sequence for all.
  @Test func objectivesShareAPass() throws {
    var answers = ImageQuestionAnswering.Options()
    answers.answers = ["red", "blue"]
    var features = MaskedRegionFeatures.Options()
    features.masking = .lxmert
    features.masking.probability = 0.5
    var labels = RegionLabels.Options()
    (labels.objects, labels.attributes) = (4, 3)
    labels.masking = .lxmert
    var definitions = [
      ObjectiveDefinition(ImageQuestionAnswering.self, typed: answers),
      ObjectiveDefinition(RegionLabels.self, typed: labels),
      ObjectiveDefinition(MaskedRegionFeatures.self, typed: features),
      ObjectiveDefinition(ImageTextMatching.self, typed: .init()),
    ]
    for place in definitions.indices { definitions[place].pass = "all" }
    let mixture = try Mixture(definitions)
    #expect(mixture.passes == [[3, 1, 2, 0]])
    let store = ParameterStore(seed: 1)
    defer { withExtendedLifetime(store) {} }
    let runners = try definitions.map {
      try $0.built(RegionToy.facts(background: false), at: store.root)
    }
    var sequences: [MixedSequence] = []
    for (position, example) in try RegionToy.examples(answers: ["blue"]).enumerated() {
      var sequence = InputSequence(example)
      sequence.key = UInt64(position + 1)
      var targets: [MixedTarget] = []
      for place in mixture.passes[0] {
        var stream = RandomStream(seed: 5).child(UInt64(position)).child(definitions[place].name)
        if let target = try definitions[place].joined(
          &sequence, example, RegionToy.context(position: position), place: place, using: &stream)
        {
          targets.append(target)
        }
      }
      let asked = targets.map(\.objective)
      #expect(asked.contains(0) == (sequence.isTruePair == true))
      #expect(asked.contains(1) && asked.contains(3))
      #expect(asked.contains(2) == !sequence.chosen.isEmpty)
      sequences.append(MixedSequence(sequence, group: 0, targets: targets))
    }
    let (encoding, _) = try RegionToy.encoding(sequences.map(\.sequence))
    for (place, runner) in runners.enumerated() {
      let report = try #require(
        try runner.loss(encoding, sequences, place: place, denominator: 6))
      #expect(try report.total.item() > 0)
      try runner.remember(encoding, sequences, place: place)
    }
  }

  /// The runner hands an objective its own targets to remember.
  @Test func runnersRemember() throws {
    var options = ImageTextContrast.Options()
    options.queue = 4
    let store = ParameterStore(seed: 1)
    defer { withExtendedLifetime(store) {} }
    let definition = ObjectiveDefinition(ImageTextContrast.self, typed: options)
    let runner = try definition.built(
      RegionToy.facts(fuses: false, pairWidth: 2), at: store.root)
    var sequences: [MixedSequence] = []
    for (position, example) in try RegionToy.examples().prefix(3).enumerated() {
      var stream = RandomStream(seed: 1)
      sequences += try definition.prepared(
        example, RegionToy.context(), place: position == 1 ? 1 : 0, key: UInt64(position),
        using: &stream)
    }
    let batch = try PackedBatch(sequences.map(\.sequence), RegionToy.input)
    let rows = try Tensor.zeros([batch.layout.rowCount, 2])
    let texts = try leaf(Tensor([1, 2, 3, 4, 5, 6] as [Float], [3, 2]))
    let encoding = Encoding(
      batch: batch, text: rows, visual: rows, pooled_SD: rows,
      pair: PairFeatures(text_SE: texts, picture_SE: texts, scale: try Tensor([1] as [Float])))
    try runner.remember(encoding, sequences, place: 0)
    let queue = try #require(store.buffers["itc.text_queue"])
    #expect(try queue.floats() == [1, 2, 5, 6, 0, 0, 0, 0] && !queue.requiresGradient)
    #expect(try store.buffers["itc.queue_ptr"]?.item() == 2)
  }
}
