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

  /// nil for a recipe without regions.
  init?(_ recipe: Recipe) throws {
    guard !recipe.data.regions.isEmpty else { return nil }
    let header = try RegionSource(path: recipe.data.regions, split: .train).store.header
    store = recipe.data.regions
    featureWidth = header.featureWidth
    classCount = header.classCount
    classNames = header.classNames ?? []
    detector = header.detector
  }

  private static func file(_ run: RunDirectory) -> String { run.path + "/regions.json" }

  func write(to run: RunDirectory) throws {
    try AtomicFile.write(utf8: JSONValue(encoding: self).pretty + "\n", to: Self.file(run))
  }

  /// - Throws: `SettingsError` where the run that the weights come from saw other regions.
  func check(against run: RunDirectory) throws {
    guard let data = FileManager.default.contents(atPath: Self.file(run)) else { return }
    let other: RegionSummary
    do {
      other = try JSONDecoder().decode(RegionSummary.self, from: data)
    } catch {
      throw RunError("\(Self.file(run)): \(JSONValue.explained(error))")
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
      "data.regions: \(store) has \(different), which \(run.path) learned from (\(other.store)); "
        + "extract both with one detector")
  }
}
