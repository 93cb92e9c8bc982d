// What the line formats have in common: one picture a line, fields between separators.

import TandemFiles

/// The fields of one line format.
protocol LineLayout {
  var format: RegionFormat { get }
  var separator: UInt8 { get }
  var fieldCount: Int { get }

  func record(_ fields: [UnsafeRawBufferPointer], _ context: RecordContext) throws -> RegionRecord

  /// Adds the line of `record`, which has every needed field, without its end.
  func add(_ record: RegionRecord, to line: inout LineBuffer)
}

/// Reads a line format: the identifier is the first field.
final class LineRegionReader<Layout: LineLayout>: RegionReader {
  let path: String
  let fields: Set<RegionField>
  private let layout: Layout
  private var lines: MappedLines

  init(path: String, layout: Layout) throws {
    self.path = path
    self.layout = layout
    fields = layout.format.fields
    lines = try MappedLines(path: path)
  }

  var format: RegionFormat { layout.format }

  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord? {
    while let range = lines.next() {
      let context = RecordContext(path: path, place: .line(lines.number))
      let record = try lines.file.withBytes { bytes -> RegionRecord? in
        let line = UnsafeRawBufferPointer(rebasing: bytes[range])
        let parts = MappedLines.split(line, by: layout.separator)
        guard parts.count == layout.fieldCount else {
          throw context.bad(
            "expected \(layout.fieldCount) fields of \(layout.format.label), found \(parts.count): "
              + "was the line cut short?")
        }
        guard try wanted(parts[0].text) else { return nil }
        return try layout.record(parts, context)
      }
      if let record { return record }
    }
    return nil
  }
}

/// Writes a line format.
final class LineRegionWriter<Layout: LineLayout>: RegionWriter {
  let path: String
  private let layout: Layout
  private let file: PartialFile
  private var line = LineBuffer()

  init(path: String, layout: Layout) throws {
    self.path = path
    self.layout = layout
    file = try PartialFile(path: path)
  }

  var format: RegionFormat { layout.format }

  func write(_ record: RegionRecord) throws {
    try layout.format.check(record, path: path)
    guard record.id.fits(between: layout.separator) else {
      throw RegionError(
        .badRecord, path: path, place: .key(record.id),
        "an identifier with a tab, a line end or a separator cannot stand in \(format.label)")
    }
    line.clear()
    layout.add(record, to: &line)
    line.add(10)
    try file.write(line.bytes)
  }

  func finish() throws { try file.commit() }
}

extension RegionFormat {
  /// Throws where `record` lacks what this format needs, or its arrays do not fit together.
  func check(_ record: RegionRecord, path: String) throws {
    let missing = neededFields.subtracting(record.fields)
    let fault =
      record.shapeFault
      ?? (missing.isEmpty ? nil : "\(label) needs \(missing.label), and this record has none")
    guard let fault else { return }
    throw RegionError(.badRecord, path: path, place: .key(record.id), fault)
  }
}

/// The width to assume for a picture without regions: that of the published detector.
let usualFeatureWidth = 2048
