// The central directory of a zip archive: found from the end of the file, with zip64 sizes.

/// Signatures and lengths of the records of the format (APPNOTE 4.3).
enum ZipSignature {
  static let localHeader: UInt32 = 0x0403_4b50
  static let directoryEntry: UInt32 = 0x0201_4b50
  static let end: UInt32 = 0x0605_4b50
  static let end64: UInt32 = 0x0606_4b50
  static let locator64: UInt32 = 0x0706_4b50
  static let localHeaderCount = 30
  static let directoryEntryCount = 46
  static let endCount = 22
  static let end64Count = 56
  static let locator64Count = 20
  /// The header of the extra field that holds sizes of 64 bits.
  static let extra64: UInt16 = 1
  /// Means "see the zip64 field".
  static let large32 = UInt32.max
  static let large16 = UInt16.max
}

struct ZipDirectory {
  private(set) var entries: [ZipEntry] = []
  /// Where the directory begins.
  let offset: Int
  private let file: String

  init(_ raw: UnsafeRawBufferPointer, file: String) throws(PickleError) {
    self.file = file
    guard let end = Self.findEnd(raw) else {
      throw PickleError(
        file: file,
        reason: "expected a zip archive, found no end of central directory: the file is cut short "
          + "or is no archive")
    }
    let summary = try Self.summary(raw, end: end, file: file)
    guard summary.size <= summary.end, summary.offset <= summary.end - summary.size,
      summary.size / ZipSignature.directoryEntryCount >= summary.count
    else {
      throw PickleError(
        file: file, offset: end, place: "end of central directory",
        reason: "claims \(summary.count) entries in \(summary.size) bytes from byte "
          + "\(summary.offset): they do not fit before it; the file is cut short or damaged")
    }
    // Bytes put before the archive (a self-extracting program) move every offset by as much.
    let start = summary.end - summary.size
    let shift = start - summary.offset
    offset = start
    entries.reserveCapacity(summary.count)
    var position = start
    for _ in 0..<summary.count {
      position = try addEntry(raw, at: position, end: summary.end, shift: shift)
    }
  }

  private struct Summary {
    var count: Int
    var size: Int
    var offset: Int
    /// Where the directory must end.
    var end: Int
  }

  /// The end record lies before a comment of up to 65,535 bytes, whose length it states.
  private static func findEnd(_ raw: UnsafeRawBufferPointer) -> Int? {
    var position = raw.count - ZipSignature.endCount
    let last = max(0, position - Int(UInt16.max))
    while position >= last {
      if raw.number(at: position, as: UInt32.self) == ZipSignature.end,
        let comment: UInt16 = raw.number(at: position + 20),
        position + ZipSignature.endCount + Int(comment) == raw.count
      {
        return position
      }
      position -= 1
    }
    return nil
  }

  private static func summary(
    _ raw: UnsafeRawBufferPointer, end: Int, file: String
  ) throws(PickleError) -> Summary {
    guard let disk: UInt16 = raw.number(at: end + 4), let count: UInt16 = raw.number(at: end + 10),
      let size: UInt32 = raw.number(at: end + 12), let offset: UInt32 = raw.number(at: end + 16)
    else { throw PickleError(file: file, offset: end, reason: "the end record is cut short") }
    let locator = end - ZipSignature.locator64Count
    if raw.number(at: locator, as: UInt32.self) == ZipSignature.locator64 {
      return try summary64(raw, locator: locator, file: file)
    }
    guard disk == 0 else {
      throw PickleError(
        file: file, offset: end,
        reason: "is one of several parts of an archive; join them into one file first")
    }
    return Summary(count: Int(count), size: Int(size), offset: Int(offset), end: end)
  }

  private static func summary64(
    _ raw: UnsafeRawBufferPointer, locator: Int, file: String
  ) throws(PickleError) -> Summary {
    // The record ends where its locator begins; the stated place is wrong behind a prefix.
    let stated = raw.number(at: locator + 8, as: UInt64.self).flatMap { Int(exactly: $0) } ?? -1
    let candidates = [stated, locator - ZipSignature.end64Count]
    let record = candidates.first { $0 < locator && isEnd64(raw, at: $0) }
    guard let record, let count: UInt64 = raw.number(at: record + 32),
      let size: UInt64 = raw.number(at: record + 40),
      let offset: UInt64 = raw.number(at: record + 48),
      let count = Int(exactly: count), let size = Int(exactly: size),
      let offset = Int(exactly: offset)
    else {
      throw PickleError(
        file: file, offset: locator, place: "zip64 locator",
        reason: "there is no zip64 end record where it points; the file is cut short or damaged")
    }
    return Summary(count: count, size: size, offset: offset, end: record)
  }

  private static func isEnd64(_ raw: UnsafeRawBufferPointer, at position: Int) -> Bool {
    raw.number(at: position, as: UInt32.self) == ZipSignature.end64
  }

  /// Adds the entry at `position`; returns where the next begins.
  private mutating func addEntry(
    _ raw: UnsafeRawBufferPointer, at position: Int, end: Int, shift: Int
  ) throws(PickleError) -> Int {
    guard position <= end - ZipSignature.directoryEntryCount,
      raw.number(at: position, as: UInt32.self) == ZipSignature.directoryEntry,
      let flags: UInt16 = raw.number(at: position + 8),
      let method: UInt16 = raw.number(at: position + 10),
      let checksum: UInt32 = raw.number(at: position + 16),
      let compressed: UInt32 = raw.number(at: position + 20),
      let size: UInt32 = raw.number(at: position + 24),
      let nameCount: UInt16 = raw.number(at: position + 28),
      let extraCount: UInt16 = raw.number(at: position + 30),
      let commentCount: UInt16 = raw.number(at: position + 32),
      let header: UInt32 = raw.number(at: position + 42)
    else { throw failure(position, "the central directory is cut short or damaged") }
    let nameStart = position + ZipSignature.directoryEntryCount
    let extraStart = nameStart + Int(nameCount)
    let next = extraStart + Int(extraCount) + Int(commentCount)
    guard next <= end else { throw failure(position, "the entry reaches past the directory") }
    let name = String(decoding: raw[nameStart..<extraStart], as: UTF8.self)
    var sizes = Extra64(
      values: [UInt64(size), UInt64(compressed), UInt64(header)],
      areLarge: [size, compressed, header].map { $0 == ZipSignature.large32 })
    let extra = UnsafeRawBufferPointer(
      rebasing: raw[extraStart..<(extraStart + Int(extraCount))])
    guard sizes.fill(from: extra), let size = Int(exactly: sizes.values[0]),
      let compressed = Int(exactly: sizes.values[1]), let header = Int(exactly: sizes.values[2]),
      header <= raw.count
    else { throw failure(position, "the sizes of entry \"\(name)\" are missing or damaged") }
    let kinds: [UInt16: ZipEntry.Method] = [0: .stored, 8: .deflated]
    entries.append(
      ZipEntry(
        name: name, method: kinds[method] ?? .other(method), compressedCount: compressed,
        count: size, checksum: checksum, isEncrypted: flags & 1 != 0,
        headerOffset: header + shift))
    return next
  }

  private func failure(_ position: Int, _ reason: String) -> PickleError {
    PickleError(file: file, offset: position, place: "central directory", reason: reason)
  }
}

/// Sizes that may stand in the zip64 extra field: unpacked, packed, place of the local header, each
/// there only where the field of 32 bits is all ones.
private struct Extra64 {
  var values: [UInt64]
  let areLarge: [Bool]

  /// Takes what is missing from an entry's extra fields; false where they do not hold it.
  mutating func fill(from extra: UnsafeRawBufferPointer) -> Bool {
    guard areLarge.contains(true) else { return true }
    var position = 0
    while let kind: UInt16 = extra.number(at: position),
      let count: UInt16 = extra.number(at: position + 2)
    {
      position += 4
      guard position + Int(count) <= extra.count else { return false }
      if kind == ZipSignature.extra64 {
        let field = UnsafeRawBufferPointer(rebasing: extra[position..<(position + Int(count))])
        return fill(fromField: field)
      }
      position += Int(count)
    }
    return false
  }

  private mutating func fill(fromField field: UnsafeRawBufferPointer) -> Bool {
    var position = 0
    for index in values.indices where areLarge[index] {
      guard let value: UInt64 = field.number(at: position) else { return false }
      values[index] = value
      position += 8
    }
    return true
  }
}
