import TandemCore
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
  }

  func sequences() throws -> [InputSequence] {
    try Toy.sequences(patch: input.patchSize, vocabulary: Toy.specials.vocabularyCount)
  }

  func encode(_ sequences: [InputSequence], _ mode: Mode = .inference) throws -> Encoding {
    try model.encode(PackedBatch(sequences, input), mode)
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
      let sequences = try tiny.sequences()
      let encoding = try tiny.encode(sequences, Mode(isTraining: true, seed: 3))
      #expect(encoding.rows_TD.shape[0] == sequences.reduce(0) { $0 + tiny.input.rowCount($1) })
      #expect(encoding.pooled_SD.shape == [sequences.count, tiny.model.facts.width])
      let weights = try randomTensor(encoding.rows_TD.shape, seed: 5)
      try ((encoding.rows_TD * weights).sum() + encoding.pooled_SD.sum()).backward()
      for parameter in tiny.store.parameters {
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
          let rows = all.batch.layout.rows(of: place)
          #expect(
            try difference(alone.rows_TD, all.rows(Array(rows))) < Tolerance.output, "\(place)")
          #expect(try difference(alone.pooled_SD, all.pooled([place])) < Tolerance.output)
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
        let side = 2 * tiny.input.patchSize
        let image = try Toy.picture(side, side, key: 1).image
        let sequences = (0..<2).map { place in
          InputSequence(
            text: [7, 8, Int32(9 + place)],
            picture: Picture(key: isShared ? 1 : UInt64(place), image: image),
            key: mixed(UInt64(place)))
        }
        let encoding = try tiny.encode(sequences, Mode(isTraining: true, seed: 2))
        #expect(encoding.batch.pictures.count == (isShared ? 1 : 2))
        try (encoding.rows_TD * randomTensor(encoding.rows_TD.shape, seed: 5)).sum().backward()
        results.append(
          [encoding.rows_TD] + (try tiny.store.parameters.compactMap { try $0.value.gradient() }))
      }
      #expect(results[0].count > 10)
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
      let definitions = [
        ObjectiveDefinition(MaskedLanguageModeling.self, typed: .init()),
        ObjectiveDefinition(ImageTextMatching.self, typed: .init()),
      ]
      let runners = try definitions.map { try $0.built(tiny.model.facts, at: tiny.store.root) }
      let side = tiny.input.patchSize
      var all: [MixedSequence] = []
      for position in 0..<6 {
        let example = try Toy.example(
          position, "playing red star above blue circles of green",
          Toy.picture(side * (1 + position % 3), side * 2, key: UInt64(position)))
        let context = try Toy.context(
          tiny.input, position: position, other: Toy.picture(side, side, key: 77))
        for (place, definition) in definitions.enumerated() {
          var stream = RandomStream(seed: UInt64(1000 * place + position))
          all += try definition.prepared(
            example, context, place: place, key: UInt64(position), using: &stream)
        }
      }
      let denominators = definitions.indices.map { place in
        all.reduce(0) { $0 + ($1.objective == place ? $1.weight : 0) }
      }
      #expect(denominators[0] > 3 && denominators[1] == 6)
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
      #expect(try found.rows_TD.floats() == expected.rows_TD.floats())
      #expect(try found.pooled_SD.floats() == expected.pooled_SD.floats())
      #expect(
        try Tiny<Model>(seed: 6).encode(sequences).rows_TD.floats() != expected.rows_TD.floats())
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func theSeedDecidesEverything(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      func rows(_ seed: UInt64, _ dropout: UInt64) throws -> [Float] {
        let tiny = try Tiny<Model>(seed: seed)
        return try tiny.encode(tiny.sequences(), Mode(isTraining: true, seed: dropout))
          .rows_TD.floats()
      }
      let first = try rows(1, 1)
      #expect(try rows(1, 1) == first)
      #expect(try rows(1, 2) != first)
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

  @Test func hiddenPatchesAreNotSeen() throws {
    let tiny = try Tiny<ViLT>(changes: ["maskToken": .bool(true)])
    let side = 3 * tiny.input.patchSize
    func rows(_ key: UInt64, hidden: [Int]) throws -> [Float] {
      let sequence = InputSequence(
        text: [7, 8], picture: try Toy.picture(side, side, key: key), hiddenPatches: hidden)
      return try tiny.encode([sequence]).rows_TD.floats()
    }
    #expect(try rows(1, hidden: Array(0..<9)) == rows(2, hidden: Array(0..<9)))
    #expect(try rows(1, hidden: [0, 4]) != rows(2, hidden: [0, 4]))
    #expect(try rows(1, hidden: [4]) != rows(1, hidden: []))
    let bare = try Tiny<ViLT>()
    let sequence = InputSequence(
      text: [7], picture: try Toy.picture(side, side, key: 1), hiddenPatches: [1])
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
