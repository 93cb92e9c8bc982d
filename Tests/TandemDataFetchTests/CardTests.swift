import Foundation
import TandemCore
import TandemData
import TandemFiles
import Testing

/// A data set without packages, to test what all fetchers share.
private struct TwoLines: DatasetFetcher {
  static let name = "two-lines"
  static let summary = "two lines and a picture"
  static let licence = "CC0"

  func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    progress(FetchProgress(subject: Self.name, step: "building"))
    try AtomicFile.write(utf8: "{}\n{}\n", to: directory + "/train.jsonl")
    try FileManager.default.createDirectory(
      atPath: directory + "/images/a", withIntermediateDirectories: true)
    try AtomicFile.write(utf8: "picture", to: directory + "/images/a/1.png")
    var card = DatasetCard(
      name: Self.name, summary: Self.summary, source: "here", licence: Self.licence, packages: [],
      counts: ["train": ["images": 1]])
    try card.addFile("train.jsonl", in: directory)
    try card.addFolder("images", in: directory)
    return card
  }
}

@Suite struct CardTests {
  @Test func roundTrip() throws {
    try withTemporaryDirectory { directory throws in
      let digest = try SHA256Digest.of(utf8: "x")
      let wheel = WheelPackage(name: "some-thing", version: "1.0", sha256: digest.hexadecimal)
      try AtomicFile.write(utf8: "x", to: directory + "/some_thing-1.0-py3-none-any.whl")
      let package = try PackageDownload(directory: directory).wheel(wheel) { _ in }
      #expect(package.sha256 == digest)

      var card = DatasetCard(
        name: "n", summary: "s", source: "o", licence: "l", packages: [package],
        counts: ["train": ["images": 3]])
      card.sources = ["train": ["here": 3]]
      card.notes = ["a note"]
      try card.addFile("some_thing-1.0-py3-none-any.whl", in: directory)
      try card.write(to: directory)
      #expect(try DatasetCard.read(from: directory) == card)
    }
  }

  @Test func fetchesOnceAndNoticesEveryChange() throws {
    try withTemporaryDirectory { root throws in
      let fetcher = TwoLines()
      var steps: [String] = []
      func fetch(force: Bool = false) throws -> DatasetCard {
        steps = []
        return try fetcher.fetch(into: root, downloads: root + "/cache", force: force) {
          steps.append($0.step)
        }
      }
      let made = try fetch()
      #expect(steps == ["building", "done"])
      #expect(made.files.first?.records == 2)
      #expect(made.folders.first?.files == 1)
      #expect(try fetch() == made)
      #expect(steps == ["checking the data set that is there"])

      let changes = [
        ("train.jsonl", "{}\n{ }"), ("train.jsonl", ""), ("images/a/1.png", "pictures"),
        ("images/a/2.png", ""),
      ]
      for (path, content) in changes {
        try Data(content.utf8).write(to: URL(fileURLWithPath: root + "/two-lines/" + path))
        #expect(throws: (any Error).self) { try fetch() }
        #expect(try fetch(force: true) == made)
        #expect(try names(root + "/two-lines/images/a") == ["1.png"])
      }
      #expect(try names(root) == ["cache", "two-lines"])
    }
  }

  @Test func aBadCardIsNamed() throws {
    try withTemporaryDirectory { directory throws in
      let missing = #expect(throws: FetchError.self) { try DatasetCard.read(from: directory) }
      #expect(missing?.description.contains(directory + "/card.json") == true)
      try AtomicFile.write(utf8: "{}", to: directory + "/card.json")
      #expect(throws: FetchError.self) { try DatasetCard.read(from: directory) }
    }
  }

  @Test func aDebianPackageIsReusedOnlyWithItsNote() throws {
    try withTemporaryDirectory { directory throws in
      let file = directory + "/no-such-tandem-package_1%3a2.0-1_all.deb"
      let downloads = PackageDownload(directory: directory)
      let package = DebianPackage(name: "no-such-tandem-package")
      try AtomicFile.write(utf8: "deb", to: file)
      #expect(throws: FetchError.self) { try downloads.debian(package) { _ in } }
      try AtomicFile.write(utf8: "\(SHA256Digest.of(utf8: "deb"))  x\n", to: file + ".sha256")
      #expect(try downloads.debian(package) { _ in }.version == "1:2.0-1")
      try AtomicFile.write(utf8: "changed", to: file)
      #expect(throws: FetchError.self) { try downloads.debian(package) { _ in } }
    }
  }

  @Test func catalogNames() throws {
    let names = FetcherCatalog.fetchers.map { $0.name }
    #expect(Set(names).count == names.count)
    for name in names { #expect(try type(of: FetcherCatalog.fetcher(named: name)).name == name) }
    let error = #expect(throws: SettingsError.self) { try FetcherCatalog.fetcher(named: "coco") }
    #expect(error?.description.contains("easy-vqa") == true)
  }
}

@Suite struct ChildProgramTests {
  @Test func outputAndDirectory() throws {
    try withTemporaryDirectory { directory throws in
      let program = ChildProgram(name: "pwd", whenMissing: "")
      #expect(try program.run([], in: directory) == directory + "\n")
      // No shell sees the arguments.
      let echo = ChildProgram(name: "echo", whenMissing: "")
      #expect(try echo.run(["$HOME;", "`id`"]) == "$HOME; `id`\n")
    }
  }

  @Test func failuresSayWhatTheProgramSaid() {
    let missing = #expect(throws: FetchError.self) {
      try ChildProgram(name: "no-such-program", whenMissing: "install it").run([])
    }
    #expect(missing?.description.contains("install it") == true)
    let failed = #expect(throws: FetchError.self) {
      try ChildProgram(name: "ls", whenMissing: "").run(["/no/such/place"])
    }
    #expect(failed?.description.contains("exit status 2") == true)
    #expect(failed?.description.contains("No such file or directory") == true)
  }
}
