import TandemCore
import TandemNN
import TandemTorch
import TestSupport

/// The files of make_transformers_models.py for one model: its weights, four examples of text and
/// regions, what the reference library makes of them in float64, and how far each mistake moves it.
struct TransformersFixture {
  struct Description: Decodable {
    struct Counts: Decodable {
      let text_lengths: [Int]
      let regions: [Int]
      let labelled_tokens: Int
    }
    let counts: Counts
    let losses: [String: Double]
    let other_losses: [String: Double]
    let parameter_counts: [String: Int]
    let moved_by: [String: [String: Double]]
  }

  /// The fixtures' weights magnify rounding, so that wrong epsilons show: the reference itself is
  /// off by 1e-5 when it computes in float32. Shares of the largest value.
  static let output = 2e-5
  static let gradient = 1e-4
  /// What a mistake moves is written down with two digits.
  static let moved = 0.06

  static let width = 16
  static let featureWidth = 10
  static let all = [0, 1, 2, 3]
  static let specials = SpecialTokens(
    classification: 2, separator: 3, mask: 4, vocabularyCount: 40, reserved: [0, 1, 2, 3, 4])

  let description: Description
  let weights: SafeTensorsFile
  let batch: SafeTensorsFile
  let expected: SafeTensorsFile
  let gradients: SafeTensorsFile

  init(_ model: String) throws {
    description = try Fixtures.json(Description.self, "\(model)/\(model).json")
    weights = try Fixtures.tensors("\(model)/weights.safetensors")
    batch = try Fixtures.tensors("\(model)/batch.safetensors")
    expected = try Fixtures.tensors("\(model)/outputs.safetensors")
    gradients = try Fixtures.tensors("\(model)/gradients.safetensors")
  }

  /// A store that reads the published weights, but for those that `edit` changes.
  func store(
    kernels: KernelTable = .plain, seed: UInt64 = 1,
    _ edit: (inout [String: Tensor]) throws -> Void = { _ in }
  ) throws -> ParameterStore {
    var given = try GivenWeights(weights)
    try edit(&given.tensors)
    return ParameterStore(seed: seed, kernels: kernels, source: given)
  }

  /// One example as it stands in the fixture; without boxes there, they are the whole picture.
  func sequence(_ place: Int) throws -> InputSequence {
    let ids = try batch.integers("\(place).ids")
    let features = try batch.tensor("\(place).features")
    let boxes =
      batch.entries["\(place).boxes"] == nil
      ? (0..<features.size(0)).flatMap { _ in [0, 0, 1, 1] as [Float] }
      : try batch.tensor("\(place).boxes").floats()
    let hidden =
      batch.entries["\(place).hidden"] == nil ? [] : try batch.integers("\(place).hidden")
    let regions = Regions(
      width: 640, height: 480, boxes: boxes, features: try features.floats(),
      featureWidth: Self.featureWidth)
    return InputSequence(
      text: ids.dropFirst().dropLast().map(Int32.init),
      picture: Picture(key: UInt64(place), regions: regions),
      hidden: hidden.indices.filter { hidden[$0] == 1 }, key: UInt64(place))
  }

  /// The loss of the labelled words of some examples, over their number in all four.
  func wordLoss(
    _ head: VocabularyHead, _ encoding: Encoding, _ places: [Int]
  ) throws -> Tensor {
    var (rows, labels): ([Int], [Int]) = ([], [])
    for (sequence, place) in places.enumerated() {
      let text = encoding.text.rows(of: sequence)
      for (row, label) in zip(text, try batch.integers("\(place).mlm_labels")) where label >= 0 {
        rows.append(row)
        labels.append(label)
      }
    }
    return try head.loss(encoding.text(rows), labels: Tensor(labels)).sum
      / Double(description.counts.labelled_tokens)
  }

  /// Per kind of output ("text", "pooled", …) the largest difference as a share of the largest
  /// expected value, over all examples that were found.
  func gaps(_ found: [String: Tensor], prefix: String = "") throws -> [String: Double] {
    var differences: [String: (gap: Double, size: Double)] = [:]
    for (name, tensor) in found {
      let kind = String(name.drop { $0 != "." }.dropFirst())
      let right = try expected.tensor(prefix + name)
      let old = differences[kind] ?? (0, 0)
      differences[kind] = (
        max(old.gap, try difference(tensor.reshaped(right.shape), right)),
        max(old.size, try largest(right))
      )
    }
    return differences.mapValues { $0.gap / $0.size }
  }

  /// Kinds of output that a mistake has not moved as it moves the reference's: none is right.
  func unlike(_ mistake: String, _ gaps: [String: Double]) -> [String] {
    guard let reference = description.moved_by[mistake] else { return ["\(mistake) is unknown"] }
    return gaps.compactMap { kind, gap in
      let expected = reference[kind] ?? 0
      let isAlike = abs(gap - expected) <= Self.moved * expected + 2 * Self.output
      return isAlike ? nil : "\(mistake): \(kind) moved by \(gap), not \(expected)"
    }
  }

  /// Weights whose gradients are not the expected ones. The bias of keys changes no softmax: its
  /// gradient is rounding, to be seen beside that of the queries' bias.
  func wrongGradients(
    _ store: ParameterStore, replaced: [String: Tensor] = [:]
  ) throws -> [String] {
    try store.parameters.compactMap { parameter in
      let name = parameter.name
      let right = try replaced[name] ?? gradients.tensor(name)
      guard let found = try parameter.value.gradient() else { return "\(name): none" }
      let floor =
        name.hasSuffix("key.bias")
        ? try largest(gradients.tensor(String(name.dropLast("key.bias".count)) + "query.bias"))
        : 1e-7
      let gap = try relativeDifference(found, right, floor: floor)
      return gap < Self.gradient ? nil : "\(name): \(gap)"
    }
  }

  /// How far products in bfloat16 move freshly drawn weights' results, as a share of the largest
  /// value; infinite where a gradient is not finite.
  static func bfloat16Gap<Model: VisionLanguageModel>(
    _ type: Model.Type, _ config: Model.Config, _ sequences: [InputSequence]
  ) throws -> Double {
    let results = try [Precision.float32, .bfloat16].map { precision in
      let store = ParameterStore(seed: 3, precision: precision)
      let model = try Model(config, at: store.root)
      let encoding = try model.encode(
        PackedBatch(sequences, Model.input(config, specials)), Mode(isTraining: true))
      let states = [encoding.text.states_TD, encoding.visual.states_TD, encoding.pooled_SD]
      try (states[0].sum() + states[1].sum() + states[2].sum()).backward()
      let isFinite = try store.parameters.allSatisfy {
        try $0.value.gradient()?.isFinite().all().item() ?? 1 == 1
      }
      return (states, isFinite)
    }
    guard results.allSatisfy(\.1) else { return .infinity }
    return try zip(results[0].0, results[1].0).map { wide, narrow in
      try relativeDifference(narrow.to(.float32), wide)
    }.max() ?? .infinity
  }

  /// Whether every row of training with dropout is the same with its sequence alone and beside
  /// others.
  static func dropoutFollowsSequences<Model: VisionLanguageModel>(
    _ model: Model, _ sequences: [InputSequence]
  ) throws -> Bool {
    let input = Model.input(model.config, specials)
    let mode = Mode(isTraining: true, seed: 8)
    func encode(_ sequences: [InputSequence]) throws -> Encoding {
      try withoutGradients { try model.encode(PackedBatch(sequences, input), mode) }
    }
    let together = try encode(sequences)
    return try sequences.enumerated().allSatisfy { place, sequence in
      let alone = try encode([sequence])
      let pairs = [
        (together.pooled_SD, place..<place + 1, alone.pooled_SD, 0..<1),
        (
          together.text.states_TD, together.text.rows(of: place), alone.text.states_TD,
          alone.text.rows(of: 0)
        ),
        (
          together.visual.states_TD, together.visual.rows(of: place), alone.visual.states_TD,
          alone.visual.rows(of: 0)
        ),
      ]
      return try pairs.allSatisfy { one, rows, other, otherRows in
        try rows.isEmpty
          || difference(part(one, rows), part(other, otherRows)) < Tolerance.output
      }
    }
  }
}

/// Some rows that lie together.
func part(_ rows: Tensor, _ range: Range<Int>) throws -> Tensor {
  try rows.narrow(0, from: range.lowerBound, range.count)
}

/// The message of a config's refusal; nil when it is taken.
func refusal<Model: VisionLanguageModel>(
  _ type: Model.Type, _ config: Model.Config, _ change: (inout Model.Config) -> Void
) -> String? {
  var config = config
  change(&config)
  return message { _ = try Model(config, at: ParameterStore(seed: 1).root) }
}
