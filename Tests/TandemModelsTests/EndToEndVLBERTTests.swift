import TandemCore
import TandemImage
import TandemModels
import TandemNN
import TandemObjectives
import TandemTorch
import TestSupport
import Testing

/// VL-BERT over pixels: the network itself is compared in PictureNetworkTests, the transformer in
/// VLBERTReferenceTests; here is how they meet.
@Suite struct EndToEndVLBERTTests {
  private struct Tiny {
    let config: VLBERT.Config
    let store: ParameterStore
    let model: VLBERT
    let input: InputSpecification

    init(
      source: (any WeightSource)? = nil, _ change: (inout VLBERT.Config) -> Void = { _ in }
    ) throws {
      var config = try #require(VLBERT.presets["tiny-end-to-end"])
      config.vocabulary = 21
      // At the published 0 no region would be seen.
      config.visualGain = 1
      config.dropout = 0
      config.attentionDropout = 0
      change(&config)
      self.config = config
      store = ParameterStore(seed: 3, productInitialization: .fanIn, source: source)
      model = try VLBERT(config, at: store.root)
      input = VLBERT.input(config, Toy.specials)
    }

    func encode(_ sequences: [InputSequence], _ mode: Mode = .inference) throws -> Encoding {
      try model.encode(PackedBatch(sequences, input), mode)
    }

    /// All rows of one sequence alone.
    func states(_ sequence: InputSequence) throws -> [Float] {
      try withoutGradients {
        let encoding = try encode([sequence])
        return try encoding.text.states_TD.floats() + encoding.pooled_SD.floats()
      }
    }
  }

  /// A picture resized from one of twice its size, and its regions.
  static func picture(
    _ width: Int, _ height: Int, boxes: [Float]? = nil, regions count: Int = 3, key: UInt64
  ) throws -> Picture {
    var regions = Toy.regions(count, width: 4, key: key)
    (regions.width, regions.height) = (2 * width, 2 * height)
    if let boxes {
      regions = regions.selected([])
      regions.boxes = boxes
    }
    return Picture(
      key: key, image: try Toy.picture(width, height, key: key).image, regions: regions)
  }

  private func sequences() throws -> [InputSequence] {
    let first = try Self.picture(40, 32, key: 1)
    let second = try Self.picture(32, 48, regions: 5, key: 2)
    var all = [
      InputSequence(text: [7, 8, 9], picture: first, hidden: [0, 2]),
      InputSequence(text: [10, 11], picture: nil),
      InputSequence(text: [12], picture: first),
      InputSequence(text: [7, 9, 13, 14], picture: second, hidden: [2]),
      InputSequence(text: [15, 8], second: [16], picture: first),
      InputSequence(text: [9, 9], picture: second, hidden: [0, 1, 2, 3, 4]),
      InputSequence(text: [17], picture: second, hidden: [2]),
    ]
    for place in all.indices { all[place].key = mixed(UInt64(place)) }
    return all
  }

  @Test(arguments: [true, false]) func packedIsEachSequenceAlone(_ masksPixels: Bool) throws {
    let tiny = try Tiny {
      $0.masksPixels = masksPixels
      $0.dropout = 0.2
      $0.attentionDropout = 0.2
    }
    let sequences = try sequences()
    let batch = try PackedBatch(sequences, tiny.input)
    #expect(batch.pictures.count == (masksPixels ? 4 : 2))
    #expect(batch.features.count == 0)
    try expectSameAlone(tiny.model, tiny.input, sequences)
  }

  /// The same weights without the network, features as they would be stored.
  private func reading(_ tiny: Tiny) throws -> Tiny {
    var weights = tiny.store.tensors().filter {
      !$0.key.hasPrefix("image_feature_extractor.backbone.")
        && !$0.key.hasPrefix("image_feature_extractor.head.")
    }
    weights["object_mask_visual_embedding.weight"] = try .zeros([1, 512])
    let reading = try Tiny(source: GivenWeights(weights)) { $0.network = .none }
    try reading.store.loadReport().check()
    return reading
  }

  /// A picture with the features that the model's network makes of it.
  private func stored(_ picture: Picture, _ tiny: Tiny) throws -> Picture {
    let store = ParameterStore(
      seed: 9, source: GivenWeights(tiny.store.tensors(), title: "the model's"))
    let network = try RegionNetwork(
      tiny.config.network, bins: tiny.config.pooledSize, isDilated: true,
      at: store.root / "image_feature_extractor")
    let batch = try PackedBatch([InputSequence(text: [7], picture: picture)], tiny.input)
    let made = try withoutGradients {
      try network(batch, wholeBoxes: batch.wholeBoxes, .inference, on: .cpu)
    }
    var regions = try #require(picture.regions)
    regions.features = try made.regions_UF.floats()
    regions.featureWidth = 512
    return Picture(key: picture.key, regions: regions)
  }

  /// Where every region is the whole picture, the mean over regions is the whole picture's feature.
  @Test func theSameFeaturesGiveTheSameStates() throws {
    let tiny = try Tiny()
    let whole: [Float] = [0, 0, 79 / 80, 63 / 64]
    let picture = try Self.picture(40, 32, boxes: whole + whole + whole, key: 4)
    let reading = try reading(tiny)
    let words: [Int32] = [7, 8, 9]
    let found = try tiny.states(InputSequence(text: words, picture: picture))
    let expected = try reading.states(
      InputSequence(text: words, picture: stored(picture, tiny)))
    // The mean is over n + 10⁻⁵.
    #expect(difference(found, expected) < 1e-4)
    let other = try Self.picture(40, 32, boxes: whole + whole + whole, key: 5)
    let moved = try tiny.states(InputSequence(text: words, picture: other))
    #expect(difference(moved, expected) > 0.02)
  }

  /// What regions themselves become before the first layer.
  @Test func regionsAreProjectedAlike() throws {
    let tiny = try Tiny()
    let picture = try Self.picture(40, 32, regions: 6, key: 4)
    let reading = try reading(tiny)
    func rows(_ tiny: Tiny, _ picture: Picture) throws -> (regions: Tensor, text: Tensor) {
      let batch = try PackedBatch([InputSequence(text: [7, 8], picture: picture)], tiny.input)
      let x_TD = try withoutGradients { try tiny.model.embedded(batch, .inference) }
      return (try x_TD.part(batch.unitRows(of: 0)), try x_TD.part(batch.textRows(of: 0)))
    }
    let found = try rows(tiny, picture)
    let expected = try rows(reading, stored(picture, tiny))
    #expect(try difference(found.regions, expected.regions) < Tolerance.output)
    // Words look at the whole picture: its box here, the mean over its regions there.
    #expect(try difference(found.text, expected.text) > 1e-3)
  }

  /// What lies under a hidden region is not seen, and that it is hidden is.
  @Test func hiddenPixelsAreNotSeen() throws {
    let tiny = try Tiny()
    let boxes: [Float] = [0.25, 0.25, 0.7, 0.7, 0.2, 0.3, 0.9, 0.8]
    let picture = try Self.picture(40, 32, boxes: boxes, key: 4)
    var image = try #require(picture.image)
    // Within columns 10 to 28 and rows 8 to 22.
    image.drawBox(
      x: 12, y: 10, width: 12, height: 10, color: RGB(200, 10, 10), thickness: 5)
    let painted = Picture(key: 5, image: image, regions: picture.regions)
    func states(_ picture: Picture, _ hidden: [Int], _ tiny: Tiny) throws -> [Float] {
      try tiny.states(InputSequence(text: [7, 8], picture: picture, hidden: hidden))
    }
    #expect(try states(picture, [0], tiny) == states(painted, [0], tiny))
    #expect(try difference(states(picture, [], tiny), states(painted, [], tiny)) > 1e-3)
    #expect(try difference(states(picture, [0], tiny), states(picture, [], tiny)) > 1e-3)
    // Without masks in the pixels the whole picture and its neighbour tell.
    let open = try Tiny { $0.masksPixels = false }
    #expect(try difference(states(picture, [0], open), states(painted, [0], open)) > 1e-3)
    #expect(try difference(states(picture, [0], open), states(picture, [], open)) > 1e-3)
  }

  /// A region that is hidden has the word that says so, whatever its pixels.
  @Test func hiddenRegionsHaveTheirWord() throws {
    let tiny = try Tiny()
    let word = try #require(tiny.store["object_mask_word_embedding.weight"])
    let picture = try Self.picture(40, 32, key: 4)
    for (hidden, learns) in [([Int](), false), ([1], true)] {
      let encoding = try tiny.encode(
        [InputSequence(text: [7, 8], picture: picture, hidden: hidden)], Mode(isTraining: true))
      let gradient = try encoding.pooled_SD.sum().gradients(of: [word.value])[0]
      #expect((try gradient.map(largest) ?? 0 > 0) == learns)
    }
  }

  @Test func everythingButTheFrozenLearns() throws {
    let tiny = try Tiny {
      $0.network.frozenStages = 2
      $0.dropout = 0.1
    }
    #expect(tiny.store["object_mask_visual_embedding.weight"] == nil)
    let encoding = try tiny.encode(sequences(), Mode(isTraining: true, seed: 2))
    let states = encoding.text.states_TD
    try
      ((states * randomTensor(states.shape, seed: 5)).sum()
      + (encoding.pooled_SD * randomTensor(encoding.pooled_SD.shape, seed: 6)).sum()).backward()
    let extractor = "image_feature_extractor."
    for parameter in tiny.store.parameters {
      let gradient = try parameter.value.gradient()
      let name = parameter.name
      if name.hasPrefix(extractor + "backbone.conv1.")
        || name.hasPrefix(extractor + "backbone.layer1.")
      {
        #expect(gradient == nil && parameter.isFixed, "\(name)")
      } else {
        #expect(try gradient?.isFinite().all().item() == 1, "\(name)")
        #expect(try gradient.map(largest) ?? 0 > 0 || name.hasSuffix("key.bias"), "\(name)")
      }
    }
  }

  /// Masked words and masked regions over two examples: one loss, any cut.
  @Test func objectivesLearnThroughTheNetwork() throws {
    func gradients(_ cut: [[Int]]) throws -> [String: Tensor] {
      let tiny = try Tiny()
      var options = MaskedRegionClasses.Options()
      options.classes = 5
      options.masking.probability = 0.6
      let classes = try MaskedRegionClasses(options, tiny.model.facts, at: tiny.store.root)
      var prepared: [PreparedSequence<MaskedRegionClasses.Target>] = []
      for position in 0..<4 {
        let picture = try Self.picture(
          40, position < 2 ? 32 : 40, regions: 4, key: UInt64(position % 3))
        let example = try Toy.example(position, "red star above blue circle", picture)
        var stream = RandomStream(seed: UInt64(position))
        prepared += try MaskedRegionClasses.prepare(
          example, options, Toy.context(tiny.input, position: position, other: picture),
          using: &stream)
      }
      #expect(prepared.count == 4)
      #expect(prepared.contains { !$0.sequence.hidden.isEmpty })
      let denominator = prepared.reduce(0) { $0 + MaskedRegionClasses.weight(of: $1.target) }
      for places in cut {
        let some = places.map { prepared[$0] }
        let encoding = try tiny.encode(some.map(\.sequence), Mode(isTraining: true))
        try classes.loss(
          encoding, some.enumerated().map { Placed(sequence: $0, target: $1.target) },
          denominator: denominator
        ).total.backward()
      }
      return Dictionary(
        uniqueKeysWithValues: try tiny.store.parameters.compactMap { parameter in
          try parameter.value.gradient().map { (parameter.name, $0) }
        })
    }
    let whole = try gradients([[0, 1, 2, 3]])
    let parts = try gradients([[2], [3, 0], [1]])
    #expect(whole.count == parts.count)
    #expect(try largest(#require(whole["image_feature_extractor.backbone.conv1.weight"])) > 0)
    for (name, expected) in whole {
      let gap = try relativeDifference(#require(parts[name]), expected, floor: 1e-2)
      #expect(gap < 10 * Tolerance.gradient, "\(name): \(gap)")
    }
  }

  @Test func namesAreThePublishedOnes() throws {
    let tiny = try Tiny()
    let names = Set(tiny.store.tensors().keys)
    for name in [
      "backbone.conv1.weight", "backbone.bn1.running_var", "backbone.layer1.0.conv1.weight",
      "backbone.layer3.0.downsample.0.weight", "backbone.layer3.0.downsample.1.running_mean",
      "head.0.0.conv1.weight", "head.0.0.bn2.bias", "head.0.0.downsample.0.weight",
      "obj_downsample.1.weight",
    ] {
      #expect(names.contains("image_feature_extractor.\(name)"), "\(name)")
      #expect(VLBERT.depth(of: "image_feature_extractor.\(name)", tiny.config) == 0)
    }
    #expect(!names.contains { $0.contains("layer4") })
  }

  /// ResNet-101 has 44 549 160 weights with its classifier of 1000 classes over 2048 and the two
  /// vectors of each norm, which are no weights here (He et al. 2016, torchvision's count).
  @Test func parametersOfThePublishedModel() throws {
    let published = try #require(VLBERT.presets["end-to-end"])
    #expect(published.network.name == "resnet101" && published.featureWidth == 2048)
    let norms =
      2 * (64 + 3 * (64 + 64 + 256) + 256 + 4 * (128 + 128 + 512) + 512)
      + 2 * (23 * (256 + 256 + 1024) + 1024 + 3 * (512 + 512 + 2048) + 2048)
    let network = 44_549_160 - (2048 * 1000 + 1000) - norms
    func count(_ config: VLBERT.Config) throws -> Int {
      var config = config
      config.layers = 1
      config.vocabulary = 10
      let store = ParameterStore(seed: 1)
      _ = try VLBERT(config, at: store.root)
      return store.parameterCount
    }
    // No vector stands for hidden regions.
    let base = try count(#require(VLBERT.presets["base"]))
    #expect(try count(published) == base - 2048 + network)
  }

  @Test func presetsAreWhole() throws {
    for name in ["tiny-end-to-end", "small-end-to-end"] {
      let config = try #require(VLBERT.presets[name])
      let store = ParameterStore(seed: 1)
      _ = try VLBERT(config, at: store.root)
      #expect(VLBERT.resize(config) != nil)
    }
    for (name, config) in VLBERT.presets where !name.hasSuffix("end-to-end") {
      #expect(VLBERT.resize(config) == nil, "\(name)")
      #expect(VLBERT.input(config, Toy.specials).regions?.pixels == nil)
    }
    let published = try #require(VLBERT.presets["end-to-end"])
    #expect(
      VLBERT.resize(published) == .fit(shorter: 600, longer: 1000, multiple: 1))
    let pixels = try #require(VLBERT.input(published, Toy.specials).regions?.pixels)
    #expect(pixels.isBlueFirst && pixels.masksPixels && pixels.scale == 1)
    #expect(pixels.cells == nil)
  }

  @Test func badSettingsAreRefused() throws {
    func refusal(_ change: (inout VLBERT.Config) -> Void) -> String? {
      message { _ = try Tiny(change) }
    }
    #expect(refusal { _ in } == nil)
    let unknown = refusal { $0.network.name = "resnet99" }
    #expect(unknown?.contains("'resnet99'") == true && unknown?.contains("resnet152") == true)
    #expect(refusal { $0.featureWidth = 100 }?.contains("512") == true)
    #expect(refusal { $0.network.frozenStages = 6 }?.contains("frozenStages") == true)
    #expect(refusal { $0.network.shorterSide = 0 }?.contains("shorterSide") == true)
    #expect(refusal { $0.network.longerSide = 20 }?.contains("longerSide 20") == true)
    #expect(refusal { $0.network.deviation = [1, 1] }?.contains("deviations") == true)
    #expect(refusal { $0.network.scale = 0 }?.contains("scale") == true)
    #expect(refusal { $0.pooledSize = 0 }?.contains("pooledSize") == true)
    // Nothing of another picture can stand in for pixels.
    let tiny = try Tiny()
    var options = MaskedRegionClasses.Options()
    options.classes = 5
    options.masking.maskShare = 0.8
    options.masking.otherShare = 0.1
    let refused = message {
      _ = try MaskedRegionClasses(options, tiny.model.facts, at: tiny.store.root)
    }
    #expect(refused?.contains("otherShare") == true)
  }
}
