// The systems of the field at their published sizes, a training step each over about as many rows.

internal import TandemCore
internal import TandemModels
public import TandemNN
internal import TandemTorch

/// One system of the comparison.
public struct SystemRow: Codable, Sendable {
  public var system: String
  public var sequences: Int
  /// Of all sequences, text and picture.
  public var rows: Int
  /// The median over the rounds, and the least.
  public var milliseconds: Double
  public var least: Double
  /// Billions of operations of matrix products a second, at the median.
  public var rate: Double
  /// Of the rate that ViLT reaches: the median over rounds in which both were timed.
  public var shareOfViLT: Double
}

public enum SystemsBenchmark {
  /// Systems that mask words over a picture, ViLT first.
  public static var all: [String] {
    [
      ViLT.name, VLBERT.name, LXMERT.name, UNITER.name, VisualBERT.name, ViLBERT.name,
      PixelBERT.name,
    ]
  }

  /// The published size: ViLT's goes by another name.
  public static let publishedSize = "base"

  /// Training steps of masked words, published dropout of attention weights included; 36 regions a
  /// picture, 100 cells for Pixel-BERT.
  ///
  /// One round has a step of ViLT and one of each system, in turn with it, so that a change of the
  /// machine's speed meets both.
  /// - Parameters:
  ///   - preset: of each system; "base" is ViLT's b32.
  ///   - rows: of a step; sequences are as many as come nearest.
  /// - Throws: `SettingsError` for a system without the preset.
  public static func run(
    _ systems: [String], preset: String, rows: Int, precision: Precision, rounds: Int, threads: Int,
    report: (SystemRow) throws -> Void
  ) throws {
    try Runtime.configure(threads: threads)
    let vilt = try TimedSystem(ViLT.self, preset, rows: rows, precision)
    for name in systems {
      let own =
        name == ViLT.name
        ? vilt : try TimedSystem(ModelCatalog.find(name), preset, rows: rows, precision)
      var times: [Double] = []
      var shares: [Double] = []
      for _ in 0..<rounds {
        let yardstick = try vilt.operations / milliseconds(vilt.step)
        times.append(try milliseconds(own.step))
        shares.append(own.operations / (times.last ?? 1) / yardstick)
      }
      try report(
        SystemRow(
          system: name, sequences: own.sequences, rows: own.rows, milliseconds: median(times),
          least: times.min() ?? 0, rate: own.operations / median(times) / 1e6,
          shareOfViLT: median(shares)))
    }
  }
}

/// A system that is ready to be timed.
private struct TimedSystem {
  let sequences: Int
  let rows: Int
  let step: () throws -> Void
  let operations: Double

  init(
    _ type: any VisionLanguageModel.Type, _ preset: String, rows: Int, _ precision: Precision
  ) throws {
    func made<M: VisionLanguageModel>(_ type: M.Type) throws -> TimedSystem {
      let name =
        preset == SystemsBenchmark.publishedSize && M.presets[preset] == nil ? "b32" : preset
      guard let config = M.presets[name] else {
        throw SettingsError(
          "\(M.name) has no preset '\(name)'; it has \(M.presets.keys.sorted().joined(separator: ", "))"
        )
      }
      let bench = try ModelBench<M>(
        config, precision, .measured, regions: M.name == PixelBERT.name ? 100 : 36, rows: rows)
      let each = try bench.rowsOfSequence()
      let count = max(1, Int((Double(rows) / Double(each)).rounded()))
      let step = try bench.run(batch: count, training: true)
      try step()
      return TimedSystem(
        sequences: count, rows: count * each, step: step,
        operations: try TorchRuntime.operations(step))
    }
    self = try made(type)
  }

  private init(
    sequences: Int, rows: Int, step: @escaping () throws -> Void, operations: Double
  ) {
    self.sequences = sequences
    self.rows = rows
    self.step = step
    self.operations = operations
  }
}
