import TandemCore
import TandemImage
import TandemModels
import TandemNN
import TandemObjectives
import TandemTorch
import Testing
import TestSupport

/// A model's tiny preset with a small vocabulary, whatever the model.
private struct Tiny<Model: VisionLanguageModel> {
  let store: ParameterStore
  let model: Model
  let input: InputSpecification
  /// Pixels a side, for a model that takes one size only.
  let side: Int?

  init(
    seed: UInt64 = 1, changes: [String: JSONValue] = [:], source: (any WeightSource)? = nil
  ) throws {
    guard let preset = Model.presets["tiny"] else {
      throw SettingsError("\(Model.name) has no preset 'tiny'")
    }
    var fields = changes
    fields["vocabulary"] = .integer(Toy.specials.vocabularyCount)
    var settings = LayeredSettings(try JSONValue(encoding: preset), origin: "preset")
    try settings.lay(.object(fields), origin: "test")
    let config = try settings.value.decoded(Model.Config.self)
    store = ParameterStore(seed: seed, source: source)
    model = try Model(config, at: store.root)
    input = Model.input(config, Toy.specials)
    if let rule = Model.resize(config), case .square(let fixed) = rule {
      side = fixed
    } else {
      side = nil
    }
  }

  func picture(_ down: Int, _ across: Int, key: UInt64) throws -> Picture {
    try Toy.picture(input, units: (down, across), key: key, side: side)
  }

  func sequences() throws -> [InputSequence] {
    try Toy.sequences(input, vocabulary: Toy.specials.vocabularyCount, side: side)
  }

  func encode(_ sequences: [InputSequence], _ mode: Mode = .inference) throws -> Encoding {
    try model.encode(PackedBatch(sequences, input), mode)
  }
}

extension Encoding {
  /// All states of a sequence, text and then picture, with its pooled vector, as numbers.
  fileprivate func numbers(of sequence: Int) throws -> [Float] {
    try text(Array(text.rows(of: sequence))).floats()
      + visual(Array(visual.rows(of: sequence))).floats() + pooled([sequence]).floats()
  }

  fileprivate func numbers() throws -> [Float] {
    try (0..<batch.sequenceCount).flatMap { try numbers(of: $0) }
  }

  /// A number that every state has a part in.
  fileprivate func weighed() throws -> Tensor {
    func sum(_ rows: EncodedRows, seed: UInt64) throws -> Tensor {
      let all = try rows((0..<batch.sequenceCount).flatMap { Array(rows.rows(of: $0)) })
      return try (all * randomTensor(all.shape, seed: seed)).sum()
    }
    return try sum(text, seed: 5) + sum(visual, seed: 6)
      + (pooled_SD * randomTensor(pooled_SD.shape, seed: 7)).sum()
  }
}

@Suite struct CatalogTests {
  static let names = ModelCatalog.all.map { $0.name }

  @Test func namesAreKnown() throws {
    #expect(Set(Self.names).count == Self.names.count)
    for name in Self.names { #expect(try ModelCatalog.find(name).name == name) }
    #expect(message { _ = try ModelCatalog.find("vitl") }?.contains("'vilt'") == true)
    for model in ModelCatalog.all { #expect(!model.source.isEmpty) }
  }

  @Test(arguments: names) func forwardAndBackwardAreFinite(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let tiny = try Tiny<Model>()
      var sequences = try tiny.sequences()
      // What stands for hidden regions learns where there are some.
      if tiny.input.regions != nil { sequences[0].hidden = [1] }
      let encoding = try tiny.encode(sequences, Mode(isTraining: true, seed: 3))
      let facts = tiny.model.facts
      #expect(encoding.text.states_TD.shape[1] == facts.width)
      #expect(encoding.visual.states_TD.shape[1] == facts.visualWidth)
      #expect(encoding.pooled_SD.shape == [sequences.count, facts.pooledWidth])
      for (place, sequence) in sequences.enumerated() {
        #expect(encoding.text.rows(of: place).count == sequence.text.count + 2)
        let units = sequence.picture.map(tiny.input.units) ?? 0
        #expect(encoding.visual.rows(of: place).count == units)
      }
      try encoding.weighed().backward()
      // The scale of similarities belongs to contrast, which no state hears of.
      for parameter in tiny.store.parameters where parameter.name != "logit_scale" {
        let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
        #expect(try gradient.isFinite().all().item() == 1, "\(parameter.name)")
      }
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func packedIsEachSequenceAlone(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let tiny = try Tiny<Model>(changes: ["attentionDropout": .number(0.1)])
      let sequences = try tiny.sequences()
      for mode in [Mode.inference, Mode(isTraining: true, seed: 8)] {
        let all = try withoutGradients { try tiny.encode(sequences, mode) }
        for (place, sequence) in sequences.enumerated() {
          let alone = try withoutGradients { try tiny.encode([sequence], mode) }
          #expect(
            difference(try alone.numbers(of: 0), try all.numbers(of: place)) < Tolerance.output,
            "\(place)")
        }
      }
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func aSharedPictureIsTwoCopies(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      var results: [[Tensor]] = []
      for isShared in [true, false] {
        let tiny = try Tiny<Model>()
        let content = try tiny.picture(2, 2, key: 1)
        let sequences = (0..<2).map { place in
          InputSequence(
            text: [7, 8, Int32(9 + place)],
            picture: Picture(
              key: isShared ? 1 : UInt64(place), image: content.image, regions: content.regions),
            key: mixed(UInt64(place)))
        }
        let encoding = try tiny.encode(sequences, Mode(isTraining: true, seed: 2))
        #expect(encoding.batch.pictures.count == (isShared ? 1 : 2))
        let sum = try encoding.weighed()
        try sum.backward()
        results.append(
          [sum] + (try tiny.store.parameters.compactMap { try $0.value.gradient() }))
      }
      #expect(results[0].count >= 5)
      for (shared, copied) in zip(results[0], results[1]) {
        #expect(try relativeDifference(shared, copied) < Tolerance.gradient)
      }
    }
    try check(ModelCatalog.find(name))
  }

  /// Masked words and matching over six examples, cut in several ways, with all dropout on.
  @Test(arguments: names) func anyCutGivesTheSameGradient(_ name: String) throws {
    func gradients<Model: VisionLanguageModel>(
      _ type: Model.Type, cut: [[Int]]
    ) throws -> (loss: Double, gradients: [String: Tensor]) {
      let tiny = try Tiny<Model>(changes: ["attentionDropout": .number(0.1)])
      let heads = tiny.model.facts.heads
      let definitions =
        (heads.vocabulary == nil
          ? [] : [ObjectiveDefinition(MaskedLanguageModeling.self, typed: .init())])
        + (heads.matching == nil
          ? [] : [ObjectiveDefinition(ImageTextMatching.self, typed: .init())])
      let runners = try definitions.map { try $0.built(tiny.model.facts, at: tiny.store.root) }
      var all: [MixedSequence] = []
      for position in 0..<6 {
        let example = try Toy.example(
          position, "playing red star above blue circles of green",
          tiny.picture(2, 1 + position % 3, key: UInt64(position)))
        let context = try Toy.context(
          tiny.input, position: position, other: tiny.picture(1, 1, key: 77))
        for (place, definition) in definitions.enumerated() {
          var stream = RandomStream(seed: UInt64(1000 * place + position))
          all += try definition.prepared(
            example, context, place: place, key: UInt64(position), using: &stream)
        }
      }
      let denominators = definitions.indices.map { place in
        all.lazy.flatMap(\.targets).filter { $0.objective == place }.reduce(0) { $0 + $1.weight }
      }
      #expect(denominators[0] > 3 && denominators.last == 6)
      let parts =
        cut.isEmpty ? all.indices.map { [$0] } : cut.map { $0.filter { $0 < all.count } }
      #expect(Set(parts.joined()).count == all.count)
      var loss = 0.0
      for part in parts where !part.isEmpty {
        let chosen = part.map { all[$0] }
        let encoding = try tiny.encode(
          chosen.map(\.sequence), Mode(isTraining: true, seed: 21))
        let totals = try runners.enumerated().compactMap { place, runner in
          try runner.loss(encoding, chosen, place: place, denominator: denominators[place])?.total
        }
        for total in totals { loss += try total.detached().item() }
        try Tensor.backward(totals, totals.map { _ in try .ones([]) })
      }
      return (
        loss,
        Dictionary(
          uniqueKeysWithValues: try tiny.store.parameters.compactMap { parameter in
            try parameter.value.gradient().map { (parameter.name, $0) }
          })
      )
    }
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      // A model whose objectives couple examples has its own test.
      guard try Tiny<Model>().model.facts.fusesRows else { return }
      let whole = try gradients(type, cut: [Array(0..<12)])
      #expect(whole.gradients.count > 10)
      for cut in [[], [Array((0..<12).reversed())], [[0, 2, 4, 6, 8, 10], [1, 3, 5, 7, 9, 11]]] {
        let parts = try gradients(type, cut: cut)
        #expect(abs(parts.loss - whole.loss) < Tolerance.output * whole.loss)
        for (name, expected) in whole.gradients {
          let found = try #require(parts.gradients[name])
          // Smaller gradients (a key's bias has none at all) are nothing but rounding.
          let gap = try relativeDifference(found, expected, floor: 1e-2)
          #expect(gap < Tolerance.gradient, "\(name): \(gap)")
        }
      }
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func savedAndLoadedIsTheSame(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let folder = try TemporaryFolder()
      let path = folder.path + "/weights.safetensors"
      let tiny = try Tiny<Model>(seed: 5)
      try SafeTensors.write(tiny.store.tensors(), to: path)
      let loaded = try Tiny<Model>(
        seed: 6, source: GivenWeights(SafeTensorsFile(path: path)))
      try loaded.store.loadReport().check()
      let sequences = try tiny.sequences()
      let expected = try tiny.encode(sequences)
      let found = try loaded.encode(sequences)
      #expect(try found.numbers() == expected.numbers())
      #expect(try Tiny<Model>(seed: 6).encode(sequences).numbers() != expected.numbers())
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func theSeedDecidesEverything(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      func rows(_ seed: UInt64, _ dropout: UInt64) throws -> [Float] {
        let tiny = try Tiny<Model>(seed: seed)
        return try tiny.encode(tiny.sequences(), Mode(isTraining: true, seed: dropout)).numbers()
      }
      let first = try rows(1, 1)
      #expect(try rows(1, 1) == first)
      let drops = try Tiny<Model>().store.parameters.contains {
        $0.name.contains("layer.") || $0.name.contains("blocks.")
      }
      if drops { #expect(try rows(1, 2) != first) }
      #expect(try rows(2, 1) != first)
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func everyDepthIsInRange(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let tiny = try Tiny<Model>()
      let depths = tiny.store.parameters.map { Model.depth(of: $0.name, tiny.model.config) }
      #expect(Set(depths) == Set(0...tiny.model.facts.layers + 1))
    }
    try check(ModelCatalog.find(name))
  }

  /// What is hidden changes nothing, and hiding changes something; boxes may be known.
  @Test(arguments: names) func hiddenUnitsAreNotSeen(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let hasMask = try JSONValue(encoding: Model.presets["tiny"])["maskToken"] != nil
      // VL-BERT's visual norms start at nothing, so that no region is seen at all.
      var changes: [String: JSONValue] = hasMask ? ["maskToken": .bool(true)] : [:]
      if try JSONValue(encoding: Model.presets["tiny"])["visualGain"] != nil {
        changes["visualGain"] = .number(1)
      }
      let tiny = try Tiny<Model>(changes: changes)
      // A model of fixed pictures without a mask hides nothing.
      guard hasMask || tiny.input.regions != nil else { return }
      let first = try tiny.picture(3, 3, key: 1)
      var changed = try tiny.picture(3, 3, key: 2)
      if var regions = first.regions, let other = changed.regions {
        regions.features = other.features
        changed = Picture(key: 2, regions: regions)
      }
      func rows(_ picture: Picture, hidden: [Int]) throws -> [Float] {
        try tiny.encode([InputSequence(text: [7, 8], picture: picture, hidden: hidden)]).numbers()
      }
      let all = Array(0..<9)
      #expect(try rows(first, hidden: all) == rows(changed, hidden: all))
      #expect(try rows(first, hidden: [0, 4]) != rows(changed, hidden: [0, 4]))
      #expect(try rows(first, hidden: [4]) != rows(first, hidden: []))
    }
    try check(ModelCatalog.find(name))
  }

  @Test func hiddenPatchesNeedAMask() throws {
    let bare = try Tiny<ViLT>()
    let sequence = InputSequence(
      text: [7], picture: try bare.picture(3, 3, key: 1), hidden: [1])
    #expect(message { _ = try bare.encode([sequence]) }?.contains("maskToken") == true)
  }

  @Test func textsThatAreTooLongAreRefused() throws {
    let tiny = try Tiny<ViLT>()
    let long = InputSequence(
      text: [Int32](repeating: 7, count: tiny.input.textLength - 1), picture: nil)
    #expect(
      message { _ = try PackedBatch([long], tiny.input) }?.contains("\(tiny.input.textLength)")
        == true)
  }
}
