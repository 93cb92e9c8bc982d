// The card beside every data set: where it comes from, what it holds, and how to check it.

import Foundation
public import TandemFiles

/// What a data set is and holds; stored as `card.json` in its directory.
public struct DatasetCard: Codable, Equatable, Sendable {
  /// A file whose bytes the card vouches for.
  public struct IndexFile: Codable, Equatable, Sendable {
    /// Relative to the data set's directory.
    public let path: String
    public let bytes: Int
    public let sha256: SHA256Digest
    /// Lines of a `.jsonl` file; absent for others.
    public let records: Int?
  }

  /// A directory of many files: their number and total size.
  public struct Folder: Codable, Equatable, Sendable {
    public let path: String
    public let files: Int
    public let bytes: Int
  }

  public static let fileName = "card.json"

  public var name: String
  public var summary: String
  /// Where the content comes from, in words.
  public var source: String
  public var licence: String
  /// The packages it was made from, with versions and checksums.
  public var packages: [DownloadedPackage]
  /// What each split holds: `["train": ["images": 4000, "questions": 38575]]`.
  public var counts: [String: [String: Int]]
  /// For data sets of several sources, each split's records by source; empty otherwise.
  public var sources: [String: [String: Int]] = [:]
  public var files: [IndexFile] = []
  public var folders: [Folder] = []
  /// What a user must know: what was left out, and why.
  public var notes: [String] = []

  /// A card without files and folders yet: add them with `addFile` and `addFolder`.
  public init(
    name: String, summary: String, source: String, licence: String,
    packages: [DownloadedPackage], counts: [String: [String: Int]],
    sources: [String: [String: Int]] = [:]
  ) {
    self.name = name
    self.summary = summary
    self.source = source
    self.licence = licence
    self.packages = packages
    self.counts = counts
    self.sources = sources
  }

  /// Reads the card in a data set's directory. Throws `FetchError`.
  public static func read(from directory: String) throws -> DatasetCard {
    let path = directory + "/" + fileName
    guard let data = FileManager.default.contents(atPath: path) else {
      throw FetchError("\(path) is missing or unreadable: fetch the data set first")
    }
    do {
      return try JSONDecoder().decode(DatasetCard.self, from: data)
    } catch {
      throw FetchError("\(path) is not a data set's card: \(error); fetch the data set again")
    }
  }

  /// Writes the card into a data set's directory. Throws `FileError`.
  public func write(to directory: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    try AtomicFile.write(
      Array(try encoder.encode(self)) + [10], to: directory + "/" + DatasetCard.fileName)
  }

  /// Adds an index file, measured where it lies. Throws `FileError`.
  public mutating func addFile(_ path: String, in directory: String) throws {
    files.append(try DatasetCard.measureFile(path, in: directory))
  }

  /// Adds a folder, measured where it lies. Throws `FetchError`.
  public mutating func addFolder(_ path: String, in directory: String) throws {
    folders.append(try DatasetCard.measureFolder(path, in: directory))
  }

  /// Checks the data set in `directory` against this card: size, checksum and number of records of
  /// each index file, number and total size of each folder's files.
  ///
  /// Throws `FetchError` naming the first difference.
  public func verify(at directory: String) throws {
    for expected in files {
      let found = try DatasetCard.measureFile(expected.path, in: directory)
      guard found == expected else {
        throw difference(
          directory + "/" + expected.path,
          expected: "\(expected.bytes) bytes, SHA-256 \(expected.sha256)",
          found: "\(found.bytes) bytes, SHA-256 \(found.sha256)")
      }
    }
    for expected in folders {
      let found = try DatasetCard.measureFolder(expected.path, in: directory)
      guard found == expected else {
        throw difference(
          directory + "/" + expected.path,
          expected: "\(expected.files) files of \(expected.bytes) bytes together",
          found: "\(found.files) files of \(found.bytes) bytes")
      }
    }
  }

  private func difference(_ path: String, expected: String, found: String) -> FetchError {
    FetchError(
      "\(path) differs from the card of \(name): expected \(expected), found \(found); fetch the "
        + "data set again with force")
  }

  private static func measureFile(_ path: String, in directory: String) throws -> IndexFile {
    let full = directory + "/" + path
    let file = try MappedFile(path: full)
    return try file.withBytes { bytes in
      let isList = path.hasSuffix(".jsonl")
      return IndexFile(
        path: path, bytes: bytes.count, sha256: try SHA256Digest.of(bytes),
        records: isList ? bytes.reduce(into: 0) { $0 += $1 == 10 ? 1 : 0 } : nil)
    }
  }

  private static func measureFolder(_ path: String, in directory: String) throws -> Folder {
    let full = URL(fileURLWithPath: directory + "/" + path, isDirectory: true)
    let keys: [URLResourceKey] = [.isRegularFileKey, .fileSizeKey]
    guard FileManager.default.fileExists(atPath: full.path),
      let names = FileManager.default.enumerator(at: full, includingPropertiesForKeys: keys)
    else { throw FetchError("\(full.path) is missing: fetch the data set again with force") }
    var files = 0
    var bytes = 0
    for case let url as URL in names {
      let values = try url.resourceValues(forKeys: Set(keys))
      guard values.isRegularFile == true else { continue }
      files += 1
      bytes += values.fileSize ?? 0
    }
    return Folder(path: path, files: files, bytes: bytes)
  }
}
