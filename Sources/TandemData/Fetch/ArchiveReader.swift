// libarchive behind a Swift class: entries one after another, of a file or of an entry's content.

import CArchive
import TandemFiles

/// Reads the entries of an archive in order.
final class ArchiveReader {
  struct Entry {
    enum Kind: Equatable {
      case file
      case directory
      /// A symbolic or hard link, with the target as the archive states it.
      case link(String)
      /// A device, pipe or socket.
      case other
    }

    let path: String
    let kind: Kind
  }

  private let path: String
  private let archive: OpaquePointer
  /// The archive whose current entry this one reads, kept alive with it.
  private let outer: ArchiveReader?

  /// Opens a file of any format libarchive knows (zip, tar, ar, …). Throws `FetchError`.
  init(path: String) throws {
    guard let archive = archive_read_new() else {
      throw FetchError("cannot open \(path): libarchive has no memory")
    }
    self.path = path
    self.archive = archive
    self.outer = nil
    archive_read_support_filter_all(archive)
    archive_read_support_format_all(archive)
    guard archive_read_open_filename(archive, path, 1 << 18) == ARCHIVE_OK else {
      throw failure("open")
    }
  }

  /// Opens the tar archive that is the content of `outer`'s current entry, without unpacking it.
  init(insideCurrentEntryOf outer: ArchiveReader, named name: String) throws {
    guard let archive = archive_read_new() else {
      throw FetchError("cannot open \(name): libarchive has no memory")
    }
    self.path = outer.path + ":" + name
    self.archive = archive
    self.outer = outer
    archive_read_support_filter_all(archive)
    archive_read_support_format_tar(archive)
    let context = UnsafeMutableRawPointer(outer.archive)
    let status = archive_read_open2(
      archive, context, nil,
      { _, context, block in
        guard let context, let block else { return -1 }
        var count = 0
        var offset: Int64 = 0
        switch archive_read_data_block(OpaquePointer(context), block, &count, &offset) {
        case ARCHIVE_OK, ARCHIVE_WARN: return count
        case ARCHIVE_EOF: return 0
        default: return -1
        }
      }, nil, nil)
    guard status == ARCHIVE_OK else { throw failure("open") }
  }

  deinit { archive_read_free(archive) }

  /// The next entry, or `nil` at the end. Throws `FetchError` on a damaged archive.
  func next() throws -> Entry? {
    var entry: OpaquePointer?
    let status = archive_read_next_header(archive, &entry)
    if status == ARCHIVE_EOF { return nil }
    // A warning says that a name does not fit the process's locale: the bytes are there.
    guard status == ARCHIVE_OK || status == ARCHIVE_WARN, let entry else { throw failure("read") }
    guard let name = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else {
      throw FetchError("cannot read \(path): an entry has no name")
    }
    return Entry(path: String(cString: name), kind: kind(of: entry))
  }

  private func kind(of entry: OpaquePointer) -> Entry.Kind {
    if let target = archive_entry_hardlink(entry) { return .link(String(cString: target)) }
    // The file type bits of a Unix mode (inode(7)).
    switch archive_entry_filetype(entry) {
    case 0o100000: return .file
    case 0o040000: return .directory
    case 0o120000: return .link(archive_entry_symlink(entry).map { String(cString: $0) } ?? "")
    default: return .other
    }
  }

  /// Hands the current entry's bytes on in pieces; returns how many there were.
  @discardableResult
  func readContent(_ take: (UnsafeRawBufferPointer) throws -> Void) throws -> Int {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
    defer { buffer.deallocate() }
    var total = 0
    while true {
      let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
      if count == 0 { return total }
      guard count > 0 else { throw failure("read") }
      try take(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
      total += count
    }
  }

  private func failure(_ operation: String) -> FetchError {
    let inner = archive_error_string(archive).map { String(cString: $0) }
    let outer = outer.flatMap { archive_error_string($0.archive) }.map { String(cString: $0) }
    let reason = outer ?? inner ?? "libarchive gives no reason"
    return FetchError(
      "cannot \(operation) \(path): \(reason); delete the file so that it is downloaded again")
  }
}
