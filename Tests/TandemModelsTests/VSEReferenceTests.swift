import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of an independent implementation, see make_region_models.py.
@Suite struct VSEReferenceTests {
  private let examples: RegionExamples

  init() throws { examples = try RegionExamples("vse") }

  private static var config: VSE.Config {
    var config = VSE.Config()
    config.width = 24
    config.wordWidth = 24
    config.vocabulary = 40
    config.textLength = 12
    config.featureWidth = 10
    return config
  }

  private func fixture(
    _ config: VSE.Config = config, kernels: KernelTable = .plain
  ) throws -> FixtureModel<VSE> {
    let fixture = try FixtureModel<VSE>(
      "vse", config, RegionExamples.specials, kernels: kernels)
    try fixture.store.loadReport().check()
    return fixture
  }

  @Test(arguments: RegionExamples.cuts, [KernelTable.plain, .oneDNN])
  func outputs(_ cut: [[Int]], _ kernels: KernelTable) throws {
    let fixture = try fixture(kernels: kernels)
    for places in cut {
      let encoding = try fixture.encode(examples.sequences(places))
      let pair = try #require(encoding.pair)
      for (index, place) in places.enumerated() {
        let text = try stretch(pair.text_SE, index..<index + 1)
        let picture = try stretch(pair.picture_SE, index..<index + 1)
        #expect(try examples.gap(text, "\(place).text_vector") < Tolerance.output)
        #expect(try examples.gap(picture, "\(place).image_vector") < Tolerance.output)
        #expect(
          try difference(encoding.pooled([index]), text * picture) < Tolerance.rounding)
      }
    }
  }

  private func similarity(_ encoding: Encoding) throws -> Tensor {
    let pair = try #require(encoding.pair)
    return try pair.picture_SE.matmul(pair.text_SE.transposed(0, 1)) * pair.scale
  }

  @Test func similarities() throws {
    let fixture = try fixture()
    let encoding = try fixture.encode(examples.sequences([0, 1, 2, 3]))
    #expect(try examples.gap(similarity(encoding), "similarity") < Tolerance.output)
    let scores = try fixture.ranking()(encoding, [3, 1])
    let expected = try examples.outputs.tensor("similarity").diagonal(0, 1)
      .rows(Tensor([3, 1]))
    #expect(try difference(scores, expected) < Tolerance.output)
    #expect(fixture.store.parameterCount == examples.description.parameter_count)
  }

  /// For each picture and each text what the wrong partners come too near, at least 0, [8, 3].
  private func hinges(_ similarity: Tensor, margin: Double) throws -> Tensor {
    let right_41 = try similarity.diagonal(0, 1).unsqueezed(1)
    let others = try Tensor((0..<4).flatMap { row in (0..<4).filter { $0 != row } }, [4, 3])
    return try Tensor.concatenated(
      [similarity, similarity.transposed(0, 1)].map { scores in
        try (scores.gathered(1, others) - right_41 + margin).relu()
      })
  }

  private func hardest(_ hinges: Tensor) throws -> Tensor { try hinges.max(1).values.sum() }

  @Test func lossesAndGradients() throws {
    let fixture = try fixture()
    let encoding = try fixture.encode(
      examples.sequences([0, 1, 2, 3]), Mode(isTraining: true))
    let hinges = try hinges(similarity(encoding), margin: 0.2)
    let loss = try hardest(hinges)
    try loss.backward()
    for (found, name) in [(loss, "triplet_hardest"), (try hinges.sum(), "triplet_sum")] {
      let value = try #require(examples.description.losses[name])
      #expect(abs(try found.detached().item() - value) < Tolerance.loss * value, "\(name)")
    }
    try examples.expectGradients(fixture.store)
  }

  @Test func mistakesMove() throws {
    let fixture = try fixture()
    let encoding = try withoutGradients { try fixture.encode(examples.sequences([0, 1, 2, 3])) }
    let scores = try similarity(encoding)
    let total = examples.description.total
    let right = try hinges(scores, margin: 0.2)
    for (mistake, wrong) in [
      ("no_margin", try hardest(hinges(scores, margin: 0))),
      ("one_direction", try hardest(stretch(right, 0..<4))),
      ("mean_over_batch", try hardest(right) / 4), ("sum_of_hinges", try right.sum()),
    ] {
      try examples.expect(mistake, moves: abs(wrong.item() - total) / total)
    }

    // With special tokens of its own the packer takes the fixture's for words.
    var input = fixture.input
    input.classification = 0
    input.separator = 1
    let sequences = try (0..<4).map { place in
      var sequence = try examples.sequence(place)
      sequence.text = try examples.file.integers("\(place).ids").map(Int32.init)
      return sequence
    }
    let counted = try fixture.model.encode(PackedBatch(sequences, input), .inference)
    let texts = try #require(counted.pair).text_SE
    let vectors = try (0..<4).map { try stretch(texts, $0..<$0 + 1) }
    try examples.expect("specials_counted", moves: examples.change(vectors, "text_vector"))
  }

  // MARK: what no fixture says

  @Test func anEmptyTextIsZero() throws {
    let fixture = try fixture()
    var sequences = try examples.sequences([0, 1])
    sequences[1].text = []
    sequences.append(InputSequence(text: [], picture: nil))
    let encoding = try fixture.encode(sequences, Mode(isTraining: true))
    let pair = try #require(encoding.pair)
    #expect(try largest(stretch(pair.text_SE, 1..<3)) == 0)
    #expect(try largest(stretch(pair.picture_SE, 2..<3)) == 0)
    try (similarity(encoding).sum() + encoding.pooled_SD.sum()).backward()
    for parameter in fixture.store.parameters {
      let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
      #expect(try gradient.isFinite().all().item() == 1, "\(parameter.name)")
    }
  }

  @Test func packedIsEachSequenceAlone() throws {
    var config = Self.config
    config.dropout = 0.2
    let fixture = try fixture(config)
    var sequences = try examples.sequences([0, 1, 2, 3])
    sequences.insert(InputSequence(text: [7, 8, 9], picture: nil, key: 11), at: 1)
    sequences.append(
      InputSequence(text: [5, 6], picture: sequences[0].picture, hidden: [2], key: 12))
    try expectSameAlone(fixture.model, fixture.input, sequences)
  }

  /// Rows are projections: their mean, made a unit vector, is the vector.
  @Test func vectorsAreMeansOfRows() throws {
    let fixture = try fixture()
    let encoding = try fixture.encode(examples.sequences([2]))
    let words = try stretch(encoding.text.states_TD, 1..<8).sum([0])
    let regions = try encoding.visual.states_TD.sum([0])
    let pair = try #require(encoding.pair)
    #expect(try difference(words / words.norm(), pair.text_SE.squeezed(0)) < Tolerance.output)
    #expect(
      try difference(regions / regions.norm(), pair.picture_SE.squeezed(0)) < Tolerance.output)
  }

  @Test func parameterCountsDepthsAndBadConfigs() throws {
    var base = try #require(VSE.presets["base"])
    base.vocabulary = 100
    let store = ParameterStore(seed: 1)
    _ = try VSE(base, at: store.root)
    #expect(store.parameterCount == 100 * 300 + 301 * 1024 + 2049 * 1024)
    #expect(store.parameters.map { VSE.depth(of: $0.name, base) } == [0, 1, 1, 1, 1])
    func refusal(_ change: (inout VSE.Config) -> Void) -> String? {
      var config = Self.config
      change(&config)
      return message { _ = try VSE(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.textLength = 2 }?.contains("textLength 2") == true)
    #expect(refusal { $0.wordWidth = 0 }?.contains("wordWidth") == true)
    #expect(refusal { $0.dropout = 1 }?.contains("dropout") == true)
    #expect(refusal { _ in } == nil)
  }
}
