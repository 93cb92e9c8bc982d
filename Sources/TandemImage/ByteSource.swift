#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Bytes that can be looked at anywhere without reading the rest: a file, or an array.
///
/// Small reads come from a window of a few kilobytes, so walking through the parts of a file
/// costs one system call for many of them.
struct ByteSource: ~Copyable {
  private enum Storage {
    case memory([UInt8])
    case file(CInt)
  }

  /// What errors call it.
  let name: String
  /// Length in bytes.
  let count: Int
  private let storage: Storage
  private var window: [UInt8] = []
  private var windowStart = 0
  private static let windowSize = 4096

  init(bytes: [UInt8], name: String) throws {
    guard !bytes.isEmpty else { throw ImageError(.unreadable, name, "there are no bytes") }
    self.name = name
    self.count = bytes.count
    self.storage = .memory(bytes)
  }

  init(path: String) throws {
    // Without waiting: a pipe in place of a file must not hang the reader.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw ByteSource.systemError(path, "cannot be opened") }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let error = ByteSource.systemError(path, "cannot be examined")
      close(descriptor)
      throw error
    }
    let kind = status.st_mode & S_IFMT
    let problem: String? =
      if kind == S_IFDIR {
        "is a folder; expected a JPEG, PNG or WebP file"
      } else if kind != S_IFREG {
        "is not a regular file; expected a JPEG, PNG or WebP file"
      } else if status.st_size == 0 {
        "is empty (0 bytes); fetch or write it again"
      } else {
        nil
      }
    if let problem {
      close(descriptor)
      throw ImageError(.unreadable, path, problem)
    }
    self.name = path
    self.count = Int(status.st_size)
    self.storage = .file(descriptor)
  }

  deinit {
    if case .file(let descriptor) = storage { close(descriptor) }
  }

  /// The bytes `offset ..< offset + length`, fewer where the source ends.
  mutating func bytes(at offset: Int, _ length: Int) throws -> ArraySlice<UInt8> {
    guard offset >= 0, length > 0, offset < count else { return [] }
    let end = offset + min(length, count - offset)
    if case .memory(let bytes) = storage { return bytes[offset..<end] }
    if offset < windowStart || end > windowStart + window.count {
      window = try read(at: offset, max(end - offset, ByteSource.windowSize))
      windowStart = offset
    }
    let upper = min(end - windowStart, window.count)
    return window[min(offset - windowStart, upper)..<upper]
  }

  mutating func byte(at offset: Int) throws -> UInt8? {
    try bytes(at: offset, 1).first
  }

  /// Everything.
  func all() throws -> [UInt8] {
    if case .memory(let bytes) = storage { return bytes }
    let bytes = try read(at: 0, count)
    guard bytes.count == count else {
      throw ImageError(
        .unreadable, name, "\(count) bytes were expected, \(bytes.count) could be read")
    }
    return bytes
  }

  private func read(at offset: Int, _ length: Int) throws -> [UInt8] {
    guard case .file(let descriptor) = storage else { return [] }
    let wanted = min(length, count - offset)
    return try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
      while filled < wanted {
        let target = UnsafeMutableRawBufferPointer(buffer)[filled..<wanted]
        let got = pread(
          descriptor, UnsafeMutableRawBufferPointer(rebasing: target).baseAddress,
          wanted - filled, off_t(offset + filled))
        if got < 0 {
          if errno == EINTR { continue }
          throw ByteSource.systemError(name, "cannot be read")
        }
        if got == 0 { break }
        filled += got
      }
    }
  }

  private static func systemError(_ path: String, _ what: String) -> ImageError {
    let reason = String(cString: strerror(errno))
    return ImageError(.unreadable, path, "\(what): \(reason)")
  }
}
