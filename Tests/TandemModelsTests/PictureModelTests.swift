import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// The two-stream, grid and dual models at their tiny presets: what no reference has to say.
@Suite struct PictureModelTests {
  static let names = ["vilbert", "pixel-bert", "clip", "vse"]

  private struct Tiny<Model: VisionLanguageModel> {
    let store: ParameterStore
    let model: Model
    let input: InputSpecification

    init(
      _ type: Model.Type, precision: Precision = .float32, kernels: KernelTable = .plain,
      change: [String: JSONValue] = [:]
    ) throws {
      let preset = try #require(Model.presets["tiny"])
      var settings = LayeredSettings(try JSONValue(encoding: preset), origin: "preset")
      var fields = change
      fields["vocabulary"] = .integer(Toy.specials.vocabularyCount)
      try settings.lay(.object(fields), origin: "test")
      let config = try settings.value.decoded(Model.Config.self)
      store = ParameterStore(
        seed: 3, precision: precision, kernels: kernels, productInitialization: .fanIn)
      model = try Model(config, at: store.root)
      input = Model.input(config, Toy.specials)
    }

    func sequences() throws -> [InputSequence] {
      let shared = try picture(1, regions: 3)
      let pictures = [shared, nil, try picture(2, regions: 1), shared]
      return pictures.enumerated().map { place, picture in
        InputSequence(
          text: [7, 8, Int32(9 + place)], picture: picture, key: mixed(UInt64(place)))
      }
    }

    private func picture(_ key: UInt64, regions count: Int) throws -> Picture {
      guard let regions = input.regions else { return try Toy.picture(64, 64, key: key) }
      var stream = RandomStream(seed: key)
      let features = (0..<count * regions.featureWidth).map { _ in Float(stream.normal()) }
      let boxes = (0..<count).flatMap { region -> [Float] in
        [0.1 * Float(region), 0.2, 0.1 * Float(region) + 0.5, 0.9]
      }
      return Picture(
        key: key,
        regions: Regions(
          width: 60, height: 40, boxes: boxes, features: features,
          featureWidth: regions.featureWidth))
    }

    func encode(_ mode: Mode = .inference) throws -> Encoding {
      try model.encode(PackedBatch(sequences(), input), mode)
    }
  }

  @Test(arguments: names) func everyDepthAndEveryGradient(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let tiny = try Tiny(type)
      let facts = tiny.model.facts
      let depths = tiny.store.parameters.map { Model.depth(of: $0.name, tiny.model.config) }
      #expect(Set(depths) == Set(0...facts.layers + 1))
      let encoding = try tiny.encode(Mode(isTraining: true, seed: 5))
      #expect(encoding.text.states_TD.size(1) == facts.width)
      #expect(encoding.visual.states_TD.size(1) == facts.visualWidth)
      #expect(encoding.pooled_SD.shape == [4, facts.pooledWidth])
      #expect((encoding.pair != nil) == !facts.fusesRows)
      var sum = try encoding.pooled_SD.sum()
      for states in [encoding.text.states_TD, encoding.visual.states_TD] {
        sum = try sum + (states * randomTensor(states.shape, seed: 9)).sum()
      }
      if let pair = encoding.pair {
        sum = try sum + (pair.text_SE * pair.picture_SE).sum() * pair.scale
      }
      try sum.backward()
      for parameter in tiny.store.parameters {
        let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
        #expect(try gradient.isFinite().all().item() == 1, "\(parameter.name)")
      }
    }
    try check(ModelCatalog.find(name))
  }

  /// Of another precision or other kernels the result is nearly the same; so it is with dropout.
  @Test(arguments: names, [true, false]) func otherArithmetic(_ name: String, _ trains: Bool) throws
  {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let mode = Mode(isTraining: trains, seed: 6)
      func results(_ precision: Precision, _ kernels: KernelTable) throws -> [Tensor] {
        let encoding = try withoutGradients {
          try Tiny(type, precision: precision, kernels: kernels).encode(mode)
        }
        return [encoding.text.states_TD, encoding.visual.states_TD, encoding.pooled_SD]
      }
      let expected = try results(.float32, .plain)
      for (found, right) in zip(try results(.float32, .oneDNN), expected) {
        #expect(try relativeDifference(found, right) < Tolerance.output)
      }
      for (found, right) in zip(try results(.bfloat16, .plain), expected) {
        #expect(try relativeDifference(found.to(.float32), right) < Tolerance.bfloat16)
      }
    }
    try check(ModelCatalog.find(name))
  }

  @Test(arguments: names) func theSeedDecidesDropout(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      func states(_ seed: UInt64, _ probability: Double) throws -> [Float] {
        try Tiny(type, change: ["dropout": .number(probability)])
          .encode(Mode(isTraining: true, seed: seed)).pooled_SD.floats()
      }
      #expect(try states(1, 0.1) == states(1, 0.1))
      #expect(try states(1, 0.1) != states(2, 0.1))
      #expect(try states(1, 0) == states(2, 0))
    }
    try check(ModelCatalog.find(name))
  }

  /// Small presets have about half a million weights beside the words.
  @Test(arguments: names) func smallIsSmall(_ name: String) throws {
    func check<Model: VisionLanguageModel>(_ type: Model.Type) throws {
      let store = ParameterStore(seed: 1)
      let model = try Model(#require(Model.presets["small"]), at: store.root)
      let words = model.facts.vocabulary * model.facts.width
      let count = store.parameterCount - words
      #expect((100_000..<1_000_000).contains(count), "\(count)")
    }
    try check(ModelCatalog.find(name))
  }
}
