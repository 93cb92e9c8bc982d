import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import TestSupport
import Testing

/// The tiny LXMERT of make_transformers_models.py with its heads.
private struct Tiny {
  let fixture: TransformersFixture
  let store: ParameterStore
  let model: LXMERT
  let vocabulary: VocabularyHead
  let matching: MatchingHead
  let answers: AnswerHead
  let objects: RegionHead
  let attributes: RegionHead
  let features: RegionHead

  static var config: LXMERT.Config {
    var config = LXMERT.Config()
    config.width = 16
    config.languageLayers = 3
    config.objectLayers = 2
    config.crossLayers = 2
    config.heads = 4
    config.feedForward = 14
    config.vocabulary = 40
    config.textLength = 12
    config.places = 12
    config.featureWidth = 10
    config.dropout = 0
    config.attentionDropout = 0
    return config
  }

  init(
    kernels: KernelTable = .plain, _ change: (inout LXMERT.Config) -> Void = { _ in },
    weights edit: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws {
    var config = Self.config
    change(&config)
    fixture = try TransformersFixture("lxmert")
    store = try fixture.store(kernels: kernels, edit)
    model = try LXMERT(config, at: store.root)
    let facts = model.facts
    let heads = facts.heads
    vocabulary = try VocabularyHead(#require(heads.vocabulary), facts, at: store.root)
    matching = try MatchingHead(#require(heads.matching), facts, at: store.root)
    answers = try AnswerHead(#require(heads.answers), classes: 6, facts, at: store.root)
    objects = try RegionHead(#require(heads.regionClasses), outputs: 7, facts, at: store.root)
    attributes = try RegionHead(
      #require(heads.regionAttributes), outputs: 5, facts, at: store.root)
    features = try RegionHead(
      #require(heads.regionFeatures), outputs: 10, facts, at: store.root)
    try store.loadReport().check()
  }

  func batch(_ sequences: [InputSequence]) throws -> PackedBatch {
    try PackedBatch(sequences, LXMERT.input(model.config, TransformersFixture.specials))
  }

  func encode(_ sequences: [InputSequence]) throws -> Encoding {
    try withoutGradients { try model.encode(batch(sequences), .inference) }
  }

  /// Every output that the fixture has, by its name there, of examples in one batch.
  func outputs(
    _ places: [Int], _ edit: (inout InputSequence) -> Void = { _ in }
  ) throws -> [String: Tensor] {
    try withoutGradients {
      let batch = try batch(
        places.map {
          var sequence = try fixture.sequence($0)
          edit(&sequence)
          return sequence
        })
      let embedded = try model.embedded(batch, .inference)
      let regions_RD = try #require(embedded.visual_RD)
      let encoding = try model.encode(batch, .inference)
      var found: [String: Tensor] = [:]
      for (row, place) in places.enumerated() {
        let text = try part(encoding.text.states_TD, encoding.text.rows(of: row))
        let visual = try part(encoding.visual.states_TD, encoding.visual.rows(of: row))
        let named = [
          "text_embedding": try part(embedded.text_ND, batch.textLayout.rows(of: row)),
          "visual_embedding": try part(regions_RD, batch.visualLayout.rows(of: row)),
          "text": text, "visual": visual, "mlm_logits": try vocabulary(text),
          "object_logits": try objects(visual), "attribute_logits": try attributes(visual),
          "feature": try features(visual), "pooled": try encoding.pooled([row]),
          "match_logits": try matching(encoding.pooled([row])),
          "answer_logits": try answers(encoding, [row]),
        ]
        for (kind, tensor) in named { found["\(place).\(kind)"] = tensor }
      }
      return found
    }
  }
}

/// Against float64 values of the reference implementation, see make_transformers_models.py.
@Suite struct LXMERTReferenceTests {
  @Test(
    arguments: [KernelTable.plain, .oneDNN], [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[3, 1]]])
  func outputs(_ kernels: KernelTable, _ cut: [[Int]]) throws {
    let tiny = try Tiny(kernels: kernels)
    for places in cut {
      let gaps = try tiny.fixture.gaps(tiny.outputs(places))
      #expect(gaps.count == 11)
      for (kind, gap) in gaps { #expect(gap < TransformersFixture.output, "\(kind)") }
    }
  }

  /// Fine-tuning's answers are the same head's; with nothing hidden they are others.
  @Test func answersWithEveryRegionShown() throws {
    let tiny = try Tiny()
    for (name, hides) in [("vqa_logits", true), ("vqa_logits_all_shown", false)] {
      let found = try tiny.outputs(TransformersFixture.all) { if !hides { $0.hidden = [] } }
      for place in TransformersFixture.all {
        let logits = try #require(found["\(place).answer_logits"])
        let right = try tiny.fixture.expected.tensor("\(place).\(name)")
        let gap = try relativeDifference(logits.reshaped([6]), right)
        #expect(gap < TransformersFixture.output, "\(place).\(name)")
      }
    }
  }

  /// Mistakes move every output as they move the reference's.
  @Test func mistakesShow() throws {
    func gaps(_ tiny: Tiny, _ edit: (inout InputSequence) -> Void = { _ in }) throws -> [String:
      Double]
    {
      try tiny.fixture.gaps(tiny.outputs(TransformersFixture.all, edit))
    }
    let right = try Tiny()
    let fixture = right.fixture
    #expect(try !fixture.unlike("all_eps_1e-5", gaps(right)).isEmpty)
    #expect(
      try fixture.unlike("all_eps_1e-5", gaps(Tiny { $0.normEpsilon = 1e-5 })) == [])
    #expect(try fixture.unlike("features_not_hidden", gaps(right) { $0.hidden = [] }) == [])
    // Norms twice as large: their average is what their sum was.
    let sum = try Tiny(weights: { weights in
      for part in ["visn_layer_norm", "box_layer_norm"] {
        for kind in ["weight", "bias"] {
          let name = "bert.encoder.visn_fc.\(part).\(kind)"
          weights[name] = try #require(weights[name]) * 2
        }
      }
    })
    #expect(try fixture.unlike("sum_of_visual_and_box", gaps(sum)) == [])
  }

  /// The losses as the published code defines them, over any cut of the four examples, and every
  /// gradient of their sum: with rows 0 of the text tables as padding, and with all rows learning.
  @Test(
    arguments: [[[0, 1, 2, 3]], [[3, 1], [0], [2]]], Recomputation.allCases)
  func lossesAndGradients(_ cut: [[Int]], _ recomputation: Recomputation) throws {
    let tables = ["position", "token_type"].map { "bert.embeddings.\($0)_embeddings.weight" }
    for learns in [false, true] {
      let tiny = try Tiny { $0.paddingRowsLearn = learns }
      let fixture = tiny.fixture
      var sums: [String: Double] = [:]
      for places in cut {
        let losses = try losses(tiny, places, Mode(isTraining: true, recomputation: recomputation))
        for (name, loss) in losses { sums[name, default: 0] += try loss.detached().item() }
        try Tensor.stacked(losses.map(\.loss)).sum().backward()
      }
      for (name, sum) in sums {
        let right = try #require(fixture.description.losses[name])
        #expect(abs(sum - right) < TransformersFixture.output * right, "\(name)")
      }
      let total = sums.values.reduce(0, +)
      let right = try #require(fixture.description.losses["total"])
      #expect(sums.count == 6 && abs(total - right) < TransformersFixture.output * right)

      var free: [String: Tensor] = [:]
      for table in tables {
        free[table] = try fixture.expected.tensor("gradient_without_padding_row.\(table)")
      }
      #expect(try fixture.wrongGradients(tiny.store, replaced: learns ? free : [:]) == [])
      #expect(try fixture.wrongGradients(tiny.store, replaced: learns ? [:] : free).count == 2)
      for table in tables where !learns {
        let gradient = try #require(try tiny.store[table]?.value.gradient())
        #expect(try largest(part(gradient, 0..<1)) == 0)
      }
    }
  }

  /// Each loss over its number in all four examples.
  private func losses(
    _ tiny: Tiny, _ places: [Int], _ mode: Mode
  ) throws -> [(name: String, loss: Tensor)] {
    let file = tiny.fixture.batch
    let counts = tiny.fixture.description.counts
    let batch = try tiny.batch(places.map { try tiny.fixture.sequence($0) })
    let encoding = try tiny.model.encode(batch, mode)
    func integers(_ name: String) throws -> [Int] {
      try places.flatMap { try file.integers("\($0).\(name)") }
    }
    func numbers(_ name: String) throws -> Tensor {
      try Tensor.concatenated(places.map { try file.tensor("\($0).\(name)") })
    }
    let visual_RD = try encoding.visual(
      places.indices.flatMap { Array(encoding.visual.rows(of: $0)) })
    // All regions count in the denominator of the losses of regions, hidden or not.
    let regions = Double(counts.regions.reduce(0, +)) * 0.15
    func classes(_ head: RegionHead, _ name: String) throws -> Tensor {
      let labels_R1 = try Tensor(integers(name)).unsqueezed(1)
      let likelihoods_R = try head(visual_RD).logSoftmax(1).gathered(1, labels_R1).squeezed(1)
      return try -((likelihoods_R * numbers("\(name)_confidence")).sum() / regions)
    }
    let hidden = try integers("hidden")
    let hiddenRows = try Tensor(hidden.indices.filter { hidden[$0] == 1 })
    let matches = try file.integers("match")
    let answers = try file.integers("answer")
    return [
      (
        "mlm", try tiny.fixture.wordLoss(tiny.vocabulary, encoding, places)
      ),
      (
        "match",
        try tiny.matching(encoding.pooled_SD).crossEntropySum(Tensor(places.map { matches[$0] }))
          / 4
      ),
      (
        "answer",
        try tiny.answers(encoding, Array(places.indices))
          .crossEntropySum(Tensor(places.map { answers[$0] })) / 3
      ),
      ("object", try classes(tiny.objects, "object")),
      ("attribute", try classes(tiny.attributes, "attribute")),
      (
        "feature",
        try tiny.features(visual_RD).rows(hiddenRows)
          .smoothL1Sum(numbers("features").rows(hiddenRows))
          / (Double(TransformersFixture.featureWidth) * regions)
      ),
    ]
  }

  /// A text without a picture gets nothing from the other stream, so that of cross attention only
  /// the output's bias is left: as beside a picture whose cross attention says nothing.
  @Test func textsWithoutPictures() throws {
    let tiny = try Tiny()
    let silent = try Tiny(weights: { weights in
      for name in weights.keys where name.hasSuffix("visual_attention.output.dense.weight") {
        weights[name] = try weights[name]?.zerosLike()
      }
    })
    let shown = try TransformersFixture.all.map { try tiny.fixture.sequence($0) }
    let bare = shown.map { sequence in
      var sequence = sequence
      sequence.picture = nil
      sequence.hidden = []
      return sequence
    }
    let expected = try silent.encode(shown)
    let alone = try tiny.encode(bare)
    let mixed = try tiny.encode([shown[0], bare[1], shown[2], bare[3]])
    #expect(alone.visual.states_TD.shape == [0, 16])
    #expect(alone.visual.rows(of: 2).isEmpty && mixed.visual.rows(of: 1).isEmpty)
    for place in TransformersFixture.all {
      let rows = expected.text.rows(of: place)
      let right = try part(expected.text.states_TD, rows)
      #expect(
        try relativeDifference(part(alone.text.states_TD, rows), right)
          < TransformersFixture.output)
      #expect(
        try relativeDifference(alone.pooled([place]), expected.pooled([place]))
          < TransformersFixture.output)
      let isBare = place % 2 == 1
      let beside = try relativeDifference(part(mixed.text.states_TD, rows), right)
      #expect(isBare == (beside < TransformersFixture.output))
    }
  }

  /// Texts alone train: what only pictures reach learns nothing, all else gets finite gradients.
  @Test(arguments: [Recomputation.none, .layer])
  func gradientsOfTextsWithoutPictures(_ recomputation: Recomputation) throws {
    let tiny = try Tiny()
    var sequence = try tiny.fixture.sequence(0)
    sequence.picture = nil
    sequence.hidden = []
    let encoding = try tiny.model.encode(
      tiny.batch([sequence]), Mode(isTraining: true, recomputation: recomputation))
    let weights = try randomTensor(encoding.text.states_TD.shape, seed: 5)
    try (encoding.text.states_TD * weights).sum().backward()
    var reached = 0
    for parameter in tiny.store.parameters {
      guard let gradient = try parameter.value.gradient() else { continue }
      #expect(try gradient.isFinite().all().item() == 1, "\(parameter.name)")
      let isOfPictures = ["visn", "r_layers"].contains(where: parameter.name.contains)
      let size = try largest(gradient)
      if isOfPictures { #expect(size == 0, "\(parameter.name)") }
      if size > 0 { reached += 1 }
    }
    #expect(reached > 60)
  }

  /// A replaced region is one whose feature the picture had.
  @Test func replacedRegions() throws {
    let tiny = try Tiny()
    var sequence = try tiny.fixture.sequence(2)
    let other = (0..<10).map { Float($0) / 7 - 0.5 }
    var changed = sequence
    var regions = try #require(sequence.picture?.regions)
    regions.features.replaceSubrange(30..<40, with: other)
    changed.picture = Picture(key: 77, regions: regions)
    sequence.replaced = [ReplacedRegion(region: 3, feature: other)]
    let plain = try tiny.encode([tiny.fixture.sequence(2)])
    let one = try tiny.encode([sequence])
    let two = try tiny.encode([changed])
    #expect(try difference(one.visual.states_TD, two.visual.states_TD) < Tolerance.output)
    #expect(try difference(one.text.states_TD, two.text.states_TD) < Tolerance.output)
    #expect(try difference(one.visual.states_TD, plain.visual.states_TD) > 1e-3)
  }

  /// Shown, hidden and replaced regions and a text alone, in the precision of training on a GPU.
  @Test func bfloat16() throws {
    let fixture = try TransformersFixture("lxmert")
    var sequences = try TransformersFixture.all.map { try fixture.sequence($0) }
    sequences[1].picture = nil
    sequences[1].hidden = []
    sequences[3].hidden = [2]
    sequences[3].replaced = [ReplacedRegion(region: 1, feature: (0..<10).map { Float($0) / 7 })]
    let gap = try TransformersFixture.bfloat16Gap(LXMERT.self, Tiny.config, sequences)
    #expect(gap > 0 && gap < Tolerance.bfloat16)
  }

  @Test func dropoutFollowsSequences() throws {
    let tiny = try Tiny {
      $0.dropout = 0.1
      $0.attentionDropout = 0.1
    }
    var sequences = try TransformersFixture.all.map { try tiny.fixture.sequence($0) }
    sequences[1].picture = nil
    sequences[1].hidden = []
    #expect(try TransformersFixture.dropoutFollowsSequences(tiny.model, sequences))
    let still = try tiny.encode(sequences)
    let moving = try withoutGradients {
      try tiny.model.encode(tiny.batch(sequences), Mode(isTraining: true, seed: 8))
    }
    #expect(try difference(still.visual.states_TD, moving.visual.states_TD) > 1e-3)
  }

  /// The trunk's weights, from the sizes alone.
  private func count(_ config: LXMERT.Config) -> Int {
    let width = config.width
    func product(_ input: Int, _ output: Int) -> Int { (input + 1) * output }
    let norm = 2 * width
    let attention = 4 * product(width, width) + norm
    let forward =
      product(width, config.feedForward) + product(config.feedForward, width) + norm
    let text =
      (config.vocabulary + max(config.places, config.textLength) + 2) * width + norm
    let visual = product(config.featureWidth, width) + product(4, width) + 2 * norm
    return text + visual + product(width, width)
      + (config.languageLayers + config.objectLayers) * (attention + forward)
      + config.crossLayers * (3 * attention + 2 * forward)
  }

  @Test func parameterCounts() throws {
    let tiny = try Tiny()
    let known = tiny.fixture.description.parameter_counts
    #expect(tiny.store.parameterCount == known["all"])
    #expect(count(Tiny.config) == known["trunk"])
    let base = try #require(LXMERT.presets["base"])
    #expect(count(base) == 207_936_768)
    for name in ["tiny", "small"] {
      let config = try #require(LXMERT.presets[name])
      let store = ParameterStore(seed: 1)
      _ = try LXMERT(config, at: store.root)
      #expect(store.parameterCount == count(config))
      if name == "small" {
        #expect(store.parameterCount - config.vocabulary * config.width == 620_640)
      }
    }
  }

  @Test func rankingReadsThePooledVector() throws {
    let tiny = try Tiny()
    let facts = tiny.model.facts
    let ranking = try RankingHead(#require(facts.heads.ranking), facts, at: tiny.store.root)
    let encoding = try tiny.encode([tiny.fixture.sequence(0), tiny.fixture.sequence(1)])
    let scores = try ranking(encoding, [1, 0])
    let weight = try #require(tiny.store["rank_output.weight"]).value
    let right = try encoding.pooled([1, 0]).matmul(weight.transposed(0, 1)).squeezed(1)
    #expect(try difference(scores, right) < Tolerance.rounding)
  }

  @Test func depths() throws {
    func depth(_ name: String) -> Int { LXMERT.depth(of: name, Tiny.config) }
    for name in [
      "bert.embeddings.word_embeddings.weight", "bert.embeddings.LayerNorm.bias",
      "bert.encoder.visn_fc.visn_fc.weight", "bert.encoder.visn_fc.box_layer_norm.bias",
    ] { #expect(depth(name) == 0) }
    #expect(depth("bert.encoder.layer.0.output.dense.bias") == 1)
    #expect(depth("bert.encoder.layer.2.output.dense.bias") == 3)
    // The second of two layers stands beside the third of three.
    #expect(depth("bert.encoder.r_layers.0.output.dense.bias") == 2)
    #expect(depth("bert.encoder.r_layers.1.output.dense.bias") == 3)
    #expect(depth("bert.encoder.x_layers.0.visual_attention.att.key.bias") == 4)
    #expect(depth("bert.encoder.x_layers.1.lang_output.dense.bias") == 5)
    for name in ["bert.pooler.dense.weight", "cls.predictions.bias", "answer_head.logit_fc.0.bias"]
    {
      #expect(depth(name) == 6)
    }
    #expect(try Tiny().model.facts.layers == 5)
  }

  @Test func badConfigsAreNamed() {
    func refused(_ change: (inout LXMERT.Config) -> Void) -> String? {
      refusal(LXMERT.self, Tiny.config, change)
    }
    #expect(refused { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refused { $0.heads = 0 } != nil)
    #expect(refused { $0.width = 0 }?.contains("width") == true)
    #expect(refused { $0.crossLayers = 0 }?.contains("crossLayers") == true)
    #expect(refused { $0.languageLayers = 0 }?.contains("languageLayers") == true)
    #expect(refused { $0.textLength = 2 }?.contains("textLength 2") == true)
    #expect(refused { $0.featureWidth = 0 }?.contains("featureWidth") == true)
    #expect(refused { $0.mostRegions = 0 }?.contains("mostRegions") == true)
    #expect(refused { $0.dropout = 1 }?.contains("dropout") == true)
    #expect(refused { $0.normEpsilon = 0 }?.contains("normEpsilon") == true)
    // Fewer places than text rows: the table is as long as the text.
    #expect(refused { $0.places = 3 } == nil)
  }
}
