// Writing a store: append, stop at any moment, go on, finish.

import Glibc
import TandemFiles

/// Appends records to a store; the only one at a time to do so.
///
/// A store is a folder, not one file, so that what grows (`records.bin`, `journal.bin`) is only ever
/// appended to, and what must be whole (`header.json`, `index.bin`) is replaced by a rename: being
/// killed can tear nothing but the last record, and readers of an earlier index go on reading while
/// more is appended.
///
/// Not for use by two threads. Every record that `write` returned from is there after a `kill -9`;
/// after a power cut, those up to the last 256 MB.
public final class FeatureStoreWriter: RegionWriter {
  public let path: String
  public private(set) var header: FeatureStoreHeader
  /// Records in the store, earlier ones included.
  public private(set) var count: Int
  /// Regions of all records.
  public private(set) var regionCount: Int
  /// Records that were there when this writer was made.
  public let recoveredCount: Int
  /// Bytes of a torn record that were cut off then.
  public let discardedBytes: Int

  private var lock: ExclusiveLock?
  private let records: GrowingFile
  private let journal: GrowingFile
  private let table: IDTable
  private var encoder: RecordEncoder
  private var synchronized: Int

  private static let synchronizedEvery = 256 << 20

  /// Makes a store at `path`, or goes on with the one there, finished or not.
  ///
  /// - Parameters:
  ///   - path: a folder that is missing, empty or a store. Its parent must exist.
  ///   - header: what to store; a store that is there must have been made with the same.
  /// - Throws: `RegionError`: `locked` with the other writer's process and host, `wrongFormat` for a
  ///   folder of something else, `futureVersion`, `badFile` where the header differs. `FileError`.
  public init(path: String, header: FeatureStoreHeader) throws {
    if let fault = header.fault { throw RegionError(.badFile, path: path, fault) }
    let (lock, found) = try Self.open(path, wished: header)
    self.lock = lock
    self.header = found
    self.path = path
    let (recordsPath, journalPath) = (Self.recordsPath(in: path), Self.journalPath(in: path))
    records = try GrowingFile(path: recordsPath)
    journal = try GrowingFile(path: journalPath)
    let recovery = try StoreRecovery(
      recordsPath: recordsPath, journalPath: journalPath, header: found)
    table = recovery.table
    count = recovery.records
    recoveredCount = recovery.records
    regionCount = recovery.regions
    discardedBytes = records.end - recovery.dataEnd
    synchronized = 0
    encoder = RecordEncoder(header: found)
    try records.cut(to: recovery.dataEnd)
    try journal.cut(
      to: (recovery.records - recovery.unlisted.count) * JournalEntry.byteCount)
    for entry in recovery.unlisted { try append(entry) }
  }

  static func recordsPath(in store: String) -> String { store + "/records.bin" }
  static func journalPath(in store: String) -> String { store + "/journal.bin" }

  private static func open(
    _ path: String, wished: FeatureStoreHeader
  ) throws -> (ExclusiveLock, FeatureStoreHeader) {
    switch kind(of: path) {
    case .missing:
      guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
        throw FileError.system("create directory", path)
      }
    case .folder: break
    case .file, .other:
      throw RegionError(
        .wrongFormat, path: path, "expected a store or a new name, found a file")
    }
    let hasHeader = kind(of: FeatureStoreHeader.path(in: path)) == .file
    if !hasHeader, try !isEmptyOrBegun(path) {
      throw RegionError(
        .wrongFormat, path: path,
        "expected a store or an empty folder, found a folder with other files")
    }
    // Before the lock is taken nothing may be written: another writer may be at work.
    let lock = try ExclusiveLock(path: path + "/lock", of: path)
    guard kind(of: FeatureStoreHeader.path(in: path)) == .file else {
      try wished.write(to: path)
      return (lock, wished)
    }
    var found = try FeatureStoreHeader.read(from: path)
    if let difference = found.difference(from: wished) {
      throw RegionError(
        .badFile, path: path,
        "\(difference): features of two kinds are not mixed; write to another store")
    }
    found.classNames = found.classNames ?? wished.classNames
    found.attributeNames = found.attributeNames ?? wished.attributeNames
    return (lock, found)
  }

  /// Whether the folder holds nothing, or no more than a writer stopped before its header leaves.
  private static func isEmptyOrBegun(_ path: String) throws -> Bool {
    try FolderNames(path).allSatisfy { $0 == "lock" || $0.hasPrefix("header.json.partial-") }
  }

  // MARK: Writing

  public var format: RegionFormat { .store }

  /// Whether the store has a record of this name: what a resumed extraction asks first.
  public func contains(_ id: String) throws -> Bool { try contains(id, hash: Checksum.of(id)) }

  private func contains(_ id: String, hash: UInt64) throws -> Bool {
    let name = Array(id.utf8)
    return try table.contains(hash) { offset in
      let bytes = try records.read(at: offset, count: RecordLayout.prefixCount)
      guard let prefix = bytes.withUnsafeBytes({ RecordPrefix($0) }), prefix.idCount == name.count
      else { return false }
      return try records.read(at: offset + RecordLayout.prefixCount, count: name.count) == name
    }
  }

  /// Appends a record. Fields that the store does not hold are left out; see ``FormatLoss``.
  ///
  /// After an error the store is as it was before, and the next record may be written.
  ///
  /// - Throws: `RegionError`: `duplicate`, or `badRecord` where the record lacks a field, has other
  ///   widths or a value beyond float16. `FileError`, on a full disk with `code == ENOSPC`.
  public func write(_ record: RegionRecord) throws {
    guard lock != nil else {
      throw RegionError(.badFile, path: path, "the store was finished; make a new writer to append")
    }
    let hash = Checksum.of(record.id)
    if try contains(record.id, hash: hash) {
      throw RegionError(
        .duplicate, path: path, place: .key(record.id),
        "the store has a record of this name already; two pictures, or one given twice?")
    }
    if let fault = encoder.encode(record, hash: hash) {
      throw RegionError(.badRecord, path: path, place: .key(record.id), fault)
    }
    let start = records.end
    try encoder.bytes.withUnsafeBytes { try records.append($0) }
    let entry = JournalEntry(
      hash: hash, offset: start, count: encoder.bytes.count, synchronized: synchronized,
      regions: record.count)
    let place = journal.end
    do {
      try append(entry)
      try table.insert(hash, start)
    } catch {
      try? journal.cut(to: place)
      try? records.cut(to: start)
      throw error
    }
    count += 1
    regionCount += record.count
    if records.end - synchronized >= Self.synchronizedEvery { try synchronize() }
  }

  private func append(_ entry: JournalEntry) throws {
    try withUnsafeBytes(of: entry) { try journal.append($0) }
  }

  /// Forces all records so far to disk.
  public func synchronize() throws {
    try records.synchronize()
    try journal.synchronize()
    synchronized = records.end
  }

  /// Sets the names of classes, where they are known only at the end.
  public func setClassNames(_ names: [String]) { header.classNames = names }

  /// Forces everything to disk, writes the index aside, renames it into place, and lets others write.
  ///
  /// Throws `FileError`; the store stays as it is, and `finish` may be called again.
  public func finish() throws {
    guard lock != nil else { return }
    try synchronize()
    header.counts = .init(records: count, regions: regionCount)
    try header.write(to: path)
    try StoreIndex.write(
      to: path, table: table, journalPath: Self.journalPath(in: path), records: count,
      regions: regionCount, dataEnd: records.end)
    close()
  }

  /// Lets others write, without an index: the store stays unfinished and can be gone on with.
  public func close() {
    lock = nil
    records.close()
    journal.close()
  }
}
