import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of the reference implementation, see make_vilt.py.
@Suite struct ViLTReferenceTests {
  private func part(_ rows: Tensor, _ range: Range<Int>) throws -> Tensor {
    try rows.narrow(0, from: range.lowerBound, range.count)
  }

  @Test(arguments: [KernelTable.plain, .oneDNN]) func outputs(_ kernels: KernelTable) throws {
    let fixture = try ViLTFixture(kernels: kernels)
    let batch = try fixture.batch([0, 1, 2, 3])
    let encoding = try withoutGradients { try fixture.model.encode(batch, .inference) }
    for place in 0..<4 {
      let text = batch.textRows(of: place)
      let patches = batch.unitRows(of: place)
      #expect(text.count == fixture.description.examples[place].text_length)
      for (name, range) in [
        ("text", text), ("patches", patches),
        ("image_class", text.upperBound..<text.upperBound + 1),
      ] {
        let expected = try fixture.outputs.tensor("\(place).\(name)").reshaped([-1, 32])
        let gap = try difference(part(encoding.text.states_TD, range), expected)
        #expect(gap < Tolerance.output, "\(place).\(name)")
      }
      let pooled = try encoding.pooled([place]).reshaped([32])
      #expect(
        try difference(pooled, fixture.outputs.tensor("\(place).pooled")) < Tolerance.output)
    }
  }

  /// With the blocks' output projections at zero the blocks change nothing, so that the final norm
  /// sees the embeddings themselves.
  @Test func embeddings() throws {
    let fixture = try ViLTFixture(silent: ["attn.proj", "mlp.fc2"])
    let batch = try fixture.batch([0, 1, 2, 3])
    let encoding = try withoutGradients { try fixture.model.encode(batch, .inference) }
    let weight = try #require(fixture.store["transformer.norm.weight"]).value
    let bias = try #require(fixture.store["transformer.norm.bias"]).value
    for place in 0..<4 {
      let expected = try fixture.outputs.tensor("\(place).embedding")
        .layerNorm(weight, bias, epsilon: 1e-6)
      let rows = batch.layout.rows(of: place)
      #expect(try difference(part(encoding.text.states_TD, rows), expected) < Tolerance.output)
    }
  }

  @Test func logits() throws {
    let fixture = try ViLTFixture()
    let batch = try fixture.batch([0, 1, 2, 3])
    try withoutGradients {
      let encoding = try fixture.model.encode(batch, .inference)
      for place in 0..<4 {
        let found = try fixture.vocabulary(encoding.text(Array(batch.textRows(of: place))))
        let expected = try fixture.outputs.tensor("\(place).mlm_logits")
        #expect(try difference(found, expected) < Tolerance.output)
      }
      for (found, name) in [
        (try fixture.matching(encoding.pooled_SD), "itm_logits"),
        (try fixture.answers(encoding, [0, 1, 2, 3]), "vqa_logits"),
        (try fixture.ranking(encoding, [0, 1, 2, 3]), "rank_scores"),
      ] {
        #expect(try difference(found, fixture.outputs.tensor(name)) < Tolerance.output, "\(name)")
      }
    }
  }

  /// The three losses, taken over any cut of the four examples, and every gradient of their sum.
  @Test(arguments: [[[0, 1, 2, 3]], [[3, 1], [0], [2]]], [Recomputation.none, .layer])
  func lossesAndGradients(_ cut: [[Int]], _ recomputation: Recomputation) throws {
    let fixture = try ViLTFixture()
    let labels = try (0..<4).map { try fixture.file.integers("\($0).mlm_labels") }
    let labelled = Double(labels.joined().count { $0 != -100 })
    let matches = try fixture.file.integers("itm_labels")
    let targets = try fixture.file.tensor("vqa_targets")
    var sums = [0.0, 0.0, 0.0]
    for places in cut {
      let batch = try fixture.batch(places)
      let encoding = try fixture.model.encode(
        batch, Mode(isTraining: true, recomputation: recomputation))
      let rows = places.indices.flatMap { Array(batch.textRows(of: $0)) }
      let index = try Tensor(places)
      let parts = [
        try fixture.vocabulary(encoding.text(rows))
          .crossEntropySum(Tensor(places.flatMap { labels[$0] })) / labelled,
        try fixture.matching(encoding.pooled_SD)
          .crossEntropySum(Tensor(places.map { matches[$0] })) / 4,
        try fixture.answers(encoding, Array(places.indices)).binaryCrossEntropySum(
          targets.rows(index)) / 4,
      ]
      for (place, loss) in parts.enumerated() { sums[place] += try loss.detached().item() }
      try (parts[0] + parts[1] + parts[2]).backward()
    }
    let losses = fixture.description.losses
    for (found, expected) in zip(sums, [losses.mlm, losses.itm, losses.vqa]) {
      #expect(abs(found - expected) < Tolerance.loss * expected)
    }
    #expect(abs(sums.reduce(0, +) - losses.total) < Tolerance.loss * losses.total)
    let gradients = try Fixtures.tensors("vilt/gradients.safetensors")
    for parameter in fixture.store.parameters where !parameter.name.hasPrefix("rank_output.") {
      let found = try #require(try parameter.value.gradient(), "\(parameter.name)")
      let expected = try gradients.tensor(parameter.name)
      let gap = try relativeDifference(found, expected)
      #expect(gap < Tolerance.gradient, "\(parameter.name): \(gap)")
    }
  }

  @Test func ranking() throws {
    let fixture = try ViLTFixture()
    let encoding = try fixture.model.encode(fixture.batch([0, 1, 2, 3]), .inference)
    let loss = try fixture.ranking(encoding, [0, 1, 2, 3]).reshaped([1, 4])
      .crossEntropySum(Tensor([0]))
    try loss.backward()
    let expected = fixture.description.losses.rank
    #expect(abs(try loss.item() - expected) < Tolerance.loss * expected)
    for name in ["rank_output.weight", "rank_output.bias"] {
      let found = try #require(try fixture.store[name]?.value.gradient())
      // One softmax's gradients add up to 0: the bias's is nothing but rounding.
      let gap = try relativeDifference(
        found, fixture.outputs.tensor("rank_gradient." + name), floor: 1)
      #expect(gap < Tolerance.gradient)
    }
  }

  @Test func parameterCounts() throws {
    let tiny = try ViLTFixture()
    #expect(tiny.store.parameterCount == tiny.description.parameter_count)
    let config = try #require(ViLT.presets["b32"])
    let store = ParameterStore(seed: 1)
    _ = try ViLT(config, at: store.root)
    let text = store.parameters.filter { $0.name.hasPrefix("text_embeddings.") }
      .reduce(0) { $0 + $1.count }
    // The published model's (Kim et al. 2021): the trunk without its text embedding, and that.
    #expect(text == 23_474_688)
    #expect(store.parameterCount - text == 88_120_320)
  }

  @Test func depths() {
    let config = ViLTFixture.config
    func depth(_ name: String) -> Int { ViLT.depth(of: name, config) }
    for name in [
      "text_embeddings.word_embeddings.weight", "token_type_embeddings.weight",
      "transformer.patch_embed.proj.bias", "transformer.cls_token", "transformer.pos_embed",
      "transformer.mask_token",
    ] { #expect(depth(name) == 0) }
    #expect(depth("transformer.blocks.0.norm1.weight") == 1)
    #expect(depth("transformer.blocks.11.mlp.fc2.bias") == 12)
    for name in ["transformer.norm.weight", "pooler.dense.weight", "mlm_score.bias"] {
      #expect(depth(name) == 3)
    }
  }

  @Test func badConfigsAreNamed() {
    func refusal(_ change: (inout ViLT.Config) -> Void) -> String? {
      var config = ViLTFixture.config
      change(&config)
      return message { _ = try ViLT(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refusal { $0.heads = 0 } != nil)
    #expect(refusal { $0.layers = 0 } != nil)
    #expect(refusal { $0.textLength = 2 }?.contains("textLength 2") == true)
    #expect(refusal { $0.shorterSide = 7 }?.contains("shorterSide 7") == true)
    #expect(refusal { $0.modalities = 1 }?.contains("modalities") == true)
    #expect(refusal { _ in } == nil)
  }
}
