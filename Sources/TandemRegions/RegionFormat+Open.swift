// Opening a region file by its content.

import Glibc
import TandemFiles
import TandemPickle

extension RegionFormat {
  /// The format of what lies at `path`, by its content.
  ///
  /// - Throws: `RegionError` (`wrongFormat`) that says what it looks like instead; `FileError`.
  public static func detect(_ path: String) throws -> RegionFormat {
    let found: (format: RegionFormat?, seen: String)
    switch kind(of: path) {
    case .missing: throw FileError.system("open", path)
    case .other: found = (nil, "neither a file nor a folder")
    case .folder: found = try detectFolder(path)
    case .file: found = try detectFile(path)
    }
    if let format = found.format { return format }
    let known = allCases.map(\.label).joined(separator: ", ")
    throw RegionError(
      .wrongFormat, path: path, "expected one of: \(known); found \(found.seen)")
  }

  /// The format, or nil where none is recognised or the file cannot be read.
  static func guess(_ path: String) -> RegionFormat? { try? detect(path) }

  /// Opens what lies at `path`.
  ///
  /// - Parameters:
  ///   - path: a file or folder in any of the formats.
  ///   - format: what it is expected to be; nil to go by its content.
  /// - Throws: `RegionError`, of kind `wrongFormat` where the content is of another format than
  ///   `format`; `FileError`.
  public static func open(
    _ path: String, as format: RegionFormat? = nil,
    options: RegionReadingOptions = RegionReadingOptions()
  ) throws -> any RegionReader {
    guard let format else { return try detect(path).reader(path, options) }
    if let found = guess(path), found != format {
      throw RegionError(
        .wrongFormat, path: path, "this is \(found.label), not \(format.label); name it so")
    }
    return try format.reader(path, options)
  }

  private func reader(
    _ path: String, _ options: RegionReadingOptions
  ) throws -> any RegionReader {
    switch self {
    case .store: try StoreReader(path: path)
    case .lxmert: try LineRegionReader(path: path, layout: LXMERTLayout())
    case .butd: try LineRegionReader(path: path, layout: BUTDLayout())
    case .vlbert: try VLBERTReader(path: path)
    case .uniter: try UNITERReader(path: path, selection: options.selection)
    case .volta: try VOLTAReader(path: path)
    case .oscar: try OscarReader(path: path, classNames: options.classNames)
    case .unimoRetrieval:
      try LineRegionReader(
        path: path,
        layout: UNIMORetrievalLayout(path: path, order: options.unimoSizeOrder))
    case .unimoCaptioning: try LineRegionReader(path: path, layout: UNIMOCaptioningLayout())
    }
  }

  /// A writer of this format for `path`.
  ///
  /// - Parameter first: the first record that will be written: a store's header is made after it
  ///   where the options have none.
  /// - Throws: `RegionError`, also where `path` exists and is not to be replaced; `FileError`.
  public func writer(
    _ path: String, fitting first: RegionRecord,
    options: RegionWritingOptions = RegionWritingOptions()
  ) throws -> any RegionWriter {
    if self != .store, !options.replaces, TandemRegions.kind(of: path) != .missing {
      throw RegionError(
        .badFile, path: path, "exists already; name another file, or allow it to be replaced")
    }
    switch self {
    case .store:
      let fitting = FeatureStoreHeader(
        fitting: first, featureType: options.featureType, detector: options.detector)
      return try FeatureStoreWriter(path: path, header: options.header ?? fitting)
    case .lxmert: return try LineRegionWriter(path: path, layout: LXMERTLayout())
    case .butd: return try LineRegionWriter(path: path, layout: BUTDLayout())
    case .vlbert: return try VLBERTWriter(path: path)
    case .uniter: return try UNITERWriter(path: path)
    case .volta: return try VOLTAWriter(path: path)
    case .oscar: return try OscarWriter(path: path, classNames: options.classNames)
    case .unimoRetrieval:
      return try LineRegionWriter(path: path, layout: UNIMORetrievalLayout(order: .widthHeight))
    case .unimoCaptioning:
      return try LineRegionWriter(path: path, layout: UNIMOCaptioningLayout())
    }
  }

  // MARK: Looking at the content

  private typealias Finding = (format: RegionFormat?, seen: String)

  private static func detectFolder(_ path: String) throws -> Finding {
    if (try? FeatureStoreHeader.read(from: path)) != nil { return (.store, "") }
    if TandemRegions.kind(of: path + "/data.mdb") == .file { return try detectDatabase(path) }
    if TandemRegions.kind(of: path + "/features.tsv") == .file {
      return try detectFile(path + "/features.tsv")
    }
    guard let name = try FolderNames(path).first(where: { $0.hasSuffix(".json") }) else {
      return (nil, "a folder without header.json, data.mdb, features.tsv or other .json files")
    }
    let isRegions = try MappedFile(path: path + "/" + name).withBytes(VLBERTReader.isRecord)
    return isRegions
      ? (.vlbert, "") : (nil, "a folder of JSON files without boxes and features (\(name))")
  }

  private static func detectFile(_ path: String) throws -> Finding {
    let file = try MappedFile(path: path)
    func starts(with bytes: [UInt8]) -> Bool { file.withBytes { $0.starts(with: bytes) } }
    if starts(with: [0x1F, 0x8B]) { return (nil, "a gzip file; unpack it first") }
    if starts(with: Array("PK".utf8)) { return try detectArchive(path) }
    let isDatabase = file.withBytes {
      $0.count >= 20 && $0.loadUnaligned(fromByteOffset: 16, as: UInt32.self) == 0xBEEF_C0DE
    }
    if isDatabase { return try detectDatabase(path) }
    return file.withBytes(detectLine)
  }

  private static func detectLine(_ bytes: UnsafeRawBufferPointer) -> Finding {
    var line = UnsafeRawBufferPointer(
      rebasing: bytes[..<MappedLines.lineEnd(bytes, from: 0)])
    if line.last == 13 { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
    let fields = MappedLines.split(line, by: 9)
    switch fields.count {
    case 10: return (.lxmert, "")
    case 7: return (.unimoRetrieval, "")
    case 6: return (.butd, "")
    case 2 where fields[1].first == UInt8(ascii: "{"): return (.oscar, "")
    case 1:
      let parts = MappedLines.split(line, by: UInt8(ascii: ";")).count
      if parts == 16 { return (.unimoCaptioning, "") }
      return (nil, "a first line of \(parts) fields between semicolons and no tabs")
    default: return (nil, "a first line of \(fields.count) tab-separated fields")
    }
  }

  private static func detectArchive(_ path: String) throws -> Finding {
    let archive = try ZipFile(path: path)
    guard let entry = archive.entries.first(where: { $0.name.hasSuffix(".json") }) else {
      return (nil, "a zip archive without .json entries")
    }
    let isRegions = try archive.bytes(of: entry).withBytes(VLBERTReader.isRecord)
    return isRegions ? (.vlbert, "") : (nil, "a zip archive of JSON without boxes and features")
  }

  private static func detectDatabase(_ path: String) throws -> Finding {
    let database = try LMDBFile(path: path)
    if try database.value(of: "__keys__", { _ in true }) != nil { return (.uniter, "") }
    if try database.value(of: "keys", { _ in true }) != nil { return (.volta, "") }
    let first = try database.next { key, value in (key.text, value.first, value.count) }
    guard let first else { return (nil, "an empty LMDB") }
    // A pickle starts with 0x80 and its protocol; msgpack and zip values do not.
    if first.0.hasSuffix(".npz") { return (.uniter, "") }
    if first.1 == 0x80 { return (.volta, "") }
    return (nil, "an LMDB whose first key is '\(first.0)', of neither UNITER's nor VOLTA's layout")
  }
}

/// The names in a folder, in the order of their bytes.
struct FolderNames: Sequence {
  private let names: [String]

  /// Throws `FileError`.
  init(_ path: String) throws(FileError) {
    guard let folder = opendir(path) else { throw .system("list", path) }
    defer { closedir(folder) }
    var names: [String] = []
    while let entry = readdir(folder) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    self.names = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  var count: Int { names.count }

  func makeIterator() -> IndexingIterator<[String]> { names.makeIterator() }
}
