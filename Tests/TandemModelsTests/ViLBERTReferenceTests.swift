import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of an independent implementation, see make_region_models.py.
@Suite struct ViLBERTReferenceTests {
  private let examples: RegionExamples

  init() throws { examples = try RegionExamples("vilbert") }

  private static var config: ViLBERT.Config {
    var config = ViLBERT.Config()
    config.width = 24
    config.layers = 4
    config.heads = 4
    config.feedForward = 18
    config.visualWidth = 20
    config.visualLayers = 2
    config.visualHeads = 4
    config.visualFeedForward = 28
    config.connectionWidth = 16
    config.connectionHeads = 4
    config.textConnections = [2, 3]
    config.visualConnections = [0, 1]
    config.vocabulary = 40
    config.positions = 12
    config.textLength = 12
    config.featureWidth = 10
    config.dropout = 0
    config.attentionDropout = 0
    return config
  }

  private func fixture(
    _ config: ViLBERT.Config = config, kernels: KernelTable = .plain,
    changing: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws -> FixtureModel<ViLBERT> {
    try FixtureModel(
      "vilbert", config, RegionExamples.specials, kernels: kernels, changing: changing)
  }

  private func regionHead(
    _ fixture: FixtureModel<ViLBERT>, _ change: (inout RegionHead.Specification) -> Void = { _ in }
  ) throws -> RegionHead {
    var specification = try #require(fixture.model.facts.heads.regionClasses)
    change(&specification)
    return try RegionHead(
      specification, outputs: 7, fixture.model.facts, at: fixture.store.root)
  }

  @Test(arguments: RegionExamples.cuts, [KernelTable.plain, .oneDNN])
  func outputs(_ cut: [[Int]], _ kernels: KernelTable) throws {
    let fixture = try fixture(kernels: kernels)
    let words = try fixture.vocabulary()
    let matching = try fixture.matching()
    let regions = try regionHead(fixture)
    try fixture.store.loadReport().check()
    for places in cut {
      try withoutGradients {
        let encoding = try fixture.encode(examples.sequences(places))
        for (index, place) in places.enumerated() {
          let text = try stretch(encoding.text.states_TD, encoding.text.rows(of: index))
          let visual = encoding.batch.visualLayout.rows(of: index)
          let units = encoding.visual.rows(of: index)
          #expect(units.lowerBound == visual.lowerBound + 1)
          let pooled = try encoding.pooled([index])
          for (name, found) in [
            ("text", text), ("visual", try stretch(encoding.visual.states_TD, visual)),
            ("pooled", pooled), ("mlm_logits", try words(text)),
            ("match_logits", try matching(pooled)),
            ("region_logits", try regions(encoding.visual(Array(units)))),
          ] {
            let gap = try examples.gap(found, "\(place).\(name)")
            #expect(gap < Tolerance.output, "\(place).\(name): \(gap)")
          }
        }
      }
    }
  }

  /// A model without layers gives its embeddings.
  private func embeddings(
    _ change: (inout ViLBERT.Config) -> Void = { _ in }, isHiding: Bool = true,
    changing: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws -> (text: [Tensor], visual: [Tensor]) {
    var config = Self.config
    config.layers = 0
    config.visualLayers = 0
    config.textConnections = []
    config.visualConnections = []
    change(&config)
    let fixture = try fixture(config, changing: changing)
    let encoding = try withoutGradients {
      try fixture.encode(examples.sequences([0, 1, 2, 3], isHiding: isHiding))
    }
    return (
      try (0..<4).map { try stretch(encoding.text.states_TD, encoding.text.rows(of: $0)) },
      try (0..<4).map {
        try stretch(encoding.visual.states_TD, encoding.batch.visualLayout.rows(of: $0))
      }
    )
  }

  @Test func embeddings() throws {
    let (text, visual) = try embeddings()
    #expect(try examples.change(text, "text_embedding") < Tolerance.output)
    #expect(try examples.change(visual, "visual_embedding") < Tolerance.output)
  }

  @Test func meanOfAPicture() throws {
    let fixture = try fixture()
    let batch = try PackedBatch(examples.sequences([0, 1, 2, 3]), fixture.input)
    let means = try fixture.model.pictureMeans(batch)
    for place in 0..<4 {
      let gap = try examples.gap(stretch(means, place..<place + 1), "\(place).global_feature")
      #expect(gap < Tolerance.output, "\(place): \(gap)")
    }
  }

  /// A region that overlaps a hidden one leaves the divisor of the mean where that is asked for.
  @Test func overlapOfHiddenRegions() throws {
    let sequence = InputSequence(
      text: [7], picture: Picture(key: 9, regions: try examples.regions("overlap")),
      hidden: try examples.hidden("overlap"))
    func mean(_ change: (inout ViLBERT.Config) -> Void) throws -> Tensor {
      var config = Self.config
      change(&config)
      let fixture = try fixture(config)
      return try fixture.model.pictureMeans(PackedBatch([sequence], fixture.input))
    }
    let plain = try mean { _ in }
    let published = try mean { $0.overlapLeavesDivisor = true }
    let far = try mean {
      $0.overlapLeavesDivisor = true
      $0.overlapLimit = 0.95
    }
    #expect(try examples.gap(plain, "overlap.global_feature_plain") < Tolerance.output)
    #expect(try examples.gap(published, "overlap.global_feature_published") < Tolerance.output)
    #expect(try examples.gap(plain, "overlap.global_feature_published") > 0.4)
    #expect(try difference(far, plain) == 0)
  }

  /// With one pooler's product at zero and its bias at one the pooled vector is the other's.
  @Test(arguments: [("v_pooler", "pooled_text"), ("t_pooler", "pooled_visual")])
  func pooledParts(_ silent: String, _ name: String) throws {
    let fixture = try fixture { weights in
      let (weight, bias) = ("bert.\(silent).dense.weight", "bert.\(silent).dense.bias")
      weights[weight] = try weights[weight]?.zerosLike()
      weights[bias] = try .ones([16])
    }
    let encoding = try fixture.encode(examples.sequences([0, 1, 2, 3]))
    for place in 0..<4 {
      let gap = try examples.gap(encoding.pooled([place]), "\(place).\(name)")
      #expect(gap < Tolerance.output)
    }
  }

  // MARK: losses

  private struct Losses {
    var words = 0.0
    var regions = 0.0
    var match = 0.0
    var total: Double { words + regions + match }
  }

  /// The three losses and the gradient of their sum, over any cut of the examples.
  private func losses(
    _ fixture: FixtureModel<ViLBERT>, cut: [[Int]], mode: Mode, onlyMatches: Bool = true,
    matchClass: Int? = nil
  ) throws -> Losses {
    let words = try fixture.vocabulary()
    let matching = try fixture.matching()
    let regions = try regionHead(fixture)
    let match = try examples.file.integers("match")
    let counted = (0..<4).map { match[$0] == 1 || !onlyMatches }
    let labels = try (0..<4).map { place in
      try examples.file.integers("\(place).mlm_labels").map { counted[place] ? $0 : -100 }
    }
    let hidden = try (0..<4).map { counted[$0] ? try examples.hidden("\($0)") : [] }
    let wordCount = Double(labels.joined().count { $0 != -100 })
    let regionCount = Double(hidden.joined().count)
    let right = matchClass ?? matching.matchClass
    var losses = Losses()
    for places in cut {
      let encoding = try fixture.encode(examples.sequences(places), mode)
      let wordLoss = try wordLoss(words, encoding.text, places.map { labels[$0] }) / wordCount
      let matchLoss =
        try matching(encoding.pooled_SD).crossEntropySum(
          Tensor(places.map { match[$0] == 1 ? right : 1 - right })) / 4
      var roots = [wordLoss, matchLoss]
      let units = places.enumerated().flatMap { index, place in
        hidden[place].map { (sequence: index, unit: $0) }
      }
      if !units.isEmpty {
        let targets = try places.flatMap { place in
          let rows = try examples.file.tensor("\(place).class_probabilities").floats()
          return hidden[place].flatMap { rows[$0 * 7..<$0 * 7 + 7] }
        }
        let target = try Tensor(targets, [units.count, 7])
        let logs = try regions(encoding.units(units)).logSoftmax(-1)
        // p·log p, 0 where p is 0.
        let own = try (target * target.clamped(from: 1e-30).log()).sum()
        roots.append(try (own - (target * logs).sum()) / regionCount)
        losses.regions += try roots[2].detached().item()
      }
      losses.words += try wordLoss.detached().item()
      losses.match += try matchLoss.detached().item()
      if isRecordingGradients { try Tensor.backward(roots, roots.map { _ in try .ones([]) }) }
    }
    return losses
  }

  @Test(arguments: RegionExamples.cuts, [Recomputation.none, .layer, .everySecondLayer])
  func lossesAndGradients(_ cut: [[Int]], _ recomputation: Recomputation) throws {
    let fixture = try fixture()
    let losses = try self.losses(
      fixture, cut: cut, mode: Mode(isTraining: true, recomputation: recomputation))
    let expected = examples.description.losses
    for (found, name) in [
      (losses.words, "mlm"), (losses.regions, "region_kl"), (losses.match, "match"),
    ] {
      let value = try #require(expected[name])
      #expect(abs(found - value) < Tolerance.loss * value, "\(name)")
    }
    #expect(abs(losses.total - examples.description.total) < Tolerance.loss * losses.total)
    try examples.expectGradients(fixture.store)
    #expect(fixture.store.parameterCount == examples.description.parameter_count)
  }

  @Test func lossesOfAllPairs() throws {
    let losses = try withoutGradients {
      try self.losses(fixture(), cut: [[0, 1, 2, 3]], mode: .inference, onlyMatches: false)
    }
    for (found, name) in [
      (losses.words, "mlm_of_all_pairs"), (losses.regions, "region_kl_of_all_pairs"),
    ] {
      let value = try #require(examples.description.losses[name])
      #expect(abs(found - value) < Tolerance.loss * value, "\(name)")
    }
    let right = examples.description.total
    try examples.expect("mismatched_pairs_counted", moves: abs(losses.total - right) / right)
  }

  // MARK: mistakes

  @Test func wrongEmbeddingsMove() throws {
    let name = "visual_embedding"
    let right = try embeddings().visual
    /// The mean row of some, the regions of others.
    func joined(_ means: [Tensor], _ regions: [Tensor]) throws -> [Tensor] {
      try zip(means, regions).map { mean, region in
        try Tensor.concatenated([stretch(mean, 0..<1), stretch(region, 1..<region.size(0))])
      }
    }
    let shown = try embeddings(isHiding: false).visual
    try examples.expect(
      "hidden_feature_kept", moves: examples.change(joined(right, shown), name))
    try examples.expect(
      "global_mean_with_hidden", moves: examples.change(joined(shown, right), name))
    let flat = try embeddings(changing: { weights in
      let name = "bert.v_embeddings.image_location_embeddings.weight"
      let weight = try #require(weights[name])
      weights[name] = try .concatenated([weight.narrow(1, from: 0, 4), .zeros([20, 1])], 1)
    }).visual
    try examples.expect(
      "location_without_area", moves: examples.change(joined(right, flat), name))
    let coarse = try embeddings { $0.normEpsilon = 1e-5 }.text
    try examples.expect("eps_1e-5", moves: examples.change(coarse, "text_embedding"))
  }

  @Test func wrongLayersAndHeadsMove() throws {
    var late = Self.config
    late.textConnections = [3, 4]
    late.visualConnections = [1, 2]
    let encoding = try fixture(late).encode(examples.sequences([0, 1, 2, 3]))
    let texts = try (0..<4).map {
      try stretch(encoding.text.states_TD, encoding.text.rows(of: $0))
    }
    try examples.expect("connection_after_its_layers", moves: examples.change(texts, "text"))

    func logits(
      from shift: Int = 0, _ change: (inout RegionHead.Specification) -> Void = { _ in }
    ) throws -> [Tensor] {
      let fixture = try fixture()
      let head = try regionHead(fixture, change)
      let encoding = try fixture.encode(examples.sequences([0, 1, 2, 3]))
      return try (0..<4).map { place in
        try head(encoding.visual(encoding.visual.rows(of: place).map { $0 + shift }))
      }
    }
    let name = "region_logits"
    try examples.expect(
      "image_head_without_norm", moves: examples.change(logits { $0.norm = "" }, name))
    try examples.expect(
      "head_eps_1e-5", moves: examples.change(logits { $0.epsilon = 1e-5 }, name))
    try examples.expect(
      "regions_start_at_global", moves: examples.change(logits(from: -1), name))
    let match = try withoutGradients {
      try self.losses(fixture(), cut: [[0, 1, 2, 3]], mode: .inference, matchClass: 1).match
    }
    let right = try #require(examples.description.losses["match"])
    try examples.expect("match_label_1", moves: abs(match - right) / right)
  }

  // MARK: what no fixture says

  private func mixedSequences() throws -> [InputSequence] {
    var sequences = try examples.sequences([0, 1, 2, 3])
    sequences.insert(InputSequence(text: [7, 8, 9], picture: nil, key: 11), at: 1)
    sequences.append(
      InputSequence(text: [5, 6], picture: sequences[0].picture, hidden: [2], key: 12))
    let feature = [Float](repeating: 0.5, count: 10)
    sequences.append(
      InputSequence(
        text: [9], picture: sequences[0].picture,
        replaced: [ReplacedRegion(region: 1, feature: feature)], key: 13))
    return sequences
  }

  @Test func packedIsEachSequenceAlone() throws {
    var config = Self.config
    config.dropout = 0.2
    config.attentionDropout = 0.2
    let fixture = try fixture(config)
    try expectSameAlone(fixture.model, fixture.input, mixedSequences())
    for parameter in fixture.store.parameters {
      let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
      #expect(try gradient.isFinite().all().item() == 1, "\(parameter.name)")
    }
  }

  /// What stands in for a region is seen in its place, and in the mean.
  @Test func replacedRegionsAreSeenAsReplaced() throws {
    let fixture = try fixture()
    let sequence = try #require(try mixedSequences().last)
    var other = sequence
    var regions = try #require(sequence.picture?.regions)
    regions.features.replaceSubrange(10..<20, with: [Float](repeating: 0.5, count: 10))
    other.picture = Picture(key: 77, regions: regions)
    other.replaced = []
    let (found, expected) = (try fixture.encode([sequence]), try fixture.encode([other]))
    #expect(
      try difference(found.visual.states_TD, expected.visual.states_TD) < Tolerance.rounding)
    #expect(try difference(found.pooled_SD, expected.pooled_SD) < Tolerance.rounding)
  }

  @Test func hiddenRegionsAreNotSeen() throws {
    let fixture = try fixture()
    func states(_ first: Float, hidden: [Int]) throws -> [Float] {
      var sequence = try examples.sequence(1)
      var regions = try #require(sequence.picture?.regions)
      regions.features[0] = first
      sequence.picture = Picture(key: 5, regions: regions)
      sequence.hidden = hidden
      return try fixture.encode([sequence]).text.states_TD.floats()
    }
    #expect(try states(1, hidden: [0]) == states(2, hidden: [0]))
    #expect(try states(1, hidden: []) != states(2, hidden: []))
    #expect(try states(1, hidden: [0, 1, 2]) == states(2, hidden: [0, 1, 2]))
  }

  @Test func parameterCounts() throws {
    let base = try #require(ViLBERT.presets["base"])
    let pairs = base.visualLayers
    #expect(pairs == 6 && base.layers == 2 * pairs && base.textConnections.count == pairs)
    let found = try parameterCount(ViLBERT.self, layers: pairs) { pairs in
      var config = base
      config.layers = 2 * pairs
      config.visualLayers = pairs
      config.textConnections = Array(pairs..<2 * pairs)
      config.visualConnections = Array(0..<pairs)
      config.vocabulary = 100
      return config
    }
    func linear(_ input: Int, _ output: Int) -> Int { input * output + output }
    let text = 12 * 7_087_872
    let visual = 6 * (4 * linear(1024, 1024) + 2 * linear(1024, 1024) + 4 * 1024)
    let connection =
      3 * linear(1024, 1024) + 3 * linear(768, 1024) + linear(1024, 1024) + linear(1024, 768)
      + 2 * linear(1024, 1024) + linear(768, 3072) + linear(3072, 768) + 4 * (1024 + 768)
    let embeddings =
      (512 + 2 + 2) * 768 + linear(2048, 1024) + linear(5, 1024) + 2 * 1024 + 100 * 768
    let poolers = linear(768, 1024) + linear(1024, 1024)
    #expect(found == text + visual + 6 * connection + embeddings + poolers)
  }

  @Test func depths() {
    let config = ViLBERT.Config()
    func depth(_ name: String) -> Int { ViLBERT.depth(of: "bert." + name, config) }
    #expect(depth("embeddings.word_embeddings.weight") == 0)
    #expect(depth("v_embeddings.image_embeddings.weight") == 0)
    #expect(depth("encoder.layer.0.output.dense.weight") == 1)
    #expect(depth("encoder.layer.11.output.dense.weight") == 12)
    #expect(depth("encoder.c_layer.0.biOutput.dense1.weight") == 7)
    #expect(depth("encoder.c_layer.5.biOutput.dense1.weight") == 12)
    #expect(depth("encoder.v_layer.0.output.dense.weight") == 7)
    #expect(depth("encoder.v_layer.5.output.dense.weight") == 12)
    #expect(depth("t_pooler.dense.weight") == 13)
    #expect(ViLBERT.depth(of: "cls.predictions.bias", config) == 13)
  }

  @Test func badConfigsAreNamed() {
    func refusal(_ change: (inout ViLBERT.Config) -> Void) -> String? {
      var config = Self.config
      change(&config)
      return message { _ = try ViLBERT(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refusal { $0.visualHeads = 3 }?.contains("visualHeads 3") == true)
    #expect(refusal { $0.connectionHeads = 0 }?.contains("connectionHeads 0") == true)
    #expect(refusal { $0.textConnections = [1] }?.contains("textConnections") == true)
    #expect(refusal { $0.textConnections = [2, 9] }?.contains("[2, 9]") == true)
    #expect(refusal { $0.visualConnections = [1, 0] }?.contains("[1, 0]") == true)
    #expect(refusal { $0.textLength = 13 }?.contains("positions 12") == true)
    #expect(refusal { $0.dropout = 1 }?.contains("dropout") == true)
    #expect(refusal { _ in } == nil)
  }
}
