// The layout is a one-way street: a target may use those below it, never those above or beside it.

import Foundation
import Testing

/// Levels from the bottom; targets of one level never use one another.
private let levels: [[String]] = [
  ["CTorch", "CCrypto", "CArchive", "CHarfBuzz", "CImageCodecs", "CZlib", "CLMDB"],
  ["TandemFiles", "TandemEvents", "TandemReport"],
  ["TandemTorch", "TandemText", "TandemImage", "TandemPickle"],
  ["TandemNN", "TandemRegions", "TandemScenes"],
  ["TandemCore", "TandemVision"],
  ["TandemModels", "TandemObjectives", "TandemTasks", "TandemData", "TandemTrain"],
  ["TandemRecipes"],
  ["tandem"],
]

private let root = URL(filePath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()

private func level(of target: String) -> Int? {
  levels.firstIndex { $0.contains(target) }
}

private func sourceFiles() throws -> [(target: String, path: String, text: String)] {
  let sources = root.appending(path: "Sources")
  let files = FileManager.default.enumerator(atPath: sources.path)
  var result: [(target: String, path: String, text: String)] = []
  while let name = files?.nextObject() as? String {
    guard name.hasSuffix(".swift") else { continue }
    let text = try String(contentsOf: sources.appending(path: name), encoding: .utf8)
    result.append((String(name.prefix { $0 != "/" }), name, text))
  }
  return result
}

private func imports(of text: String) -> [(module: String, line: String)] {
  text.split(separator: "\n").compactMap { line in
    let words = line.split(separator: " ")
    guard let place = words.firstIndex(of: "import"), place <= 1, words.count > place + 1 else {
      return nil
    }
    return (String(words[place + 1]), String(line))
  }
}

@Suite struct DependencyOrderTests {
  @Test func importsGoDownOnly() throws {
    let files = try sourceFiles()
    #expect(files.count > 100)
    for file in files {
      let own = try #require(level(of: file.target), "\(file.target) has no level")
      for (module, _) in imports(of: file.text) {
        guard let other = level(of: module) else { continue }
        #expect(other < own, "\(file.path) imports \(module)")
      }
    }
  }

  @Test func manifestDependenciesGoDownOnly() throws {
    struct Manifest: Decodable {
      struct Target: Decodable {
        struct Dependency: Decodable { let byName: [String?]? }
        let name: String
        let type: String
        let dependencies: [Dependency]
      }
      let targets: [Target]
    }
    let scratch = FileManager.default.temporaryDirectory.appending(path: "manifest-\(getpid())")
    defer { try? FileManager.default.removeItem(at: scratch) }
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [
      "swift", "package", "--package-path", root.path, "--scratch-path", scratch.path,
      "dump-package",
    ]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    let manifest = try JSONDecoder().decode(Manifest.self, from: data)
    let targets = manifest.targets.filter { $0.type != "test" && level(of: $0.name) != nil }
    #expect(targets.count == levels.joined().count)
    for target in targets {
      let own = try #require(level(of: target.name))
      for name in target.dependencies.compactMap({ $0.byName?.first ?? nil }) {
        guard let other = level(of: name) else { continue }
        #expect(other < own, "\(target.name) depends on \(name)")
      }
    }
  }

  @Test func onlyTandemTorchSeesTheEdge() throws {
    for file in try sourceFiles() where file.target != "TandemTorch" {
      #expect(!imports(of: file.text).contains { $0.module == "CTorch" }, "\(file.path)")
    }
    for file in try sourceFiles() where file.target == "TandemTorch" {
      for (module, line) in imports(of: file.text) where module == "CTorch" {
        #expect(line.hasPrefix("internal import"), "\(file.path): \(line)")
      }
    }
  }

  @Test func textAndImageKnowNoTensors() throws {
    for file in try sourceFiles() where ["TandemText", "TandemImage"].contains(file.target) {
      #expect(!imports(of: file.text).contains { $0.module == "TandemTorch" }, "\(file.path)")
    }
  }

  @Test func nothingEndsTheProcess() throws {
    let forbidden = [/fatalError\(/, /try!/, #/as! /#, /preconditionFailure\(/]
    // Generated code is not ours to change.
    for file in try sourceFiles() where !file.path.hasSuffix(".pb.swift") {
      for pattern in forbidden {
        let isFound = file.text.firstMatch(of: pattern) != nil
        #expect(!isFound, "\(file.path)")
      }
    }
  }

  @Test func filesHoldOneThing() throws {
    for file in try sourceFiles() {
      let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false).count
      #expect(lines <= 601, "\(file.path) has \(lines) lines")
    }
  }
}
