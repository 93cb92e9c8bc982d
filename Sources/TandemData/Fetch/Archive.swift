// Unpacking wheels (zip) and Debian packages (ar with a tar inside), without trusting their names.

import Foundation
import Glibc
import TandemFiles

/// Unpacks chosen regular files of an archive into a directory.
///
/// Links are never made, so nothing can be written through one. An archive is refused as a whole
/// when any of its names is absolute or climbs with "..", when a name passes through a link the
/// archive declared, or when two chosen files land on one name.
public enum Archive {
  /// Unpacks into `directory`, which appears only when complete (see `AtomicDirectory`).
  ///
  /// - Parameters:
  ///   - path: a wheel, zip, tar, or a `.deb`, whose data archive is then read.
  ///   - directory: the result; replaced when it exists. Its parent must exist.
  ///   - maximumBytes: refuse archives whose chosen files unpack to more.
  ///   - destination: gives each regular file's place inside `directory` from its name in the
  ///     archive (without a leading "./"), or `nil` to leave it out.
  /// - Returns: the number of files written.
  /// - Throws: `FetchError` for a damaged or refused archive, `FileError` from the disk.
  @discardableResult
  public static func extract(
    _ path: String, into directory: String, maximumBytes: Int = 8 << 30,
    destination: (String) -> String?
  ) throws -> Int {
    try AtomicDirectory.write(to: directory) { staging in
      try unpack(path, to: staging, maximumBytes: maximumBytes, destination: destination)
    }
  }

  /// The same into a directory that exists, for a caller that stages it.
  @discardableResult
  package static func unpack(
    _ path: String, to directory: String, maximumBytes: Int = 8 << 30,
    destination: (String) -> String?
  ) throws -> Int {
    let reader = try open(path)
    var links: Set<String> = []
    var made: Set<String> = [directory]
    var written = 0
    var room = maximumBytes

    while let entry = try reader.next() {
      let name = try safeName(entry.path, in: path)
      if name.isEmpty { continue }
      try refuseLinks(on: name, links, path)
      switch entry.kind {
      case .link: links.insert(name)
      case .directory, .other: continue
      case .file:
        guard let chosen = destination(name) else { continue }
        let target = directory + "/" + (try safeName(chosen, in: path))
        try makeParent(of: target, &made)
        try write(reader, to: target, room: &room, name: name, archive: path)
        written += 1
      }
    }
    return written
  }

  private static func open(_ path: String) throws -> ArchiveReader {
    let reader = try ArchiveReader(path: path)
    guard path.hasSuffix(".deb") else { return reader }
    while let entry = try reader.next() {
      if entry.path.hasPrefix("data.tar") {
        return try ArchiveReader(insideCurrentEntryOf: reader, named: entry.path)
      }
    }
    throw FetchError("\(path) is no Debian package: it holds no data.tar; delete it")
  }

  /// `name` without "." and empty parts. Throws on an absolute name or a "..".
  static func safeName(_ name: String, in archive: String) throws -> String {
    guard !name.hasPrefix("/") else {
      throw FetchError("\(archive) is refused: the entry \"\(name)\" has an absolute name")
    }
    let parts = name.split(separator: "/").filter { $0 != "." }
    guard !parts.contains("..") else {
      throw FetchError(
        "\(archive) is refused: the entry \"\(name)\" climbs out of the destination with \"..\"")
    }
    return parts.joined(separator: "/")
  }

  private static func refuseLinks(
    on name: String, _ links: Set<String>, _ archive: String
  ) throws {
    if links.isEmpty { return }
    var end = name.endIndex
    while true {
      let prefix = String(name[..<end])
      if links.contains(prefix) {
        throw FetchError(
          "\(archive) is refused: the entry \"\(name)\" passes through \"\(prefix)\", which the "
            + "archive declares as a link")
      }
      guard let slash = name[..<end].lastIndex(of: "/") else { return }
      end = slash
    }
  }

  private static func makeParent(of target: String, _ made: inout Set<String>) throws {
    guard let slash = target.lastIndex(of: "/") else { return }
    let parent = String(target[..<slash])
    guard made.insert(parent).inserted else { return }
    try FileManager.default.createDirectory(atPath: parent, withIntermediateDirectories: true)
  }

  private static func write(
    _ reader: ArchiveReader, to target: String, room: inout Int, name: String, archive: String
  ) throws {
    // Exclusive creation refuses a second entry of the same name.
    let file = try FileDescriptor(
      opening: target, flags: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
    try reader.readContent { bytes in
      room -= bytes.count
      guard room >= 0 else {
        throw FetchError("\(archive) is refused: at \"\(name)\" it unpacks to more than allowed")
      }
      try file.write(bytes)
    }
    try file.close()
  }
}
