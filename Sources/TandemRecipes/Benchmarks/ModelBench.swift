// A model with random weights and inputs of a fixed size, to be timed.

internal import Foundation
internal import TandemCore
internal import TandemImage
internal import TandemNN
internal import TandemObjectives
internal import TandemText
internal import TandemTorch
internal import TandemTrain

final class ModelBench<M: VisionLanguageModel> {
  let config: M.Config
  let store: ParameterStore
  let model: M
  let head: MaskedLanguageModeling
  let precision: Precision
  let optimizer: Optimizer
  let inputs: SyntheticInputs

  /// - Parameter regions: of each picture, for a model that reads regions.
  init(
    _ config: M.Config, _ precision: Precision, _ kernel: LinearKernelChoice, regions: Int = 36,
    rows: Int = 1280
  ) throws {
    self.config = config
    self.precision = precision
    store = ParameterStore(seed: 1, precision: precision)
    model = try M(config, at: store.root)
    head = try MaskedLanguageModeling(.init(), model.facts, at: store.root)
    store.kernels = try KernelMeasurement.of(store, kernel, rows: rows, cache: nil).table
    try store.seal { ParameterGroup(decays: $0.decays) }
    optimizer = try Optimizer(Recipe.Optimizer(), store)
    inputs = try SyntheticInputs(
      M.self, config, vocabulary: model.facts.vocabulary, regions: regions)
  }

  /// The rows of all layers' streams that a sequence has.
  func rowsOfSequence() throws -> Int { try inputs.batch(1).layout.rowCount }

  /// A forward, or a training step of masked words, of so many sequences.
  func run(
    batch: Int, training: Bool, recomputation: Recomputation = .none
  ) throws -> () throws -> Void {
    let packed = try inputs.batch(batch)
    let targets = (0..<batch).map {
      Placed(sequence: $0, target: MaskedLanguageModeling.Target(pieces: [1, 5], labels: [7, 9]))
    }
    return { [self] in
      guard training else {
        _ = try withoutGradients { try model.encode(packed, .inference).pooled_SD.floats() }
        return
      }
      try store.clearGradients()
      let encoding = try model.encode(
        packed, Mode(isTraining: true, seed: 1, recomputation: recomputation))
      let loss = try head.loss(encoding, targets, denominator: Double(2 * batch)).total
      try loss.backward()
      let norm = try optimizer.gradientNorm()
      try optimizer.update(rate: 1e-5, norm: norm)
    }
  }

  func time(
    batch: Int, training: Bool, repeats: Int, recomputation: Recomputation = .none
  ) throws -> BenchmarkRow {
    let run = try run(batch: batch, training: training, recomputation: recomputation)
    try run()
    let operations = try TorchRuntime.operations(run)
    let mappings = try TorchRuntime.memory().segments
    var faults: [Int] = []
    let times = try (0..<repeats).map { _ in
      let before = Process.pageFaults()
      let time = try milliseconds(run)
      faults.append(Process.pageFaults() - before)
      return time
    }.sorted()
    let median = times[times.count / 2]
    var row = BenchmarkRow(
      name: training ? "training step (mlm)" : "forward", batch: batch, precision: precision,
      median: median, least: times[0], repeats: repeats, rate: operations / median / 1e6,
      share: 0)
    row.pageFaults = faults.sorted()[faults.count / 2]
    row.mappings = try TorchRuntime.memory().segments - mappings
    return row
  }
}

/// Captions of 12 pieces with pictures of random pixels or regions of random features.
struct SyntheticInputs {
  static let words = 12
  let input: InputSpecification
  let side: Int
  let regions: Int

  init<M: VisionLanguageModel>(
    _ model: M.Type, _ config: M.Config, vocabulary: Int, regions: Int
  ) throws {
    input = M.input(
      config,
      SpecialTokens(
        classification: 101, separator: 102, mask: 103, vocabularyCount: vocabulary,
        reserved: []))
    side =
      try M.resize(config)?.size(for: PixelSize(width: 1000, height: 1000)).width ?? 0
    self.regions = regions
  }

  func batch(_ count: Int) throws -> PackedBatch {
    var stream = RandomStream(seed: 7)
    let sequences = try (0..<count).map { place in
      InputSequence(
        text: (0..<Self.words).map { _ in Int32(1000 + stream.below(5000)) },
        picture: try picture(UInt64(place), &stream), key: UInt64(place))
    }
    return try PackedBatch(sequences, input)
  }

  private func picture(_ key: UInt64, _ stream: inout RandomStream) throws -> Picture {
    guard let wanted = input.regions else {
      let pixels = (0..<3 * side * side).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
      return Picture(key: key, image: try Image(width: side, height: side, pixels: pixels))
    }
    let boxes = (0..<regions).flatMap { _ -> [Float] in
      let (x, y) = (Float(stream.uniform()) / 2, Float(stream.uniform()) / 2)
      return [
        x, y, x + 0.1 + Float(stream.uniform()) * 0.4, y + 0.1 + Float(stream.uniform()) * 0.4,
      ]
    }
    return Picture(
      key: key,
      regions: Regions(
        width: 640, height: 480, boxes: boxes,
        features: (0..<regions * wanted.featureWidth).map { _ in Float(stream.uniform()) },
        featureWidth: wanted.featureWidth))
  }
}

func milliseconds(_ body: () throws -> Void) rethrows -> Double {
  let start = ContinuousClock.now
  try body()
  return (ContinuousClock.now - start) / .milliseconds(1)
}

func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
