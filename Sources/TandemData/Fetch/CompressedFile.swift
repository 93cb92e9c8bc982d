// One file packed by itself, as gzip does, through libarchive.

import CArchive
import Glibc
import TandemFiles

/// Unpacks files that are compressed but no archives.
package enum CompressedFile {
  /// Unpacks the gzip file at `path` into the new file `target`.
  ///
  /// - Parameter maximumBytes: refuse a file that unpacks to more.
  /// - Throws: `FetchError` when the file is missing, is no gzip file, is damaged, or unpacks to
  ///   too much; `FileError` from the disk, also when `target` exists.
  package static func unpackGzip(_ path: String, to target: String, maximumBytes: Int) throws {
    guard let archive = archive_read_new() else {
      throw FetchError("cannot open \(path): libarchive has no memory")
    }
    defer { archive_read_free(archive) }
    func failure(_ operation: String) -> FetchError {
      let reason = archive_error_string(archive).map { String(cString: $0) }
      return FetchError(
        "cannot \(operation) \(path): \(reason ?? "libarchive gives no reason"); fetch it again")
    }
    archive_read_support_filter_gzip(archive)
    archive_read_support_format_raw(archive)
    guard archive_read_open_filename(archive, path, 1 << 16) == ARCHIVE_OK else {
      throw failure("open")
    }
    var entry: OpaquePointer?
    guard archive_read_next_header(archive, &entry) == ARCHIVE_OK else { throw failure("read") }
    // What is not compressed would be handed on as it is.
    guard archive_filter_code(archive, 0) == ARCHIVE_FILTER_GZIP else {
      throw FetchError("\(path) is no gzip file, expected one; fetch it again")
    }

    let file = try FileDescriptor(
      opening: target, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 64)
    defer { buffer.deallocate() }
    var room = maximumBytes
    while true {
      let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
      guard count >= 0 else { throw failure("unpack") }
      if count == 0 { break }
      room -= count
      guard room >= 0 else {
        throw FetchError("\(path) is refused: it unpacks to more than \(maximumBytes) bytes")
      }
      try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    try file.close()
  }
}
