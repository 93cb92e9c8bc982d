// The contract of a fetcher, and the list of them.

import Foundation
import TandemCore
import TandemFiles

/// Makes one data set on this machine from public packages.
public protocol DatasetFetcher: Sendable {
  /// The data set's name and the name of its directory: "easy-vqa".
  static var name: String { get }
  /// One line for a list.
  static var summary: String { get }
  static var licence: String { get }

  init()

  /// Makes the data set in `root`/`name` unless it is there.
  ///
  /// A finished data set is checked against its card and returned; a damaged one throws. The
  /// directory appears only when complete. `downloads` keeps the packages for another time.
  ///
  /// - Throws: `FetchError` or `FileError`; an earlier data set is then still in place.
  func fetch(
    into root: String, downloads: String, force: Bool, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard

  /// Fills `directory` (which exists and is empty) and returns the card, not yet written.
  func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard
}

extension DatasetFetcher {
  public func fetch(
    into root: String, downloads: String, force: Bool, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let target = root + "/" + Self.name
    let card = target + "/" + DatasetCard.fileName
    if !force, FileManager.default.fileExists(atPath: card) {
      progress(FetchProgress(subject: Self.name, step: "checking the data set that is there"))
      let card = try DatasetCard.read(from: target)
      try card.verify(at: target)
      return card
    }
    for directory in [root, downloads] {
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: true)
    }
    let made = try AtomicDirectory.write(to: target) { staging in
      let packages = PackageDownload(directory: downloads)
      let card = try build(in: staging, packages: packages, progress: progress)
      try card.write(to: staging)
      return card
    }
    progress(FetchProgress(subject: Self.name, step: "done"))
    return made
  }
}

/// Every data set Tandem can fetch. A new one is a file and a line here.
public enum FetcherCatalog {
  public static let fetchers: [any DatasetFetcher.Type] = [
    EasyVQAFetcher.self,
    BertVocabularyFetcher.self, MiniLMFetcher.self,
    EfficientNetFetcher.self, CLIPVocabularyFetcher.self,
    WikiExtractsFetcher.self,
    PictogramsFetcher.self,
    ScenesFetcher.self,
  ]

  /// The fetcher of that name. Throws `FetchError` listing the names there are.
  public static func fetcher(named name: String) throws -> any DatasetFetcher {
    guard let type = fetchers.first(where: { $0.name == name }) else {
      let names = fetchers.map { $0.name }
      throw SettingsError(
        "there is no data set '\(name)' to fetch; the nearest is "
          + "'\(nearest(to: name, among: names) ?? "")' (known: \(names.joined(separator: ", ")))")
    }
    return type.init()
  }
}
