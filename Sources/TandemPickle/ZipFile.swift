// A zip archive read where it lies. Format: PKWARE APPNOTE 6.3.10, sections 4.3 to 4.5 (zip64).

import TandemFiles

/// One entry of a zip archive, as its central directory describes it.
public struct ZipEntry: Sendable, Hashable {
  /// How the bytes are kept.
  public enum Method: Sendable, Hashable {
    case stored
    case deflated
    /// A method that is not read here: its number.
    case other(UInt16)
  }

  public let name: String
  public let method: Method
  /// Bytes in the archive.
  public let compressedCount: Int
  /// Bytes once unpacked.
  public let count: Int
  /// CRC-32 of the unpacked bytes.
  public let checksum: UInt32
  let isEncrypted: Bool
  /// Where its local header begins in the archive.
  let headerOffset: Int
}

/// A zip archive, with zip64 sizes, over a mapped file or over bytes. Opening it reads the central
/// directory only. Immutable: any thread may read.
public final class ZipFile: Sendable {
  /// The path, or the name given to bytes.
  public let name: String
  /// In the order of the central directory.
  public let entries: [ZipEntry]
  private let bytes: ByteSlice
  private let places: [String: Int]
  /// Where the central directory begins: no entry reaches past it.
  private let directoryOffset: Int

  /// Maps the file at `path`.
  ///
  /// - Throws: `FileError` when it cannot be mapped, `PickleError` when it is not a whole archive.
  public convenience init(path: String) throws {
    try self.init(ByteSlice(MappedFile(path: path)), name: path)
  }

  /// Opens an archive in memory. Throws `PickleError` when it is not a whole archive.
  public convenience init(_ bytes: [UInt8], name: String = "zip archive") throws {
    try self.init(ByteSlice(bytes), name: name)
  }

  /// Opens an archive that lies in part of a file. Throws `PickleError` when it is not whole.
  public init(_ bytes: ByteSlice, name: String = "zip archive") throws {
    let directory = try bytes.withBytes { raw throws(PickleError) in
      try ZipDirectory(raw, file: name)
    }
    self.name = name
    self.bytes = bytes
    entries = directory.entries
    directoryOffset = directory.offset
    var places: [String: Int] = [:]
    places.reserveCapacity(entries.count)
    for (place, entry) in entries.enumerated() { places[entry.name] = place }
    self.places = places
  }

  /// The entry of that name; the last one where an archive was added to and holds several.
  public func entry(named name: String) -> ZipEntry? {
    places[name].map { entries[$0] }
  }

  /// A stored entry's bytes where they lie, unread and unchecked (``verify(_:)`` checks them).
  ///
  /// - Throws: `PickleError` when the entry is not stored, is encrypted, or reaches out of the
  ///   archive.
  public func slice(of entry: ZipEntry) throws(PickleError) -> ByteSlice {
    guard entry.method == .stored else {
      throw failure(entry, "expected a stored entry, found \(entry.method); read its bytes instead")
    }
    return try compressed(entry)
  }

  /// An entry's bytes: a stored one's where they lie, unchecked; a deflated one's unpacked into
  /// memory, with its length and checksum checked.
  ///
  /// - Parameters:
  ///   - entry: one of ``entries``.
  ///   - limit: the most bytes to unpack into memory.
  /// - Throws: `PickleError` when the entry is damaged, encrypted, larger than `limit` or kept by
  ///   another method.
  public func bytes(of entry: ZipEntry, limit: Int = 1 << 32) throws(PickleError) -> ByteSlice {
    let packed = try compressed(entry)
    switch entry.method {
    case .stored: return packed
    case .other(let number):
      throw failure(
        entry,
        "expected a stored or deflated entry, found compression method \(number); "
          + "pack the archive again with deflate")
    case .deflated: break
    }
    guard entry.count <= limit else {
      throw failure(entry, "unpacks to \(entry.count) bytes, more than the limit of \(limit)")
    }
    guard let unpacked = packed.withBytes({ Deflate.inflate($0, count: entry.count) }) else {
      throw failure(
        entry,
        "the deflated bytes are damaged or do not unpack to the \(entry.count) bytes that "
          + "the directory states; get the file again")
    }
    try check(entry, ByteSlice(unpacked))
    return ByteSlice(unpacked)
  }

  /// Reads a whole entry and compares its checksum. Throws `PickleError` when it differs.
  public func verify(_ entry: ZipEntry) throws(PickleError) {
    let bytes = try bytes(of: entry)
    if entry.method == .stored { try check(entry, bytes) }
  }

  private func check(_ entry: ZipEntry, _ bytes: ByteSlice) throws(PickleError) {
    let found = bytes.withBytes { Deflate.checksum($0) }
    guard found == entry.checksum else {
      throw failure(
        entry,
        "the bytes have CRC-32 \(hexadecimal(found)), the directory states "
          + "\(hexadecimal(entry.checksum)); get the file again")
    }
  }

  /// The bytes as they lie in the archive: found behind the local header, whose name and extra
  /// field can be longer or shorter than the directory's.
  private func compressed(_ entry: ZipEntry) throws(PickleError) -> ByteSlice {
    guard !entry.isEncrypted else { throw failure(entry, "the entry is encrypted") }
    let header = entry.headerOffset
    let lengths = bytes.withBytes { raw -> (name: Int, extra: Int)? in
      guard raw.number(at: header, as: UInt32.self) == ZipSignature.localHeader,
        let name: UInt16 = raw.number(at: header + 26),
        let extra: UInt16 = raw.number(at: header + 28)
      else { return nil }
      return (Int(name), Int(extra))
    }
    guard let lengths else {
      throw failure(entry, "there is no local header at byte \(header), where one should be")
    }
    let start = header + ZipSignature.localHeaderCount + lengths.name + lengths.extra
    guard start <= directoryOffset, entry.compressedCount <= directoryOffset - start,
      let slice = bytes.slice(from: start, count: entry.compressedCount)
    else {
      throw failure(
        entry,
        "claims \(entry.compressedCount) bytes from byte \(start), more than the archive "
          + "holds before its directory at byte \(directoryOffset)")
    }
    guard entry.method != .stored || entry.count == entry.compressedCount else {
      throw failure(
        entry, "is stored in \(entry.compressedCount) bytes but claims to hold \(entry.count)")
    }
    return slice
  }

  private func failure(_ entry: ZipEntry, _ reason: String) -> PickleError {
    PickleError(file: name, place: "entry \"\(entry.name)\"", reason: reason)
  }
}

private func hexadecimal(_ number: UInt32) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}
