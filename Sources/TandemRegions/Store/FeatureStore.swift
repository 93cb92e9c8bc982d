// Reading a store: everything stays in the file until it is asked for.

import TandemFiles

/// A finished store, mapped. Opening reads no more than the header, whatever the store's size; each
/// record is found by binary search in the mapped index and read where it lies. Any number of
/// threads and processes may read one store, also while a writer appends to it (they see the records
/// of the last `finish`).
public final class FeatureStore: Sendable {
  public let path: String
  public let header: FeatureStoreHeader
  private let index: StoreIndex
  private let records: MappedFile?

  /// Opens the store at `path`.
  ///
  /// - Throws: `RegionError`: `wrongFormat` where it is no store, `unfinished` where its writer was
  ///   stopped, `futureVersion`, `badFile` where files are damaged or cut short. `FileError`.
  public init(path: String) throws {
    self.path = path
    do {
      header = try FeatureStoreHeader.read(from: path)
    } catch let error as RegionError where error.kind == .wrongFormat {
      guard let found = RegionFormat.guess(path) else { throw error }
      throw RegionError(.wrongFormat, path: path, "\(error.reason); it looks like \(found.label)")
    }
    index = try StoreIndex(store: path)
    guard index.dataEnd > 0 else {
      records = nil
      return
    }
    let file = try MappedFile(path: FeatureStoreWriter.recordsPath(in: path))
    guard file.count >= index.dataEnd else {
      throw RegionError(
        .badFile, path: file.path,
        "expected at least \(index.dataEnd) bytes, found \(file.count): the file was cut short; "
          + "copy it again, or run the writing command again, which keeps what is whole")
    }
    records = file
  }

  /// Records.
  public var count: Int { index.records }
  /// Regions of all records.
  public var regionCount: Int { index.regions }

  public func contains(_ id: String) throws -> Bool { try find(id) != nil }

  /// The identifier of the record written at place `index`, from 0. Throws `RegionError`.
  public func id(at index: Int) throws -> String {
    try withRecord(at: index) { record in record.id }
  }

  /// The whole record, as copies. Throws `RegionError` (`missing`, `badFile`).
  public func record(of id: String) throws -> RegionRecord {
    try withRecord(of: id) { record in record.copy() }
  }

  /// The whole record written at place `index`, from 0. Throws `RegionError`.
  public func record(at index: Int) throws -> RegionRecord {
    try withRecord(at: index) { record in record.copy() }
  }

  /// Number of regions, and the picture's size in pixels (1 × 1 where it is not held).
  public func size(of id: String) throws -> (regions: Int, width: Int, height: Int) {
    try withRecord(of: id) { record in
      (record.prefix.regions, record.prefix.width, record.prefix.height)
    }
  }

  /// Calls `body` with the features where they lie: N × `header.featureWidth` numbers of
  /// `header.featureType`, row by row, aligned to 64 bytes. The bytes are valid until `body` returns.
  ///
  /// - Throws: `RegionError` (`missing`, `badFile`), or what `body` throws.
  public func withFeatures<Result>(
    of id: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withRecord(of: id) { record in try body(record.part(record.layout.features)) }
  }

  /// As `withFeatures`, for N × 4 float32 box corners.
  public func withBoxes<Result>(
    of id: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withRecord(of: id) { record in try body(record.part(record.layout.boxes)) }
  }

  /// As `withFeatures`, for N × `header.classCount` class probabilities; no bytes where the store
  /// does not hold them.
  public func withClassProbabilities<Result>(
    of id: String, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) throws -> Result {
    try withRecord(of: id) { record in try body(record.part(record.layout.classProbabilities)) }
  }

  /// N × 4 box corners, copied.
  public func boxes(of id: String) throws -> [Float] {
    try withBoxes(of: id) { FeatureType.float32.floats($0) }
  }

  /// N × `header.featureWidth` features, copied and widened.
  public func features(of id: String) throws -> [Float] {
    try withFeatures(of: id) { header.featureType.floats($0) }
  }

  /// Compares every record's checksum, and every index entry with its record, reading the whole
  /// store once.
  ///
  /// - Parameter progress: called now and then with the number of records compared.
  /// - Throws: `RegionError` (`badFile`) naming the first damaged record.
  public func verify(progress: (Int) -> Void = { _ in }) throws {
    for place in 0..<count {
      let offset = index.offset(at: place)
      let whole = try withPrefix(at: offset) { bytes, _ in
        RecordPrefix.verified(bytes, header: header) != nil
      }
      guard whole else { throw damaged(offset, "the checksum of record \(place) differs") }
      records?.release(offset..<min(offset + 1 << 20, records?.count ?? 0))
      if place % 1024 == 0 { progress(place) }
    }
    for place in 0..<count {
      let entry = index.sortedEntry(at: place)
      let hash = try withPrefix(at: entry.offset) { _, prefix in prefix.hash }
      guard hash == entry.hash else {
        throw damaged(entry.offset, "the index names another record than lies there")
      }
    }
    progress(count)
  }

  // MARK: Records where they lie

  private struct Stored {
    let header: FeatureStoreHeader
    let bytes: UnsafeRawBufferPointer
    let prefix: RecordPrefix
    let layout: RecordLayout

    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
      UnsafeRawBufferPointer(rebasing: bytes[range])
    }

    var id: String { String(decoding: part(layout.id), as: UTF8.self) }

    func copy() -> RegionRecord {
      func floats(_ field: RegionField, _ range: Range<Int>) -> [Float]? {
        header.holds(field) ? FeatureType.float32.floats(part(range)) : nil
      }
      func numbers(_ field: RegionField, _ range: Range<Int>) -> [Int32]? {
        guard header.holds(field) else { return nil }
        return (0..<prefix.regions).map {
          bytes.loadUnaligned(fromByteOffset: range.lowerBound + $0 * 4, as: Int32.self)
        }
      }
      let type = header.featureType
      return RegionRecord(
        id: id, width: prefix.width, height: prefix.height,
        boxes: FeatureType.float32.floats(part(layout.boxes)),
        features: type.floats(part(layout.features)), featureWidth: header.featureWidth,
        objectIDs: numbers(.objectIDs, layout.objectIDs),
        objectConfidences: floats(.objectConfidences, layout.objectConfidences),
        attributeIDs: numbers(.attributeIDs, layout.attributeIDs),
        attributeConfidences: floats(.attributeConfidences, layout.attributeConfidences),
        classProbabilities: header.holds(.classProbabilities)
          ? type.floats(part(layout.classProbabilities)) : nil,
        classCount: header.classCount)
    }
  }

  private func find(_ id: String) throws -> Int? {
    var text = id
    return try text.withUTF8 { utf8 in
      let name = UnsafeRawBufferPointer(utf8)
      var place: Int?
      _ = try index.contains(Checksum.of(name)) { offset in
        let matches = try withStored(at: offset) { record in
          record.part(record.layout.id).elementsEqual(name)
        }
        if matches { place = offset }
        return matches
      }
      return place
    }
  }

  private func withRecord<Result>(
    of id: String, _ body: (Stored) throws -> Result
  ) throws -> Result {
    guard let offset = try find(id) else {
      throw RegionError(
        .missing, path: path, place: .key(id), "no record of this name among \(count)")
    }
    return try withStored(at: offset, body)
  }

  private func withRecord<Result>(
    at place: Int, _ body: (Stored) throws -> Result
  ) throws -> Result {
    guard (0..<count).contains(place) else {
      throw RegionError(.missing, path: path, "expected a place of 0..<\(count), found \(place)")
    }
    return try withStored(at: index.offset(at: place), body)
  }

  private func withStored<Result>(
    at offset: Int, _ body: (Stored) throws -> Result
  ) throws -> Result {
    try withPrefix(at: offset) { bytes, prefix in
      let layout = RecordLayout(header: header, idCount: prefix.idCount, regions: prefix.regions)
      guard layout.count == prefix.count, prefix.count <= bytes.count else {
        throw damaged(offset, "the record's length and its number of regions disagree")
      }
      return try body(Stored(header: header, bytes: bytes, prefix: prefix, layout: layout))
    }
  }

  private func withPrefix<Result>(
    at offset: Int, _ body: (UnsafeRawBufferPointer, RecordPrefix) throws -> Result
  ) throws -> Result {
    guard let records, offset >= 0, offset < index.dataEnd else {
      throw damaged(offset, "the index points beyond the records")
    }
    return try records.withBytes { bytes in
      let rest = UnsafeRawBufferPointer(rebasing: bytes[offset..<index.dataEnd])
      guard let prefix = RecordPrefix(rest) else { throw damaged(offset, "no record begins here") }
      return try body(rest, prefix)
    }
  }

  private func damaged(_ offset: Int, _ reason: String) -> RegionError {
    RegionError(
      .badFile, path: FeatureStoreWriter.recordsPath(in: path), place: .byte(offset),
      "\(reason): the file is damaged; copy it again")
  }
}
