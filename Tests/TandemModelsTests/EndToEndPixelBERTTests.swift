import TandemCore
import TandemImage
import TandemModels
import TandemNN
import TandemTorch
import TestSupport
import Testing

/// Pixel-BERT over pixels: the network itself is compared in PictureNetworkTests, the transformer
/// in PixelBERTReferenceTests; here is how they meet.
@Suite struct EndToEndPixelBERTTests {
  private struct Tiny {
    let config: PixelBERT.Config
    let store: ParameterStore
    let model: PixelBERT
    let input: InputSpecification

    init(
      source: (any WeightSource)? = nil, _ change: (inout PixelBERT.Config) -> Void = { _ in }
    ) throws {
      var config = try #require(PixelBERT.presets["tiny-end-to-end"])
      config.vocabulary = 21
      config.dropout = 0
      change(&config)
      self.config = config
      store = ParameterStore(seed: 3, productInitialization: .fanIn, source: source)
      model = try PixelBERT(config, at: store.root)
      input = PixelBERT.input(config, Toy.specials)
    }

    var cells: CellInput {
      get throws { try #require(input.regions?.cells) }
    }

    func states(_ sequence: InputSequence) throws -> [Float] {
      try withoutGradients {
        let encoding = try model.encode(PackedBatch([sequence], input), .inference)
        return try encoding.text.states_TD.floats() + encoding.pooled_SD.floats()
      }
    }
  }

  /// 4 × 5 cells with a bit left over.
  private func picture(_ key: UInt64, _ width: Int = 170, _ height: Int = 130) throws -> Picture {
    Picture(key: key, image: try Toy.picture(width, height, key: key).image)
  }

  private func single(_ config: inout PixelBERT.Config) { config.cellPooling = 1 }

  @Test func packedIsEachSequenceAlone() throws {
    let tiny = try Tiny {
      $0.cellPooling = 1
      $0.dropout = 0.2
      $0.attentionDropout = 0.2
    }
    var stream = RandomStream(seed: 5)
    let (first, second) = (try picture(1), try picture(2, 64, 100))
    let drawn = try tiny.cells.sampled(first, most: 7, using: &stream)
    let again = try tiny.cells.sampled(first, most: 7, using: &stream)
    var all = [
      InputSequence(text: [7, 8, 9], picture: first), InputSequence(text: [10], picture: nil),
      InputSequence(text: [12], picture: second, hidden: [1]),
      InputSequence(text: [7, 9], picture: drawn), InputSequence(text: [8], picture: again),
      InputSequence(text: [9, 9], picture: drawn),
      InputSequence(text: [11], picture: first),
    ]
    for place in all.indices { all[place].key = mixed(UInt64(place)) }
    let batch = try PackedBatch(all, tiny.input)
    #expect(batch.pictures.map(\.unitCount) == [30, 8, 7, 7])
    #expect(batch.boxes.count == 0 && batch.features.count == 0)
    try expectSameAlone(tiny.model, tiny.input, all)
  }

  /// The same weights without the network.
  private func reading(_ tiny: Tiny) throws -> Tiny {
    let weights = tiny.store.tensors().filter {
      !$0.key.hasPrefix("pixelbert.visual_embeddings.backbone.")
    }
    let reading = try Tiny(source: GivenWeights(weights)) { $0.network = .none }
    try reading.store.loadReport().check()
    return reading
  }

  @Test(arguments: [1, 2]) func theSameFeaturesGiveTheSameStates(_ pooling: Int) throws {
    let tiny = try Tiny { $0.cellPooling = pooling }
    let reading = try reading(tiny)
    let picture = try picture(1)
    let store = ParameterStore(seed: 9, source: GivenWeights(tiny.store.tensors()))
    let network = try CellNetwork(
      tiny.config.network, pooling: pooling, at: store.root / "pixelbert" / "visual_embeddings")
    let batch = try PackedBatch([InputSequence(text: [7], picture: picture)], tiny.input)
    let made = try withoutGradients { try network(batch, .inference, on: .cpu).floats() }
    let count = pooling == 1 ? 30 : 6
    #expect(batch.unitCount == count && made.count == 512 * count)
    let all = Regions(
      width: 170, height: 130, boxes: [Float](repeating: 0, count: 4 * count), features: made,
      featureWidth: 512)
    let drawn = [0, 2, 3, count - 1]
    for cells in [nil, drawn] {
      let found = try tiny.states(
        InputSequence(
          text: [7, 8], picture: Picture(key: 1, image: picture.image, cells: cells)))
      let expected = try reading.states(
        InputSequence(
          text: [7, 8], picture: Picture(key: 1, regions: cells.map(all.selected) ?? all)))
      #expect(difference(found, expected) < Tolerance.output)
      let other = try tiny.states(
        InputSequence(
          text: [7, 8],
          picture: Picture(key: 1, image: picture.image, cells: cells == nil ? drawn : nil)))
      #expect(difference(found, other) > 1e-3)
    }
  }

  @Test func cellsAreDrawnByTheirStream() throws {
    let tiny = try Tiny(single)
    let cells = try tiny.cells
    let picture = try picture(1)
    func draw(_ seed: UInt64, _ most: Int) -> Picture {
      var stream = RandomStream(seed: seed)
      return cells.sampled(picture, most: most, using: &stream)
    }
    let first = draw(1, 7)
    let drawn = try #require(first.cells)
    #expect(drawn.count == 7 && drawn == Set(drawn).sorted())
    #expect(drawn.allSatisfy { (0..<30).contains($0) })
    #expect(draw(1, 7).cells == drawn && draw(1, 7).key == first.key)
    #expect(draw(2, 7).cells != drawn && draw(2, 7).key != first.key)
    // All of them where there are no more, and the same picture then.
    for most in [30, 31, 0] {
      #expect(draw(1, most).cells == nil && draw(1, most).key == picture.key)
    }
    // Each as often as any other: 7 of 30, in 3000 draws 700 times with a deviation of 23.
    var counts = [Int](repeating: 0, count: 30)
    var stream = RandomStream(seed: 8)
    for _ in 0..<3000 {
      for cell in cells.sampled(picture, most: 7, using: &stream).cells ?? [] {
        counts[cell] += 1
      }
    }
    #expect(counts.allSatisfy { abs($0 - 700) < 5 * 23 })
  }

  @Test func everythingButTheFrozenLearns() throws {
    let tiny = try Tiny { $0.network.frozenStages = 1 }
    let sequence = InputSequence(text: [7, 8], picture: try picture(1))
    let encoding = try tiny.model.encode(
      PackedBatch([sequence], tiny.input), Mode(isTraining: true))
    let states = encoding.text.states_TD
    try
      ((states * randomTensor(states.shape, seed: 5)).sum()
      + (encoding.pooled_SD * randomTensor(encoding.pooled_SD.shape, seed: 6)).sum()).backward()
    let network = "pixelbert.visual_embeddings.backbone."
    for parameter in tiny.store.parameters {
      let gradient = try parameter.value.gradient()
      let isFixed = parameter.name.hasPrefix(network + "conv1.")
      #expect((gradient == nil) == isFixed, "\(parameter.name)")
      #expect(try isFixed || gradient.map(largest) ?? 0 > 0, "\(parameter.name)")
      if parameter.name.hasPrefix(network) {
        #expect(PixelBERT.depth(of: parameter.name, tiny.config) == 0)
      }
    }
  }

  /// ResNet-50 has 25 557 032 weights with its classifier of 1000 classes over 2048 and the two
  /// vectors of each norm, which are no weights here (He et al. 2016, torchvision's count).
  @Test func parametersOfThePublishedModel() throws {
    let published = try #require(PixelBERT.presets["end-to-end"])
    #expect(published.network.name == "resnet50")
    let norms =
      2 * (64 + 3 * (64 + 64 + 256) + 256 + 4 * (128 + 128 + 512) + 512)
      + 2 * (6 * (256 + 256 + 1024) + 1024 + 3 * (512 + 512 + 2048) + 2048)
    let network = 25_557_032 - (2048 * 1000 + 1000) - norms
    func count(_ config: PixelBERT.Config) throws -> Int {
      var config = config
      config.layers = 1
      config.vocabulary = 10
      let store = ParameterStore(seed: 1)
      _ = try PixelBERT(config, at: store.root)
      return store.parameterCount
    }
    let base = try count(#require(PixelBERT.presets["base"]))
    #expect(try count(published) == base + network)
    #expect(
      PixelBERT.resize(published) == .fit(shorter: 800, longer: 1333, multiple: 1))
    #expect(PixelBERT.resize(PixelBERT.Config()) == nil)
    let input = PixelBERT.input(published, Toy.specials)
    #expect(input.regions?.cells == CellInput(stride: 32, pooling: 2))
    #expect(input.regions?.most == .max)
    let small = try #require(PixelBERT.presets["small-end-to-end"])
    _ = try PixelBERT(small, at: ParameterStore(seed: 1).root)
  }

  @Test func badSettingsAreRefused() throws {
    func refusal(_ change: (inout PixelBERT.Config) -> Void) -> String? {
      message { _ = try Tiny(change) }
    }
    #expect(refusal { _ in } == nil)
    #expect(refusal { $0.network.name = "efficientnet" }?.contains("resnet50") == true)
    #expect(refusal { $0.featureWidth = 2048 }?.contains("512") == true)
    #expect(refusal { $0.network.shorterSide = 32 }?.contains("33 or more") == true)
    #expect(refusal { $0.cellPooling = 0 }?.contains("cellPooling") == true)
    let tiny = try Tiny()
    let small = InputSequence(text: [7], picture: try picture(1, 32, 90))
    #expect(message { _ = try tiny.states(small) }?.contains("smaller than a cell") == true)
    let stored = InputSequence(
      text: [7], picture: Picture(key: 1, regions: Toy.regions(2, width: 512, key: 1)))
    #expect(message { _ = try tiny.states(stored) }?.contains("pixels") == true)
  }
}
