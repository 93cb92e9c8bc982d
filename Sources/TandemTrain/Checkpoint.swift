internal import Foundation
internal import TandemCore
internal import TandemFiles
internal import TandemNN
public import TandemTorch

/// The checkpoints of a run: each a directory that appears whole, and an index of the last and the
/// best of them.
public struct CheckpointFolder: Sendable {
  public let path: String

  public struct Index: Codable, Sendable, Equatable {
    public var formatVersion = RunCard.currentFormat
    /// Directory names.
    public var last: String
    public var best: String
  }

  public enum Choice: String, Sendable, CaseIterable { case best, last }

  var indexFile: String { path + "/index.json" }

  public func index() throws -> Index {
    guard let data = FileManager.default.contents(atPath: indexFile) else {
      throw RunError("\(path): has no finished checkpoint yet")
    }
    do {
      return try JSONDecoder().decode(Index.self, from: data)
    } catch {
      throw RunError("\(indexFile): \(JSONValue.explained(error))")
    }
  }

  /// Opens the best or the last checkpoint after checking every file against its checksum.
  public func open(_ choice: Choice) throws -> Checkpoint {
    let index = try index()
    return try Checkpoint(path: "\(path)/\(choice == .best ? index.best : index.last)")
  }

  /// Writes a checkpoint aside, forces it to disk, renames it into place, moves the index on, and
  /// then removes those that nobody needs.
  func write(
    state: TrainingState, store: ParameterStore, optimizer: Optimizer, isBest: Bool, keep: Int
  ) throws {
    let name =
      "step-" + String(repeating: "0", count: max(0, 8 - "\(state.step)".count))
      + "\(state.step)"
    let target = "\(path)/\(name)"
    try AtomicDirectory.write(to: target) { folder in
      try SafeTensors.write(
        store.tensors(), metadata: ["format": "\(RunCard.currentFormat)"],
        to: folder + "/weights.safetensors")
      if optimizer.settings.averaging > 0 {
        try optimizer.withAveragedWeights {
          try SafeTensors.write(store.tensors(), to: folder + "/averaged.safetensors")
        }
      }
      try SafeTensors.write(optimizer.tensors(), to: folder + "/optimizer.safetensors")
      try AtomicFile.write(
        utf8: JSONValue(encoding: state).pretty + "\n", to: folder + "/state.json")
      try writeManifest(folder)
    }
    var index = (try? self.index()) ?? Index(last: name, best: name)
    index.last = name
    if isBest || !FileManager.default.fileExists(atPath: "\(path)/\(index.best)") {
      index.best = name
    }
    try AtomicFile.write(utf8: JSONValue(encoding: index).pretty + "\n", to: indexFile)
    prune(index, keep: keep)
  }

  private func writeManifest(_ folder: String) throws {
    var sums: [String: String] = [:]
    for file in try FileManager.default.contentsOfDirectory(atPath: folder) {
      sums[file] = try SHA256Digest.ofFile(at: "\(folder)/\(file)").hexadecimal
    }
    try AtomicFile.write(
      utf8: JSONValue(encoding: sums).pretty + "\n", to: folder + "/manifest.json")
  }

  private func prune(_ index: Index, keep: Int) {
    let manager = FileManager.default
    let all = ((try? manager.contentsOfDirectory(atPath: path)) ?? [])
      .filter { $0.hasPrefix("step-") }.sorted()
    let stale = all.filter { !$0.contains(".partial") }.dropLast(max(1, keep))
      .filter { $0 != index.best && $0 != index.last }
    let partial = all.filter { $0.contains(".partial") }
    for name in stale + partial { try? manager.removeItem(atPath: "\(path)/\(name)") }
  }
}

/// A checkpoint whose files are as they were written.
public struct Checkpoint {
  public let path: String
  public let state: TrainingState

  public init(path: String) throws {
    self.path = path
    try Self.checkManifest(path)
    guard let data = FileManager.default.contents(atPath: path + "/state.json") else {
      throw RunError("\(path)/state.json: cannot be read")
    }
    do {
      state = try JSONDecoder().decode(TrainingState.self, from: data)
    } catch {
      throw RunError("\(path)/state.json: \(JSONValue.explained(error))")
    }
  }

  private static func checkManifest(_ path: String) throws {
    let file = path + "/manifest.json"
    guard let data = FileManager.default.contents(atPath: file),
      let sums = try? JSONDecoder().decode([String: String].self, from: data)
    else { throw RunError("\(file): is missing or damaged") }
    for (name, expected) in sums.sorted(by: { $0.key < $1.key }) {
      let found = try SHA256Digest.ofFile(at: "\(path)/\(name)").hexadecimal
      guard found == expected else {
        throw RunError(
          "\(path)/\(name): its SHA-256 is \(found.prefix(12))…, the manifest says "
            + "\(expected.prefix(12))…: the file was changed or damaged")
      }
    }
  }

  /// The weights to use: the averaged ones where the run kept such.
  public func weights() throws -> SafeTensorsFile {
    let averaged = path + "/averaged.safetensors"
    return try SafeTensorsFile(
      path: FileManager.default.fileExists(atPath: averaged)
        ? averaged : path + "/weights.safetensors")
  }

  /// The weights that training goes on with.
  public func trainedWeights() throws -> SafeTensorsFile {
    try SafeTensorsFile(path: path + "/weights.safetensors")
  }

  func restore(_ optimizer: Optimizer) throws {
    let file = try SafeTensorsFile(path: path + "/optimizer.safetensors")
    try optimizer.restore(step: state.step) { try file.tensor($0) }
  }
}
