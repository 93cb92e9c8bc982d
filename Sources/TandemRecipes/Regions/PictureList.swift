internal import Foundation
public import TandemCore
internal import TandemData
public import TandemImage
internal import TandemPickle

/// Pictures to be read one by one: of a folder, a zip, a data set, or a single file.
public struct PictureList: Sendable {
  /// The names that features are stored under: a picture's path without its ending, from the folder
  /// or the archive's root on.
  public let ids: [String]
  /// What messages call it.
  public let title: String
  private let read: @Sendable (Int) throws -> Image

  public var count: Int { ids.count }

  static let endings: Set<String> = ["jpg", "jpeg", "png", "webp"]

  /// Decodes a picture. Throws `ImageError` or `FileError` that name it.
  public func image(at index: Int) throws -> Image { try read(index) }

  /// A folder with everything below it, a zip, or one picture.
  ///
  /// - Throws: `DataError` where there is no picture, or where two have one name.
  public init(path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DataError("\(path): no such file or folder")
    }
    if isFolder.boolValue {
      try self.init(folder: path)
    } else if path.lowercased().hasSuffix(".zip") {
      try self.init(archive: path)
    } else {
      let name = URL(filePath: path).lastPathComponent
      try self.init(title: path, names: [name]) { _ in try Image(contentsOfFile: path) }
    }
  }

  private init(folder: String) throws {
    let files = FileManager.default.enumerator(atPath: folder)
    var names: [String] = []
    while let name = files?.nextObject() as? String {
      if Self.isPicture(name) { names.append(name) }
    }
    names.sort()
    let all = names
    try self.init(title: folder, names: names) {
      try Image(contentsOfFile: "\(folder)/\(all[$0])")
    }
  }

  private init(archive: String) throws {
    let file = try ZipFile(path: archive)
    let entries = file.entries.filter { Self.isPicture($0.name) }
    try self.init(title: archive, names: entries.map(\.name)) { index in
      let entry = entries[index]
      let bytes = try file.bytes(of: entry, limit: 1 << 30)
      return try bytes.withBytes { try Image(bytes: [UInt8]($0), name: "\(archive):\(entry.name)") }
    }
  }

  /// The pictures of a split of a data set, each once.
  public init(dataset: String, root: String, split: Split) throws {
    let records = try DatasetCatalog.open(dataset, root: root, split: split)
    var seen: Set<String> = []
    var paths: [String] = []
    for index in 0..<records.count {
      for path in try records.record(at: index).pictures where seen.insert(path).inserted {
        paths.append(path)
      }
    }
    let all = paths
    try self.init(title: "\(dataset) (\(split.rawValue))", names: Self.belowCommonFolder(paths)) {
      try Image(contentsOfFile: all[$0])
    }
  }

  private init(
    title: String, names: [String], read: @escaping @Sendable (Int) throws -> Image
  ) throws {
    guard !names.isEmpty else {
      throw DataError("\(title): has no picture (\(Self.endings.sorted().joined(separator: ", ")))")
    }
    var first: [String: String] = [:]
    for name in names {
      if let other = first.updateValue(name, forKey: Self.id(name)) {
        throw DataError(
          "\(title): '\(other)' and '\(name)' would both be stored as '\(Self.id(name))'; "
            + "rename one")
      }
    }
    self.title = title
    self.read = read
    ids = names.map(Self.id)
  }

  private static func isPicture(_ name: String) -> Bool {
    endings.contains((name as NSString).pathExtension.lowercased())
      && !name.split(separator: "/").contains { $0.hasPrefix(".") || $0 == "__MACOSX" }
  }

  static func id(_ name: String) -> String {
    let stem = (name as NSString).deletingPathExtension
    return endings.contains((name as NSString).pathExtension.lowercased()) ? stem : name
  }

  private static func belowCommonFolder(_ paths: [String]) -> [String] {
    guard var common = paths.first?.split(separator: "/").dropLast() else { return paths }
    for path in paths {
      let folders = path.split(separator: "/").dropLast()
      common = common.prefix(zip(common, folders).prefix { $0 == $1 }.count)
    }
    return paths.map { path in
      path.split(separator: "/").dropFirst(common.count).joined(separator: "/")
    }
  }
}
