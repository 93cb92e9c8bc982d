// Where the regions of a picture that somebody asks about are found.

internal import Foundation
public import TandemCore
internal import TandemData

/// A store for what is asked of a run that reads regions.
public struct PredictionRegions: Sendable {
  /// A store, or a folder with a store for each split; nil for the run's own.
  public var path: String?
  /// Whose pictures are asked about; nil where only one split's store has each of them.
  public var split: Split?

  public init(path: String? = nil, split: Split? = nil) {
    self.path = path
    self.split = split
  }
}

/// The stores of a run, opened once.
struct PredictionStores {
  private let stores: [(split: Split, source: RegionSource)]

  /// - Throws: where the wanted store is missing, or none of a folder's can be opened.
  init(_ assembly: Assembly, _ wanted: PredictionRegions) throws {
    let path = wanted.path ?? assembly.recipe.data.regions
    if let needed = assembly.input.regions, needed.cells == nil, path.isEmpty {
      throw SettingsError(
        "--regions: \(assembly.recipe.model.name) reads regions of pictures; name a store of them "
          + "(`tandem regions extract` makes one)")
    }
    let splits =
      wanted.split.map { [$0] }
      ?? Split.allCases.filter { FileManager.default.fileExists(atPath: "\(path)/\($0.rawValue)") }
    stores = try (splits.isEmpty ? [.test] : splits).compactMap { split in
      try assembly.regionSource(split, at: path).map { (split, $0) }
    }
  }

  /// The store that has a picture; nil for a model that reads pixels.
  ///
  /// - Throws: `SettingsError` where pictures of that name lie in several splits' stores: each has
  ///   a "0.jpg", and the regions of another picture would answer for this one.
  func source(ofPicture picture: String) throws -> RegionSource? {
    guard stores.count > 1 else { return stores.first?.source }
    let holding = try stores.filter { try $0.source.contains(picture: picture) }
    guard holding.count < 2 else {
      let names = holding.map(\.split.rawValue).joined(separator: ", ")
      throw SettingsError(
        "\(picture): pictures of that name lie in the stores of \(names); say --split")
    }
    return holding.first?.source ?? stores.first?.source
  }
}
