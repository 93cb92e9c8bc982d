import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import TestSupport
import Testing

/// The tiny VisualBERT of make_transformers_models.py with its heads.
private struct Tiny {
  let fixture: TransformersFixture
  let store: ParameterStore
  let model: VisualBERT
  let vocabulary: VocabularyHead
  let matching: MatchingHead

  static var config: VisualBERT.Config {
    var config = VisualBERT.Config()
    config.width = 16
    config.layers = 2
    config.heads = 4
    config.feedForward = 20
    config.vocabulary = 40
    config.textLength = 12
    config.places = 12
    config.featureWidth = 10
    config.dropout = 0
    config.attentionDropout = 0
    return config
  }

  static let table = "visual_bert.embeddings."

  init(
    kernels: KernelTable = .plain, _ change: (inout VisualBERT.Config) -> Void = { _ in },
    weights edit: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws {
    var config = Self.config
    change(&config)
    fixture = try TransformersFixture("visualbert")
    store = try fixture.store(kernels: kernels, edit)
    model = try VisualBERT(config, at: store.root)
    let facts = model.facts
    vocabulary = try VocabularyHead(#require(facts.heads.vocabulary), facts, at: store.root)
    matching = try MatchingHead(#require(facts.heads.matching), facts, at: store.root)
    try store.loadReport().check()
  }

  func batch(_ sequences: [InputSequence]) throws -> PackedBatch {
    try PackedBatch(sequences, VisualBERT.input(model.config, TransformersFixture.specials))
  }

  func encode(_ sequences: [InputSequence]) throws -> Encoding {
    try withoutGradients { try model.encode(batch(sequences), .inference) }
  }

  /// The words of each region of example 0; one region has none.
  func alignment() throws -> [[Int]] {
    let words = try fixture.batch.integers("alignment.0")
    return (0..<5).map { region in words[3 * region..<3 * region + 3].filter { $0 >= 0 } }
  }

  /// Every output that the fixture has, by its name there, of examples in one batch.
  func outputs(
    _ places: [Int], _ edit: (inout InputSequence) throws -> Void = { _ in }
  ) throws -> [String: Tensor] {
    try withoutGradients {
      let batch = try batch(
        places.map {
          var sequence = try fixture.sequence($0)
          try edit(&sequence)
          return sequence
        })
      let embedded = try model.embedded(batch, .inference)
      let encoding = try model.encode(batch, .inference)
      var found: [String: Tensor] = [:]
      for (row, place) in places.enumerated() {
        let text = try part(encoding.text.states_TD, encoding.text.rows(of: row))
        let named = [
          "text_embedding": try part(embedded, batch.textRows(of: row)),
          "visual_embedding": try part(embedded, batch.unitRows(of: row)),
          "text": text,
          "visual": try part(encoding.visual.states_TD, encoding.visual.rows(of: row)),
          "mlm_logits": try vocabulary(text), "pooled": try encoding.pooled([row]),
          "match_logits": try matching(encoding.pooled([row])),
        ]
        for (kind, tensor) in named { found["\(place).\(kind)"] = tensor }
      }
      return found
    }
  }
}

/// Against float64 values of the reference implementation, see make_transformers_models.py.
@Suite struct VisualBERTReferenceTests {
  @Test(
    arguments: [KernelTable.plain, .oneDNN], [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[3, 1]]])
  func outputs(_ kernels: KernelTable, _ cut: [[Int]]) throws {
    for (type, prefix) in [(1, ""), (0, "type0.")] {
      let tiny = try Tiny(kernels: kernels) { $0.visualType = type }
      for places in cut {
        let gaps = try tiny.fixture.gaps(tiny.outputs(places), prefix: prefix)
        #expect(gaps.count == 7)
        for (kind, gap) in gaps { #expect(gap < TransformersFixture.output, "\(prefix)\(kind)") }
      }
    }
  }

  /// Regions that words name: alone, and beside examples of which nothing is known.
  @Test func alignedRegions() throws {
    let tiny = try Tiny()
    let alignment = try tiny.alignment()
    #expect(alignment.map(\.count) == [2, 1, 3, 0, 2])
    let alone = try tiny.outputs([0]) { $0.alignment = alignment }
    let all = try tiny.outputs([3, 0, 2]) { if $0.key == 0 { $0.alignment = alignment } }
    for found in [alone, all.filter { $0.key.hasPrefix("0.") }] {
      let gaps = try tiny.fixture.gaps(found, prefix: "aligned.")
      #expect(gaps.count == 7)
      for (kind, gap) in gaps { #expect(gap < TransformersFixture.output, "\(kind)") }
    }
    let others = try tiny.fixture.gaps(all.filter { !$0.key.hasPrefix("0.") })
    for (kind, gap) in others { #expect(gap < TransformersFixture.output, "\(kind)") }
  }

  @Test func alignmentsOfOtherPicturesAreRefused() throws {
    let tiny = try Tiny()
    for (alignment, reason) in [
      ([[1], [2]], "2 regions"), ([[1], [], [7], [], []], "row 7"), ([[-1], [], [], [], []], "-1"),
    ] {
      let error = message { _ = try tiny.outputs([0]) { $0.alignment = alignment } }
      #expect(error?.contains(reason) == true)
    }
  }

  /// Mistakes move every output as they move the reference's.
  @Test func mistakesShow() throws {
    let right = try Tiny()
    let fixture = right.fixture
    func gaps(_ tiny: Tiny) throws -> [String: Double] {
      try fixture.gaps(tiny.outputs(TransformersFixture.all))
    }
    func copied(_ from: String, to: String, _ weights: inout [String: Tensor]) {
      weights[Tiny.table + to + ".weight"] = weights[Tiny.table + from + ".weight"]
    }
    func withoutPlaces(_ weights: inout [String: Tensor]) throws {
      let name = Tiny.table + "visual_position_embeddings.weight"
      weights[name] = try weights[name]?.zerosLike()
    }
    let tables = try Tiny(weights: {
      copied("position_embeddings", to: "visual_position_embeddings", &$0)
      copied("token_type_embeddings", to: "visual_token_type_embeddings", &$0)
    })
    #expect(try !fixture.unlike("visual_type_0", gaps(right)).isEmpty)
    for (mistake, tiny) in [
      ("all_eps_1e-5", try Tiny { $0.normEpsilon = 1e-5 }),
      ("visual_type_0", try Tiny { $0.visualType = 0 }),
      ("no_visual_position_row", try Tiny(weights: withoutPlaces)),
      ("text_tables_for_visual_rows", tables),
    ] { #expect(try fixture.unlike(mistake, gaps(tiny)) == []) }

    let alignment = try right.alignment()
    let first = alignment.map { Array($0.prefix(1)) }
    let ownTable = try Tiny(weights: {
      copied("visual_position_embeddings", to: "position_embeddings", &$0)
    })
    for (mistake, tiny, words) in [
      ("no_alignment", right, []), ("first_word_only", right, first),
      ("visual_table_for_words", ownTable, alignment),
      ("no_visual_position_row", try Tiny(weights: withoutPlaces), alignment),
    ] {
      let found = try tiny.outputs([0]) { $0.alignment = words }
      #expect(
        try fixture.unlike("aligned.\(mistake)", fixture.gaps(found, prefix: "aligned.")) == [])
    }
  }

  /// Both losses, over any cut of the four examples, and every gradient of their sum.
  @Test(arguments: [[[0, 1, 2, 3]], [[3, 1], [0], [2]]], Recomputation.allCases)
  func lossesAndGradients(_ cut: [[Int]], _ recomputation: Recomputation) throws {
    for type in [1, 0] {
      let tiny = try Tiny { $0.visualType = type }
      let (fixture, description) = (tiny.fixture, tiny.fixture.description)
      let matches = try fixture.batch.integers("match")
      var sums = [0.0, 0.0]
      for places in cut {
        let batch = try tiny.batch(places.map { try fixture.sequence($0) })
        let encoding = try tiny.model.encode(
          batch, Mode(isTraining: true, recomputation: recomputation))
        let words = try fixture.wordLoss(tiny.vocabulary, encoding, places)
        let match = try tiny.matching(encoding.pooled_SD)
          .crossEntropySum(Tensor(places.map { matches[$0] }))
        let losses = [words, try match / 4]
        for (place, loss) in losses.enumerated() { sums[place] += try loss.detached().item() }
        try (losses[0] + losses[1]).backward()
      }
      let all = type == 1 ? description.losses : description.other_losses
      let prefix = type == 1 ? "" : "type0_"
      for (name, found) in [("mlm", sums[0]), ("match", sums[1]), ("total", sums[0] + sums[1])] {
        let right = try #require(all[prefix + name])
        #expect(abs(found - right) < TransformersFixture.output * right, "\(prefix)\(name)")
      }
      let wrong = try fixture.wrongGradients(tiny.store)
      #expect(type == 1 ? wrong == [] : wrong.count > 10)
    }
  }

  /// Where words name regions their table of places learns of it: the slope of the outputs along a
  /// random direction is the gradient's.
  @Test func alignmentsReachTheTableOfPlaces() throws {
    let name = Tiny.table + "position_embeddings.weight"
    let tiny = try Tiny()
    let alignment = try tiny.alignment()
    func value(_ tiny: Tiny) throws -> Tensor {
      var sequence = try tiny.fixture.sequence(0)
      sequence.alignment = alignment
      let rows = try tiny.model.embedded(tiny.batch([sequence]), .inference)
      let regions = try part(rows, 7..<12)
      return try (regions * randomTensor(regions.shape, seed: 9)).sum()
    }
    try value(tiny).backward()
    let table = try #require(tiny.store[name]).value
    let gradient = try #require(try table.gradient())
    // Rows 6 and later are no named word's.
    #expect(try largest(part(gradient, 6..<12)) == 0 && largest(part(gradient, 1..<6)) > 0)
    let found = try slopes(at: table, gradient: gradient, step: 1e-4, seed: 4) { moved in
      try value(Tiny(weights: { $0[name] = moved })).item()
    }
    #expect(
      abs(found.difference - found.gradient)
        < Tolerance.finiteDifference * abs(found.gradient))
  }

  /// The paper hides no region; a hidden one here has the feature 0, whatever it was.
  @Test func hiddenAndReplacedRegions() throws {
    let tiny = try Tiny()
    func shown(_ feature: [Float]) throws -> InputSequence {
      var sequence = try tiny.fixture.sequence(2)
      var regions = try #require(sequence.picture?.regions)
      regions.features.replaceSubrange(30..<40, with: feature)
      sequence.picture = Picture(key: 77, regions: regions)
      return sequence
    }
    let other = (0..<10).map { Float($0) / 7 - 0.5 }
    let plain = try tiny.fixture.sequence(2)
    var hidden = plain
    hidden.hidden = [3]
    var replaced = plain
    replaced.replaced = [ReplacedRegion(region: 3, feature: other)]
    let before = try tiny.encode([plain]).visual.states_TD
    for (sequence, same) in [
      (hidden, try shown([Float](repeating: 0, count: 10))), (replaced, try shown(other)),
    ] {
      let found = try tiny.encode([sequence]).visual.states_TD
      #expect(try difference(found, tiny.encode([same]).visual.states_TD) < Tolerance.output)
      #expect(try difference(found, before) > 1e-3)
    }
  }

  /// Answers are read at the row before the last, where the question has its [MASK].
  @Test func answersAreReadBeforeTheLastRow() throws {
    let tiny = try Tiny()
    let facts = tiny.model.facts
    let specification = try #require(facts.heads.answers)
    let head = try AnswerHead(specification, classes: 5, facts, at: tiny.store.root)
    var questions = [try tiny.fixture.sequence(1), try tiny.fixture.sequence(3)]
    for place in questions.indices { questions[place].asksAnswer = true }
    let encoding = try tiny.encode(questions)
    #expect(encoding.batch.textLayout.offsets == [0, 6, 13])
    #expect([4, 10 + 1].map { encoding.batch.tokens[$0] } == [4, 4])
    let found = try head(encoding, [1, 0])
    func weight(_ name: String) throws -> Tensor {
      try #require(tiny.store["vqa_classifier.\(name)"]).value
    }
    let rows = [1, 0].map { encoding.text.rows(of: $0).upperBound - 2 }
    let inner = try encoding.text(rows).linear(weight("0.weight"), weight("0.bias"))
      .layerNorm(weight("1.weight"), weight("1.bias"), epsilon: 1e-12).gelu()
    let right = try inner.linear(weight("3.weight"), weight("3.bias"))
    #expect(found.shape == [2, 5])
    #expect(try difference(found, right) < Tolerance.output)
  }

  /// Heads of regions share what lies before their decoders.
  @Test func regionHeadsShareTheirTransform() throws {
    let tiny = try Tiny()
    let facts = tiny.model.facts
    let before = tiny.store.parameterCount
    let classes = try RegionHead(
      #require(facts.heads.regionClasses), outputs: 7, facts, at: tiny.store.root)
    _ = try RegionHead(
      #require(facts.heads.regionFeatures), outputs: 10, facts, at: tiny.store.root)
    #expect(tiny.store.parameterCount - before == 17 * 16 + 2 * 16 + 17 * 7 + 17 * 10)
    #expect(classes.specification.hasBackground)
    let encoding = try tiny.encode([tiny.fixture.sequence(0)])
    #expect(try classes(encoding.units([(0, 1), (0, 4)])).shape == [2, 7])
  }

  /// A second caption has the second type, and texts need no picture.
  @Test func secondTextsAndTextsWithoutPictures() throws {
    let tiny = try Tiny()
    var pair = try tiny.fixture.sequence(1)
    pair.second = [7, 8]
    let batch = try tiny.batch([pair])
    #expect(batch.tokenTypes == [0, 0, 0, 0, 1, 1, 1])
    let changed = try Tiny(weights: {
      let name = Tiny.table + "token_type_embeddings.weight"
      let table = try #require($0[name])
      $0[name] = try Tensor.concatenated([part(table, 0..<1), -part(table, 1..<2)])
    })
    let one = try withoutGradients { try tiny.model.embedded(batch, .inference) }
    let two = try withoutGradients { try changed.model.embedded(batch, .inference) }
    #expect(try difference(part(one, 0..<4), part(two, 0..<4)) == 0)
    #expect(try difference(part(one, 4..<7), part(two, 4..<7)) > 1e-3)
    #expect(try difference(part(one, 7..<10), part(two, 7..<10)) == 0)

    var bare = try tiny.fixture.sequence(0)
    bare.picture = nil
    let alone = try tiny.encode([bare])
    let mixed = try tiny.encode([tiny.fixture.sequence(1), bare])
    #expect(alone.visual.rows(of: 0).isEmpty && mixed.visual.rows(of: 1).isEmpty)
    #expect(try difference(alone.pooled_SD, mixed.pooled([1])) < Tolerance.output)
  }

  /// Shown, hidden and replaced regions and a text alone, in the precision of training on a GPU.
  @Test func bfloat16() throws {
    let fixture = try TransformersFixture("visualbert")
    var sequences = try TransformersFixture.all.map { try fixture.sequence($0) }
    sequences[1].picture = nil
    sequences[1].hidden = []
    sequences[3].hidden = [2]
    sequences[3].replaced = [ReplacedRegion(region: 1, feature: (0..<10).map { Float($0) / 7 })]
    sequences[2].alignment = [[1], [], [2, 3], [], [], [0]]
    let gap = try TransformersFixture.bfloat16Gap(VisualBERT.self, Tiny.config, sequences)
    #expect(gap > 0 && gap < Tolerance.bfloat16)
  }

  @Test func dropoutFollowsSequences() throws {
    let tiny = try Tiny {
      $0.dropout = 0.1
      $0.attentionDropout = 0.1
    }
    var sequences = try TransformersFixture.all.map { try tiny.fixture.sequence($0) }
    sequences[1].picture = nil
    #expect(try TransformersFixture.dropoutFollowsSequences(tiny.model, sequences))
    let still = try tiny.encode(sequences)
    let moving = try withoutGradients {
      try tiny.model.encode(tiny.batch(sequences), Mode(isTraining: true, seed: 8))
    }
    #expect(try difference(still.visual.states_TD, moving.visual.states_TD) > 1e-3)
  }

  /// The trunk's weights, from the sizes alone.
  private func count(_ config: VisualBERT.Config) -> Int {
    let width = config.width
    func product(_ input: Int, _ output: Int) -> Int { (input + 1) * output }
    let norm = 2 * width
    let layer =
      4 * product(width, width) + product(width, config.feedForward)
      + product(config.feedForward, width) + 2 * norm
    let places = max(config.places, config.textLength)
    return (config.vocabulary + 2 * places + 2 + 2) * width + norm
      + product(config.featureWidth, width) + config.layers * layer + product(width, width)
  }

  @Test func parameterCounts() throws {
    let tiny = try Tiny()
    let known = tiny.fixture.description.parameter_counts
    #expect(tiny.store.parameterCount == known["all"])
    #expect(count(Tiny.config) == known["trunk"])
    // BERT base has 109,482,240; beside it two types, 512 places and the features' projection.
    let base = try #require(VisualBERT.presets["base"])
    #expect(count(base) == 109_482_240 + 2 * 768 + 512 * 768 + 2049 * 768)
    for name in ["tiny", "small"] {
      let config = try #require(VisualBERT.presets[name])
      let store = ParameterStore(seed: 1)
      _ = try VisualBERT(config, at: store.root)
      #expect(store.parameterCount == count(config))
      if name == "small" {
        #expect(store.parameterCount - config.vocabulary * config.width == 472_992)
      }
    }
  }

  @Test func depths() {
    func depth(_ name: String) -> Int { VisualBERT.depth(of: name, Tiny.config) }
    for name in ["word_embeddings.weight", "visual_projection.bias", "LayerNorm.weight"] {
      #expect(depth(Tiny.table + name) == 0)
    }
    #expect(depth("visual_bert.encoder.layer.0.output.dense.bias") == 1)
    #expect(depth("visual_bert.encoder.layer.1.output.dense.bias") == 2)
    for name in ["visual_bert.pooler.dense.weight", "cls.predictions.bias"] {
      #expect(depth(name) == 3)
    }
  }

  @Test func badConfigsAreNamed() {
    func refused(_ change: (inout VisualBERT.Config) -> Void) -> String? {
      refusal(VisualBERT.self, Tiny.config, change)
    }
    #expect(refused { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refused { $0.heads = 0 } != nil)
    #expect(refused { $0.width = 0 }?.contains("width") == true)
    #expect(refused { $0.layers = 0 }?.contains("layers") == true)
    #expect(refused { $0.textLength = 4 }?.contains("textLength 4") == true)
    #expect(refused { $0.featureWidth = 0 }?.contains("featureWidth") == true)
    #expect(refused { $0.mostRegions = 0 }?.contains("mostRegions") == true)
    #expect(refused { $0.visualType = 2 }?.contains("visualType") == true)
    #expect(refused { $0.dropout = 1 }?.contains("dropout") == true)
    #expect(refused { $0.normEpsilon = 0 }?.contains("normEpsilon") == true)
    #expect(refused { $0.places = 3 } == nil)
  }
}
