// VOLTA's and ViLBERT's LMDB (e-bug/volta, features_extraction): key = the picture's name, value = a
// pickled dictionary of img_h, img_w (ViLBERT: image_h, image_w), boxes (pixels), features, and at
// times cls_prob, objects_id, objects_conf, attrs_id, attrs_conf, as base64 of float32 and int64 or
// as NumPy arrays; the pickled list of names under `keys`.

import TandemFiles
import TandemPickle

final class VOLTAReader: RegionReader {
  let path: String
  private(set) var fields: Set<RegionField> = []
  private let database: LMDBFile

  static let keysKey = "keys"

  init(path: String) throws {
    self.path = path
    database = try LMDBFile(path: path)
    fields = (try? next { _ in true })?.fields ?? format.fields
    try database.rewind()
  }

  var format: RegionFormat { .volta }

  var expectedCount: Int? {
    let hasKeys = (try? database.value(of: Self.keysKey) { _ in true }) != nil
    return database.count - (hasKeys ? 1 : 0)
  }

  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord? {
    while true {
      let found = try database.next { key, value -> RegionRecord? in
        let id = key.text
        guard id != Self.keysKey, try wanted(id) else { return nil }
        return try Self.record(id, value, RecordContext(path: path, place: .key(id)))
      }
      guard let found else { return nil }
      if let record = found { return record }
    }
  }

  private static func record(
    _ id: String, _ value: UnsafeRawBufferPointer, _ context: RecordContext
  ) throws -> RegionRecord {
    do {
      let item = Item(
        members: try PickleReader.read([UInt8](value), name: context.path).dictionary,
        context: context)
      guard let features = try item.matrix("features", rows: nil, columns: nil) else {
        throw context.bad("expected 'features' in the dictionary, found \(item.names)")
      }
      guard let boxes = try item.matrix("boxes", rows: features.rows, columns: 4) else {
        throw context.bad("expected 'boxes' in the dictionary, found \(item.names)")
      }
      let n = boxes.rows
      let classes = try item.matrix("cls_prob", rows: n, columns: nil)
      return RegionRecord(
        id: id, width: try item.side("img_w", or: "image_w"),
        height: try item.side("img_h", or: "image_h"), boxes: boxes.values,
        features: features.values,
        featureWidth: context.columns(features.values, rows: n, otherwise: usualFeatureWidth),
        objectIDs: try item.numbers("objects_id", rows: n),
        objectConfidences: try item.matrix("objects_conf", rows: n, columns: 1)?.values,
        attributeIDs: try item.numbers("attrs_id", rows: n),
        attributeConfidences: try item.matrix("attrs_conf", rows: n, columns: 1)?.values,
        classProbabilities: classes?.values,
        classCount: classes.map { context.columns($0.values, rows: n, otherwise: 1601) } ?? 0)
    } catch let error as PickleError {
      throw context.bad(error.reason)
    }
  }
}

/// One picture's dictionary.
private struct Item {
  let members: PickleDictionary
  let context: RecordContext

  var names: String { members.names.joined(separator: ", ") }

  func side(_ name: String, or other: String) throws -> Int {
    guard let value = members[name] ?? members[other] else {
      throw context.bad("expected '\(name)' in the dictionary, found \(names)")
    }
    return try context.check(value.integer, name, in: RecordContext.pictureSides)
  }

  /// The region count that the dictionary states, if it does.
  private func statedCount() throws -> Int? {
    guard let value = members["num_boxes"] else { return nil }
    return try context.check(value.integer, "num_boxes", in: RecordContext.regionCounts)
  }

  /// An array, or base64 of float32. Without `rows` their number is `num_boxes`, or follows from the
  /// boxes.
  func matrix(
    _ name: String, rows: Int?, columns: Int?
  ) throws -> (values: [Float], rows: Int)? {
    guard let value = members[name], !value.isNull else { return nil }
    if case .ndarray(let array) = value {
      let found = array.shape.first ?? 0
      guard rows.map({ $0 == found }) ?? true,
        columns.map({ array.count == found * $0 }) ?? (array.shape.count == 2)
      else {
        throw context.bad(
          "expected '\(name)' of \(rows.map { "\($0)" } ?? "N") × \(columns.map { "\($0)" } ?? "D"), "
            + "found shape \(array.shape)")
      }
      return (try array.floats(), found)
    }
    let rows = try rows ?? statedCount() ?? countOfBoxes()
    let values = try value.data.withBytes {
      try context.floats($0, "'\(name)'", rows: rows, columns: columns)
    }
    return (values, rows)
  }

  private func countOfBoxes() throws -> Int {
    guard let boxes = members["boxes"] else {
      throw context.bad("expected 'boxes' in the dictionary, found \(names)")
    }
    if case .ndarray(let array) = boxes { return array.shape.first ?? 0 }
    let stripped = try boxes.data.withBytes { Base64.withoutLineEnds($0) }
    let bytes = stripped.withUnsafeBytes { (try? Base64.decodedCount($0)) ?? 0 }
    guard bytes % 16 == 0 else {
      throw context.bad("expected a multiple of 16 bytes of boxes, found \(bytes) in base64")
    }
    return bytes / 16
  }

  func numbers(_ name: String, rows: Int) throws -> [Int32]? {
    guard let value = members[name], !value.isNull else { return nil }
    guard case .ndarray(let array) = value else {
      return try value.data.withBytes { try context.int64s($0, "'\(name)'", rows: rows) }
    }
    guard array.shape == [rows] else {
      throw context.bad("expected '\(name)' of \(rows) numbers, found shape \(array.shape)")
    }
    return try array.integers().map { number in
      guard let narrow = Int32(exactly: number) else {
        throw context.bad("expected '\(name)' below 2³¹, found \(number)")
      }
      return narrow
    }
  }
}

/// Writes pickles of protocol 3 with base64, which every version of the published readers takes.
final class VOLTAWriter: RegionWriter {
  let path: String
  private let database: LMDBWriter

  init(path: String) throws {
    self.path = path
    database = try LMDBWriter(path: path)
  }

  var format: RegionFormat { .volta }

  func write(_ record: RegionRecord) throws {
    try format.check(record, path: path)
    guard record.id != VOLTAReader.keysKey else {
      throw RegionError(
        .badRecord, path: path, place: .key(record.id), "this name is the layout's list of keys")
    }
    var members: [(key: PickleValue, value: PickleValue)] = [
      ("img_h", .int(record.height)), ("img_w", .int(record.width)),
      ("num_boxes", .int(record.count)), ("boxes", base64(record.boxes)),
      ("features", base64(record.features)),
    ]
    if let classes = record.classProbabilities { members.append(("cls_prob", base64(classes))) }
    if let ids = record.objectIDs { members.append(("objects_id", base64(ids))) }
    if let values = record.objectConfidences { members.append(("objects_conf", base64(values))) }
    if let ids = record.attributeIDs { members.append(("attrs_id", base64(ids))) }
    if let values = record.attributeConfidences { members.append(("attrs_conf", base64(values))) }
    members.append(("img_id", .str(record.id)))
    let value = try PickleWriter.write(.dict(PickleDictionary(members)), protocolVersion: 3)
    guard try database.put(record.id, value) else {
      throw RegionError(
        .duplicate, path: path, place: .key(record.id), "a record of this name was written already")
    }
  }

  private func base64(_ values: [Float]) -> PickleValue {
    var line = LineBuffer()
    line.add(base64: values)
    return .str(String(decoding: line.bytes, as: UTF8.self))
  }

  private func base64(_ values: [Int32]) -> PickleValue {
    var line = LineBuffer()
    line.add(base64: values)
    return .str(String(decoding: line.bytes, as: UTF8.self))
  }

  /// Writes the pickled list of keys, straight into the database: it may hold millions.
  func finish() throws {
    let (start, end): ([UInt8], [UInt8]) = ([0x80, 3, 0x5D, 0x28], [0x65, 0x2E])  // ] ( … e .
    var size = start.count + end.count
    try database.forEachKey { size += Self.pickled($0).count }
    _ = try database.put(VOLTAReader.keysKey, count: size) { target in
      var place = 0
      func add(_ bytes: [UInt8]) {
        UnsafeMutableRawBufferPointer(rebasing: target[place..<(place + bytes.count)])
          .copyBytes(from: bytes)
        place += bytes.count
      }
      add(start)
      try database.forEachKey { key in
        if !key.elementsEqual(VOLTAReader.keysKey.utf8) { add(Self.pickled(key)) }
      }
      add(end)
    }
    try database.finish()
  }

  /// A bytes object: SHORT_BINBYTES or BINBYTES.
  private static func pickled(_ key: UnsafeRawBufferPointer) -> [UInt8] {
    let count = key.count
    let head: [UInt8] =
      count < 256
      ? [0x43, UInt8(count)]
      : [0x42] + (0..<4).map { UInt8(truncatingIfNeeded: count >> ($0 * 8)) }
    return head + key
  }
}
