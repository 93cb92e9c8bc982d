import Foundation
import TandemCore
import TandemModels
import TandemNN
import TandemObjectives
import TandemText
import TandemTorch
import Testing
import TestSupport

private func options(
  _ count: Int, _ change: (inout ImageTextMatching.Options) -> Void = { _ in }
) -> ImageTextMatching.Options {
  var options = ImageTextMatching.Options()
  options.hardNegatives = count
  options.negatives = .either
  change(&options)
  return options
}

/// A tiny model that learns matching from eight pairs.
private final class Lab {
  let store = ParameterStore(seed: 5, productInitialization: .fanIn)
  let model: UNITER
  let input: InputSpecification
  let objective: (definition: ObjectiveDefinition, runner: any ObjectiveRunner)
  let mixture: Mixture

  init(_ options: ImageTextMatching.Options) throws {
    var config = try #require(UNITER.presets["tiny"])
    config.vocabulary = Toy.specials.vocabularyCount
    model = try UNITER(config, at: store.root)
    input = UNITER.input(config, Toy.specials)
    let definition = ObjectiveDefinition(ImageTextMatching.self, typed: options)
    objective = (definition, try definition.built(model.facts, at: store.root))
    mixture = try Mixture([definition])
  }

  func examples() throws -> [Example] {
    try (0..<8).map { place in
      try Toy.example(
        place, Toy.words[place] + " of " + Toy.words[(place * 5 + 2) % 12],
        Toy.picture(input, units: (2, 1 + place % 3), key: UInt64(10 + place)))
    }
  }

  /// A step whose candidates are drawn from the other pairs.
  func step(_ number: Int = 0, rowBudget: Int = 1000) throws -> PreparedStep {
    let examples = try examples()
    let sequences = try examples.enumerated().flatMap { position, example in
      let context = try Toy.context(
        input, position: position, pair: UInt64(100 * number + position / 2),
        other: examples[(position + 3) % 8].pictures[0], step: examples)
      return try mixture.sequences(
        mixture.passes, example, context, RandomStream(seed: UInt64(20 * number + position)))
    }
    let packer = MicrobatchPacker(input, rowBudget: rowBudget)
    let candidates = Candidates(sequences, packer)
    return PreparedStep(
      step: number, epoch: 0,
      microbatches: candidates == nil ? try packer.microbatches(sequences) : [],
      candidates: candidates,
      denominators: mixture.denominators(candidates?.firstKept ?? sequences), exampleCount: 8,
      skipped: [])
  }

  func chosen(_ step: PreparedStep, seed: UInt64 = 1) throws -> PreparedStep {
    try step.chosen(by: [objective], seed: seed, encode: model.encode)
  }

  /// The odds of a match of one pair by itself.
  func odds(_ sequence: InputSequence) throws -> Double {
    try withoutGradients {
      let encoding = try model.encode(PackedBatch([sequence], input), .inference)
      let logits = try #require(objective.runner.typed(ImageTextMatching.self)).predict(encoding)
      return logits[0].probability / (1 - logits[0].probability)
    }
  }

  /// The loss of a step and the gradients of all weights.
  func learned(_ step: PreparedStep) throws -> (loss: Double, gradients: [String: Tensor]) {
    var loss = 0.0
    for parameter in store.parameters { try parameter.value.gradient()?.fillZero() }
    for microbatch in step.microbatches {
      let encoding = try model.encode(microbatch.batch, .inference)
      let report = try #require(
        try objective.runner.loss(
          encoding, microbatch.sequences, place: 0, denominator: step.denominators[0]))
      loss += try report.total.item()
      try report.total.backward()
    }
    let gradients = try store.parameters.compactMap { parameter in
      try parameter.value.gradient().map { (parameter.name, try $0.clone()) }
    }
    return (loss, Dictionary(uniqueKeysWithValues: gradients))
  }
}

/// What a sequence shows, by name.
private func content(_ sequence: InputSequence) -> String {
  "\(sequence.text) \(sequence.picture?.key ?? 0)"
}

private func keys(_ step: PreparedStep) -> Set<UInt64> {
  Set(step.microbatches.flatMap(\.sequences).map(\.sequence.key))
}

/// Matching that chooses among several false partners.
@Suite struct HardNegativeTests {
  private func prepared(_ count: Int) throws -> [PreparedSequence<ImageTextMatching.Match>] {
    try RegionToy.prepared(
      ImageTextMatching.self, options(count), examples: RegionToy.examples())
  }

  @Test func candidatesOfAnExample() throws {
    let items = try prepared(4)
    #expect(items.count == 3 + 3 * 4)
    for item in items {
      #expect(item.group == 0)
      #expect(item.target.isMatch == (item.choice == 0))
      #expect(item.sequence.isTruePair == item.target.isMatch)
    }
    let groups = Dictionary(grouping: items.filter { $0.choice != 0 }, by: \.choice)
    #expect(groups.count == 3)
    for group in groups.values {
      #expect(group.count == 4)
      // Either half of a pair is foreign, never both.
      for item in group {
        let isForeign = item.sequence.picture?.key == 999
        let text = try Toy.tokenizer().encode("left of star").ids
        #expect(isForeign != (item.sequence.text == text))
      }
    }
  }

  /// Without a choice each pair is what it always was, by the same draws.
  @Test func nothingChangesWithoutAChoice() throws {
    for count in [0, 1] {
      let items = try prepared(count)
      #expect(items.count == 6 && items.allSatisfy { $0.choice == 0 && $0.group == 0 })
      for (place, item) in items.enumerated() where !item.target.isMatch {
        var stream = RandomStream(seed: 31).child(UInt64(place))
        #expect((item.sequence.picture?.key == 999) == (stream.next() & 1 == 0))
      }
    }
    let lab = try Lab(options(0))
    let step = try lab.step()
    #expect(step.candidates == nil && step.microbatches.count == 1)
    let same = try step.chosen(by: [lab.objective], seed: 1) { _, _ in
      throw ParameterError("nothing is to be encoded")
    }
    #expect(keys(same) == keys(step) && keys(step).count == 8)
  }

  /// The candidate that scores highest by itself is learned, however the look is cut.
  @Test(arguments: [ImageTextMatching.Candidates.data, .batch], [1000, 40])
  func theHardestIsKept(_ candidates: ImageTextMatching.Candidates, _ rows: Int) throws {
    let lab = try Lab(options(5) { $0.candidates = candidates })
    let step = try lab.step(rowBudget: rows)
    #expect(step.microbatches.isEmpty && step.denominators == [8])
    let open = try #require(step.candidates)
    #expect(open.settled.count == 4 && open.groups.map(\.count) == [5, 5, 5, 5])
    var expected = open.settled.map { content($0.sequence) }
    var places: Set<Int> = []
    for group in open.groups {
      let odds = try group.map { try lab.odds($0.sequence) }
      let best = try #require(odds.indices.max { odds[$0] < odds[$1] })
      places.insert(best)
      // Data give some candidates twice here, so contents are compared.
      expected.append(content(group[best].sequence))
    }
    // Not always the first one.
    #expect(places.count > 1)
    let chosen = try lab.chosen(step)
    #expect(chosen.candidates == nil)
    let kept = chosen.microbatches.flatMap(\.sequences).map { content($0.sequence) }
    #expect(kept.sorted() == expected.sorted() && kept.count == 8)
  }

  /// What is learned is what a step learns that never had another candidate.
  @Test func gradientsAreThoseOfTheKeptPairs() throws {
    let lab = try Lab(options(6) { $0.candidates = .batch })
    let step = try lab.step(rowBudget: 60)
    let chosen = try lab.chosen(step)
    // The look leaves no gradient behind.
    #expect(try lab.store.parameters.allSatisfy { try $0.value.gradient() == nil })
    let found = try lab.learned(chosen)
    let open = try #require(step.candidates)
    var pairs = open.settled
    for group in open.groups {
      let odds = try group.map { try lab.odds($0.sequence) }
      pairs.append(group[try #require(odds.indices.max { odds[$0] < odds[$1] })])
    }
    let alone = PreparedStep(
      step: 0, epoch: 0,
      microbatches: try pairs.map {
        Microbatch(batch: try PackedBatch([$0.sequence], lab.input), sequences: [$0])
      },
      denominators: [8], exampleCount: 8, skipped: [])
    let expected = try lab.learned(alone)
    #expect(abs(found.loss - expected.loss) < Tolerance.output * expected.loss)
    #expect(found.gradients.count > 10 && found.gradients.count == expected.gradients.count)
    for (name, gradient) in expected.gradients {
      let own = try #require(found.gradients[name])
      #expect(try relativeDifference(own, gradient) < Tolerance.gradient, "\(name)")
    }
    // With the first candidates it is another step.
    let first = try lab.learned(step.choosingFirst())
    #expect(abs(first.loss - expected.loss) > 1e-3)
    #expect(first.loss < found.loss)
  }

  /// Pictures of the step stand beside many texts and are there once.
  @Test func partnersComeFromTheStep() throws {
    let lab = try Lab(options(7) { ($0.candidates, $0.negatives) = (.batch, .picture) })
    let step = try lab.step()
    let examples = try lab.examples()
    let pictures = Set(examples.map { $0.pictures[0].key })
    let open = try #require(step.candidates)
    for group in open.groups {
      #expect(Set(group.map { $0.sequence.picture?.key }).count == 7)
      for item in group {
        let own = try #require(examples.first { $0.texts[0].ids == item.sequence.text })
        let key = try #require(item.sequence.picture?.key)
        #expect(pictures.contains(key) && key != own.pictures[0].key)
      }
    }
    let batch = try #require(try lab.chosen(step).microbatches.first).batch
    #expect(batch.sequenceCount == 8 && batch.pictures.count <= 8)
  }

  // MARK: the draw

  /// A look at sequences whose vectors hang on their keys alone.
  private func scout(_ encoded: @escaping (Int) -> Void = { _ in }) -> Scout {
    Scout(MicrobatchPacker(RegionToy.input, rowBudget: 5000)) { batch, mode in
      encoded(batch.sequenceCount)
      #expect(!mode.isTraining && !isRecordingGradients)
      let pooled = try batch.layout.sequenceKeys.map {
        try randomTensor([1, RegionToy.width], seed: $0 ^ 77)
      }
      return Encoding(
        batch: batch, joint: try .zeros([batch.layout.rowCount, RegionToy.width]),
        pooled_SD: try Tensor.concatenated(pooled))
    }
  }

  @Test func sampledByTheSoftmax() throws {
    let store = ParameterStore(seed: 3, productInitialization: .fanIn)
    defer { withExtendedLifetime(store) {} }
    // Whichever class says that a pair is true.
    for matchClass in [0, 1] {
      var facts = RegionToy.facts()
      facts.heads.matching = MatchingHead.Specification(path: "matching", matchClass: matchClass)
      let objective = try ImageTextMatching(
        options(4) { $0.choice = .sampled }, facts, at: store.root)
      let group = (0..<4).map {
        InputSequence(text: [Int32(7 + $0)], picture: nil, key: UInt64(40 + $0))
      }
      let weight = try table(#require(store["matching.weight"]).value)
      let odds = try group.map { sequence in
        let row = try table(randomTensor([1, RegionToy.width], seed: sequence.key ^ 77))[0]
        let logits = weight.map { zip($0, row).reduce(0) { $0 + $1.0 * $1.1 } }
        return logits[matchClass] - logits[1 - matchClass]
      }
      let chances = logSoftmax(odds).map { exp($0) }
      let trials = 3000
      var stream = RandomStream(seed: 8)
      let places = try objective.choose(
        [[InputSequence]](repeating: group, count: trials), scout(), using: &stream)
      #expect(places.count == trials)
      for (place, chance) in chances.enumerated() {
        let count = Double(places.count { $0 == place })
        let bound = 5 * (Double(trials) * chance * (1 - chance)).squareRoot()
        #expect(abs(count - chance * Double(trials)) < bound, "\(place)")
      }
      #expect(chances.max() ?? 1 < 0.9 && chances.min() ?? 0 > 0.02)
      // Always the same without a draw.
      let hardest = try ImageTextMatching(options(4), facts, at: store.root)
      let best = odds.indices.max { odds[$0] < odds[$1] }
      #expect(try hardest.choose([group, group], scout(), using: &stream) == [best, best])
    }
  }

  /// The same draws for the same step of the same run, others for another.
  @Test func drawsHangOnSeedAndStep() throws {
    let lab = try Lab(options(7) { ($0.candidates, $0.choice) = (.batch, .sampled) })
    let step = try lab.step(3)
    let drawn = try (0..<12).map { try keys(lab.chosen(step, seed: UInt64($0))) }
    #expect(Set(drawn).count > 6)
    #expect(try keys(lab.chosen(step, seed: 4)) == drawn[4])
    let open = try #require(step.candidates)
    let later = PreparedStep(
      step: 4, epoch: 0, microbatches: [], candidates: open, denominators: [8], exampleCount: 8,
      skipped: [])
    #expect(try (0..<4).contains { try keys(lab.chosen(later, seed: UInt64($0))) != drawn[$0] })
    // However the look is cut.
    #expect(try keys(lab.chosen(lab.step(3, rowBudget: 30), seed: 4)) == drawn[4])
  }

  /// Of a model with vectors of texts and pictures these say which pair is hard, and each is made
  /// once.
  @Test func similaritiesWhereThereAreVectors() throws {
    let store = ParameterStore(seed: 3)
    defer { withExtendedLifetime(store) {} }
    let objective = try ImageTextMatching(
      options(6), RegionToy.facts(pairWidth: 4), at: store.root)
    func vector(_ seed: Int) throws -> Tensor {
      let x = try randomTensor([1, 4], seed: UInt64(seed))
      return try x / x.norm([1], keep: true)
    }
    var encoded: [Int] = []
    let scout = Scout(MicrobatchPacker(RegionToy.input, rowBudget: 5000)) { batch, _ in
      encoded.append(batch.sequenceCount)
      let rows = try Tensor.zeros([batch.layout.rowCount, 4])
      let texts = (0..<batch.sequenceCount).map { batch.tokens[batch.textLayout.offsets[$0] + 1] }
      let pictures = batch.pictureOfSequence.map { batch.pictures[$0].unitCount }
      return Encoding(
        batch: batch, text: rows, visual: rows, pooled_SD: try .zeros([texts.count, 8]),
        pair: PairFeatures(
          text_SE: try Tensor.concatenated(texts.map(vector)),
          picture_SE: try Tensor.concatenated(pictures.map { try vector(100 + $0) }),
          scale: try Tensor([2.5] as [Float])))
    }
    // Five texts beside five pictures: four groups of different pairs.
    let pictures = (1...5).map { RegionToy.picture($0, key: UInt64($0)) }
    let groups = (0..<4).map { text in
      (0..<5).map { InputSequence(text: [Int32(7 + text)], picture: pictures[$0]) }
    }
    var stream = RandomStream(seed: 1)
    let found = try objective.choose(groups, scout, using: &stream)
    let expected = try (0..<4).map { text in
      let scores = try (1...5).map { picture in
        try (vector(7 + text) * vector(100 + picture)).sum().item()
      }
      return try #require(scores.indices.max { scores[$0] < scores[$1] })
    }
    #expect(found == expected && Set(found).count > 1)
    #expect(encoded == [5])
    // Scaled similarities are what the softmax is of.
    let sampling = try ImageTextMatching(
      options(6) { $0.choice = .sampled }, RegionToy.facts(pairWidth: 4), at: store.root)
    let draws = try sampling.choose(
      [[InputSequence]](repeating: groups[0], count: 3000), scout, using: &stream)
    let chances = try logSoftmax(
      (1...5).map { try 2.5 * (vector(7) * vector(100 + $0)).sum().item() }
    ).map { exp($0) }
    for (place, chance) in chances.enumerated() {
      let count = Double(draws.count { $0 == place })
      #expect(abs(count - 3000 * chance) < 5 * (3000 * chance * (1 - chance)).squareRoot())
    }
  }

  // MARK: what cannot be had

  @Test func optionsThatContradictOneAnother() throws {
    func refusal(
      _ count: Int, _ change: (inout ImageTextMatching.Options) -> Void = { _ in }
    ) -> String? {
      message {
        _ = try ImageTextMatching(
          options(count, change), RegionToy.facts(), at: ParameterStore(seed: 1).root)
      }
    }
    #expect(
      refusal(-1) == "objectives.itm.options.hardNegatives is -1, expected 0 or more")
    #expect(
      refusal(0) { $0.candidates = .batch }?
        .hasPrefix("objectives.itm.options.candidates is batch, but hardNegatives is 0") == true)
    for count in [0, 1] {
      #expect(
        refusal(count) { $0.choice = .sampled }?.hasPrefix(
          "objectives.itm.options.choice is sampled, but hardNegatives is \(count)") == true)
    }
    #expect(refusal(1) { $0.candidates = .batch } == nil)
    #expect(refusal(2) { $0.choice = .sampled } == nil)
  }

  @Test func sharedPassesAreRefused() throws {
    var definitions = [
      ObjectiveDefinition(ImageTextMatching.self, typed: options(4)),
      ObjectiveDefinition(WordPatchAlignment.self, typed: .init()),
    ]
    let found = message { _ = try Mixture(definitions) }
    #expect(found?.hasPrefix("objectives.itm.options.hardNegatives is 4: several false") == true)
    #expect(found?.contains("'wpa'") == true)
    definitions[1].pass = "alone"
    #expect(try Mixture(definitions).passes == [[0], [1]])
    definitions[0] = ObjectiveDefinition(ImageTextMatching.self, typed: options(0))
    definitions[0].pass = "alone"
    #expect(try Mixture(definitions).passes == [[0, 1]])
  }

  @Test func aStepOfOnePairHasNoPartners() throws {
    let example = try RegionToy.example(0, RegionToy.picture(3, key: 1))
    let found = (0..<8).compactMap { pair in
      message {
        var stream = RandomStream(seed: 1)
        _ = try ImageTextMatching.prepare(
          example, options(4) { $0.candidates = .batch },
          Toy.context(
            RegionToy.input, pair: UInt64(pair), other: RegionToy.picture(4, key: 9),
            step: [example]),
          using: &stream)
      }
    }
    // Half of the time the pair is a true one.
    #expect((1..<8).contains(found.count))
    #expect(
      found.allSatisfy { $0.hasPrefix("objectives.itm.options.candidates is batch, but a step") })
  }
}
