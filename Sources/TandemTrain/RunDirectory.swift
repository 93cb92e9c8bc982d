internal import Foundation
public import TandemCore
internal import TandemFiles

/// A run on disk: its card, its metrics, its checkpoints.
public struct RunDirectory: Sendable {
  public let path: String

  public var cardFile: String { path + "/run.json" }
  public var metricsFile: String { path + "/metrics.jsonl" }
  public var vocabularyFile: String { path + "/vocabulary.txt" }
  public var eventsFolder: String { path + "/events" }
  public var resultsFile: String { path + "/results.json" }
  public var reportFile: String { path + "/report.html" }
  public var checkpoints: CheckpointFolder { CheckpointFolder(path: path + "/checkpoints") }
  public func predictionsFile(_ split: Split) -> String {
    "\(path)/predictions-\(split.rawValue).jsonl"
  }

  /// A new run; an existing directory with anything in it is refused.
  public static func create(at path: String) throws -> RunDirectory {
    let manager = FileManager.default
    if let found = try? manager.contentsOfDirectory(atPath: path), !found.isEmpty {
      throw RunError(
        "\(path) is not empty; name another --output, or go on with `tandem resume \(path)`")
    }
    let run = RunDirectory(path: path)
    do {
      try manager.createDirectory(atPath: run.checkpoints.path, withIntermediateDirectories: true)
      try manager.createDirectory(atPath: run.eventsFolder, withIntermediateDirectories: true)
    } catch {
      throw RunError("\(path): cannot be made: \(error.localizedDescription)")
    }
    return run
  }

  /// An existing run.
  public static func open(_ path: String) throws -> RunDirectory {
    let run = RunDirectory(
      path: path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path)
    guard FileManager.default.fileExists(atPath: run.cardFile) else {
      throw RunError("\(path) is no run: it has no run.json")
    }
    return run
  }

  /// The run's card; a format that is newer than this code is refused.
  public func card() throws -> RunCard {
    struct Version: Decodable { let formatVersion: Int }
    guard let data = FileManager.default.contents(atPath: cardFile) else {
      throw RunError("\(cardFile): cannot be read")
    }
    let decoder = JSONDecoder()
    do {
      let version = try decoder.decode(Version.self, from: data).formatVersion
      guard version <= RunCard.currentFormat else {
        throw RunError(
          "\(cardFile): format \(version) is newer than this tandem's \(RunCard.currentFormat)")
      }
      // Settings that are newer than the run have their defaults.
      let found = try decoder.decode(JSONValue.self, from: data)
      guard case .object(var fields) = found, let recipe = fields["recipe"] else {
        throw RunError("\(cardFile): has no recipe")
      }
      fields["recipe"] = try JSONValue(encoding: Recipe()).overlaid(with: recipe)
      return try JSONValue.object(fields).decoded(RunCard.self)
    } catch let error as DecodingError {
      throw RunError("\(cardFile): \(JSONValue.explained(error))")
    }
  }

  public func write(_ card: RunCard) throws {
    try AtomicFile.write(utf8: JSONValue(encoding: card).pretty + "\n", to: cardFile)
  }

  /// All lines of the metrics file; those after `step` are left out.
  public func metrics(through step: Int = .max) throws -> [MetricsLine] {
    guard let data = FileManager.default.contents(atPath: metricsFile) else { return [] }
    let decoder = JSONDecoder()
    var lines: [MetricsLine] = []
    for piece in data.split(separator: 10) {
      // A run that was killed may have left half a line at the end.
      guard let line = try? decoder.decode(MetricsLine.self, from: piece) else { continue }
      if line.step <= step { lines.append(line) }
    }
    return lines
  }

  /// Cuts the metrics back to a checkpoint's step, before a resumed run writes on.
  func truncateMetrics(after step: Int) throws {
    let kept = try metrics(through: step)
    let text = try kept.map { try JSONValue(encoding: $0).compact + "\n" }.joined()
    try AtomicFile.write(utf8: text, to: metricsFile)
  }
}
