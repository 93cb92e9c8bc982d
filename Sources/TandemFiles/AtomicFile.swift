// A file that is either the old one or the new one, never half of either, whatever happens.

import Glibc
import Synchronization

/// Writes a file beside its target, forces it to disk, then renames it into place.
///
/// On any failure (a full disk, an error thrown by the caller) the partial file is removed and the
/// earlier file stays whole. Readers that have the earlier file open or mapped keep it.
public enum AtomicFile {
  /// Where the bytes go while the file is being written.
  public final class Writer {
    private let file: FileDescriptor
    /// Bytes written so far.
    public private(set) var position: Int = 0

    package init(_ file: FileDescriptor) { self.file = file }

    /// Appends bytes. Throws `FileError`, with `code == ENOSPC` on a full disk.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
      try file.write(bytes)
      position += bytes.count
    }

    public func write(_ bytes: [UInt8]) throws(FileError) {
      do {
        try bytes.withUnsafeBytes { try write($0) }
      } catch let error as FileError {
        throw error
      } catch {
        throw FileError(operation: "write", path: file.path, reason: String(describing: error))
      }
    }

    /// Appends a text's UTF-8 bytes.
    public func write(utf8 text: String) throws(FileError) { try write(Array(text.utf8)) }
  }

  /// Replaces the file at `path` by what `body` writes.
  ///
  /// - Parameters:
  ///   - path: the target; its directory must exist.
  ///   - mode: permissions of a new file, before the process's mask.
  ///   - body: writes the content in order; an error it throws leaves the earlier file in place.
  /// - Throws: `FileError`, or what `body` throws.
  public static func write<Result>(
    to path: String, mode: UInt32 = 0o644, _ body: (Writer) throws -> Result
  ) throws -> Result {
    let partial = partialName(for: path)
    let file = try FileDescriptor(
      opening: partial, flags: O_WRONLY | O_CREAT | O_EXCL, mode: mode)
    do {
      let result = try body(Writer(file))
      try file.synchronize()
      try file.close()
      guard rename(partial, path) == 0 else { throw FileError.system("rename into", path) }
      try synchronizeDirectory(parentDirectory(of: path))
      return result
    } catch {
      unlink(partial)
      throw error
    }
  }

  /// Replaces the file at `path` by `bytes`. Throws `FileError`.
  public static func write(_ bytes: UnsafeRawBufferPointer, to path: String) throws {
    try write(to: path) { try $0.write(bytes) }
  }

  /// Replaces the file at `path` by `bytes`. Throws `FileError`.
  public static func write(_ bytes: [UInt8], to path: String) throws {
    try write(to: path) { try $0.write(bytes) }
  }

  /// Replaces the file at `path` by a text in UTF-8. Throws `FileError`.
  public static func write(utf8 text: String, to path: String) throws {
    try write(Array(text.utf8), to: path)
  }
}

/// `name.partial-PID-N` beside the target: no two writers, in one process or two, share a name.
func partialName(for path: String) -> String {
  let number = partialCounter.wrappingAdd(1, ordering: .relaxed).newValue
  return trimmingSlashes(path) + ".partial-\(getpid())-\(number)"
}

private let partialCounter = Atomic<Int>(0)

package func trimmingSlashes(_ path: String) -> String {
  var path = path
  while path.count > 1, path.hasSuffix("/") { path.removeLast() }
  return path
}

/// The directory that holds `path`: "." for a bare name. Foundation's own ends the process for a path of one
/// character.
package func parentDirectory(of path: String) -> String {
  let path = trimmingSlashes(path)
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}
