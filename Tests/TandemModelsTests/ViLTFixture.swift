import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// The tiny ViLT of make_vilt.py, its weights under their published names, and its four examples.
struct ViLTFixture {
  struct Description: Decodable {
    struct Losses: Decodable {
      let mlm: Double
      let itm: Double
      let vqa: Double
      let total: Double
      let rank: Double
    }
    struct Example: Decodable {
      let text_length: Int
      let height: Int
      let width: Int
    }
    let examples: [Example]
    let losses: Losses
    let parameter_count: Int
  }

  let description: Description
  let file: SafeTensorsFile
  let outputs: SafeTensorsFile
  let store: ParameterStore
  let model: ViLT
  let vocabulary: VocabularyHead
  let matching: MatchingHead
  let answers: AnswerHead
  let ranking: RankingHead

  static var config: ViLT.Config {
    var config = ViLT.Config()
    config.width = 32
    config.layers = 2
    config.heads = 4
    config.feedForward = 64
    config.vocabulary = 40
    config.textLength = 12
    config.patchSize = 8
    config.grid = 4
    config.shorterSide = 32
    config.dropout = 0
    return config
  }

  static let specials = SpecialTokens(
    classification: 2, separator: 3, mask: 4, vocabularyCount: 40, reserved: [0, 1, 2, 3, 4])

  /// - Parameter silent: weights whose names hold one of these are zeroed.
  init(silent: [String] = [], kernels: KernelTable = .plain) throws {
    description = try Fixtures.json(Description.self, "vilt/vilt.json")
    file = try Fixtures.tensors("vilt/batch.safetensors")
    outputs = try Fixtures.tensors("vilt/outputs.safetensors")
    var weights = try GivenWeights(Fixtures.tensors("vilt/weights.safetensors"))
    weights.tensors["text_embeddings.position_ids"] = nil
    for name in weights.names where silent.contains(where: name.contains) {
      weights.tensors[name] = try weights.tensors[name]?.zerosLike()
    }
    store = ParameterStore(seed: 1, kernels: kernels, source: weights)
    model = try ViLT(Self.config, at: store.root)
    vocabulary = try VocabularyHead(
      #require(model.facts.heads.vocabulary), model.facts, at: store.root)
    matching = try MatchingHead(#require(model.facts.heads.matching), model.facts, at: store.root)
    answers = try AnswerHead(
      #require(model.facts.heads.answers), classes: 11, model.facts, at: store.root)
    ranking = try RankingHead(#require(model.facts.heads.ranking), model.facts, at: store.root)
    try store.loadReport().check()
  }

  /// The examples with these places in one batch. The fixture's pixels are no bytes, so pictures
  /// give the sizes only and their patches are replaced.
  func batch(_ places: [Int]) throws -> PackedBatch {
    let input = ViLT.input(Self.config, Self.specials)
    var rows: [Float] = []
    let sequences = try places.map { place in
      let example = description.examples[place]
      let ids = try file.integers("\(place).ids")
      rows += try patches(file.tensor("\(place).pixels"))
      return InputSequence(
        text: ids.dropFirst().dropLast().map(Int32.init),
        picture: try Toy.picture(example.width, example.height, key: UInt64(place)),
        key: UInt64(place))
    }
    return try PackedBatch(sequences, input).withPatches(rows)
  }

  /// [3, h, w] as patch rows in raster order, each (channel, y, x).
  private func patches(_ pixels: Tensor) throws -> [Float] {
    let (height, width) = (pixels.size(1) / 8, pixels.size(2) / 8)
    return try pixels.reshaped([3, height, 8, width, 8]).permuted([1, 3, 0, 2, 4])
      .reshaped([height * width, 192]).floats()
  }
}
