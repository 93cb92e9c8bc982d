import TandemCore
import TandemImage
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of the reference library, see make_transformers_models.py.
@Suite struct CLIPReferenceTests {
  private struct Description: Decodable {
    struct Counts: Decodable {
      let all: Int
    }
    let losses: [String: Double]
    let other_losses: [String: Double]
    let parameter_counts: Counts
    let moved_by: [String: [String: Double]]
  }

  private static let specials = SpecialTokens(
    classification: 38, separator: 39, mask: 4, vocabularyCount: 40, reserved: [0, 38, 39])

  private static var config: CLIP.Config {
    var config = CLIP.Config()
    config.width = 12
    config.layers = 2
    config.heads = 4
    config.feedForward = 20
    config.textWidth = 16
    config.textLayers = 2
    config.textHeads = 4
    config.textFeedForward = 20
    config.embedding = 10
    config.vocabulary = 40
    config.textLength = 12
    config.patchSize = 8
    config.imageSize = 24
    return config
  }

  private let description: Description
  private let file: SafeTensorsFile
  private let outputs: SafeTensorsFile

  init() throws {
    description = try Fixtures.json(Description.self, "clip/clip.json")
    file = try Fixtures.tensors("clip/batch.safetensors")
    outputs = try Fixtures.tensors("clip/outputs.safetensors")
  }

  private func fixture(
    _ config: CLIP.Config = config, kernels: KernelTable = .plain,
    changing: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws -> FixtureModel<CLIP> {
    let fixture = try FixtureModel<CLIP>(
      "clip", config, Self.specials, kernels: kernels, changing: changing)
    try fixture.store.loadReport().check()
    return fixture
  }

  /// The examples with these places. The fixture's pixels are no bytes: pictures give the sizes, and
  /// their patches are replaced.
  private func batch(_ fixture: FixtureModel<CLIP>, _ places: [Int]) throws -> PackedBatch {
    var rows: [Float] = []
    let sequences = try places.map { place in
      let ids = try file.integers("\(place).ids")
      rows += try file.tensor("\(place).pixels").reshaped([3, 3, 8, 3, 8])
        .permuted([1, 3, 0, 2, 4]).reshaped([9, 192]).floats()
      return InputSequence(
        text: ids.dropFirst().dropLast().map(Int32.init),
        picture: try Toy.picture(24, 24, key: UInt64(place)), key: UInt64(place))
    }
    return try PackedBatch(sequences, fixture.input).withPatches(rows)
  }

  private func unit(_ name: String) throws -> Tensor {
    let vector = try outputs.tensor(name)
    return try vector / vector.norm()
  }

  private func gap(_ found: Tensor, _ expected: Tensor) throws -> Double {
    try relativeDifference(found, expected.reshaped(found.shape))
  }

  /// Similarities times the scale, a row a picture.
  private func logits(_ encoding: Encoding) throws -> Tensor {
    let pair = try #require(encoding.pair)
    return try pair.picture_SE.matmul(pair.text_SE.transposed(0, 1)) * pair.scale
  }

  @Test(arguments: RegionExamples.cuts, [KernelTable.plain, .oneDNN])
  func outputs(_ cut: [[Int]], _ kernels: KernelTable) throws {
    let fixture = try fixture(kernels: kernels)
    for places in cut {
      for mode in [Mode.inference, Mode(isTraining: true)] {
        let encoding = try withoutGradients {
          try fixture.model.encode(batch(fixture, places), mode)
        }
        let pair = try #require(encoding.pair)
        for (index, place) in places.enumerated() {
          let visual = encoding.batch.visualLayout.rows(of: index)
          #expect(encoding.visual.rows(of: index) == visual.dropFirst())
          let text = try unit("\(place).text_feature")
          let image = try unit("\(place).image_feature")
          for (name, found, expected) in [
            (
              "text", try stretch(encoding.text.states_TD, encoding.text.rows(of: index)),
              try outputs.tensor("\(place).text")
            ),
            (
              "visual", try stretch(encoding.visual.states_TD, visual),
              try outputs.tensor("\(place).visual")
            ),
            ("text_feature", try stretch(pair.text_SE, index..<index + 1), text),
            ("image_feature", try stretch(pair.picture_SE, index..<index + 1), image),
            ("pooled", try encoding.pooled([index]), try text * image),
          ] {
            let gap = try gap(found, expected)
            #expect(gap < Tolerance.output, "\(place).\(name): \(gap)")
          }
        }
      }
    }
  }

  @Test func similarities() throws {
    let fixture = try fixture()
    let encoding = try fixture.model.encode(batch(fixture, [0, 1, 2, 3]), .inference)
    let expected = try outputs.tensor("logits_per_image")
    #expect(try gap(logits(encoding), expected) < Tolerance.output)
    let scores = try fixture.ranking()(encoding, [2, 0])
    let diagonal = try expected.diagonal(0, 1).rows(Tensor([2, 0]))
    #expect(try gap(scores, diagonal) < Tolerance.output)
    #expect(fixture.store.parameterCount == description.parameter_counts.all)
  }

  @Test(arguments: [Recomputation.none, .layer])
  func lossesAndGradients(_ recomputation: Recomputation) throws {
    let fixture = try fixture()
    let encoding = try fixture.model.encode(
      batch(fixture, [0, 1, 2, 3]), Mode(isTraining: true, recomputation: recomputation))
    let logits = try logits(encoding)
    let own = try Tensor([0, 1, 2, 3])
    let byPicture = try logits.crossEntropySum(own) / 4
    let byText = try logits.transposed(0, 1).crossEntropySum(own) / 4
    let loss = try (byPicture + byText) / 2
    try loss.backward()
    for (found, expected) in [
      (byPicture, description.other_losses["image_to_text"]),
      (byText, description.other_losses["text_to_image"]),
      (loss, description.losses["contrastive"]),
    ] {
      let expected = try #require(expected)
      #expect(abs(try found.detached().item() - expected) < Tolerance.loss * expected)
    }
    let gradients = try Fixtures.tensors("clip/gradients.safetensors")
    #expect(fixture.store.parameters.count == gradients.entries.count)
    for parameter in fixture.store.parameters {
      let found = try #require(try parameter.value.gradient(), "\(parameter.name)")
      let gap = try relativeDifference(found, gradients.tensor(parameter.name))
      #expect(gap < Tolerance.gradient, "\(parameter.name): \(gap)")
    }
  }

  /// Mistakes move each output by as much as they moved the reference's.
  @Test(arguments: ["all_eps_1e-12", "all_eps_1e-6", "no_class_embedding"])
  func mistakesMove(_ mistake: String) throws {
    var config = Self.config
    if mistake == "all_eps_1e-12" { config.normEpsilon = 1e-12 }
    if mistake == "all_eps_1e-6" { config.normEpsilon = 1e-6 }
    let fixture = try fixture(config) { weights in
      let name = "visual.class_embedding"
      if mistake == "no_class_embedding" { weights[name] = try weights[name]?.zerosLike() }
    }
    let encoding = try fixture.model.encode(batch(fixture, [0, 1, 2, 3]), .inference)
    func change(_ name: String, _ rows: (Int) -> Range<Int>, _ states: Tensor) throws -> Double {
      var (moved, most) = (0.0, 0.0)
      for place in 0..<4 {
        let expected = try outputs.tensor("\(place).\(name)")
        moved = max(moved, try difference(stretch(states, rows(place)), expected))
        most = max(most, try largest(expected))
      }
      return moved / most
    }
    let expected = try #require(description.moved_by[mistake])
    let layout = encoding.batch.visualLayout
    for (name, found) in [
      ("text", try change("text", encoding.text.rows, encoding.text.states_TD)),
      ("visual", try change("visual", layout.rows, encoding.visual.states_TD)),
      (
        "logits_per_image",
        try gap(logits(encoding), outputs.tensor("logits_per_image"))
      ),
    ] {
      // The table has two digits; what it leaves out did not move.
      let share = expected[name] ?? 0
      #expect(abs(found - share) < 0.06 * share + 1e-5, "\(name): \(found), \(share)")
    }
  }

  @Test func theFeatureStandsAtTheEndOfText() throws {
    let fixture = try fixture()
    let encoding = try fixture.model.encode(batch(fixture, [0, 1, 2, 3]), .inference)
    let projection = try #require(fixture.store["text_projection"]).value
    for place in 0..<4 {
      let rows = encoding.text.rows(of: place)
      let expected = try outputs.tensor("\(place).text_feature")
      let last = try stretch(encoding.text.states_TD, rows.upperBound - 1..<rows.upperBound)
      let first = try stretch(encoding.text.states_TD, rows.lowerBound..<rows.lowerBound + 1)
      #expect(try gap(last.matmul(projection), expected) < Tolerance.output)
      #expect(try gap(first.matmul(projection), expected) > 0.1)
    }
  }

  // MARK: what no fixture says

  private func mixedSequences() throws -> [InputSequence] {
    let shared = try Toy.picture(24, 24, key: 1)
    let other = try Toy.picture(24, 24, key: 2)
    let pictures = [shared, nil, other, shared, nil, shared]
    return pictures.enumerated().map { place, picture in
      InputSequence(
        text: (0..<Int32(place)).map { 5 + $0 * 3 }, picture: picture, key: UInt64(50 + place))
    }
  }

  @Test(arguments: [0.0, 0.2]) func packedIsEachSequenceAlone(_ dropout: Double) throws {
    var config = Self.config
    config.dropout = dropout
    config.attentionDropout = dropout
    let fixture = try fixture(config)
    try expectSameAlone(fixture.model, fixture.input, mixedSequences())
  }

  /// A picture of several texts is encoded once: the result and the gradients are those of copies.
  @Test(arguments: [0.0, 0.2]) func aSharedPictureIsSeveralCopies(_ dropout: Double) throws {
    var config = Self.config
    config.dropout = dropout
    var results: [[Tensor]] = []
    for isShared in [true, false] {
      let fixture = try fixture(config)
      var sequences = try mixedSequences()
      if !isShared {
        for place in sequences.indices {
          guard let image = sequences[place].picture?.image else { continue }
          sequences[place].picture = Picture(key: UInt64(900 + place), image: image)
        }
      }
      let encoding = try fixture.encode(sequences, Mode(isTraining: true, seed: 4))
      #expect(encoding.batch.pictures.count == (isShared ? 2 : 4))
      let pair = try #require(encoding.pair)
      let weights = try randomTensor(encoding.visual.states_TD.shape, seed: 5)
      let others = try randomTensor(pair.picture_SE.shape, seed: 6)
      try ((encoding.visual.states_TD * weights).sum() + (pair.picture_SE * others).sum())
        .backward()
      results.append(
        [encoding.visual.states_TD, pair.picture_SE, encoding.pooled_SD]
          + (try fixture.store.parameters.compactMap { try $0.value.gradient() }))
    }
    #expect(results[0].count == results[1].count && results[0].count > 30)
    for (shared, copied) in zip(results[0], results[1]) {
      #expect(try relativeDifference(shared, copied, floor: 1e-1) < Tolerance.gradient)
    }
  }

  @Test func aTextWithoutAPictureIsAlone() throws {
    let fixture = try fixture()
    let encoding = try fixture.encode([InputSequence(text: [7, 8], picture: nil)])
    let pair = try #require(encoding.pair)
    #expect(try largest(pair.picture_SE) == 0)
    #expect(try difference(encoding.pooled_SD, pair.text_SE) == 0)
    #expect(encoding.visual.states_TD.shape == [0, 12])
  }

  /// e to the learned power, never more than 100; the gradient does not see the clip.
  @Test(arguments: [(1.0, 2.718281828), (4.6, 99.48431564), (5.0, 100), (90, 100)])
  func theScaleIsClipped(_ power: Double, _ scale: Double) throws {
    let fixture = try fixture { $0["logit_scale"] = try Tensor.full([], power) }
    let encoding = try fixture.encode([InputSequence(text: [7], picture: nil)])
    let found = try #require(encoding.pair).scale
    #expect(abs(try found.detached().item() - scale) < 2e-5 * scale)
    try found.backward()
    let gradient = try #require(try fixture.store["logit_scale"]?.value.gradient())
    #expect(abs(try gradient.item() - scale) < 2e-5 * scale)
  }

  @Test func whatItCannotReadIsNamed() throws {
    let fixture = try fixture()
    for (width, height) in [(32, 24), (24, 16), (48, 48)] {
      let sequence = InputSequence(text: [7], picture: try Toy.picture(width, height, key: 3))
      let found = message { _ = try fixture.encode([sequence]) }
      #expect(found?.contains("\(height / 8)×\(width / 8) patches") == true)
      #expect(found?.contains("imageSize=24") == true)
    }
    let hiding = InputSequence(text: [7], picture: try Toy.picture(24, 24, key: 3), hidden: [1])
    #expect(message { _ = try fixture.encode([hiding]) }?.contains("mask row") == true)
    func refusal(_ change: (inout CLIP.Config) -> Void) -> String? {
      var config = Self.config
      change(&config)
      return message { _ = try CLIP(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.imageSize = 25 }?.contains("imageSize 25") == true)
    #expect(refusal { $0.textHeads = 5 }?.contains("textHeads 5") == true)
    #expect(refusal { $0.heads = 0 }?.contains("heads 0") == true)
    #expect(refusal { $0.layers = 0 } != nil)
    #expect(refusal { _ in } == nil)
    #expect(CLIP.resize(Self.config) == .square(side: 24))
  }

  /// The numbers of weights of the published files.
  @Test(arguments: [("base", 151_277_313), ("b16", 149_620_737), ("l14", 427_616_513)])
  func parameterCounts(_ preset: String, _ expected: Int) throws {
    let config = try #require(CLIP.presets[preset])
    // Both transformers grow by one layer; what the pictures' has more is counted by itself.
    let found = try parameterCount(CLIP.self, layers: config.textLayers) { layers in
      var small = config
      small.layers = layers
      small.textLayers = layers
      small.vocabulary = 100
      return small
    }
    let width = config.width
    let layer = 12 * width * width + 13 * width
    let words = (config.vocabulary - 100) * config.textWidth
    #expect(found + (config.layers - config.textLayers) * layer + words == expected)
  }

  @Test func depths() throws {
    let config = try #require(CLIP.presets["l14"])
    func depth(_ name: String) -> Int { CLIP.depth(of: name, config) }
    #expect(depth("visual.conv1.weight") == 0)
    #expect(depth("positional_embedding") == 0)
    #expect(depth("visual.transformer.resblocks.0.ln_1.weight") == 1)
    #expect(depth("visual.transformer.resblocks.23.ln_1.weight") == 24)
    #expect(depth("transformer.resblocks.0.ln_1.weight") == 13)
    #expect(depth("transformer.resblocks.11.ln_1.weight") == 24)
    for name in ["visual.ln_post.weight", "visual.proj", "text_projection", "logit_scale"] {
      #expect(depth(name) == 25)
    }
  }
}
