// How time and memory grow: with the length of sequences, the batch, the depth, and the data set.

internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemModels
public import TandemNN
internal import TandemTorch

/// A training step at one size.
public struct GrowthRow: Codable, Sendable {
  public enum Axis: String, Codable, Sendable, CaseIterable {
    case length, batch, depth
  }
  public var axis: Axis
  /// Rows of a sequence, sequences, or layers.
  public var value: Int
  public var milliseconds: Double
  /// The most that lay in tensors at once, weights and moments included, in units of 2²⁰ bytes.
  public var megabytes: Double
  /// The same with every layer run again in the backward pass.
  public var recomputedMilliseconds: Double
  public var recomputedMegabytes: Double
}

/// A data set of one size, read as training reads it.
public struct DataGrowthRow: Codable, Sendable {
  public var records: Int
  public var fileMegabytes: Double
  /// From nothing to the first step's data.
  public var openSeconds: Double
  /// Examples a second on one core, decoded and packed.
  public var examplesPerSecond: Double
  /// What the process holds and no file does, after the steps, in units of 2²⁰ bytes.
  public var megabytes: Double
}

public enum GrowthBenchmark {
  /// Steps of masked words of a ViLT preset; what does not vary is 4 sequences of a picture of the
  /// preset's size and 14 text tokens.
  public static func run(
    preset: String, precision: Precision, repeats: Int, threads: Int,
    report: (GrowthRow) throws -> Void
  ) throws {
    guard let base = ViLT.presets[preset] else {
      throw SettingsError("vilt has no preset '\(preset)'")
    }
    try Runtime.configure(threads: threads)
    for axis in GrowthRow.Axis.allCases {
      for factor in [1, 2, 4, 8] {
        var config = base
        var batch = 4
        switch axis {
        // Half the preset's side first: a quarter of its patches.
        case .length:
          let side = Double(base.shorterSide) / 2 * Double(factor).squareRoot()
          config.shorterSide =
            max(1, Int((side / Double(base.patchSize)).rounded())) * base.patchSize
        case .batch: batch = 2 * factor
        case .depth: config.layers = max(1, base.layers * factor / 4)
        }
        try report(row(axis, config, precision, batch: batch, repeats: repeats))
      }
    }
  }

  private static func row(
    _ axis: GrowthRow.Axis, _ config: ViLT.Config, _ precision: Precision, batch: Int, repeats: Int
  ) throws -> GrowthRow {
    let bench = try ModelBench<ViLT>(config, precision, .measured)
    func timed(_ recomputation: Recomputation) throws -> (milliseconds: Double, megabytes: Double) {
      TorchRuntime.restartMemory()
      let row = try bench.time(
        batch: batch, training: true, repeats: repeats, recomputation: recomputation)
      return (row.median, Double(try TorchRuntime.memory().most) / 1_048_576)
    }
    let kept = try timed(.none)
    let again = try timed(.layer)
    let side = config.shorterSide / config.patchSize
    return GrowthRow(
      axis: axis,
      value: axis == .length
        ? SyntheticInputs.words + 3 + side * side : axis == .batch ? batch : config.layers,
      milliseconds: kept.milliseconds, megabytes: kept.megabytes,
      recomputedMilliseconds: again.milliseconds, recomputedMegabytes: again.megabytes)
  }

  /// A thousand to `most` records of pictures and captions, ten times as many each time.
  public static func runData(
    most: Int, report: (DataGrowthRow) throws -> Void
  ) throws {
    try Runtime.configure(threads: 1)
    var records = 1000
    while records <= most {
      try report(dataRow(records))
      records *= 10
    }
  }

  private static func dataRow(_ records: Int) throws -> DataGrowthRow {
    let table = try SyntheticTable(records: records, pictures: 100, side: 96)
    var recipe = Recipe()
    recipe.model.preset = "tiny"
    recipe.data.dataset = "table"
    recipe.data.root = table.folder
    recipe.data.vocabulary = table.folder + "/vocab.txt"
    recipe.data.cacheMegabytes = 0
    recipe.objectives = ["mlm", "itm"].map { Recipe.ObjectiveChoice($0) }
    recipe.batch.examples = 64
    let assembly = try Assembly(recipe)
    let start = ContinuousClock.now
    let loader = try assembly.loader(.train, training: true)
    _ = try loader.prepared(0)
    let opened = ContinuousClock.now
    let steps = 20
    for step in 1...steps { _ = try loader.prepared(step) }
    let seconds = (ContinuousClock.now - opened) / .seconds(1)
    let attributes = try FileManager.default.attributesOfItem(atPath: table.folder + "/train.jsonl")
    return DataGrowthRow(
      records: records,
      fileMegabytes: Double((attributes[.size] as? NSNumber)?.intValue ?? 0) / 1_048_576,
      openSeconds: (opened - start) / .seconds(1),
      examplesPerSecond: Double(steps * recipe.batch.examples) / seconds,
      megabytes: Process.megabytes("RssAnon"))
  }
}
