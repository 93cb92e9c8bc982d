// What the fixtures of the two-stream, grid and dual models have in common.

import TandemCore
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// A model with a fixture's weights.
struct FixtureModel<Model: VisionLanguageModel> {
  let store: ParameterStore
  let model: Model
  let input: InputSpecification

  /// - Parameter changing: makes wrong weights of the right ones.
  init(
    _ folder: String, _ config: Model.Config, _ specials: SpecialTokens,
    kernels: KernelTable = .plain, changing: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws {
    var weights = try GivenWeights(Fixtures.tensors("\(folder)/weights.safetensors"))
    try changing(&weights.tensors)
    store = ParameterStore(seed: 1, kernels: kernels, source: weights)
    model = try Model(config, at: store.root)
    input = Model.input(config, specials)
  }

  func encode(_ sequences: [InputSequence], _ mode: Mode = .inference) throws -> Encoding {
    try model.encode(PackedBatch(sequences, input), mode)
  }

  func vocabulary() throws -> VocabularyHead {
    try VocabularyHead(#require(model.facts.heads.vocabulary), model.facts, at: store.root)
  }

  func matching() throws -> MatchingHead {
    try MatchingHead(#require(model.facts.heads.matching), model.facts, at: store.root)
  }

  func ranking() throws -> RankingHead {
    try RankingHead(#require(model.facts.heads.ranking), model.facts, at: store.root)
  }
}

/// A fixture of make_region_models.py: four examples, what a reference makes of them, and by how
/// much mistakes would move that.
struct RegionExamples {
  struct Description: Decodable {
    struct Wrong: Decodable {
      let affects: String
      let relative_change: Double
    }
    let losses: [String: Double]
    let total: Double
    let parameter_count: Int
    let gradient_is_0: [String]
    let gradients_left_out: [String]
    let wrong: [String: Wrong]
  }

  static let specials = SpecialTokens(
    classification: 2, separator: 3, mask: 4, vocabularyCount: 40, reserved: [0, 1, 2, 3, 4])
  static let cuts = [[[0, 1, 2, 3]], [[0], [1], [2], [3]], [[3, 1], [2, 0]]]

  let folder: String
  let description: Description
  let file: SafeTensorsFile
  let outputs: SafeTensorsFile

  init(_ folder: String) throws {
    self.folder = folder
    description = try Fixtures.json(Description.self, "\(folder)/\(folder).json")
    file = try Fixtures.tensors("\(folder)/batch.safetensors")
    outputs = try Fixtures.tensors("\(folder)/outputs.safetensors")
  }

  func sequence(_ place: Int, isHiding: Bool = true) throws -> InputSequence {
    let ids = try file.integers("\(place).ids")
    return InputSequence(
      text: ids.dropFirst().dropLast().map(Int32.init),
      picture: Picture(key: UInt64(place), regions: try regions("\(place)")),
      hidden: isHiding ? try hidden("\(place)") : [], key: UInt64(place))
  }

  func sequences(_ places: [Int], isHiding: Bool = true) throws -> [InputSequence] {
    try places.map { try sequence($0, isHiding: isHiding) }
  }

  func hidden(_ name: String) throws -> [Int] {
    guard file.entries["\(name).hidden"] != nil else { return [] }
    let flags = try file.integers("\(name).hidden")
    return flags.indices.filter { flags[$0] == 1 }
  }

  func regions(_ name: String) throws -> Regions {
    let features = try file.tensor("\(name).features")
    let count = features.size(0)
    let size = file.entries["\(name).size"] == nil ? [1, 1] : try file.integers("\(name).size")
    let boxes =
      file.entries["\(name).boxes"] == nil
      ? [Float](repeating: 0, count: 4 * count) : try file.tensor("\(name).boxes").floats()
    return Regions(
      width: size[0], height: size[1],
      boxes: boxes.enumerated().map { $1 / Float(size[$0 % 2]) }, features: try features.floats(),
      featureWidth: features.size(1))
  }

  /// An output of the reference with the shape of what was found.
  func gap(_ found: Tensor, _ name: String) throws -> Double {
    try relativeDifference(found, outputs.tensor(name).reshaped(found.shape))
  }

  /// The largest change of one output over all examples, as a share of its largest value there.
  ///
  /// - Parameter found: for each example.
  func change(_ found: [Tensor], _ name: String) throws -> Double {
    var (moved, most) = (0.0, 0.0)
    for (place, tensor) in found.enumerated() {
      let expected = try outputs.tensor("\(place).\(name)")
      moved = max(moved, try difference(tensor.reshaped(expected.shape), expected))
      most = max(most, try largest(expected))
    }
    return moved / most
  }

  /// Expects that a mistake moves what it did in the reference, by as much.
  func expect(_ mistake: String, moves share: Double) throws {
    let expected = try #require(description.wrong[mistake]).relative_change
    #expect(abs(share - expected) < 2e-3 * expected + 1e-5, "\(mistake): \(share), \(expected)")
  }

  /// Expects every stored gradient.
  func expectGradients(_ store: ParameterStore, sourceLocation: SourceLocation = #_sourceLocation)
    throws
  {
    let gradients = try Fixtures.tensors("\(folder)/gradients.safetensors")
    let leftOut = description.gradients_left_out
    var count = 0
    for parameter in store.parameters {
      guard !leftOut.contains(where: parameter.name.hasPrefix) else { continue }
      let found = try #require(try parameter.value.gradient(), "\(parameter.name)")
      let expected = try gradients.tensor(parameter.name)
      // A key's bias moves all scores of a query alike: its gradient is nothing but rounding.
      let floor = description.gradient_is_0.contains(parameter.name) ? 1.0 : 1e-3
      let gap = try relativeDifference(found, expected, floor: floor)
      #expect(gap < Tolerance.gradient, "\(parameter.name): \(gap)", sourceLocation: sourceLocation)
      count += 1
    }
    #expect(count == gradients.entries.count, sourceLocation: sourceLocation)
  }
}

/// Rows of a text or of a picture, with leading rows.
func stretch(_ rows: Tensor, _ range: Range<Int>) throws -> Tensor {
  try rows.narrow(0, from: range.lowerBound, range.count)
}

/// The sum of losses of labelled words, for int labels of which −100 counts not.
func wordLoss(_ head: VocabularyHead, _ text: EncodedRows, _ labels: [[Int]]) throws -> Tensor {
  let rows = labels.indices.flatMap { Array(text.rows(of: $0)) }
  return try head(text(rows)).crossEntropySum(Tensor(labels.flatMap { $0 }))
}

/// Expects that a sequence is the same alone and among others, dropped rows included, with and
/// without gradients kept, and that what none of them asks for stays out.
func expectSameAlone<Model: VisionLanguageModel>(
  _ model: Model, _ input: InputSpecification, _ sequences: [InputSequence]
) throws {
  for mode in [
    Mode.inference, Mode(isTraining: true, seed: 8),
    Mode(isTraining: true, seed: 8, recomputation: .layer),
  ] {
    let all = try model.encode(PackedBatch(sequences, input), mode)
    for (place, sequence) in sequences.enumerated() {
      let alone = try model.encode(PackedBatch([sequence], input), mode)
      for (found, rows) in [(all.text, alone.text), (all.visual, alone.visual)] {
        let count = rows.rows(of: 0).count
        #expect(found.rows(of: place).count == count)
        guard count > 0 else { continue }
        #expect(
          try difference(found(Array(found.rows(of: place))), rows(Array(rows.rows(of: 0))))
            < Tolerance.output, "\(Model.name) \(place)")
      }
      #expect(try difference(all.pooled([place]), alone.pooled_SD) < Tolerance.output)
      if let pairs = all.pair, let pair = alone.pair {
        #expect(
          try difference(stretch(pairs.text_SE, place..<place + 1), pair.text_SE)
            < Tolerance.output)
        #expect(
          try difference(stretch(pairs.picture_SE, place..<place + 1), pair.picture_SE)
            < Tolerance.output)
      }
    }
    guard mode.isTraining else { continue }
    try (all.text.states_TD.sum() + all.visual.states_TD.sum() + all.pooled_SD.sum()).backward()
  }
}

/// The number of weights of a model with many layers, from two that have one and two of them.
func parameterCount<Model: VisionLanguageModel>(
  _ type: Model.Type, layers: Int, _ config: (Int) throws -> Model.Config
) throws -> Int {
  let counts = try [1, 2].map { layers in
    let store = ParameterStore(seed: 1)
    _ = try Model(config(layers), at: store.root)
    return store.parameterCount
  }
  return counts[0] + (layers - 1) * (counts[1] - counts[0])
}
