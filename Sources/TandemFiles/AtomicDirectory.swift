// A directory that appears all at once, complete and on disk.

import Foundation
import Glibc

/// Fills a temporary directory beside the target, forces every file to disk, renames it into place.
public enum AtomicDirectory {
  /// Replaces the directory at `path` by what `body` puts in the directory it is given.
  ///
  /// An earlier directory at `path` is kept aside until the new one has its name, and is put back
  /// when that rename fails. A crash between the two renames leaves it under the name
  /// `path.partial-PID-N.earlier`. The parent directory must exist.
  ///
  /// - Parameters:
  ///   - path: the target directory.
  ///   - body: receives the temporary directory's path, writes into it.
  /// - Throws: `FileError`, also where `path` is a file or a link, which nothing replaces; or what `body`
  ///   throws. The temporary directory is then removed.
  public static func write<Result>(
    to path: String, _ body: (_ staging: String) throws -> Result
  ) throws -> Result {
    let target = trimmingSlashes(path)
    var found = stat()
    if lstat(target, &found) == 0, found.st_mode & S_IFMT != S_IFDIR {
      throw FileError(operation: "replace", path: target, reason: "it is no directory")
    }
    let staging = partialName(for: target)
    guard mkdir(staging, 0o755) == 0 else { throw FileError.system("create directory", staging) }
    do {
      let result = try body(staging)
      try synchronizeTree(staging)
      try exchange(staging, into: target)
      return result
    } catch {
      try? FileManager.default.removeItem(atPath: staging)
      throw error
    }
  }

  private static func exchange(_ staging: String, into target: String) throws {
    let earlier = staging + ".earlier"
    let hadEarlier = rename(target, earlier) == 0
    guard hadEarlier || errno == ENOENT else { throw FileError.system("set aside", target) }
    guard rename(staging, target) == 0 else {
      let error = FileError.system("rename into", target)
      if hadEarlier { rename(earlier, target) }
      throw error
    }
    try synchronizeDirectory(parentDirectory(of: target))
    if hadEarlier { try FileManager.default.removeItem(atPath: earlier) }
  }

  /// Forces every file and every directory under `root` to disk, the root last.
  private static func synchronizeTree(_ root: String) throws {
    guard let names = FileManager.default.enumerator(atPath: root) else {
      throw FileError(operation: "list", path: root, reason: "the directory cannot be read")
    }
    var directories: [String] = []
    for case let name as String in names {
      let path = root + "/" + name
      let file = try FileDescriptor(opening: path, flags: O_RDONLY | O_NOFOLLOW)
      if try file.status().st_mode & S_IFMT == S_IFDIR {
        directories.append(path)
      } else {
        try file.synchronize()
      }
    }
    for directory in directories.reversed() { try synchronizeDirectory(directory) }
    try synchronizeDirectory(root)
  }
}
