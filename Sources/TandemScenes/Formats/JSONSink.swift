// Writes JSON piece by piece through a buffer.

internal import Glibc
internal import TandemFiles

/// Where the pieces of a JSON file go.
///
/// Used from one thread, by the writers of this folder.
final class JSONSink {
  private var buffer: [UInt8] = []
  private let write: (UnsafeRawBufferPointer) throws -> Void
  private static let limit = 1 << 16

  init(_ write: @escaping (UnsafeRawBufferPointer) throws -> Void) { self.write = write }

  func raw(_ text: String) throws {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= Self.limit { try flush() }
  }

  /// A text in quotes, escaped.
  func string(_ text: String) throws {
    buffer.append(0x22)
    for byte in text.utf8 {
      switch byte {
      case 0x22, 0x5C:
        buffer.append(0x5C)
        buffer.append(byte)
      case 0x0A: buffer.append(contentsOf: "\\n".utf8)
      case 0x0D: buffer.append(contentsOf: "\\r".utf8)
      case 0x09: buffer.append(contentsOf: "\\t".utf8)
      case 0..<0x20:
        let digits = String(byte, radix: 16)
        buffer.append(contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.count)).utf8)
        buffer.append(contentsOf: digits.utf8)
      default: buffer.append(byte)
      }
    }
    buffer.append(0x22)
    if buffer.count >= Self.limit { try flush() }
  }

  /// A number without a needless ".0".
  func number(_ value: Double) throws {
    if let whole = Int(exactly: value) { try raw(String(whole)) } else { try raw(String(value)) }
  }

  func numbers(_ values: [Double]) throws {
    try raw("[")
    for (place, value) in values.enumerated() {
      if place > 0 { try raw(",") }
      try number(value)
    }
    try raw("]")
  }

  func flush() throws {
    try buffer.withUnsafeBytes { try write($0) }
    buffer.removeAll(keepingCapacity: true)
  }
}

/// A nameless file that keeps what belongs further down in the file being written.
final class JSONSpool {
  private let file: FileDescriptor
  private(set) var sink: JSONSink

  /// - Parameter path: the file being written; the spool lies beside it and has no name.
  init(beside path: String) throws {
    let name = "\(path).spool-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let file = try FileDescriptor(opening: name, flags: O_RDWR | O_CREAT | O_EXCL)
    unlink(name)
    self.file = file
    sink = JSONSink { try file.write($0) }
  }

  /// Passes on everything that was kept.
  func empty(into other: AtomicFile.Writer) throws {
    try sink.flush()
    let count = Int(try file.status().st_size)
    guard count > 0 else { return }
    let bytes = try file.map(count: count)
    defer { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress), count) }
    try other.write(bytes)
  }
}
