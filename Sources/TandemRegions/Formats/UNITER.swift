// UNITER's image LMDB (ChenRocks/UNITER, scripts/convert_imgdir.py, data/data.py): key `NAME.npz`,
// value a msgpack_numpy map or a compressed npz of `features`, `norm_bb` (N × 6: x1, y1, x2, y2, w, h
// as fractions), `conf`, `soft_labels`, all fp16; the list of keys as JSON under `__keys__`. The
// folder's name says how regions were chosen and whether values are npz (`_compressed`); beside it
// lies a JSON file of box counts.

import Glibc
import TandemFiles
import TandemPickle

/// What the name of a UNITER database says.
public struct UNITERDatabaseName: Sendable, Equatable {
  /// How the regions of each picture were chosen.
  public enum Choice: Sendable, Equatable {
    /// `feat_th0.2_max100_min10`: by confidence. The numbers as they are written.
    case confidence(threshold: String, maximum: Int, minimum: Int)
    /// `feat_numbb36`: the first so many.
    case first(Int)
    /// `all`: as the extraction made them.
    case all
  }

  public var choice: Choice
  /// Values are compressed npz, not msgpack.
  public var isCompressed: Bool

  public init(choice: Choice, isCompressed: Bool) {
    self.choice = choice
    self.isCompressed = isCompressed
  }

  /// The parts of a folder's name; nil for a name of another form.
  public init?(_ name: String) {
    isCompressed = name.hasSuffix("_compressed")
    let stem = isCompressed ? String(name.dropLast("_compressed".count)) : name
    let parts = stem.split(separator: "_", omittingEmptySubsequences: false)
    if stem == "all" {
      choice = .all
    } else if parts.count == 2, parts[0] == "feat", let n = Self.number(parts[1], "numbb") {
      choice = .first(n)
    } else if parts.count == 4, parts[0] == "feat", parts[1].hasPrefix("th"),
      Float(parts[1].dropFirst(2)) != nil, let maximum = Self.number(parts[2], "max"),
      let minimum = Self.number(parts[3], "min")
    {
      choice = .confidence(
        threshold: String(parts[1].dropFirst(2)), maximum: maximum, minimum: minimum)
    } else {
      return nil
    }
  }

  private static func number(_ text: Substring, _ prefix: String) -> Int? {
    guard text.hasPrefix(prefix), let value = Int(text.dropFirst(prefix.count)), value >= 0 else {
      return nil
    }
    return value
  }

  /// The folder's name.
  public var folder: String {
    let stem =
      switch choice {
      case .confidence(let threshold, let maximum, let minimum):
        "feat_th\(threshold)_max\(maximum)_min\(minimum)"
      case .first(let n): "feat_numbb\(n)"
      case .all: "all"
      }
    return stem + (isCompressed ? "_compressed" : "")
  }

  /// The file of box counts beside the folder; none where they are not chosen by confidence.
  public var countsFile: String? {
    guard case .confidence(let threshold, let maximum, let minimum) = choice else { return nil }
    return "nbb_th\(threshold)_max\(maximum)_min\(minimum).json"
  }

  /// How many of a record's first regions the database keeps.
  func keptCount(_ record: RegionRecord) -> Int {
    switch choice {
    case .all: return record.count
    case .first(let n): return min(n, record.count)
    case .confidence(let threshold, let maximum, let minimum):
      guard let confidences = record.objectConfidences, let threshold = Float(threshold) else {
        return min(record.count, maximum)
      }
      return ConfidenceSelection(threshold: threshold, minimum: minimum, maximum: maximum)
        .count(confidences)
    }
  }
}

final class UNITERReader: RegionReader {
  let path: String
  private(set) var fields: Set<RegionField> = []
  private let database: LMDBFile
  private let selection: ConfidenceSelection?

  static let keysKey = "__keys__"

  init(path: String, selection: ConfidenceSelection?) throws {
    self.path = path
    self.selection = selection
    database = try LMDBFile(path: path)
    fields = (try? next { _ in true })?.fields ?? format.fields
    try database.rewind()
  }

  var format: RegionFormat { .uniter }

  var expectedCount: Int? {
    let hasKeys = (try? database.value(of: Self.keysKey) { _ in true }) != nil
    return database.count - (hasKeys ? 1 : 0)
  }

  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord? {
    while true {
      let found = try database.next { key, value -> RegionRecord? in
        let name = key.text
        guard name != Self.keysKey else { return nil }
        let id = name.hasSuffix(".npz") ? String(name.dropLast(4)) : name
        guard try wanted(id) else { return nil }
        return try record(id, value, RecordContext(path: path, place: .key(name)))
      }
      guard let found else { return nil }
      if let record = found { return record }
    }
  }

  private func record(
    _ id: String, _ value: UnsafeRawBufferPointer, _ context: RecordContext
  ) throws -> RegionRecord {
    let arrays = try Self.arrays(value, context)
    guard let features = arrays["features"], let boxes = arrays["norm_bb"] else {
      throw context.bad(
        "expected arrays 'features' and 'norm_bb', found \(arrays.keys.sorted().joined(separator: ", "))"
      )
    }
    let n = features.shape.first ?? 0
    guard features.shape.count == 2, boxes.shape.count == 2, boxes.shape[0] == n,
      [4, 6, 7].contains(boxes.shape[1])
    else {
      throw context.bad(
        "expected features N × D and norm_bb N × 6, found \(features.shape) and \(boxes.shape)")
    }
    var record = RegionRecord(
      id: id, width: 1, height: 1, boxes: [], features: features.values,
      featureWidth: max(features.shape[1], 1))
    for row in 0..<n {
      let start = row * boxes.shape[1]
      record.boxes += boxes.values[start..<(start + 4)]
    }
    if let confidences = arrays["conf"] {
      guard confidences.shape == [n] else {
        throw context.bad("expected 'conf' of \(n) numbers, found shape \(confidences.shape)")
      }
      record.objectConfidences = confidences.values
    }
    if let classes = arrays["soft_labels"] {
      guard classes.shape.count == 2, classes.shape[0] == n, classes.shape[1] > 0 else {
        throw context.bad("expected 'soft_labels' of \(n) rows, found shape \(classes.shape)")
      }
      record.classProbabilities = classes.values
      record.classCount = classes.shape[1]
    }
    guard let selection, let confidences = record.objectConfidences else { return record }
    let kept = selection.count(confidences)
    return kept == n ? record : record.selecting(Array(0..<kept))
  }

  private typealias Numbers = (values: [Float], shape: [Int])

  private static let names: Set<String> = ["features", "norm_bb", "conf", "soft_labels"]

  private static func arrays(
    _ value: UnsafeRawBufferPointer, _ context: RecordContext
  ) throws -> [String: Numbers] {
    var arrays: [String: Numbers] = [:]
    if value.starts(with: "PK".utf8) {
      do {
        let archive = try NumPyArrayFile.readArchive(ByteSlice([UInt8](value)), name: context.path)
        // numpy.savez once stored its own option allow_pickle beside the arrays: left alone.
        for name in archive.names where names.contains(name) {
          let array = try archive.array(named: name)
          arrays[name] = (try array.floats(), array.shape)
        }
      } catch let error as PickleError {
        throw context.bad(error.reason)
      }
      return arrays
    }
    do {
      guard case .map(let members) = try MessagePack.read(value) else {
        throw context.bad("expected a msgpack map or an npz archive, found another value")
      }
      for (key, member) in members {
        guard let name = key.bytes?.text, names.contains(name) else { continue }
        guard let array = member.array else {
          throw context.bad("expected '\(name)' as msgpack_numpy packs arrays, found another value")
        }
        let (values, fault) = array.floats()
        if let fault { throw context.bad("'\(name)': \(fault)") }
        arrays[name] = (values, array.shape)
      }
    } catch let fault as MessagePack.Fault {
      throw context.bad("expected msgpack or npz: \(fault.reason), at byte \(fault.offset)")
    }
    return arrays
  }
}

/// Writes a database whose folder's name says how; regions beyond what the name promises are left
/// out, as the published script does.
final class UNITERWriter: RegionWriter {
  let path: String
  private let name: UNITERDatabaseName
  private let database: LMDBWriter
  private let counts: PartialFile?
  private var count = 0

  init(path: String) throws {
    self.path = path
    guard let name = UNITERDatabaseName(baseName(of: path)) else {
      throw RegionError(
        .badFile, path: path,
        "expected a folder name of UNITER's form, as feat_th0.2_max100_min10, feat_numbb36 or all, "
          + "with _compressed behind it for npz values; found '\(baseName(of: path))'")
    }
    self.name = name
    database = try LMDBWriter(path: path)
    counts = try name.countsFile.map { try PartialFile(path: folder(of: path) + "/" + $0) }
  }

  var format: RegionFormat { .uniter }

  func write(_ record: RegionRecord) throws {
    try format.check(record, path: path)
    let kept = name.keptCount(record)
    let record = kept == record.count ? record : record.selecting(Array(0..<kept))
    let key = record.id + ".npz"
    guard try database.put(key, value(record)) else {
      throw RegionError(
        .duplicate, path: path, place: .key(key), "a record of this name was written already")
    }
    var line = LineBuffer()
    line.add(count == 0 ? "{" : ", ")
    line.add(json: key)
    line.add(": \(record.count)")
    try counts?.write(line.bytes)
    count += 1
  }

  private func value(_ record: RegionRecord) throws -> [UInt8] {
    var arrays: [(name: String, values: [Float], shape: [Int])] = [
      ("features", record.features, [record.count, record.featureWidth]),
      ("norm_bb", record.geometry, [record.count, 6]),
    ]
    if let confidences = record.objectConfidences {
      arrays.append(("conf", confidences, [record.count]))
    }
    if let classes = record.classProbabilities {
      arrays.append(("soft_labels", classes, [record.count, record.classCount]))
    }
    if name.isCompressed {
      return try NumPyArrayFile.encodeArchive(
        arrays.map { ($0.name, try PickleArray(halves: try fitting($0, record), shape: $0.shape)) },
        isCompressed: true)
    }
    var writer = MessagePackWriter()
    writer.add(map: arrays.count)
    for array in arrays {
      writer.add(text: array.name)
      let halves = HalfPrecision.bytes(try fitting(array, record)).bytes
      halves.withUnsafeBytes { writer.add(array: $0, type: "<f2", shape: array.shape) }
    }
    return writer.bytes
  }

  /// The values, where fp16 holds them all.
  private func fitting(
    _ array: (name: String, values: [Float], shape: [Int]), _ record: RegionRecord
  ) throws -> [Float] {
    if let large = array.values.first(where: { abs($0) >= 65520 && $0.isFinite }) {
      throw RegionError(
        .badRecord, path: path, place: .key(record.id),
        "expected \(array.name) that fp16 holds (below 65520), found \(large)")
    }
    return array.values
  }

  func finish() throws {
    var size = 2
    var keys = 0
    try database.forEachKey { key in
      size += Self.quoted(key).count + (keys > 0 ? 2 : 0)
      keys += 1
    }
    _ = try database.put(UNITERReader.keysKey, count: size) { target in
      var place = 0
      func add(_ bytes: [UInt8]) {
        UnsafeMutableRawBufferPointer(rebasing: target[place..<(place + bytes.count)])
          .copyBytes(from: bytes)
        place += bytes.count
      }
      add(Array("[".utf8))
      try database.forEachKey { key in
        if key.elementsEqual(UNITERReader.keysKey.utf8) { return }
        if place > 1 { add(Array(", ".utf8)) }
        add(Self.quoted(key))
      }
      add(Array("]".utf8))
    }
    try database.finish()
    try counts?.write(utf8: count == 0 ? "{}" : "}")
    try counts?.commit()
  }

  private static func quoted(_ key: UnsafeRawBufferPointer) -> [UInt8] {
    var line = LineBuffer()
    line.add(json: key.text)
    return line.bytes
  }
}
