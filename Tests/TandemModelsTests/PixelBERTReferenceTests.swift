import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of an independent implementation, see make_region_models.py.
@Suite struct PixelBERTReferenceTests {
  private let examples: RegionExamples

  init() throws { examples = try RegionExamples("pixelbert") }

  private static var config: PixelBERT.Config {
    var config = PixelBERT.Config()
    config.width = 24
    config.layers = 1
    config.heads = 4
    config.feedForward = 18
    config.vocabulary = 40
    config.positions = 12
    config.textLength = 12
    config.featureWidth = 10
    config.dropout = 0
    config.attentionDropout = 0
    return config
  }

  private func fixture(
    _ config: PixelBERT.Config = config, kernels: KernelTable = .plain,
    changing: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws -> FixtureModel<PixelBERT> {
    try FixtureModel(
      "pixelbert", config, RegionExamples.specials, kernels: kernels, changing: changing)
  }

  /// One output of each example.
  private func rows(
    _ fixture: FixtureModel<PixelBERT>
  ) throws -> (text: [Tensor], visual: [Tensor]) {
    let encoding = try withoutGradients {
      try fixture.encode(examples.sequences([0, 1, 2, 3]))
    }
    func parts(_ rows: EncodedRows) throws -> [Tensor] {
      try (0..<4).map { try stretch(rows.states_TD, rows.rows(of: $0)) }
    }
    return (try parts(encoding.text), try parts(encoding.visual))
  }

  @Test(arguments: RegionExamples.cuts, [KernelTable.plain, .oneDNN])
  func outputs(_ cut: [[Int]], _ kernels: KernelTable) throws {
    let fixture = try fixture(kernels: kernels)
    let words = try fixture.vocabulary()
    let matching = try fixture.matching()
    try fixture.store.loadReport().check()
    for places in cut {
      try withoutGradients {
        let encoding = try fixture.encode(examples.sequences(places))
        for (index, place) in places.enumerated() {
          let text = try stretch(encoding.text.states_TD, encoding.text.rows(of: index))
          let visual = try stretch(encoding.visual.states_TD, encoding.visual.rows(of: index))
          let pooled = try encoding.pooled([index])
          for (name, found) in [
            ("text", text), ("visual", visual), ("pooled", pooled),
            ("mlm_logits", try words(text)), ("match_logits", try matching(pooled)),
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
    _ change: (inout PixelBERT.Config) -> Void = { _ in },
    changing: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws -> (text: [Tensor], visual: [Tensor]) {
    var config = Self.config
    config.layers = 0
    change(&config)
    return try rows(fixture(config, changing: changing))
  }

  @Test func embeddings() throws {
    let (text, visual) = try embeddings()
    #expect(try examples.change(text, "text_embedding") < Tolerance.output)
    #expect(try examples.change(visual, "visual_embedding") < Tolerance.output)
  }

  /// Both losses and the gradient of their sum.
  private func losses(
    _ fixture: FixtureModel<PixelBERT>, cut: [[Int]], mode: Mode, matchClass: Int? = nil
  ) throws -> (words: Double, match: Double) {
    let words = try fixture.vocabulary()
    let matching = try fixture.matching()
    let match = try examples.file.integers("match")
    let labels = try (0..<4).map { try examples.file.integers("\($0).mlm_labels") }
    let count = Double(labels.joined().count { $0 != -100 })
    let right = matchClass ?? matching.matchClass
    var losses = (words: 0.0, match: 0.0)
    for places in cut {
      let encoding = try fixture.encode(examples.sequences(places), mode)
      let wordLoss = try wordLoss(words, encoding.text, places.map { labels[$0] }) / count
      let matchLoss =
        try matching(encoding.pooled_SD).crossEntropySum(
          Tensor(places.map { match[$0] == 1 ? right : 1 - right })) / 4
      losses.words += try wordLoss.detached().item()
      losses.match += try matchLoss.detached().item()
      if isRecordingGradients { try (wordLoss + matchLoss).backward() }
    }
    return losses
  }

  @Test(arguments: RegionExamples.cuts, [Recomputation.none, .layer])
  func lossesAndGradients(_ cut: [[Int]], _ recomputation: Recomputation) throws {
    let fixture = try fixture()
    let (words, match) = try self.losses(
      fixture, cut: cut, mode: Mode(isTraining: true, recomputation: recomputation))
    for (found, name) in [(words, "mlm"), (match, "itm")] {
      let value = try #require(examples.description.losses[name])
      #expect(abs(found - value) < Tolerance.loss * value, "\(name)")
    }
    let total = examples.description.total
    #expect(abs(words + match - total) < Tolerance.loss * total)
    try examples.expectGradients(fixture.store)
    #expect(fixture.store.parameterCount == examples.description.parameter_count)
  }

  @Test func mistakesMove() throws {
    let typeless = try embeddings(changing: { weights in
      let name = "pixelbert.visual_embeddings.type"
      weights[name] = try weights[name]?.zerosLike()
    })
    try examples.expect(
      "cells_have_no_type", moves: examples.change(typeless.visual, "visual_embedding"))
    let table = try #require(fixture().store["pixelbert.embeddings.position_embeddings.weight"])
    let placed = try embeddings().visual.map { rows in
      try rows + table.value.narrow(0, from: 0, rows.size(0))
    }
    try examples.expect(
      "cells_have_positions", moves: examples.change(placed, "visual_embedding"))
    let coarse = try embeddings({ $0.normEpsilon = 1e-5 }).text
    try examples.expect("eps_1e-5", moves: examples.change(coarse, "text_embedding"))

    let fixture = try fixture()
    var specification = try #require(fixture.model.facts.heads.vocabulary)
    specification.epsilon = 1e-5
    let head = try VocabularyHead(specification, fixture.model.facts, at: fixture.store.root)
    let logits = try rows(fixture).text.map { try head($0) }
    try examples.expect("head_eps_1e-5", moves: examples.change(logits, "mlm_logits"))
    let match = try withoutGradients {
      try self.losses(fixture, cut: [[0, 1, 2, 3]], mode: .inference, matchClass: 0).match
    }
    let right = try #require(examples.description.losses["itm"])
    try examples.expect("match_label_0", moves: abs(match - right) / right)
  }

  @Test func packedIsEachSequenceAlone() throws {
    var config = Self.config
    config.dropout = 0.2
    config.attentionDropout = 0.2
    let fixture = try fixture(config)
    var sequences = try examples.sequences([0, 1, 2, 3])
    sequences.insert(InputSequence(text: [7, 8, 9], picture: nil, key: 11), at: 1)
    sequences.append(
      InputSequence(text: [5, 6], picture: sequences[0].picture, hidden: [2], key: 12))
    try expectSameAlone(fixture.model, fixture.input, sequences)
  }

  @Test func hiddenCellsAreNotSeen() throws {
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
  }

  @Test func parameterCounts() throws {
    let base = try #require(PixelBERT.presets["base"])
    let found = try parameterCount(PixelBERT.self, layers: base.layers) { layers in
      var config = base
      config.layers = layers
      config.vocabulary = 100
      return config
    }
    // BERT's without its words, the projection of cells and the vector that they share.
    let embeddings = (512 + 2 + 2) * 768 + 100 * 768
    let cells = 2048 * 768 + 768 + 768
    #expect(found == 85_054_464 + embeddings + cells + 590_592)
  }

  @Test func depthsAndBadConfigs() {
    let config = PixelBERT.Config()
    #expect(PixelBERT.depth(of: "pixelbert.embeddings.LayerNorm.bias", config) == 0)
    #expect(PixelBERT.depth(of: "pixelbert.visual_embeddings.type", config) == 0)
    #expect(PixelBERT.depth(of: "pixelbert.encoder.layer.11.output.dense.bias", config) == 12)
    #expect(PixelBERT.depth(of: "pixelbert.pooler.dense.bias", config) == 13)
    func refusal(_ change: (inout PixelBERT.Config) -> Void) -> String? {
      var config = Self.config
      change(&config)
      return message { _ = try PixelBERT(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refusal { $0.textLength = 13 }?.contains("positions 12") == true)
    #expect(refusal { $0.featureWidth = 0 }?.contains("featureWidth") == true)
    #expect(refusal { $0.layers = -1 }?.contains("layers") == true)
    #expect(refusal { _ in } == nil)
  }
}
