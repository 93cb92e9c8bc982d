// Oscar's and VinVL's TSV (microsoft/Oscar, oscar/utils/tsv_file.py): `key \t {"num_boxes": N,
// "features": base64 float32 N × (D + 6)}`; the last six columns are x1, y1, x2, y2, w, h as fractions
// of the picture. Beside it `.lineidx`, the byte offset of each line, and `label.tsv`: `key \t
// [{"class", "rect", "conf"}]`, or an object of image_h, image_w and objects. Rects are in pixels.

import Foundation
import TandemFiles

/// The names of the three files.
private struct OscarFiles {
  let features: String
  var lineIndex: String { stem + ".lineidx" }
  /// Where labels are looked for; the first is where they are written.
  let labels: [String]
  private let stem: String

  init(_ path: String) {
    let features = kind(of: path) == .folder ? path + "/features.tsv" : path
    self.features = features
    stem = features.hasSuffix(".tsv") ? String(features.dropLast(4)) : features
    let parent = folder(of: features) + "/"
    let name = baseName(of: features)
    var labels: [String] = []
    if name == "features.tsv" { labels.append(parent + "label.tsv") }
    for word in ["features", "feature"] {
      if let range = name.range(of: word) {
        labels.append(parent + name.replacingCharacters(in: range, with: "label"))
      }
    }
    self.labels = labels + [stem + ".label.tsv", parent + "label.tsv", parent + "predictions.tsv"]
  }
}

final class OscarReader: RegionReader {
  let path: String
  private(set) var fields: Set<RegionField> = []
  private var lines: MappedLines
  private let labels: OscarLabels?
  private let count: Int?

  init(path: String, classNames: [String]?) throws {
    self.path = path
    let files = OscarFiles(path)
    lines = try MappedLines(path: files.features)
    labels = try files.labels.first { kind(of: $0) == .file }.map {
      try OscarLabels(path: $0, classNames: classNames)
    }
    count = kind(of: files.lineIndex) == .file ? try Self.countLines(files.lineIndex) : nil
    let start = lines
    fields = (try? next { _ in true })?.fields ?? format.fields
    lines = start
    labels?.forgetGathered()
  }

  private static func countLines(_ path: String) throws -> Int {
    var lines = try MappedLines(path: path)
    var count = 0
    while lines.next() != nil { count += 1 }
    return count
  }

  var format: RegionFormat { .oscar }
  var expectedCount: Int? { count }
  var classNames: [String]? { labels?.classNames }

  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord? {
    while let range = lines.next() {
      let context = RecordContext(path: lines.file.path, place: .line(lines.number))
      let record = try lines.file.withBytes { bytes -> RegionRecord? in
        let parts = MappedLines.split(UnsafeRawBufferPointer(rebasing: bytes[range]), by: 9)
        guard parts.count == 2 else {
          throw context.bad(
            "expected a key and JSON with a tab between, found \(parts.count) fields: "
              + "was the line cut short?")
        }
        let id = parts[0].text
        guard try wanted(id) else {
          // Ids are given in the order in which names turn up, whichever records are wanted.
          _ = try labels?.label(of: id)
          return nil
        }
        return try self.record(id, parts[1], context)
      }
      if let record { return record }
    }
    return nil
  }

  private func record(
    _ id: String, _ json: UnsafeRawBufferPointer, _ context: RecordContext
  ) throws -> RegionRecord {
    var n: Int?
    var text: JSONCursor.Text?
    do {
      var cursor = JSONCursor(json)
      try cursor.object { key, cursor in
        switch key.string {
        case "num_boxes": n = try cursor.integer()
        case "features": text = try cursor.text()
        default: try cursor.skip()
        }
      }
    } catch let fault as JSONCursor.Fault {
      throw context.bad("\(fault.reason), at byte \(fault.offset) of the JSON")
    }
    guard let n, let text else {
      throw context.bad("expected 'num_boxes' and 'features' in the JSON")
    }
    let count = try context.check(n, "num_boxes", in: RecordContext.regionCounts)
    let both = try text.withBytes { try context.floats($0, "features", rows: count) }
    let columns = context.columns(both, rows: count, otherwise: usualFeatureWidth + 6)
    guard columns > 6 else {
      throw context.bad("expected features of more than 6 columns, found \(columns)")
    }
    var record = RegionRecord(
      id: id, width: 1, height: 1, boxes: [], features: [], featureWidth: columns - 6)
    record.features.reserveCapacity(count * (columns - 6))
    for row in 0..<count {
      let geometry = Array(both[(row * columns + columns - 6)..<((row + 1) * columns)])
      try check(geometry, row, context)
      record.boxes += geometry[0..<4]
      record.features += both[(row * columns)..<(row * columns + columns - 6)]
    }
    guard let label = try labels?.label(of: id) else {
      guard labels == nil else {
        throw context.bad("no line for '\(id)' in \(labels?.path ?? "the labels")")
      }
      return record
    }
    return try joining(record, label, context)
  }

  private func check(_ g: [Float], _ row: Int, _ context: RecordContext) throws {
    let isGeometry =
      abs(g[2] - g[0] - g[4]) < 0.02 && abs(g[3] - g[1] - g[5]) < 0.02
      && g.allSatisfy { $0 > -0.1 && $0 < 1.1 }
    guard isGeometry else {
      throw context.bad(
        "expected x1, y1, x2, y2, w, h as fractions in the last 6 columns, found \(g) for region "
          + "\(row)")
    }
  }

  /// Adds what the labels say. The picture's size is stated there, or follows from a box's pixels and
  /// fractions.
  private func joining(
    _ record: RegionRecord, _ label: OscarLabels.Label, _ context: RecordContext
  ) throws -> RegionRecord {
    guard label.confidences.count == record.count else {
      throw context.bad(
        "expected \(record.count) objects in \(labels?.path ?? ""), found \(label.confidences.count)"
      )
    }
    var joined = record
    joined.objectIDs = label.ids
    joined.objectConfidences = label.confidences
    if let width = label.width, let height = label.height {
      return joined.givenSize(width: width, height: height).with(boxes: label.boxes)
    }
    func side(_ column: Int) -> Int? {
      let best = stride(from: column, to: record.boxes.count, by: 4)
        .max { record.boxes[$0] < record.boxes[$1] }
      guard let best, record.boxes[best] > 0.001 else { return nil }
      let size = (label.boxes[best] / record.boxes[best]).rounded()
      return RecordContext.pictureSides.contains(Int(exactly: size) ?? 0) ? Int(size) : nil
    }
    guard let width = side(2), let height = side(3), width > 1 || height > 1 else { return joined }
    (joined.width, joined.height) = (width, height)
    return joined.with(boxes: label.boxes)
  }
}

extension RegionRecord {
  fileprivate func with(boxes: [Float]) -> RegionRecord {
    var record = self
    record.boxes = boxes
    return record
  }
}

/// `label.tsv`, looked up by key.
private final class OscarLabels {
  struct Label {
    var ids: [Int32] = []
    var boxes: [Float] = []
    var confidences: [Float] = []
    var width: Int?
    var height: Int?
  }

  let path: String
  private(set) var classNames: [String]
  private let isGiven: Bool
  private var numbers: [String: Int32]
  private let file: MappedFile
  private let places: IDTable

  init(path: String, classNames: [String]?) throws {
    self.path = path
    self.classNames = classNames ?? []
    isGiven = classNames != nil
    numbers = Dictionary(
      (classNames ?? []).enumerated().map { ($1, Int32($0)) },
      uniquingKeysWith: { first, _ in first })
    places = try IDTable()
    var lines = try MappedLines(path: path)
    while let range = lines.next() {
      let hash = lines.file.withBytes { bytes in
        Checksum.of(MappedLines.split(UnsafeRawBufferPointer(rebasing: bytes[range]), by: 9)[0])
      }
      try places.insert(hash, range.lowerBound)
    }
    file = lines.file
  }

  /// Forgets the class names that a look ahead gathered.
  func forgetGathered() {
    guard !isGiven else { return }
    classNames = []
    numbers = [:]
  }

  /// The objects of a picture; nil where the file has no line for it. Throws `RegionError`.
  func label(of id: String) throws -> Label? {
    var found: Label?
    let name = Array(id.utf8)
    _ = try places.contains(Checksum.of(id)) { start in
      try file.withBytes { bytes in
        let end = MappedLines.lineEnd(bytes, from: start)
        let parts = MappedLines.split(UnsafeRawBufferPointer(rebasing: bytes[start..<end]), by: 9)
        guard parts.count >= 2, parts[0].elementsEqual(name) else { return false }
        let context = RecordContext(path: path, place: .key(id))
        do {
          found = try label(parts[1], context)
        } catch let fault as JSONCursor.Fault {
          throw context.bad("\(fault.reason), at byte \(fault.offset) of the JSON")
        }
        return true
      }
    }
    return found
  }

  private func label(_ json: UnsafeRawBufferPointer, _ context: RecordContext) throws -> Label {
    var label = Label()
    var cursor = JSONCursor(json)
    guard cursor.peek() == UInt8(ascii: "{") else {
      try objects(&cursor, &label, context)
      return label
    }
    try cursor.object { key, cursor in
      switch key.string {
      case "image_w":
        label.width = try context.check(cursor.integer(), "image_w", in: RecordContext.pictureSides)
      case "image_h":
        label.height = try context.check(
          cursor.integer(), "image_h", in: RecordContext.pictureSides)
      case "objects": try objects(&cursor, &label, context)
      default: try cursor.skip()
      }
    }
    return label
  }

  private func objects(
    _ cursor: inout JSONCursor, _ label: inout Label, _ context: RecordContext
  ) throws {
    try cursor.array { cursor in
      var name: String?
      var rect: [Float] = []
      var confidence: Float?
      try cursor.object { key, cursor in
        switch key.string {
        case "class": name = try cursor.text().string
        case "rect": try cursor.array { rect.append(Float(try $0.number())) }
        case "conf": confidence = Float(try cursor.number())
        default: try cursor.skip()
        }
      }
      guard let name, rect.count == 4, let confidence else {
        throw context.bad("expected objects of 'class', 'rect' (4 numbers) and 'conf'")
      }
      label.ids.append(try number(name, context))
      label.boxes += rect
      label.confidences.append(confidence)
    }
  }

  private func number(_ name: String, _ context: RecordContext) throws -> Int32 {
    if let number = numbers[name] { return number }
    guard !isGiven else {
      throw context.bad(
        "expected one of the \(classNames.count) class names given, found '\(name)'")
    }
    let number = Int32(classNames.count)
    classNames.append(name)
    numbers[name] = number
    return number
  }
}

/// Writes features, line index and labels. Objects without a name get their number as name.
final class OscarWriter: RegionWriter {
  let path: String
  private let features: PartialFile
  private let lineIndex: PartialFile
  private let labels: PartialFile
  private var classNames: [String]
  private var line = LineBuffer()

  init(path: String, classNames: [String]?) throws {
    self.path = path
    self.classNames = classNames ?? []
    let files = OscarFiles(path)
    features = try PartialFile(path: files.features)
    lineIndex = try PartialFile(path: files.lineIndex)
    labels = try PartialFile(path: files.labels[0])
  }

  var format: RegionFormat { .oscar }

  func setClassNames(_ names: [String]) { if classNames.isEmpty { classNames = names } }

  func write(_ record: RegionRecord) throws {
    try format.check(record, path: path)
    guard record.id.fits(between: 9) else {
      throw RegionError(
        .badRecord, path: path, place: .key(record.id),
        "an identifier with a tab or a line end cannot stand in a TSV")
    }
    try lineIndex.write(utf8: "\(features.position)\n")
    line.clear()
    line.add("\(record.id)\t{\"num_boxes\": \(record.count), \"features\": \"")
    line.add(base64: withGeometry(record))
    line.add("\"}\n")
    try features.write(line.bytes)
    line.clear()
    line.add("\(record.id)\t[")
    addObjects(record)
    line.add("]\n")
    try labels.write(line.bytes)
  }

  private func withGeometry(_ record: RegionRecord) -> [Float] {
    let geometry = record.geometry
    var both: [Float] = []
    both.reserveCapacity(record.features.count + geometry.count)
    for row in 0..<record.count {
      both += record.features[(row * record.featureWidth)..<((row + 1) * record.featureWidth)]
      both += geometry[(row * 6)..<(row * 6 + 6)]
    }
    return both
  }

  private func addObjects(_ record: RegionRecord) {
    guard let ids = record.objectIDs, let confidences = record.objectConfidences else { return }
    for row in 0..<record.count {
      let id = Int(ids[row])
      line.add(row == 0 ? "{\"class\": " : ", {\"class\": ")
      line.add(json: classNames.indices.contains(id) ? classNames[id] : "\(id)")
      // Doubles: their digits are those that Python writes for a float32.
      let rect = (0..<4).map { "\(Double(record.boxes[row * 4 + $0]))" }
      line.add(", \"rect\": [\(rect.joined(separator: ", "))], ")
      line.add("\"conf\": \(Double(confidences[row]))}")
    }
  }

  func finish() throws {
    try labels.commit()
    try lineIndex.commit()
    try features.commit()
  }
}
