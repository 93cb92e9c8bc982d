// The index of a finished store: sorted hashes and where each record lies, searched where it is
// mapped and never decoded.

import TandemFiles

/// `index.bin`. Little-endian: a header of 64 bytes (magic, version, records, bytes of records
/// covered, regions, most regions of a record, zero, checksum), then for each record, by increasing
/// hash, hash and offset (16 bytes), then each record's offset in the order of writing (8 bytes).
struct StoreIndex: Sendable {
  static let magic: UInt64 = 0x5844_4E49_5247_5254  // "TRGRINDX"
  static let version: UInt64 = 1
  static let headerCount = 64

  let file: MappedFile
  let records: Int
  let dataEnd: Int
  let regions: Int

  static func path(in store: String) -> String { store + "/index.bin" }

  /// Maps the index. Throws `RegionError` or `FileError`.
  init(store: String) throws {
    let path = Self.path(in: store)
    guard kind(of: path) == .file else {
      throw RegionError(
        .unfinished, path: store,
        "the store was not finished: its writer was stopped; run that command again, it goes on "
          + "where it stopped")
    }
    file = try MappedFile(path: path)
    let numbers = file.withBytes { bytes -> [UInt64] in
      guard bytes.count >= Self.headerCount else { return [] }
      let sum = Checksum.of(UnsafeRawBufferPointer(rebasing: bytes[..<56]))
      let numbers = (0..<8).map {
        bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)
      }
      return numbers[7] == sum ? numbers : []
    }
    guard numbers.count == 8, numbers[0] == Self.magic,
      numbers[2] <= UInt64(Int.max / 64), numbers[3] <= UInt64(Int.max),
      numbers[4] <= UInt64(Int.max)
    else {
      throw RegionError(
        .badFile, path: path,
        "a damaged index; remove it and run the writing command again, which makes it anew")
    }
    guard numbers[1] <= Self.version else {
      throw RegionError(
        .futureVersion, path: path,
        "expected index version \(Self.version), found \(numbers[1]): update this Tandem")
    }
    records = Int(numbers[2])
    dataEnd = Int(numbers[3])
    regions = Int(numbers[4])
    let expected = Self.headerCount + records * 24
    guard file.count == expected else {
      throw RegionError(
        .badFile, path: path,
        "expected \(expected) bytes for \(records) records, found \(file.count); remove the index "
          + "and run the writing command again, which makes it anew")
    }
  }

  /// Calls `body` with the offset of each record under `hash` until it returns true.
  func contains(_ hash: UInt64, where body: (Int) throws -> Bool) throws -> Bool {
    try file.withBytes { bytes in
      var (low, high) = (0, records)
      while low < high {
        let middle = (low + high) / 2
        if entry(bytes, middle).hash < hash { low = middle + 1 } else { high = middle }
      }
      while low < records {
        let found = entry(bytes, low)
        guard found.hash == hash else { return false }
        if try body(found.offset) { return true }
        low += 1
      }
      return false
    }
  }

  /// Where the record written at place `index` lies.
  func offset(at index: Int) -> Int {
    file.withBytes {
      Int(
        truncatingIfNeeded: $0.loadUnaligned(
          fromByteOffset: Self.headerCount + records * 16 + index * 8, as: UInt64.self))
    }
  }

  /// The hash at place `index` of the sorted part.
  func sortedEntry(at index: Int) -> (hash: UInt64, offset: Int) {
    file.withBytes { entry($0, index) }
  }

  private func entry(_ bytes: UnsafeRawBufferPointer, _ index: Int) -> (hash: UInt64, offset: Int) {
    let place = Self.headerCount + index * 16
    return (
      bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self),
      Int(truncatingIfNeeded: bytes.loadUnaligned(fromByteOffset: place + 8, as: UInt64.self))
    )
  }

  /// Writes the index aside and gives it its name. Throws `FileError`.
  static func write(
    to store: String, table: IDTable, journalPath: String, records: Int, regions: Int, dataEnd: Int
  ) throws {
    let file = try PartialFile(path: path(in: store))
    var numbers: [UInt64] = [
      magic, version, UInt64(records), UInt64(dataEnd), UInt64(regions), 0, 0,
    ]
    numbers.append(numbers.withUnsafeBytes { Checksum.of($0) })
    try numbers.withUnsafeBytes { try file.write($0) }
    try table.forEach { hash, offset in
      try withUnsafeBytes(of: (hash, UInt64(offset))) { try file.write($0) }
    }
    if records > 0 {
      try MappedFile(path: journalPath).withBytes { bytes in
        for index in 0..<records {
          let entry = JournalEntry(bytes, at: index)
          try withUnsafeBytes(of: entry.offset) { try file.write($0) }
        }
      }
    }
    try file.commit()
  }
}
