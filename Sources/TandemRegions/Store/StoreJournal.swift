// One small entry a record, in the order of writing: a stopped writer finds its place in it without
// reading the records again.

import Glibc
import TandemFiles

/// An entry of `journal.bin`: 48 bytes, little-endian.
struct JournalEntry: BitwiseCopyable {
  /// Of the identifier.
  var hash: UInt64
  /// Where the record starts in `records.bin`, and how many bytes it has.
  var offset: UInt64
  var count: UInt64
  /// Records before this byte were forced to disk before this entry was written.
  var synchronized: UInt64
  var regions: UInt64
  /// Of the five numbers before.
  var checksum: UInt64

  static let byteCount = 48

  init(hash: UInt64, offset: Int, count: Int, synchronized: Int, regions: Int) {
    self.hash = hash
    self.offset = UInt64(offset)
    self.count = UInt64(count)
    self.synchronized = UInt64(synchronized)
    self.regions = UInt64(regions)
    checksum = 0
    checksum = sum
  }

  init(_ bytes: UnsafeRawBufferPointer, at index: Int) {
    self = bytes.loadUnaligned(fromByteOffset: index * Self.byteCount, as: JournalEntry.self)
  }

  var isWhole: Bool { checksum == sum }

  private var sum: UInt64 {
    withUnsafeBytes(of: self) {
      Checksum.of(UnsafeRawBufferPointer(rebasing: $0[..<40]), seed: 0x6A6F_7572)
    }
  }
}

/// What a stopped writer left: how much of it is whole, and what is in it.
struct StoreRecovery {
  /// Records, regions and bytes that are whole.
  var records = 0
  var regions = 0
  var dataEnd = 0
  /// Records that the journal had no entry for; the caller writes these entries.
  var unlisted: [JournalEntry] = []
  /// Where each identifier's record is.
  let table: IDTable

  /// Examines `records` and `journal` of `store`. Entries whose records were on disk when the entry
  /// was written are taken as they are; the rest, and records without an entry, are read and their
  /// checksums compared.
  ///
  /// - Throws: `FileError`.
  init(recordsPath: String, journalPath: String, header: FeatureStoreHeader) throws {
    table = try IDTable()
    guard let data = try Self.map(recordsPath) else { return }
    if let journal = try Self.map(journalPath) {
      try journal.withBytes { try readJournal($0, data: data, header: header) }
    }
    try readRest(data, header: header)
  }

  private static func map(_ path: String) throws -> MappedFile? {
    let descriptor = try FileDescriptor(opening: path, flags: O_RDONLY)
    guard try descriptor.status().st_size > 0 else { return nil }
    return try MappedFile(path: path)
  }

  private mutating func readJournal(
    _ bytes: UnsafeRawBufferPointer, data: MappedFile, header: FeatureStoreHeader
  ) throws {
    var whole = 0
    var end = 0
    var synchronized = 0
    while (whole + 1) * JournalEntry.byteCount <= bytes.count {
      let entry = JournalEntry(bytes, at: whole)
      guard entry.isWhole, entry.offset == UInt64(end),
        entry.count >= UInt64(RecordLayout.prefixCount),
        entry.count <= UInt64(data.count - end)
      else { break }
      end += Int(entry.count)
      synchronized = max(synchronized, Int(entry.synchronized))
      whole += 1
    }
    for index in 0..<whole {
      let entry = JournalEntry(bytes, at: index)
      let range = Int(entry.offset)..<Int(entry.offset + entry.count)
      if range.upperBound > synchronized {
        let isWhole = data.withBytes {
          RecordPrefix.verified(UnsafeRawBufferPointer(rebasing: $0[range]), header: header)?.hash
            == entry.hash
        }
        guard isWhole else { return }
      }
      try add(entry)
    }
  }

  private mutating func readRest(_ data: MappedFile, header: FeatureStoreHeader) throws {
    while dataEnd < data.count {
      let found = data.withBytes {
        RecordPrefix.verified(UnsafeRawBufferPointer(rebasing: $0[dataEnd...]), header: header)
      }
      guard let found else { return }
      let entry = JournalEntry(
        hash: found.hash, offset: dataEnd, count: found.count, synchronized: 0,
        regions: found.regions)
      unlisted.append(entry)
      data.release(dataEnd..<(dataEnd + found.count))
      try add(entry)
    }
  }

  private mutating func add(_ entry: JournalEntry) throws {
    try table.insert(entry.hash, Int(entry.offset))
    records += 1
    regions += Int(entry.regions)
    dataEnd = Int(entry.offset + entry.count)
  }
}
