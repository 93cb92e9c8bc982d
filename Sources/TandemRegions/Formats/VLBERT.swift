// VL-BERT's JSON, one file a picture (jackroos/VL-BERT, pretrain/data/datasets): image_w, image_h,
// num_boxes, and in base64 float32 boxes (pixels), features, classes (probabilities). In a folder or
// a zip archive; the file's name is the picture's.

import Glibc
import TandemFiles
import TandemPickle

final class VLBERTReader: RegionReader {
  let path: String
  private(set) var fields: Set<RegionField> = []
  private let source: Source
  private var place = 0

  private enum Source {
    case folder([String])
    case archive(ZipFile, [ZipEntry])

    var names: Int {
      switch self {
      case .folder(let names): names.count
      case .archive(_, let entries): entries.count
      }
    }
  }

  init(path: String) throws {
    self.path = path
    if kind(of: path) == .folder {
      source = .folder(try FolderNames(path).filter { $0.hasSuffix(".json") })
    } else {
      let archive = try ZipFile(path: path)
      source = .archive(archive, archive.entries.filter { $0.name.hasSuffix(".json") })
    }
    guard source.names > 0 else {
      throw RegionError(.badFile, path: path, "expected .json files, found none")
    }
    fields = (try? next { _ in true })?.fields ?? format.fields
    place = 0
  }

  var format: RegionFormat { .vlbert }
  var expectedCount: Int? { source.names }

  func next(where wanted: (String) throws -> Bool) throws -> RegionRecord? {
    while place < source.names {
      place += 1
      switch source {
      case .folder(let names):
        let name = names[place - 1]
        guard try wanted(Self.id(name)) else { continue }
        return try read(name) {
          try ByteSlice(MappedFile(path: path + "/" + name))
        }
      case .archive(let archive, let entries):
        let entry = entries[place - 1]
        guard try wanted(Self.id(entry.name)) else { continue }
        return try read(entry.name) { try archive.bytes(of: entry) }
      }
    }
    return nil
  }

  /// The name without folders and ending.
  private static func id(_ name: String) -> String { String(baseName(of: name).dropLast(5)) }

  private func read(_ name: String, _ load: () throws -> ByteSlice) throws -> RegionRecord {
    let context = RecordContext(path: path, place: .key(name))
    do {
      return try load().withBytes { try Self.record($0, id: Self.id(name), context) }
    } catch let error as FileError {
      throw context.bad(error.reason)
    } catch let error as PickleError {
      throw context.bad(error.reason)
    }
  }

  private static func record(
    _ bytes: UnsafeRawBufferPointer, id: String, _ context: RecordContext
  ) throws -> RegionRecord {
    var numbers: [String: Int] = [:]
    var arrays: [String: JSONCursor.Text] = [:]
    do {
      var cursor = JSONCursor(bytes)
      try cursor.object { key, cursor in
        switch key.string {
        case "image_w", "image_h", "num_boxes": numbers[key.string] = try cursor.integer()
        case "boxes", "features", "classes": arrays[key.string] = try cursor.text()
        default: try cursor.skip()
        }
      }
    } catch let fault as JSONCursor.Fault {
      throw context.bad("\(fault.reason), at byte \(fault.offset)")
    }
    func number(_ key: String, _ range: ClosedRange<Int>) throws -> Int {
      guard let value = numbers[key] else { throw context.bad("expected a member '\(key)'") }
      return try context.check(value, key, in: range)
    }
    let n = try number("num_boxes", RecordContext.regionCounts)
    func floats(_ key: String, columns: Int? = nil) throws -> [Float]? {
      try arrays[key]?.withBytes { try context.floats($0, key, rows: n, columns: columns) }
    }
    guard let boxes = try floats("boxes", columns: 4), let features = try floats("features") else {
      throw context.bad("expected members 'boxes' and 'features'")
    }
    let classes = try floats("classes")
    return RegionRecord(
      id: id, width: try number("image_w", RecordContext.pictureSides),
      height: try number("image_h", RecordContext.pictureSides), boxes: boxes, features: features,
      featureWidth: context.columns(features, rows: n, otherwise: usualFeatureWidth),
      classProbabilities: classes,
      classCount: classes.map { context.columns($0, rows: n, otherwise: 1601) } ?? 0)
  }

  /// Whether the bytes are a JSON object with boxes and features.
  static func isRecord(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var cursor = JSONCursor(bytes)
    var found: Set<String> = []
    try? cursor.object { key, cursor in
      found.insert(key.string)
      try cursor.skip()
    }
    return found.isSuperset(of: ["boxes", "features"])
  }
}

/// Writes into a folder, or into an archive where the path ends in `.zip`.
final class VLBERTWriter: RegionWriter {
  let path: String
  private let staging: String
  private let archive: ZipWriter?
  private var file: FileDescriptor?
  private var isFinished = false
  private var text = LineBuffer()

  init(path: String) throws {
    self.path = path
    staging = PartialFile.name(beside: path)
    if path.hasSuffix(".zip") {
      let file = try FileDescriptor(opening: staging, flags: O_WRONLY | O_CREAT | O_EXCL)
      self.file = file
      archive = ZipWriter(to: AtomicFile.Writer(file))
    } else {
      archive = nil
      guard mkdir(staging, 0o755) == 0 else { throw FileError.system("create directory", staging) }
    }
  }

  deinit { discard() }

  var format: RegionFormat { .vlbert }

  func write(_ record: RegionRecord) throws {
    try format.check(record, path: path)
    guard !record.id.utf8.contains(UInt8(ascii: "/")), record.id.utf8.count <= 240 else {
      throw RegionError(
        .badRecord, path: path, place: .key(record.id),
        "expected an identifier that can name a file: no '/', at most 240 bytes")
    }
    text.clear()
    text.add("{\"image_w\": \(record.width), \"image_h\": \(record.height), ")
    text.add("\"num_boxes\": \(record.count), \"boxes\": \"")
    text.add(base64: record.boxes)
    text.add("\", \"features\": \"")
    text.add(base64: record.features)
    text.add("\", \"classes\": \"")
    text.add(base64: record.classProbabilities ?? [])
    text.add("\"}")
    if let archive {
      // Base64 of random-looking numbers: deflate gains the quarter that base64 costs.
      try archive.add(record.id + ".json", text.bytes, method: .deflated)
    } else {
      let file = try FileDescriptor(
        opening: "\(staging)/\(record.id).json", flags: O_WRONLY | O_CREAT | O_EXCL)
      try text.bytes.withUnsafeBytes { try file.write($0) }
      try file.close()
    }
  }

  func finish() throws {
    guard !isFinished else { return }
    if let archive, let file {
      try archive.finish()
      try file.synchronize()
      try file.close()
    } else {
      // After the last one: by then most are on disk, and the journal is written once for many.
      for name in try FolderNames(staging) {
        try FileDescriptor(opening: "\(staging)/\(name)", flags: O_RDONLY).synchronize()
      }
      try synchronizeDirectory(staging)
    }
    try giveName(path, to: staging)
    isFinished = true
  }

  private func discard() {
    guard !isFinished else { return }
    if archive == nil, let names = try? FolderNames(staging) {
      for name in names { unlink("\(staging)/\(name)") }
      rmdir(staging)
    } else {
      unlink(staging)
    }
  }
}
