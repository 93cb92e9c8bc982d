// Numbers that grow with a data set and must not grow the process: they lie in a file without a
// name, and the system takes them out of memory when it wants to.

import Glibc

/// A fixed number of elements, all zero bytes at first, in a file that nobody else can open and that
/// is gone with this object. Few elements lie in memory.
///
/// Written by one thread; after that any may read.
public final class SpilledArray<Element: BitwiseCopyable>: @unchecked Sendable {
  public let count: Int
  private let memory: UnsafeMutableBufferPointer<Element>
  private let byteCount: Int

  /// Throws `FileError` when the folder for temporary files ($TMPDIR or /tmp) has no room.
  public init(count: Int) throws(FileError) {
    self.count = count
    byteCount = Swift.max(1, count * MemoryLayout<Element>.stride)
    let start =
      byteCount < 1 << 20
      ? try Self.map(byteCount, MAP_PRIVATE | MAP_ANONYMOUS, -1, "memory")
      : try Self.mapFile(byteCount)
    memory = UnsafeMutableBufferPointer(
      start: start.bindMemory(to: Element.self, capacity: count), count: count)
  }

  deinit { munmap(memory.baseAddress, byteCount) }

  public subscript(_ index: Int) -> Element {
    get { memory[index] }
    set { memory[index] = newValue }
  }

  /// Lets all pages go from memory: they come back from the file on the next use.
  public func release() {
    guard byteCount >= 1 << 20 else { return }
    msync(memory.baseAddress, byteCount, MS_ASYNC)
    madvise(memory.baseAddress, byteCount, MADV_DONTNEED)
  }

  private static func mapFile(_ byteCount: Int) throws(FileError) -> UnsafeMutableRawPointer {
    let folder = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
    var name = Array("\(folder)/tandem-XXXXXX".utf8CString)
    let file = mkstemp(&name)
    guard file >= 0 else { throw .system("make a file in", folder) }
    defer { close(file) }
    unlink(name)
    // Reserved now: a page that finds no room later would end the process.
    let status = posix_fallocate(file, 0, off_t(byteCount))
    guard status == 0 else {
      throw .system("reserve \(byteCount) bytes in", folder, code: status)
    }
    return try map(byteCount, MAP_SHARED, file, folder)
  }

  private static func map(
    _ byteCount: Int, _ flags: Int32, _ file: Int32, _ path: String
  ) throws(FileError) -> UnsafeMutableRawPointer {
    let start = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, file, 0)
    guard let start, start != MAP_FAILED else {
      throw .system("map \(byteCount) bytes of", path)
    }
    return start
  }
}

/// A set of hashes that lies where a ``SpilledArray`` does: open addressing, at most half full.
public final class SpilledSet: @unchecked Sendable {
  private let slots: SpilledArray<UInt64>
  private let mask: Int
  public private(set) var count = 0

  /// - Parameter capacity: the most members.
  public init(capacity: Int) throws(FileError) {
    var size = 16
    while size < 2 * capacity { size *= 2 }
    mask = size - 1
    slots = try SpilledArray(count: size)
  }

  /// Adds a hash; false where it was there already.
  @discardableResult
  public func insert(_ hash: UInt64) -> Bool {
    let place = place(of: hash)
    guard slots[place] == 0 else { return false }
    slots[place] = Self.stored(hash)
    count += 1
    return true
  }

  public func contains(_ hash: UInt64) -> Bool { slots[place(of: hash)] != 0 }

  public func release() { slots.release() }

  /// 0 marks a free slot: the lowest bit is given up for it.
  private static func stored(_ hash: UInt64) -> UInt64 { hash | 1 }

  /// Where the hash is, or the free slot where it would be.
  private func place(of hash: UInt64) -> Int {
    let stored = Self.stored(hash)
    var place = Int(truncatingIfNeeded: hash >> 1) & mask
    while slots[place] != 0, slots[place] != stored { place = (place + 1) & mask }
    return place
  }
}
