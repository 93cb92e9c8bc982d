// Times a model on this machine, beside the machine's own matrix-product rate.

internal import Foundation
public import TandemCore
internal import TandemImage
internal import TandemModels
public import TandemNN
internal import TandemObjectives
internal import TandemText
internal import TandemTorch
internal import TandemTrain

/// One row of the benchmark.
public struct BenchmarkRow: Codable, Sendable {
  public var name: String
  public var batch: Int
  public var precision: Precision
  /// Median milliseconds of `repeats` runs, and the least.
  public var median: Double
  public var least: Double
  public var repeats: Int
  /// Billions of floating-point operations a second, of matrix products alone.
  public var rate: Double
  /// The share of the rate that one large product reaches in the same run.
  public var share: Double
  /// Pages that a run had to bring in (the median), and times that memory was mapped for tensors in
  /// all timed runs.
  public var pageFaults = 0
  public var mappings = 0
}

public enum Benchmark {
  /// Forward and training step (masked words) of a ViLT preset at batch 1 and 8.
  ///
  /// Inputs: pictures of 384×384 (or the preset's size) and 14 text tokens, as a caption has.
  /// - Parameter report: called as each row is done.
  public static func run(
    preset: String, repeats: Int, kernel: LinearKernelChoice, threads: Int,
    report: (BenchmarkRow) throws -> Void
  ) throws {
    guard let config = ViLT.presets[preset] else {
      throw SettingsError(
        "vilt has no preset '\(preset)' (known: \(ViLT.presets.keys.sorted().joined(separator: ", ")))"
      )
    }
    try Runtime.configure(threads: threads)
    for precision in [Precision.float32, .bfloat16] {
      let ceiling = try peak(
        precision, width: config.width, inner: config.feedForward)
      try report(
        BenchmarkRow(
          name: "matrix product", batch: 0, precision: precision, median: 0, least: 0, repeats: 0,
          rate: ceiling, share: 1))
      let bench = try ModelBench(config, precision, kernel)
      for batch in [1, 8] {
        for training in [false, true] {
          var row = try bench.time(batch: batch, training: training, repeats: repeats)
          row.share = row.rate / ceiling
          try report(row)
        }
      }
    }
  }

  /// The best rate of a large product of this model's shape on any kernel, in GFLOP/s.
  static func peak(_ precision: Precision, width: Int, inner: Int) throws -> Double {
    let shape = LinearShape(input: width, output: inner)
    let rows = 1280
    let seconds = try LinearProduct(shape: shape, rows: rows, precision: precision)
      .measured(rounds: 7).forward
    return 2e-9 * Double(rows * shape.input * shape.output) / seconds
  }
}

/// A model with random weights and inputs of a fixed size.
final class ModelBench {
  let config: ViLT.Config
  let store: ParameterStore
  let model: ViLT
  let head: MaskedLanguageModeling
  let precision: Precision
  let optimizer: Optimizer
  static let words = 12

  init(
    _ config: ViLT.Config, _ precision: Precision, _ kernel: LinearKernelChoice
  ) throws {
    self.config = config
    self.precision = precision
    store = ParameterStore(seed: 1, precision: precision)
    model = try ViLT(config, at: store.root)
    head = try MaskedLanguageModeling(.init(), model.facts, at: store.root)
    store.kernels = try KernelMeasurement.of(store, kernel, rows: 1280, cache: nil).table
    try store.seal { ParameterGroup(decays: $0.decays) }
    optimizer = try Optimizer(Recipe.Optimizer(), store)
  }

  func time(
    batch: Int, training: Bool, repeats: Int, recomputation: Recomputation = .none
  ) throws -> BenchmarkRow {
    let packed = try input(batch)
    let targets = (0..<batch).map {
      Placed(sequence: $0, target: MaskedLanguageModeling.Target(pieces: [1, 5], labels: [7, 9]))
    }
    func run() throws {
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
    for _ in 0..<2 { try run() }
    let mappings = try TorchRuntime.memory().segments
    var faults: [Int] = []
    let times = try (0..<repeats).map { _ in
      let before = Process.pageFaults()
      let start = ContinuousClock.now
      try run()
      let time = (ContinuousClock.now - start) / .milliseconds(1)
      faults.append(Process.pageFaults() - before)
      return time
    }.sorted()
    let median = times[times.count / 2]
    var row = BenchmarkRow(
      name: training ? "training step (mlm)" : "forward", batch: batch, precision: precision,
      median: median, least: times[0], repeats: repeats,
      rate: operations(packed, training) / median / 1e6, share: 0)
    row.pageFaults = faults.sorted()[faults.count / 2]
    row.mappings = try TorchRuntime.memory().segments - mappings
    return row
  }

  /// Multiplications and additions of the products: 2·rows·in·out, attention's two, and for a
  /// training step twice as much again for the two backward products.
  private func operations(_ batch: PackedBatch, _ training: Bool) -> Double {
    let width = Double(config.width)
    let rows = Double(batch.layout.rowCount)
    let layer = 2 * rows * width * (4 * width + 2 * Double(config.feedForward))
    let attention = (0..<batch.sequenceCount).reduce(0.0) { sum, sequence in
      let length = Double(batch.layout.rows(of: sequence).count)
      return sum + 4 * length * length * width
    }
    let patches = 2 * Double(batch.patches.count) * width
    let forward = Double(config.layers) * (layer + attention) + patches
    guard training else { return forward }
    let masked = 2.0 * Double(batch.sequenceCount)
    let head = 2 * masked * width * (width + Double(config.vocabulary))
    return 3 * (forward + head)
  }

  private func input(_ batch: Int) throws -> PackedBatch {
    var stream = RandomStream(seed: 7)
    let side = config.shorterSide
    let specials = SpecialTokens(
      classification: 101, separator: 102, mask: 103, vocabularyCount: config.vocabulary,
      reserved: [])
    let sequences = try (0..<batch).map { place in
      let pixels = (0..<3 * side * side).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
      return InputSequence(
        text: (0..<Self.words).map { _ in Int32(1000 + stream.below(5000)) },
        picture: Picture(
          key: UInt64(place), image: try Image(width: side, height: side, pixels: pixels)),
        key: UInt64(place))
    }
    return try PackedBatch(sequences, ViLT.input(config, specials))
  }
}
