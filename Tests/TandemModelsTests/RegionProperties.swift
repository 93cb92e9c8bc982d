import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// What holds of every model that reads regions, here with its tiny preset and dropout on.
struct RegionProperties<Model: VisionLanguageModel> {
  let store: ParameterStore
  let model: Model
  let input: InputSpecification
  private let training = Mode(isTraining: true, seed: 8)

  init(
    precision: Precision = .float32, kernels: KernelTable = .plain,
    _ change: (inout Model.Config) -> Void = { _ in }
  ) throws {
    var config = try #require(Model.presets["tiny"])
    change(&config)
    store = ParameterStore(seed: 1, precision: precision, kernels: kernels)
    model = try Model(config, at: store.root)
    input = Model.input(config, Toy.specials)
  }

  private var featureWidth: Int { input.regions?.featureWidth ?? 0 }

  func regions(_ count: Int, seed: UInt64) -> Regions {
    var stream = RandomStream(seed: seed)
    let boxes = (0..<count).flatMap { _ in
      let corners = (0..<4).map { _ in Float(stream.uniform()) }
      return [
        min(corners[0], corners[2]), min(corners[1], corners[3]), max(corners[0], corners[2]),
        max(corners[1], corners[3]),
      ]
    }
    let features = (0..<count * featureWidth).map { _ in Float(stream.normal()) }
    return Regions(
      width: 40 + count, height: 50, boxes: boxes, features: features, featureWidth: featureWidth)
  }

  func feature(seed: UInt64) -> [Float] { Array(regions(1, seed: seed).feature(0)) }

  /// Texts with and without pictures, hidden and replaced regions, pictures that are shared.
  func sequences() -> [InputSequence] {
    let first = Picture(key: 1, regions: regions(5, seed: 11))
    let second = Picture(key: 2, regions: regions(3, seed: 12))
    let stranger = ReplacedRegion(region: 1, feature: feature(seed: 13))
    var all = [
      InputSequence(text: [7, 8, 9], picture: first, hidden: [0, 3]),
      InputSequence(text: [10, 11], picture: nil),
      InputSequence(text: [12], picture: first),
      InputSequence(text: [7, 9, 13, 14], picture: second, hidden: [2], replaced: [stranger]),
      InputSequence(text: [15, 8], second: [16], picture: first),
      InputSequence(text: [9, 9], picture: second, hidden: [0, 1, 2]),
    ]
    for place in all.indices { all[place].key = mixed(UInt64(place)) }
    return all
  }

  func encode(_ sequences: [InputSequence], _ mode: Mode) throws -> Encoding {
    try model.encode(PackedBatch(sequences, input), mode)
  }

  /// All rows of one sequence and its pooled vector, end to end.
  func states(_ encoding: Encoding, _ row: Int) throws -> [Float] {
    let text = try encoding.text(Array(encoding.text.rows(of: row))).floats()
    let visual = try encoding.visual(Array(encoding.visual.rows(of: row))).floats()
    return text + visual + (try encoding.pooled([row]).floats())
  }

  func packedIsEachSequenceAlone() throws {
    let sequences = sequences()
    for mode in [Mode.inference, training] {
      let packed = try withoutGradients { try encode(sequences, mode) }
      for (place, sequence) in sequences.enumerated() {
        let alone = try withoutGradients { try encode([sequence], mode) }
        let gap = difference(try states(packed, place), try states(alone, 0))
        #expect(gap < Tolerance.output, "\(place): \(gap)")
      }
    }
  }

  func aSharedPictureIsTwoCopies() throws {
    let shared = sequences()
    let copied = shared.enumerated().map { place, sequence in
      var sequence = sequence
      sequence.picture = sequence.picture.map {
        Picture(key: 100 + UInt64(place), regions: $0.regions)
      }
      return sequence
    }
    for mode in [Mode.inference, training] {
      var gradients: [[String: Tensor]] = []
      var rows: [[Float]] = []
      for sequences in [shared, copied] {
        let encoding = try encode(sequences, mode)
        rows.append(try sequences.indices.flatMap { try states(encoding, $0) })
        let weights = try randomTensor(encoding.text.states_TD.shape, seed: 5)
        let roots = store.parameters.map(\.value)
        let found = try (encoding.text.states_TD * weights).sum().gradients(of: roots)
        gradients.append(
          Dictionary(
            uniqueKeysWithValues: zip(store.parameters, found).compactMap { parameter, gradient in
              gradient.map { (parameter.name, $0) }
            }))
      }
      #expect(difference(rows[0], rows[1]) < Tolerance.output)
      #expect(gradients[0].count > 10 && gradients[0].count == gradients[1].count)
      for (name, gradient) in gradients[0] {
        let other = try #require(gradients[1][name])
        let gap = try relativeDifference(gradient, other, floor: 1e-2)
        #expect(gap < Tolerance.gradient, "\(name): \(gap)")
      }
    }
  }

  /// A region with another's feature is the same as a picture that holds that feature.
  func replacedRegionsShowAnother() throws {
    let stranger = feature(seed: 31)
    let own = regions(4, seed: 32)
    var changed = own
    changed.features.replaceSubrange(2 * featureWidth..<3 * featureWidth, with: stranger)
    func states(_ regions: Regions, _ replaced: [ReplacedRegion]) throws -> [Float] {
      let sequence = InputSequence(
        text: [7, 8], picture: Picture(key: 3, regions: regions), hidden: [0],
        replaced: replaced, key: 5)
      return try self.states(encode([sequence], training), 0)
    }
    let replaced = [ReplacedRegion(region: 2, feature: stranger)]
    let expected = try states(changed, [])
    #expect(difference(try states(own, replaced), expected) < Tolerance.output)
    #expect(difference(try states(own, []), expected) > 50 * Tolerance.output)
  }

  /// What a hidden region holds moves nothing, and what another one holds does.
  func hiddenRegionsAreNotSeen() throws {
    let own = regions(4, seed: 41)
    func states(changing region: Int) throws -> [Float] {
      var changed = own
      changed.features.replaceSubrange(
        region * featureWidth..<(region + 1) * featureWidth, with: feature(seed: 42))
      let sequence = InputSequence(
        text: [7, 8], picture: Picture(key: 3, regions: changed), hidden: [1, 3], key: 5)
      return try self.states(encode([sequence], .inference), 0)
    }
    #expect(try states(changing: 1) == states(changing: 3))
    #expect(difference(try states(changing: 1), try states(changing: 0)) > 50 * Tolerance.output)
  }

  /// Products in bfloat16 give the same but for its 8 bits, with and without dropout.
  static func bfloat16IsClose(_ change: (inout Model.Config) -> Void = { _ in }) throws {
    for mode in [Mode.inference, Mode(isTraining: true, seed: 8)] {
      let results = try [Precision.float32, .bfloat16].map { precision in
        let properties = try Self(precision: precision, change)
        let sequences = properties.sequences()
        let encoding = try properties.encode(sequences, mode)
        return try sequences.indices.flatMap { try properties.states(encoding, $0) }
      }
      let greatest = results[0].reduce(0) { max($0, abs(Double($1))) }
      let gap = difference(results[0], results[1]) / greatest
      #expect(gap > 0 && gap < Tolerance.bfloat16, "\(gap)")
    }
  }

  /// The weights of a preset, of which only a model with two layers and a few words is made: what
  /// a layer and a word add is the same however many there are.
  static func parameterCount(
    _ preset: String, layers: WritableKeyPath<Model.Config, Int>,
    vocabulary: WritableKeyPath<Model.Config, Int>
  ) throws -> Int {
    let whole = try #require(Model.presets[preset])
    func count(_ layerCount: Int, _ words: Int) throws -> Int {
      var config = whole
      config[keyPath: layers] = layerCount
      config[keyPath: vocabulary] = words
      let store = ParameterStore(seed: 1)
      _ = try Model(config, at: store.root)
      return store.parameterCount
    }
    let least = try count(1, 1)
    return try least + (whole[keyPath: layers] - 1) * (count(2, 1) - least)
      + (whole[keyPath: vocabulary] - 1) * (count(1, 2) - least)
  }
}
