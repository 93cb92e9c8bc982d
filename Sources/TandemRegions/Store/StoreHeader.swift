// What a store holds: the JSON file that people read, and that a writer must agree with.

import Foundation
import TandemFiles

/// A store's description, kept as `header.json`.
public struct FeatureStoreHeader: Sendable, Equatable, Codable {
  public struct Counts: Sendable, Equatable, Codable {
    public var records: Int
    public var regions: Int

    public init(records: Int, regions: Int) {
      self.records = records
      self.regions = regions
    }
  }

  static let format = "tandem-regions"
  /// The layout this software writes, and the latest that it reads.
  public static let currentVersion = 1

  public let format: String
  public let version: Int
  /// How features and class probabilities are kept. Boxes and confidences are always float32.
  public let featureType: FeatureType
  public let featureWidth: Int
  /// 0 where class probabilities are not held.
  public let classCount: Int
  /// Every record has exactly these.
  public let fields: [RegionField]
  /// Names of the object classes, without the background.
  public var classNames: [String]?
  public var attributeNames: [String]?
  /// The detector and its settings, as words: stores made with different ones are not mixed.
  public var detector: [String: String]
  /// As of the last `finish`.
  public var counts: Counts?

  public init(
    featureType: FeatureType, featureWidth: Int, classCount: Int = 0,
    fields: Set<RegionField> = [.imageSize, .boxes, .features], classNames: [String]? = nil,
    attributeNames: [String]? = nil, detector: [String: String] = [:]
  ) {
    format = Self.format
    version = Self.currentVersion
    self.featureType = featureType
    self.featureWidth = featureWidth
    self.classCount = fields.contains(.classProbabilities) ? classCount : 0
    self.fields = fields.union(RegionField.required).sorted()
    self.classNames = classNames
    self.attributeNames = attributeNames
    self.detector = detector
  }

  /// A header with the fields and widths of `record`.
  public init(
    fitting record: RegionRecord, featureType: FeatureType, detector: [String: String] = [:]
  ) {
    self.init(
      featureType: featureType, featureWidth: record.featureWidth, classCount: record.classCount,
      fields: record.fields, detector: detector)
  }

  func holds(_ field: RegionField) -> Bool { fields.contains(field) }

  // MARK: Files

  static func path(in store: String) -> String { store + "/header.json" }

  /// Reads a store's header. Throws `RegionError` or `FileError`.
  static func read(from store: String) throws -> FeatureStoreHeader {
    let path = path(in: store)
    switch kind(of: store) {
    case .missing: throw RegionError(.badFile, path: store, "no such store")
    case .file, .other:
      throw RegionError(
        .wrongFormat, path: store, "not a store: expected a folder with header.json, found a file")
    case .folder: break
    }
    guard kind(of: path) == .file else {
      throw RegionError(
        .wrongFormat, path: store, "not a store: the folder has no header.json")
    }
    let data = try MappedFile(path: path).withBytes { Data($0) }
    struct Version: Decodable {
      let format: String?
      let version: Int?
    }
    guard let found = try? JSONDecoder().decode(Version.self, from: data), found.format == format,
      let version = found.version
    else {
      throw RegionError(
        .wrongFormat, path: path, "not a store: expected JSON with \"format\": \"\(format)\"")
    }
    guard version <= currentVersion else {
      throw RegionError(
        .futureVersion, path: path,
        "expected version \(currentVersion) at most, found \(version): written by a later Tandem; "
          + "update this one")
    }
    do {
      let header = try JSONDecoder().decode(FeatureStoreHeader.self, from: data)
      if let fault = header.fault { throw RegionError(.badFile, path: path, fault) }
      return header
    } catch let error as DecodingError {
      throw RegionError(.badFile, path: path, "a damaged header: \(error)")
    }
  }

  func write(to store: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(Array(encoder.encode(self)) + [10], to: Self.path(in: store))
  }

  /// Why nothing can be stored under this header, or nil.
  var fault: String? {
    if !(1...Self.widest).contains(featureWidth) {
      return "expected a feature width of 1 to \(Self.widest), found \(featureWidth)"
    }
    if holds(.classProbabilities), !(1...Self.widest).contains(classCount) {
      return "expected 1 to \(Self.widest) classes with class probabilities, found \(classCount)"
    }
    return nil
  }

  private static let widest = 1 << 20

  /// Where a writer's wishes differ from what the store was made with, or nil.
  func difference(from wished: FeatureStoreHeader) -> String? {
    if featureType != wished.featureType {
      return "the store keeps \(featureType.rawValue), asked for \(wished.featureType.rawValue)"
    }
    if featureWidth != wished.featureWidth {
      return "the store's features have width \(featureWidth), asked for \(wished.featureWidth)"
    }
    if Set(fields) != Set(wished.fields) {
      return "the store holds \(Set(fields).label), asked for \(Set(wished.fields).label)"
    }
    if classCount != wished.classCount {
      return "the store has \(classCount) classes, asked for \(wished.classCount)"
    }
    if let classNames, let names = wished.classNames, names != classNames {
      return "the store's class names differ from those given"
    }
    if let attributeNames, let names = wished.attributeNames, names != attributeNames {
      return "the store's attribute names differ from those given"
    }
    for key in Set(detector.keys).union(wished.detector.keys).sorted()
    where detector[key] != wished.detector[key] {
      return "the store was made with \(key) = \(detector[key] ?? "nothing"), "
        + "asked for \(wished.detector[key] ?? "nothing")"
    }
    return nil
  }
}
