// Packages of PyPI and Debian, downloaded by their own tools into a cache and checked.

import Foundation
public import TandemFiles

/// A wheel of PyPI, pinned by version and checksum.
public struct WheelPackage: Sendable {
  public let name: String
  public let version: String
  public let sha256: String
  /// The Pythons it is for: "py3" or "py2.py3".
  public let python: String

  public init(name: String, version: String, sha256: String, python: String = "py3") {
    self.name = name
    self.version = version
    self.sha256 = sha256
    self.python = python
  }

  /// The file's name for a wheel without compiled parts (PEP 427: runs of `-`, `_`, `.` become `_`).
  var fileName: String {
    let escaped = name.lowercased().map { "-.".contains($0) ? "_" : String($0) }.joined()
    return "\(escaped)-\(version)-\(python)-none-any.whl"
  }
}

/// A package of the Debian release this machine runs. Its version is whatever that release has;
/// `apt-get` checks it against the signed index, and the version found is recorded in the card.
public struct DebianPackage: Sendable {
  public let name: String

  public init(name: String) { self.name = name }
}

/// A package in the cache, as a data set's card records it.
public struct DownloadedPackage: Codable, Equatable, Sendable {
  public enum Origin: String, Codable, Sendable {
    case pypi = "PyPI"
    case debian = "Debian"
  }

  public let name: String
  public let version: String
  public let origin: Origin
  public let fileName: String
  public let sha256: SHA256Digest
}

/// Downloads packages into one directory, and reuses what is there when its SHA-256 matches.
public struct PackageDownload: Sendable {
  /// The cache directory; made on first use.
  public let directory: String

  public init(directory: String) { self.directory = directory }

  /// Where a downloaded package lies.
  public func path(of package: DownloadedPackage) -> String { directory + "/" + package.fileName }

  /// The wheel `NAME==VERSION`, by `pip download --no-deps`.
  ///
  /// Throws `FetchError` when pip is missing or fails, and when the file's SHA-256 is not the pinned
  /// one.
  public func wheel(
    _ package: WheelPackage, progress: (FetchProgress) -> Void
  ) throws -> DownloadedPackage {
    let file = package.fileName
    let cached = directory + "/" + file
    if FileManager.default.fileExists(atPath: cached) {
      let found = try SHA256Digest.ofFile(at: cached)
      if found.hexadecimal == package.sha256 { return downloaded(package, found) }
    }
    progress(FetchProgress(subject: "\(package.name) \(package.version)", step: "downloading"))
    let digest = try withIncomingDirectory { incoming in
      let pip = ChildProgram(
        name: "pip",
        whenMissing: "install the Debian package python3-pip, or activate a Python "
          + "environment that has pip")
      try pip.run([
        "download", "--no-deps", "--only-binary", ":all:", "--no-input",
        "--disable-pip-version-check", "-d", incoming, "\(package.name)==\(package.version)",
      ])
      let arrived = incoming + "/" + file
      guard FileManager.default.fileExists(atPath: arrived) else {
        let names = try FileManager.default.contentsOfDirectory(atPath: incoming)
        throw FetchError(
          "pip downloaded \(names.joined(separator: ", ")) for \(package.name)==\(package.version)"
            + ", expected \(file)")
      }
      let found = try SHA256Digest.ofFile(at: arrived)
      guard found.hexadecimal == package.sha256 else {
        throw FetchError(
          "\(file) has SHA-256 \(found), expected \(package.sha256): the package index serves "
            + "another file than the one this version of Tandem was made with; nothing was kept")
      }
      try replace(cached, with: arrived)
      return found
    }
    return downloaded(package, digest)
  }

  /// The package NAME of the machine's Debian release, by `apt-get download`.
  ///
  /// A file in the cache is reused when its SHA-256 is the one noted beside it
  /// (`FILE.sha256`) when it was downloaded. Throws `FetchError`.
  public func debian(
    _ package: DebianPackage, progress: (FetchProgress) -> Void
  ) throws -> DownloadedPackage {
    if let cached = try cachedDebian(package) { return cached }
    progress(FetchProgress(subject: package.name, step: "downloading"))
    return try withIncomingDirectory { incoming in
      let apt = ChildProgram(
        name: "apt-get",
        whenMissing: "this data set is made from Debian packages; run on Debian, "
          + "or put \(package.name)_VERSION_all.deb and its .sha256 note into \(directory)")
      try apt.run(["download", package.name], in: incoming)
      let names = try FileManager.default.contentsOfDirectory(atPath: incoming)
      guard let file = names.first(where: { isFile($0, of: package) }) else {
        throw FetchError("apt-get download \(package.name) left no .deb file; found \(names)")
      }
      let digest = try SHA256Digest.ofFile(at: incoming + "/" + file)
      try replace(directory + "/" + file, with: incoming + "/" + file)
      // The note comes last: a file without one is not trusted.
      try AtomicFile.write(utf8: "\(digest)  \(file)\n", to: "\(directory)/\(file).sha256")
      return downloaded(package, file, digest)
    }
  }

  private func cachedDebian(_ package: DebianPackage) throws -> DownloadedPackage? {
    guard let names = try? FileManager.default.contentsOfDirectory(atPath: directory) else {
      return nil
    }
    // The newest version by name: of two, an older one is what an upgrade left behind.
    let files = names.filter { isFile($0, of: package) }
      .sorted { $0.compare($1, options: .numeric) == .orderedDescending }
    for file in files {
      guard let note = FileManager.default.contents(atPath: "\(directory)/\(file).sha256"),
        let expected = SHA256Digest(hexadecimal: String(decoding: note.prefix(64), as: UTF8.self))
      else { continue }
      let found = try SHA256Digest.ofFile(at: directory + "/" + file)
      if found == expected { return downloaded(package, file, found) }
    }
    return nil
  }

  private func isFile(_ name: String, of package: DebianPackage) -> Bool {
    name.hasPrefix(package.name + "_") && name.hasSuffix(".deb")
  }

  /// `NAME_VERSION_ARCHITECTURE.deb`, the version with `%3a` for a colon.
  private func downloaded(
    _ package: DebianPackage, _ file: String, _ digest: SHA256Digest
  ) -> DownloadedPackage {
    let parts = file.split(separator: "_")
    let version = parts.count > 1 ? String(parts[1]) : "unknown"
    return DownloadedPackage(
      name: package.name, version: version.removingPercentEncoding ?? version, origin: .debian,
      fileName: file, sha256: digest)
  }

  private func downloaded(_ package: WheelPackage, _ digest: SHA256Digest) -> DownloadedPackage {
    DownloadedPackage(
      name: package.name, version: package.version, origin: .pypi, fileName: package.fileName,
      sha256: digest)
  }

  /// A directory inside the cache that a download tool may fill; gone afterwards.
  private func withIncomingDirectory<Result>(
    _ body: (String) throws -> Result
  ) throws -> Result {
    let incoming = directory + "/incoming-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: incoming, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: incoming) }
    return try body(incoming)
  }

  private func replace(_ target: String, with arrived: String) throws {
    if FileManager.default.fileExists(atPath: target) {
      try FileManager.default.removeItem(atPath: target)
    }
    try FileManager.default.moveItem(atPath: arrived, toPath: target)
  }
}
