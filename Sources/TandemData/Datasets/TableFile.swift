// Rows of a JSON-lines or CSV file, found by number without holding the file in memory.

internal import Foundation
internal import TandemCore
internal import TandemFiles

/// A file of records: `.jsonl` (one object a line) or `.csv` (a header, RFC 4180 quoting).
public final class TableFile: Sendable {
  public let path: String
  private let file: MappedFile
  /// Where each record starts and ends, and the line it starts on.
  private let spans: [(range: Range<Int>, line: Int)]
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
    if path.hasSuffix(".jsonl") {
      spans = Self.lines(file.bytes, from: start)
      columns = []
    } else if path.hasSuffix(".csv") {
      var records = Self.csvRecords(file.bytes, from: start)
      guard !records.isEmpty else { throw DataError(file: path, "has no header line") }
      let header = records.removeFirst()
      columns = try Self.csvFields(file.bytes, header.range, path, header.line)
      spans = records
    } else {
      throw DataError(file: path, "expected a name that ends in .jsonl or .csv")
    }
  }

  public var count: Int { spans.count }

  /// The line that record `index` starts on, from 1; 0 when there is no such record.
  public func line(_ index: Int) -> Int { spans.indices.contains(index) ? spans[index].line : 0 }

  /// The fields of record `index`; a list is one of strings.
  public func fields(_ index: Int) throws -> [String: [String]] {
    guard spans.indices.contains(index) else {
      throw DataError(file: path, "no record \(index) among \(spans.count)")
    }
    let (range, line) = spans[index]
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
    _ bytes: UnsafeRawBufferPointer, from first: Int
  ) -> [(Range<Int>, Int)] {
    var result: [(Range<Int>, Int)] = []
    var start = first
    var line = 1
    while start < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[start...])
      let length = rest.firstIndex(of: 10) ?? rest.count
      if rest[..<length].contains(where: { $0 != 32 && $0 != 13 && $0 != 9 }) {
        result.append((start..<start + length, line))
      }
      start += length + 1
      line += 1
    }
    return result
  }

  private static func csvRecords(
    _ bytes: UnsafeRawBufferPointer, from first: Int
  ) -> [(range: Range<Int>, line: Int)] {
    var result: [(range: Range<Int>, line: Int)] = []
    var start = first
    var line = 1
    var startLine = 1
    var isQuoted = false
    for (place, byte) in bytes.enumerated() {
      if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
      guard byte == 10 else { continue }
      line += 1
      guard !isQuoted else { continue }
      if place > start + (bytes[start] == 13 ? 1 : 0) { result.append((start..<place, startLine)) }
      start = place + 1
      startLine = line
    }
    if start < bytes.count { result.append((start..<bytes.count, startLine)) }
    return result
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
