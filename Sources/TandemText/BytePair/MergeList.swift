import Foundation

/// The lines of a merges file: two tokens each, in the order of their rank.
struct MergeList: Sendable {
  struct Merge: Sendable {
    let left: ByteToken
    let right: ByteToken
    /// The line in the file, from 1.
    let line: Int
  }

  /// Where the lines come from, for messages.
  let source: String
  let merges: [Merge]

  /// What the list published with CLIP holds, and how many of that its models use.
  static let clipPublishedCount = 262_144
  static let clipCount = 49_152 - 256 - 2

  /// Reads CLIP's list: a line with the version, then merges, of which the first 48 894 count.
  init(clip text: String, source: String) throws {
    let (lines, count) = Self.lines(of: text, limit: Self.clipCount + 1)
    guard let header = lines.first, header.contains("#version") else {
      throw BytePairError.missingHeader(source: source, found: Self.quoted(lines.first ?? ""))
    }
    guard count - 1 == Self.clipCount || count - 1 == Self.clipPublishedCount else {
      let expected = "\(Self.clipCount) (or \(Self.clipPublishedCount), as published)"
      throw BytePairError.wrongMergeCount(source: source, expected: expected, found: count - 1)
    }
    try self.init(lines.dropFirst(), firstLine: 2, style: .clip, source: source)
  }

  /// Reads a `merges.txt` or `vocab.bpe`: merges, after a line with the version or without one.
  init(gpt2 text: String, source: String) throws {
    let (lines, _) = Self.lines(of: text, limit: .max)
    let hasHeader = lines.first?.hasPrefix("#version") ?? false
    let merges = hasHeader ? lines.dropFirst() : lines[...]
    try self.init(merges, firstLine: hasHeader ? 2 : 1, style: .gpt2, source: source)
  }

  private init(
    _ lines: ArraySlice<Substring>, firstLine: Int, style: BytePairEncoding.Style, source: String
  ) throws {
    self.source = source
    var line = firstLine - 1
    merges = try lines.map { text in
      line += 1
      let parts = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
        .map { Substring($0) }
      guard parts.count == 2, let left = ByteToken(written: parts[0], style: style),
        let right = ByteToken(written: parts[1], style: style), !left.endsWord
      else {
        throw BytePairError.malformedMerge(source: source, line: line, found: Self.quoted(text))
      }
      return Merge(left: left, right: right, line: line)
    }
  }

  /// The text of a file of UTF-8. Bytes that are not turn into U+FFFD, which no merge holds.
  static func text(ofFile path: String) throws -> String {
    do {
      return String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    } catch {
      let reason = FileManager.default.fileExists(atPath: path) ? "\(error)" : "no such file"
      throw BytePairError.unreadableFile(path: path, reason: reason)
    }
  }

  /// The first `limit` lines, and the number of all.
  ///
  /// Lines end with LF or CR LF, which is one character to Swift, so they are cut by bytes.
  private static func lines(of text: String, limit: Int) -> (first: [Substring], count: Int) {
    let lineFeed = UInt8(ascii: "\n")
    var lines: [Substring] = []
    var rest = text[...].utf8
    while lines.count < limit, !rest.isEmpty {
      let end = rest.firstIndex(of: lineFeed) ?? rest.endIndex
      let line = rest[..<end]
      lines.append(Substring(line.last == UInt8(ascii: "\r") ? line.dropLast() : line))
      // The last line feed ends the last line; it does not begin another.
      rest = rest[end...].dropFirst()
    }
    var count = lines.count + rest.count { $0 == lineFeed }
    if let last = rest.last, last != lineFeed { count += 1 }
    return (lines, count)
  }

  private static func quoted(_ line: Substring) -> String {
    line.isEmpty ? "an empty line" : "\"\(line.prefix(80))\""
  }
}
