internal import Foundation
public import TandemCore
public import TandemRegions

/// The regions of pictures, read from a feature store as they are asked for.
public struct RegionSource: Sendable {
  public let store: FeatureStore
  private let scaling: FeatureScaling?

  /// - Parameters:
  ///   - path: a store, or a folder with a store for each split.
  ///   - scaling: what features go through; nil leaves them as they are.
  /// - Throws: `RegionError` where there is none.
  public init(path: String, split: Split, scaling: FeatureScaling? = nil) throws {
    self.scaling = scaling
    let own = "\(path)/\(split.rawValue)"
    store = try FeatureStore(
      path: FileManager.default.fileExists(atPath: own) ? own : path)
  }

  /// The regions of a picture file. Stores name pictures by their path below some folder, without
  /// the ending: the shortest such name that the store has is taken.
  ///
  /// - Throws: `DataError` where the store has no such picture.
  public func regions(ofPicture path: String) throws -> Regions {
    guard let name = try name(ofPicture: path) else {
      let last = ((path as NSString).lastPathComponent as NSString).deletingPathExtension
      throw DataError(
        "\(store.path): has no regions of \(path) (looked for '\(last)'); "
          + "`tandem regions extract` adds them")
    }
    var regions = Regions(try store.record(of: name))
    scaling?.apply(to: &regions.features)
    return regions
  }

  public func contains(picture path: String) throws -> Bool {
    try name(ofPicture: path) != nil
  }

  private func name(ofPicture path: String) throws -> String? {
    let parts = (path as NSString).deletingPathExtension.split(separator: "/")
    for count in 1...max(1, parts.count) {
      let name = parts.suffix(count).joined(separator: "/")
      if try store.contains(name) { return name }
    }
    return nil
  }
}

extension Regions {
  /// What a model reads of a stored record.
  public init(_ record: RegionRecord) {
    let whole = record.derivingObjects()
    let size = (Float(max(1, record.width)), Float(max(1, record.height)))
    self.init(
      width: record.width, height: record.height,
      boxes: record.boxes.enumerated().map { place, value in
        value / (place % 2 == 0 ? size.0 : size.1)
      },
      features: record.features, featureWidth: record.featureWidth,
      objects: whole.objectIDs ?? [], objectConfidences: whole.objectConfidences ?? [],
      attributes: record.attributeIDs ?? [],
      attributeConfidences: record.attributeConfidences ?? [],
      classProbabilities: record.classProbabilities ?? [], classCount: record.classCount)
  }
}
