// Rows of a JSON-lines or CSV file, found by number without holding the file in memory.

internal import Foundation
internal import TandemCore
internal import TandemFiles

/// A file of records: `.jsonl` (one object a line) or `.csv` (a header, RFC 4180 quoting).
public final class TableFile: Sendable {
  public let path: String
  private let file: MappedFile
  /// Where a record starts and ends, and the line it starts on.
  private struct Span: BitwiseCopyable {
    var start: Int
    var end: Int
    var line: Int
    var range: Range<Int> { start..<end }
  }
  private let spans: SpilledArray<Span>
  /// Of a CSV file the first span is the header's.
  private let first: Int
  /// The columns of a CSV file; empty for JSON-lines.
  private let columns: [String]

  /// Throws ``DataError`` for a file that is missing, empty, or of another kind.
  public init(path: String) throws {
    do {
      file = try MappedFile(path: path)
    } catch {
      throw DataError("\(error)")
    }
    self.path = path
    // Spreadsheets put a byte order mark before the first column's name.
    let start = file.bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    let isTable = path.hasSuffix(".csv")
    guard isTable || path.hasSuffix(".jsonl") else {
      throw DataError(file: path, "expected a name that ends in .jsonl or .csv")
    }
    spans = try Self.collected(file.bytes, from: start, isTable ? Self.csvRecords : Self.lines)
    first = isTable ? 1 : 0
    if isTable {
      guard spans.count > 0 else { throw DataError(file: path, "has no header line") }
      columns = try Self.csvFields(file.bytes, spans[0].range, path, spans[0].line)
    } else {
      columns = []
    }
    spans.release()
    file.release(0..<file.count)
  }

  public var count: Int { spans.count - first }

  /// The line that record `index` starts on, from 1; 0 when there is no such record.
  public func line(_ index: Int) -> Int { span(index)?.line ?? 0 }

  private func span(_ index: Int) -> Span? {
    (0..<count).contains(index) ? spans[first + index] : nil
  }

  /// Goes through the file twice: the number of records has to be known first.
  private static func collected(
    _ bytes: UnsafeRawBufferPointer, from first: Int,
    _ walk: (UnsafeRawBufferPointer, Int, (Span) -> Void) -> Void
  ) throws -> SpilledArray<Span> {
    var count = 0
    walk(bytes, first) { _ in count += 1 }
    let spans = try SpilledArray<Span>(count: count)
    var next = 0
    walk(bytes, first) { span in
      spans[next] = span
      next += 1
    }
    return spans
  }

  /// The fields of record `index`; a list is one of strings.
  public func fields(_ index: Int) throws -> [String: [String]] {
    guard let span = span(index) else {
      throw DataError(file: path, "no record \(index) among \(count)")
    }
    let (range, line) = (span.range, span.line)
    guard columns.isEmpty else {
      let values = try Self.csvFields(file.bytes, range, path, line)
      guard values.count == columns.count else {
        throw DataError(
          file: path, line: line, "expected \(columns.count) fields, found \(values.count)")
      }
      return Dictionary(zip(columns, values.map { [$0] })) { first, _ in first }
    }
    let text = try Self.text(file.bytes[range], path, line)
    guard let object = try? JSONSerialization.jsonObject(with: Data(text.utf8)),
      let fields = object as? [String: Any]
    else { throw DataError(file: path, line: line, "not a JSON object: \(text.prefix(60))") }
    return fields.mapValues { value in
      switch value {
      case let text as String: [text]
      case let list as [String]: list
      default: ["\(value)"]
      }
    }
  }

  private static func lines(
    _ bytes: UnsafeRawBufferPointer, _ first: Int, _ found: (Span) -> Void
  ) {
    var start = first
    var line = 1
    while start < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
      let length = rest.firstIndex(of: 10) ?? rest.count
      if rest[..<length].contains(where: { $0 != 32 && $0 != 13 && $0 != 9 }) {
        found(Span(start: start, end: start + length, line: line))
      }
      start += length + 1
      line += 1
    }
  }

  private static func csvRecords(
    _ bytes: UnsafeRawBufferPointer, _ first: Int, _ found: (Span) -> Void
  ) {
    var start = first
    var line = 1
    var startLine = 1
    var isQuoted = false
    for (place, byte) in bytes.enumerated() {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard byte == 10 else { continue }
      line += 1
      guard !isQuoted else { continue }
      if place > start + (bytes[start] == 13 ? 1 : 0) {
        found(Span(start: start, end: place, line: startLine))
      }
      start = place + 1
      startLine = line
    }
    if start < bytes.count { found(Span(start: start, end: bytes.count, line: startLine)) }
  }

  private static func csvFields(
    _ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, _ path: String, _ line: Int
  ) throws -> [String] {
    var fields: [String] = []
    var field: [UInt8] = []
    var isQuoted = false
    var place = range.lowerBound
    let quote = UInt8(ascii: "\"")
    while place < range.upperBound {
      let byte = bytes[place]
      if isQuoted, byte == quote, place + 1 < range.upperBound, bytes[place + 1] == quote {
        field.append(quote)
        place += 1
      } else if byte == quote {
        isQuoted.toggle()
      } else if byte == UInt8(ascii: ","), !isQuoted {
        fields.append(try text(field, path, line))
        field = []
      } else if !(byte == 13 && place + 1 == range.upperBound) {
        field.append(byte)
      }
      place += 1
    }
    guard !isQuoted else { throw DataError(file: path, line: line, "a quote is not closed") }
    fields.append(try text(field, path, line))
    return fields
  }

  private static func text(
    _ bytes: some Collection<UInt8>, _ path: String, _ line: Int
  ) throws -> String {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw DataError(file: path, line: line, "the text is not UTF-8")
    }
    return text
  }
}
