// One open event file: records go to memory first, then to the end of the file.

import Glibc

/// A new file that records are appended to. It is closed when the value's life ends, unflushed.
struct EventFile: ~Copyable {
  let path: String
  private let descriptor: Int32
  /// Framed records the system has not taken yet. What a failed write left stays here, so that the
  /// next one goes on at the right byte and the file never holds half a record in its middle.
  private var pending: [UInt8] = []

  /// Records go to the system when this many bytes wait, if nothing flushed them before.
  private static let pendingLimit = 1 << 16

  /// Creates a file in `directory`, and the directory with its parents where they are missing.
  init(creatingIn directory: String, suffix: String, time: Double) throws {
    guard EventFileName.isValid(suffix: suffix) else {
      throw EventError.invalidSuffix(suffix, directory: directory)
    }
    guard EventFileName.canSay(time) else {
      throw EventError.invalidTime(time, path: directory)
    }
    try Self.makeDirectory(directory)
    let base = directory.hasSuffix("/") ? directory : directory + "/"
    var attemptsLeft = 100
    while true {
      let path = base + (try EventFileName.next(in: directory, time: time, suffix: suffix))
      let opened = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0o644)
      if opened >= 0 {
        self.path = path
        descriptor = opened
        return
      }
      // Another writer of this process took the name since; now that it is listed, the next differs.
      attemptsLeft -= 1
      guard errno == EEXIST || errno == EINTR, attemptsLeft > 0 else {
        throw EventError.system("create", path)
      }
    }
  }

  deinit { close(descriptor) }

  /// Adds a record.
  mutating func append(_ payload: [UInt8]) throws {
    TFRecord.append(payload, to: &pending)
    if pending.count >= Self.pendingLimit { try flush() }
  }

  /// Hands all records to the system.
  mutating func flush() throws {
    var written = 0
    defer { pending.removeFirst(written) }
    while written < pending.count {
      let count = pending.withUnsafeBytes { bytes in
        let rest = UnsafeRawBufferPointer(rebasing: bytes[written...])
        return Glibc.write(descriptor, rest.baseAddress, rest.count)
      }
      if count >= 0 {
        written += count
      } else if errno != EINTR {
        throw EventError.system("write", path)
      }
    }
  }

  private static func makeDirectory(_ path: String) throws {
    if mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    let isParentMissing = errno == ENOENT
    let parts = path.split(separator: "/").dropLast()
    guard isParentMissing, !parts.isEmpty else {
      throw EventError.system("create directory", path)
    }
    try makeDirectory((path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/"))
    guard mkdir(path, 0o755) == 0 || errno == EEXIST else {
      throw EventError.system("create directory", path)
    }
  }
}
