// Writes a zip archive from front to back: into a file that appears all at once, or into memory.

public import TandemFiles

/// Writes entries one after another, zip64 fields where a size needs them, then the directory.
///
/// Equal entries give equal bytes: every entry is dated 1980-01-01, the format's first day.
///
///     try AtomicFile.write(to: path) { file in
///       let archive = ZipWriter(to: file)
///       try archive.add("a.txt", Array("a".utf8), method: .deflated)
///       try archive.finish()
///     }
public final class ZipWriter {
  /// How an entry is kept.
  public enum Method: Sendable {
    case stored
    /// Smaller, slower: zlib at its level 6.
    case deflated
  }

  private struct Entry {
    let name: [UInt8]
    let method: UInt16
    let checksum: UInt32
    let compressedCount: Int
    let count: Int
    let headerOffset: Int
  }

  private let file: AtomicFile.Writer?
  private let start: Int
  /// What is written so far where the archive goes into memory.
  private var memory: [UInt8] = []
  private var entries: [Entry] = []
  private var names: Set<String> = []
  private var isFinished = false

  /// Writes to a file, from its present position.
  public init(to file: AtomicFile.Writer) {
    self.file = file
    start = file.position
  }

  /// Writes into memory: ``finish()`` gives the bytes.
  public init() {
    file = nil
    start = 0
  }

  private var position: Int { file.map { $0.position - start } ?? memory.count }

  /// Adds an entry.
  ///
  /// - Parameters:
  ///   - name: unique, at most 65,535 bytes, with "/" between folders.
  ///   - bytes: the content.
  ///   - method: stored or deflated.
  /// - Throws: `PickleError` for a bad name or after ``finish()``; `FileError`.
  public func add(
    _ name: String, _ bytes: UnsafeRawBufferPointer, method: Method = .stored
  ) throws {
    guard !isFinished else { throw failure(name, "the archive is finished already") }
    guard !name.isEmpty, name.utf8.count <= Int(UInt16.max) else {
      throw failure(name, "expected a name of 1 to 65535 bytes, found \(name.utf8.count)")
    }
    guard names.insert(name).inserted else {
      throw failure(name, "the archive has an entry of this name already")
    }
    let checksum = Deflate.checksum(bytes)
    var packed: [UInt8]?
    if method == .deflated {
      packed = Deflate.deflate(bytes, level: 6)
      guard packed != nil else { throw failure(name, "zlib has no memory to deflate it") }
    }
    let entry = Entry(
      name: Array(name.utf8), method: method == .deflated ? 8 : 0, checksum: checksum,
      compressedCount: packed?.count ?? bytes.count, count: bytes.count, headerOffset: position)
    try write(localHeader(entry))
    if let packed { try write(packed) } else { try write(bytes) }
    entries.append(entry)
  }

  /// Adds an entry from an array. Throws as the method above.
  public func add(_ name: String, _ bytes: [UInt8], method: Method = .stored) throws {
    try bytes.withUnsafeBytes { try add(name, $0, method: method) }
  }

  /// Writes the directory. Returns the whole archive where it was written into memory, and nothing
  /// where it went to a file. Throws `FileError`, or `PickleError` when called twice.
  @discardableResult
  public func finish() throws -> [UInt8] {
    guard !isFinished else { throw failure("", "the archive is finished already") }
    isFinished = true
    let offset = position
    var directory: [UInt8] = []
    for entry in entries {
      appendDirectoryEntry(entry, to: &directory)
      if directory.count > 1 << 20 {
        try write(directory)
        directory.removeAll(keepingCapacity: true)
      }
    }
    try write(directory)
    try write(end(offset: offset, size: position - offset))
    defer { memory = [] }
    return memory
  }

  private func write(_ bytes: UnsafeRawBufferPointer) throws {
    if let file { try file.write(bytes) } else { memory.append(contentsOf: bytes) }
  }

  private func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  private func localHeader(_ entry: Entry) -> [UInt8] {
    let isLarge = max(entry.count, entry.compressedCount) >= Int(ZipSignature.large32)
    var header: [UInt8] = []
    header.append(littleEndian: ZipSignature.localHeader)
    appendCommon(entry, needs64: isLarge, to: &header)
    header.append(littleEndian: isLarge ? ZipSignature.large32 : UInt32(entry.compressedCount))
    header.append(littleEndian: isLarge ? ZipSignature.large32 : UInt32(entry.count))
    header.append(littleEndian: UInt16(entry.name.count))
    header.append(littleEndian: UInt16(isLarge ? 20 : 0))
    header.append(contentsOf: entry.name)
    if isLarge { appendExtra64([entry.count, entry.compressedCount], to: &header) }
    return header
  }

  private func appendDirectoryEntry(_ entry: Entry, to directory: inout [UInt8]) {
    let sizes = [entry.count, entry.compressedCount, entry.headerOffset]
    let large = sizes.filter { $0 >= Int(ZipSignature.large32) }
    let fields = sizes.map { UInt32(clamping: $0) }
    directory.append(littleEndian: ZipSignature.directoryEntry)
    directory.append(littleEndian: UInt16(45))  // made by version 4.5, on MS-DOS: no permissions
    appendCommon(entry, needs64: !large.isEmpty, to: &directory)
    directory.append(littleEndian: fields[1])
    directory.append(littleEndian: fields[0])
    directory.append(littleEndian: UInt16(entry.name.count))
    directory.append(littleEndian: UInt16(large.isEmpty ? 0 : 4 + 8 * large.count))
    directory.append(littleEndian: UInt16(0))  // comment
    directory.append(littleEndian: UInt16(0))  // disk
    directory.append(littleEndian: UInt16(0))  // internal attributes
    directory.append(littleEndian: UInt32(0))  // external attributes
    directory.append(littleEndian: fields[2])
    directory.append(contentsOf: entry.name)
    if !large.isEmpty { appendExtra64(large, to: &directory) }
  }

  /// The fields that local headers and directory entries share, up to the checksum.
  private func appendCommon(_ entry: Entry, needs64: Bool, to bytes: inout [UInt8]) {
    bytes.append(littleEndian: UInt16(needs64 ? 45 : 20))
    bytes.append(littleEndian: UInt16(0x0800))  // the name is UTF-8
    bytes.append(littleEndian: entry.method)
    bytes.append(littleEndian: UInt16(0))  // midnight
    bytes.append(littleEndian: UInt16(0x0021))  // 1980-01-01
    bytes.append(littleEndian: entry.checksum)
  }

  private func appendExtra64(_ sizes: [Int], to bytes: inout [UInt8]) {
    bytes.append(littleEndian: ZipSignature.extra64)
    bytes.append(littleEndian: UInt16(8 * sizes.count))
    for size in sizes { bytes.append(littleEndian: UInt64(size)) }
  }

  private func end(offset: Int, size: Int) -> [UInt8] {
    var end: [UInt8] = []
    let needs64 =
      entries.count >= Int(ZipSignature.large16) || size >= Int(ZipSignature.large32)
      || offset >= Int(ZipSignature.large32)
    if needs64 {
      end.append(littleEndian: ZipSignature.end64)
      end.append(littleEndian: UInt64(ZipSignature.end64Count - 12))
      end.append(littleEndian: UInt16(45))
      end.append(littleEndian: UInt16(45))
      end.append(littleEndian: UInt32(0))
      end.append(littleEndian: UInt32(0))
      end.append(littleEndian: UInt64(entries.count))
      end.append(littleEndian: UInt64(entries.count))
      end.append(littleEndian: UInt64(size))
      end.append(littleEndian: UInt64(offset))
      end.append(littleEndian: ZipSignature.locator64)
      end.append(littleEndian: UInt32(0))
      end.append(littleEndian: UInt64(offset + size))
      end.append(littleEndian: UInt32(1))
    }
    end.append(littleEndian: ZipSignature.end)
    end.append(littleEndian: UInt16(0))
    end.append(littleEndian: UInt16(0))
    end.append(littleEndian: UInt16(clamping: entries.count))
    end.append(littleEndian: UInt16(clamping: entries.count))
    end.append(littleEndian: UInt32(clamping: size))
    end.append(littleEndian: UInt32(clamping: offset))
    end.append(littleEndian: UInt16(0))
    return end
  }

  private func failure(_ name: String, _ reason: String) -> PickleError {
    PickleError(file: "zip archive", place: "entry \"\(name)\"", reason: reason)
  }
}
