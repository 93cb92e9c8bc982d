// The files of a package that pictograms are made of, unpacked beside the packages.

import Foundation
import TandemFiles

/// A package's chosen files in a directory of their own.
struct UnpackedPackage {
  let package: DownloadedPackage
  let directory: String

  /// Unpacks what lies under `prefix` and ends in one of `endings`, unless it was done before.
  /// Names keep what follows the prefix.
  init(
    _ package: DownloadedPackage, from packages: PackageDownload, prefix: String,
    endings: [String], progress: (FetchProgress) -> Void
  ) throws {
    let parent = packages.directory + "/unpacked"
    // The checksum in the name makes another package another directory; the directory appears only
    // when complete.
    let directory = "\(parent)/\(package.name)-\(package.sha256.hexadecimal.prefix(16))"
    self.package = package
    self.directory = directory
    if FileManager.default.fileExists(atPath: directory) { return }
    progress(FetchProgress(subject: package.name, step: "unpacking"))
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
    let count = try Archive.extract(packages.path(of: package), into: directory) { name in
      guard name.hasPrefix(prefix), endings.contains(where: { name.hasSuffix($0) }) else {
        return nil
      }
      return String(name.dropFirst(prefix.count))
    }
    guard count > 0 else {
      try? FileManager.default.removeItem(atPath: directory)
      throw FetchError(
        "\(package.fileName) holds no \(endings.joined(separator: ", ")) under \(prefix): this "
          + "version of the package is laid out in another way")
    }
  }

  /// Names of the unpacked files with that ending, sorted, relative to the directory.
  func names(ending: String) throws -> [String] {
    guard let all = FileManager.default.enumerator(atPath: directory) else {
      throw FetchError("\(directory) cannot be read")
    }
    var names: [String] = []
    for case let name as String in all where name.hasSuffix(ending) { names.append(name) }
    return names.sorted()
  }

  func path(_ name: String) -> String { directory + "/" + name }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

  /// The file's bytes; an empty array for an empty file.
  func bytes(_ name: String) throws -> [UInt8] {
    guard let data = FileManager.default.contents(atPath: path(name)) else {
      throw FetchError("\(path(name)) cannot be read")
    }
    return Array(data)
  }
}
