// An open file that closes itself, and the few system calls the module makes through it.

package import Glibc

/// Owns a descriptor: closed when the last reference goes, or earlier by `close()`.
package final class FileDescriptor {
  package let path: String
  private var descriptor: Int32

  /// Opens `path`. Throws `FileError` with the system's reason.
  package init(opening path: String, flags: Int32, mode: mode_t = 0o644) throws(FileError) {
    var opened: Int32
    repeat { opened = open(path, flags | O_CLOEXEC, mode) } while opened < 0 && errno == EINTR
    guard opened >= 0 else { throw .system("open", path) }
    self.path = path
    self.descriptor = opened
  }

  deinit {
    if descriptor >= 0 { _ = Glibc.close(descriptor) }
  }

  package func status() throws(FileError) -> stat {
    var found = stat()
    guard fstat(descriptor, &found) == 0 else { throw .system("examine", path) }
    return found
  }

  /// Reads up to `buffer.count` bytes; 0 at the end of the file.
  package func read(into buffer: UnsafeMutableRawBufferPointer) throws(FileError) -> Int {
    while true {
      let count = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      if count >= 0 { return count }
      guard errno == EINTR else { throw .system("read", path) }
    }
  }

  /// Writes every byte, however many calls that takes.
  package func write(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var written = 0
    while written < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
      let count = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if count > 0 {
        written += count
      } else if count == 0 {
        throw FileError(operation: "write", path: path, reason: "the system took no more bytes")
      } else if errno != EINTR {
        throw .system("write", path)
      }
    }
  }

  /// Forces what was written to the disk.
  package func synchronize() throws(FileError) {
    while fsync(descriptor) != 0 {
      guard errno == EINTR else { throw .system("write to disk", path) }
    }
  }

  /// A whole-file read-only mapping. The mapping outlives the descriptor.
  package func map(count: Int) throws(FileError) -> UnsafeRawBufferPointer {
    let address = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address, address != MAP_FAILED else { throw .system("map", path) }
    return UnsafeRawBufferPointer(start: address, count: count)
  }

  /// Closes now, so that an error the system kept back until now is seen.
  package func close() throws(FileError) {
    guard descriptor >= 0 else { return }
    let closing = descriptor
    descriptor = -1
    // On Linux the descriptor is gone even after EINTR: never close twice.
    guard Glibc.close(closing) == 0 || errno == EINTR else { throw .system("close", path) }
  }
}

/// Forces a directory's list of names to the disk: a rename is durable only after this.
package func synchronizeDirectory(_ path: String) throws(FileError) {
  let directory = try FileDescriptor(opening: path, flags: O_RDONLY | O_DIRECTORY)
  try directory.synchronize()
  try directory.close()
}
