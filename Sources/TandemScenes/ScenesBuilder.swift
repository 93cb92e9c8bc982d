// Writes the data set: pictures, and one line of JSON a scene.

import Dispatch
public import Foundation
import Synchronization
import TandemFiles
import TandemImage

/// How far a build is.
public struct ScenesProgress: Sendable, Equatable {
  public let split: SceneSplit
  /// "composing", or the name of the file that is being written.
  public let step: String
  public let completed: Int
  public let total: Int
}

/// A further file of lines beside every `scenes.jsonl`: what is said of the scenes.
public struct SceneLines: Sendable {
  /// Makes the lines of one scene, without line ends; called on several threads.
  public typealias Writer = @Sendable (Scene) throws -> [Data]

  /// "language.jsonl"
  public let fileName: String
  /// Called once a split, when all of its scenes are made, with the first of them (at most
  /// `ScenesBuilder.sampleCount`) to compare with.
  public let writer: @Sendable (SceneSplit, [Scene]) throws -> Writer

  public init(
    fileName: String, writer: @escaping @Sendable (SceneSplit, [Scene]) throws -> Writer
  ) {
    self.fileName = fileName
    self.writer = writer
  }
}

/// What was built, for a data set's card.
public struct ScenesFacts: Sendable, Codable, Equatable {
  /// By split: "scenes", "objects", and the lines of each further file by its name.
  public var counts: [String: [String: Int]] = [:]
  /// By split, the objects whose cut-out is of each source.
  public var objectsBySource: [String: [String: Int]] = [:]
  public var classes = 0
  public var unseenClasses = 0
  /// Cut-outs by source.
  public var cutouts: [String: Int] = [:]
  public var heldOutCutouts = 0
  /// Over the names and pixels of all cut-outs.
  public var cutoutsSHA256 = ""
  /// Of each `scenes.jsonl`, by split.
  public var scenesSHA256: [String: String] = [:]
  /// The part of the objects with each tint, and of the scenes with an object on another.
  public var rates: [String: Double] = [:]
}

/// Builds the data set in a directory.
public struct ScenesBuilder: Sendable {
  public let library: CutoutLibrary
  public let settings: ScenesSettings
  public let lines: [SceneLines]
  private let composer: SceneComposer

  /// How many scenes of a split a writer of lines may compare with.
  public static let sampleCount = 512
  /// Scenes that are made before their lines are written.
  private static let blockSize = 256

  /// Throws `SceneError` for settings out of range.
  public init(
    _ library: CutoutLibrary, _ settings: ScenesSettings = ScenesSettings(),
    lines: [SceneLines] = []
  ) throws {
    self.library = library
    self.settings = settings
    self.lines = lines
    composer = try SceneComposer(library, settings)
  }

  /// Where a scene's picture lies in the data set: "images/train/17.jpg".
  public static func imagePath(_ split: SceneSplit, id: Int) -> String {
    "images/\(split.rawValue)/\(id).jpg"
  }

  /// Makes the data set at `path`; it appears only when complete (see `AtomicDirectory`).
  ///
  /// The bytes depend on the seed, the settings and the cut-outs, not on the number of threads.
  /// Throws `SceneError`, `ImageError`, `FileError`, and what writers of lines throw.
  public func build(
    into path: String, progress: (ScenesProgress) -> Void = { _ in }
  ) throws -> ScenesFacts {
    try AtomicDirectory.write(to: path) { try fill($0, progress: progress) }
  }

  /// The same into a directory that exists and is empty, for a caller that stages it.
  public func fill(
    _ directory: String, progress: (ScenesProgress) -> Void = { _ in }
  ) throws -> ScenesFacts {
    var facts = ScenesFacts()
    facts.classes = library.classes.count
    facts.unseenClasses = library.unseenClasses.count
    facts.cutouts = library.countBySource
    facts.heldOutCutouts = library.cutouts.count { $0.isHeldOut }
    facts.cutoutsSHA256 = try library.checksum().hexadecimal
    try writeLists(directory)

    var tally = SceneTally()
    for split in SceneSplit.allCases where settings.count(of: split) > 0 {
      let name = split.rawValue
      for folder in ["\(directory)/\(name)", "\(directory)/images/\(name)"] {
        try FileManager.default.createDirectory(
          atPath: folder, withIntermediateDirectories: true)
      }
      let sample = try writeScenes(split, directory, &tally, progress)
      facts.counts[name] = tally.counts
      facts.objectsBySource[name] = tally.sources
      facts.scenesSHA256[name] = try SHA256Digest.ofFile(at: "\(directory)/\(name)/scenes.jsonl")
        .hexadecimal
      for extra in lines {
        facts.counts[name]?[extra.fileName] = try writeLines(
          extra, split, directory, sample: sample, progress)
      }
    }
    facts.rates = tally.rates
    return facts
  }

  /// `classes.json` and `cutouts.json`.
  private func writeLists(_ directory: String) throws {
    let unseen = library.unseenClasses.map { SceneClassRecord($0, isUnseen: true) }
    let classes = library.classes.map { SceneClassRecord($0, isUnseen: false) } + unseen
    try AtomicFile.write(Self.pretty(classes), to: directory + "/classes.json")
    try AtomicFile.write(
      Self.pretty(library.cutouts.map(CutoutRecord.init)), to: directory + "/cutouts.json")
  }

  /// Composes the scenes of a split, writes pictures and lines; returns the first scenes.
  private func writeScenes(
    _ split: SceneSplit, _ directory: String, _ tally: inout SceneTally,
    _ progress: (ScenesProgress) -> Void
  ) throws -> [Scene] {
    let total = settings.count(of: split)
    let folder = "\(directory)/\(split.rawValue)"
    let masks = settings.writesMasks ? try LineFile(folder + "/masks.jsonl") : nil
    let scenes = try LineFile(folder + "/scenes.jsonl")
    var sample: [Scene] = []
    tally.begin()
    for start in stride(from: 0, to: total, by: Self.blockSize) {
      let ids = start..<min(start + Self.blockSize, total)
      let made = try inParallel(ids.count) { try make(split, id: start + $0, directory) }
      for one in made {
        try tally.add(one.scene, fingerprint: one.fingerprint, split)
        try scenes.append(one.line)
        if let line = one.masks { try masks?.append(line) }
        if sample.count < Self.sampleCount { sample.append(one.scene) }
      }
      progress(
        ScenesProgress(split: split, step: "composing", completed: ids.upperBound, total: total))
    }
    try scenes.close()
    try masks?.close()
    return sample
  }

  private struct MadeScene: Sendable {
    let scene: Scene
    let line: Data
    let masks: Data?
    let fingerprint: UInt64
  }

  private func make(_ split: SceneSplit, id: Int, _ directory: String) throws -> MadeScene {
    let composed = try composer.compose(split, id: id)
    let jpeg = try composed.image().jpegData(quality: settings.jpegQuality)
    // No fsync for each: the data set's directory is forced to disk as a whole.
    let path = directory + "/" + Self.imagePath(split, id: id)
    do {
      try Data(jpeg).write(to: URL(fileURLWithPath: path))
    } catch {
      throw SceneError("cannot write \(path): \(error.localizedDescription)")
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return MadeScene(
      scene: composed.scene, line: try encoder.encode(composed.scene),
      masks: settings.writesMasks ? try encoder.encode(composed.masks()) : nil,
      fingerprint: try SHA256Digest.of(jpeg).leadingBits)
  }

  /// Writes one further file from the scenes on disk; returns its number of lines.
  private func writeLines(
    _ extra: SceneLines, _ split: SceneSplit, _ directory: String, sample: [Scene],
    _ progress: (ScenesProgress) -> Void
  ) throws -> Int {
    let folder = "\(directory)/\(split.rawValue)"
    let writer = try extra.writer(split, sample)
    let file = try LineFile("\(folder)/\(extra.fileName)")
    let scenes = try MappedFile(path: folder + "/scenes.jsonl")
    var written = 0
    try scenes.withBytes { bytes in
      var position = 0
      var completed = 0
      while position < bytes.count {
        var block: [Data] = []
        while position < bytes.count, block.count < Self.blockSize {
          let end = bytes[position...].firstIndex(of: 10) ?? bytes.count
          block.append(Data(bytes[position..<end]))
          position = end + 1
        }
        let encoded = block
        let made = try inParallel(encoded.count) { index in
          try writer(try JSONDecoder().decode(Scene.self, from: encoded[index]))
        }
        for line in made.joined() {
          try file.append(line)
          written += 1
        }
        completed += block.count
        progress(
          ScenesProgress(
            split: split, step: extra.fileName, completed: completed,
            total: settings.count(of: split)))
      }
    }
    try file.close()
    return written
  }

  /// `body` of every index, on the settings' number of threads, in order. Throws the error of the
  /// lowest index that failed.
  private func inParallel<Result: Sendable>(
    _ count: Int, _ body: @Sendable (Int) throws -> Result
  ) throws -> [Result] {
    let threads = min(settings.threads, count)
    let outcomes = Mutex<[Int: Swift.Result<Result, any Error>]>([:])
    DispatchQueue.concurrentPerform(iterations: threads) { thread in
      for index in stride(from: thread, to: count, by: threads) {
        let outcome = Swift.Result { try body(index) }
        outcomes.withLock { $0[index] = outcome }
        if case .failure = outcome { return }
      }
    }
    let found = outcomes.withLock { $0 }
    return try found.sorted { $0.key < $1.key }.map { try $0.value.get() }
  }

  private static func pretty(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value)) + [10]
  }
}
