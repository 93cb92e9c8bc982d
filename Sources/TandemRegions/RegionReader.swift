// What every format offers: records one after another, in and out.

/// Reads records in the order in which they lie. Not for use by two threads.
public protocol RegionReader: AnyObject {
  var format: RegionFormat { get }
  var path: String { get }
  /// What the records hold, as far as the file's first record tells.
  var fields: Set<RegionField> { get }
  /// Records in the file, where that is known without reading it.
  var expectedCount: Int? { get }
  /// Names of the object classes, where the file has them (some gather them while reading).
  var classNames: [String]? { get }

  /// Reads the next record whose identifier `wanted` accepts, and nothing but the identifier of the
  /// others; nil at the end.
  ///
  /// - Throws: `RegionError`. After one of kind `badRecord` the next call goes on behind that record.
  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord?
}

extension RegionReader {
  public var expectedCount: Int? { nil }
  public var classNames: [String]? { nil }

  /// Reads the next record; nil at the end. Throws as `next(where:)`.
  public func next() throws -> RegionRecord? { try next { _ in true } }
}

/// Writes records one after another. What was written appears under its name with `finish`.
public protocol RegionWriter: AnyObject {
  var format: RegionFormat { get }
  var path: String { get }

  /// Appends a record. Fields that the format does not hold are left out.
  ///
  /// - Throws: `RegionError` of kind `badRecord` where the record lacks a field that the format
  ///   needs; `FileError`, on a full disk with `code == ENOSPC`.
  func write(_ record: RegionRecord) throws

  /// Whether a record of this name was written, by this writer or, in a store, an earlier one.
  /// False where the format keeps no such list.
  func contains(_ id: String) throws -> Bool

  /// Names of the object classes, for formats that hold them.
  func setClassNames(_ names: [String])

  /// Completes the file and gives it its name. Without it, nothing is left but in a store.
  func finish() throws
}

extension RegionWriter {
  public func contains(_ id: String) throws -> Bool { false }
  public func setClassNames(_ names: [String]) {}
}
