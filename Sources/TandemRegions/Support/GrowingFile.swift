// A file that only grows at its end, and is cut back to whole records after a failure.

import Glibc
import TandemFiles

/// An open file, read anywhere and written at the end. Not for use by two threads.
final class GrowingFile {
  let path: String
  /// Bytes of whole, accepted content.
  private(set) var end: Int
  private var descriptor: Int32

  /// Opens or creates the file. Throws `FileError`.
  init(path: String) throws(FileError) {
    self.path = path
    descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .system("open", path) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw .system("examine", path) }
    end = Int(status.st_size)
  }

  deinit { close() }

  func close() {
    guard descriptor >= 0 else { return }
    _ = Glibc.close(descriptor)
    descriptor = -1
  }

  /// Writes `bytes` at the end. Where that fails (a full disk) the file is cut back to what it was.
  func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    var written = 0
    while written < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
      let count = pwrite(descriptor, rest.baseAddress, rest.count, off_t(end + written))
      if count > 0 {
        written += count
      } else if count == 0 || errno != EINTR {
        let error = FileError.system("write", path)
        ftruncate(descriptor, off_t(end))
        throw error
      }
    }
    end += bytes.count
  }

  /// Cuts the file down to `count` bytes.
  func cut(to count: Int) throws(FileError) {
    guard ftruncate(descriptor, off_t(count)) == 0 else { throw .system("cut short", path) }
    end = count
  }

  /// Reads exactly `count` bytes at `offset`.
  func read(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
    var failure: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      while initialized < count, failure == nil {
        let rest = UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(buffer)[
            initialized..<count])
        let got = pread(descriptor, rest.baseAddress, rest.count, off_t(offset + initialized))
        if got > 0 {
          initialized += got
        } else if got == 0 {
          failure = FileError(
            operation: "read", path: path,
            reason: "expected \(count) bytes at byte \(offset), found \(initialized)")
        } else if errno != EINTR {
          failure = .system("read", path)
        }
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// Forces what was written to the disk.
  func synchronize() throws(FileError) {
    while fdatasync(descriptor) != 0 {
      guard errno == EINTR else { throw .system("write to disk", path) }
    }
  }
}

/// Held by one process at a time, and freed by the system however that process ends.
final class ExclusiveLock {
  private let descriptor: Int32

  /// Takes the lock at `path`. Throws `RegionError` (`locked`), naming the holder, or `FileError`.
  init(path: String, of store: String) throws {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileError.system("open", path) }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let failure = FileError.system("lock", path)
      var text = [UInt8](repeating: 0, count: 256)
      let count = pread(descriptor, &text, text.count, 0)
      _ = Glibc.close(descriptor)
      guard failure.code == EWOULDBLOCK else { throw failure }
      let holder = count > 0 ? String(decoding: text[..<count], as: UTF8.self) : "another process"
      throw RegionError(
        .locked, path: store,
        "\(holder) is writing to this store; wait until it ends, or write to another store")
    }
    self.descriptor = descriptor
    let note = Array("process \(getpid()) on \(hostName())".utf8)
    ftruncate(descriptor, 0)
    _ = pwrite(descriptor, note, note.count, 0)
  }

  deinit { _ = Glibc.close(descriptor) }
}

private func hostName() -> String {
  var name = [CChar](repeating: 0, count: 256)
  guard gethostname(&name, name.count - 1) == 0 else { return "an unnamed host" }
  return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
