// Times a model on this machine, beside the machine's own matrix-product rate.

public import TandemCore
internal import TandemModels
public import TandemNN

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
      let bench = try ModelBench<ViLT>(config, precision, kernel)
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
