// Lines of a mapped text file, however long, without a copy.

import Glibc
import TandemFiles

/// Goes through a file line by line; pages behind the present line are let go.
struct MappedLines {
  let file: MappedFile
  /// Where the next line starts.
  private(set) var offset = 0
  /// The number of the line read last, from 1.
  private(set) var number = 0
  private var released = 0

  private static let releaseEvery = 16 << 20

  /// Throws `FileError`, also for an empty file.
  init(path: String) throws(FileError) { file = try MappedFile(path: path) }

  /// The byte range of the next line that is not empty, without its end; nil at the end.
  mutating func next() -> Range<Int>? {
    while offset < file.count {
      if offset - released > Self.releaseEvery {
        file.release(released..<offset)
        released = offset
      }
      let start = offset
      let end = file.withBytes { Self.lineEnd($0, from: start) }
      offset = end + 1
      number += 1
      let stripped = file.withBytes { $0[start..<end].last == 13 ? end - 1 : end }
      if stripped > start { return start..<stripped }
    }
    return nil
  }

  /// Where the line that starts at `start` ends: at its line feed, or at the file's end.
  static func lineEnd(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int {
    guard let base = bytes.baseAddress, start < bytes.count else { return bytes.count }
    guard let found = memchr(base + start, 10, bytes.count - start) else { return bytes.count }
    return UnsafeRawPointer(found) - base
  }

  /// The parts of `line` between `separator`s.
  static func split(_ line: UnsafeRawBufferPointer, by separator: UInt8) -> [UnsafeRawBufferPointer]
  {
    guard let base = line.baseAddress else { return [] }
    var parts: [UnsafeRawBufferPointer] = []
    var start = 0
    while true {
      let found =
        start < line.count ? memchr(base + start, Int32(separator), line.count - start) : nil
      let end = found.map { UnsafeRawPointer($0) - base } ?? line.count
      parts.append(UnsafeRawBufferPointer(start: base + start, count: end - start))
      guard found != nil else { return parts }
      start = end + 1
    }
  }
}

extension UnsafeRawBufferPointer {
  /// The bytes as text.
  var text: String { String(decoding: self, as: UTF8.self) }

  /// The bytes as text for an error: cut short where long.
  var excerpt: String {
    count <= 40 ? "'\(text)'" : "'\(UnsafeRawBufferPointer(rebasing: self[..<32]).text)…'"
  }
}
