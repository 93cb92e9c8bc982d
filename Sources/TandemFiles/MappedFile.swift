// A file read through the page cache: no copy, shared between processes, paged in on use.

import Glibc

/// A read-only memory mapping of a whole file, unmapped when the last reference goes.
///
/// The file must not be shortened while it is mapped: reading past its new end ends the process
/// (SIGBUS). `AtomicFile` replaces files and never shortens them, so a mapping made before stays
/// whole.
public final class MappedFile: @unchecked Sendable {  // immutable after init: safe to share
  public let path: String
  /// The bytes of the file, for one who stores this object beside them: they are valid as long as
  /// it lives, and Swift lets it go after its last use. Elsewhere use `withBytes`.
  public let bytes: UnsafeRawBufferPointer

  /// Maps the file at `path`. Throws `FileError` when it is missing, unreadable, empty, or not a
  /// regular file.
  public init(path: String) throws(FileError) {
    let file = try FileDescriptor(opening: path, flags: O_RDONLY)
    let status = try file.status()
    guard status.st_mode & S_IFMT == S_IFREG else {
      let isDirectory = status.st_mode & S_IFMT == S_IFDIR
      throw FileError(
        operation: "map", path: path, code: isDirectory ? EISDIR : 0,
        reason: isDirectory ? "expected a file, found a directory" : "not a regular file")
    }
    guard status.st_size > 0 else {
      throw FileError(operation: "map", path: path, reason: "the file is empty")
    }
    self.path = path
    self.bytes = try file.map(count: Int(status.st_size))
  }

  deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count) }

  /// Calls `body` with the bytes of the file, valid until `body` returns.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    defer { withExtendedLifetime(self) {} }
    return try body(bytes)
  }

  /// Lets the pages wholly inside `range` go from memory: they come back from the file on the next
  /// use. For one who has copied them.
  public func release(_ range: Range<Int>) {
    guard let base = bytes.baseAddress else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let first = (range.lowerBound + page - 1) / page * page
    let end = range.upperBound / page * page
    guard first < end, range.lowerBound >= 0, end <= bytes.count else { return }
    madvise(UnsafeMutableRawPointer(mutating: base + first), end - first, MADV_DONTNEED)
  }

  /// The length of the file.
  public var count: Int { bytes.count }
}
