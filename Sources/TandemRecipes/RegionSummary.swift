internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemRegions
internal import TandemFiles
internal import TandemTrain

/// What the regions were that a run learned from, `regions.json` of the run: weights know features
/// and classes by their places, so that another detector's would mean something else.
struct RegionSummary: Codable, Equatable {
  var store: String
  var featureWidth: Int
  var classCount: Int
  /// Empty where the store has no names.
  var classNames: [String]
  /// What the store says of where it came from.
  var detector: [String: String]
  /// nil where features are read as they are.
  var scaling: FeatureScaling?

  /// nil for a recipe without regions.
  ///
  /// - Parameter earlier: the run that weights come from, whose scaling they know.
  /// - Throws: `SettingsError` where that run saw other regions.
  init?(_ recipe: Recipe, after earlier: RunDirectory?) throws {
    guard !recipe.data.regions.isEmpty else { return nil }
    let source = try RegionSource(path: recipe.data.regions, split: .train)
    let header = source.store.header
    store = recipe.data.regions
    featureWidth = header.featureWidth
    classCount = header.classCount
    classNames = header.classNames ?? []
    detector = header.detector
    let known = try earlier.flatMap(RegionSummary.init(of:))
    if let known { try check(against: known, of: earlier?.path ?? "", recipe) }
    if recipe.data.standardizesFeatures {
      scaling = try known?.scaling ?? FeatureScaling(of: source.store)
    }
  }

  /// What a run wrote; nil for one without regions.
  init?(of run: RunDirectory) throws {
    guard let data = FileManager.default.contents(atPath: Self.file(run)) else { return nil }
    do {
      self = try JSONDecoder().decode(RegionSummary.self, from: data)
    } catch {
      throw RunError("\(Self.file(run)): \(JSONValue.explained(error))")
    }
  }

  private static func file(_ run: RunDirectory) -> String { run.path + "/regions.json" }

  func write(to run: RunDirectory) throws {
    try AtomicFile.write(utf8: JSONValue(encoding: self).pretty + "\n", to: Self.file(run))
  }

  private func check(against other: RegionSummary, of run: String, _ recipe: Recipe) throws {
    let isScaled = recipe.data.standardizesFeatures
    guard isScaled == (other.scaling != nil) else {
      throw SettingsError(
        "data.standardizesFeatures is \(isScaled), but \(run) learned from features "
          + "\(isScaled ? "as they are" : "brought to mean 0 and deviation 1"): "
          + "--set data.standardizesFeatures=\(!isScaled)")
    }
    let different =
      featureWidth != other.featureWidth
      ? "features of width \(featureWidth), not \(other.featureWidth)"
      : classCount != other.classCount
        ? "\(classCount) classes, not \(other.classCount)"
        : classNames != other.classNames
          ? "another list of classes" : detector != other.detector ? "another detector" : nil
    guard let different else { return }
    throw SettingsError(
      "data.regions: \(store) has \(different), which \(run) learned from (\(other.store)); "
        + "extract both with one detector")
  }
}
