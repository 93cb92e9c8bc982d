// A long file written in small pieces beside its target, and given its name when it is whole.

import Glibc
import Synchronization
import TandemFiles

/// Buffered writing to `path.partial-PID-N`; `commit` forces it to disk and renames it to `path`.
/// Gone without a trace where it is not committed.
final class PartialFile {
  let path: String
  /// Bytes handed over so far.
  private(set) var position = 0
  private let partial: String
  private var file: FileDescriptor?
  private var buffer: [UInt8] = []

  private static let capacity = 1 << 20
  private static let counter = Atomic<Int>(0)

  /// Throws `FileError`.
  init(path: String) throws(FileError) {
    self.path = path
    partial = Self.name(beside: path)
    file = try FileDescriptor(opening: partial, flags: O_WRONLY | O_CREAT | O_EXCL)
    buffer.reserveCapacity(Self.capacity)
  }

  deinit { discard() }

  /// A name for something unfinished beside `path`.
  static func name(beside path: String) -> String {
    var path = path
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    let number = counter.wrappingAdd(1, ordering: .relaxed).newValue
    return "\(path).partial-\(getpid())-\(number)"
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    position += bytes.count
    if buffer.count + bytes.count > Self.capacity { try flush() }
    if bytes.count > Self.capacity {
      try open().write(bytes)
    } else {
      buffer.append(contentsOf: bytes)
    }
  }

  func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  func write(utf8 text: String) throws {
    var text = text
    try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
  }

  /// Forces the content to disk and gives it its name. Throws `FileError`.
  func commit() throws {
    try flush()
    let file = try open()
    try file.synchronize()
    try file.close()
    self.file = nil
    guard rename(partial, path) == 0 else {
      let error = FileError.system("rename into", path)
      unlink(partial)
      throw error
    }
    try synchronizeDirectory(folder(of: path))
  }

  func discard() {
    guard file != nil else { return }
    file = nil
    unlink(partial)
  }

  private func flush() throws {
    guard !buffer.isEmpty else { return }
    let file = try open()
    try buffer.withUnsafeBytes { try file.write($0) }
    buffer.removeAll(keepingCapacity: true)
  }

  private func open() throws -> FileDescriptor {
    guard let file else {
      throw RegionError(.badFile, path: path, "was finished already; nothing can be added")
    }
    return file
  }
}

/// The folder that holds `path`: "." for a bare name.
func folder(of path: String) -> String {
  var path = path
  while path.count > 1, path.hasSuffix("/") { path.removeLast() }
  guard let slash = path.lastIndex(of: "/") else { return "." }
  return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// The last part of `path`.
func baseName(of path: String) -> String {
  var path = path
  while path.count > 1, path.hasSuffix("/") { path.removeLast() }
  guard let slash = path.lastIndex(of: "/") else { return path }
  return String(path[path.index(after: slash)...])
}

enum PathKind { case missing, file, folder, other }

func kind(of path: String) -> PathKind {
  var status = stat()
  guard stat(path, &status) == 0 else { return .missing }
  switch status.st_mode & S_IFMT {
  case S_IFREG: return .file
  case S_IFDIR: return .folder
  default: return .other
  }
}
