internal import Foundation
internal import TandemCore
internal import TandemEvents

/// Writes metrics as JSON lines, and as TensorBoard events.
final class MetricsLog {
  private let file: FileHandle
  private let events: EventWriter

  /// - Parameter step: steps that are done already.
  init(_ run: RunDirectory, after step: Int) throws {
    let path = run.metricsFile
    let manager = FileManager.default
    guard manager.fileExists(atPath: path) || manager.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else {
      throw RunError("\(path): cannot be written")
    }
    self.file = file
    try file.seekToEnd()
    // A run that was killed before its first checkpoint has events too, which no longer count.
    let hasEarlier = (try? manager.contentsOfDirectory(atPath: run.eventsFolder))?.isEmpty == false
    events = try EventWriter(
      directory: run.eventsFolder, time: Date().timeIntervalSince1970,
      resumingAtStep: hasEarlier ? step + 1 : nil)
  }

  deinit { try? file.close() }

  func write(_ line: MetricsLine) throws {
    try file.write(contentsOf: Data((JSONValue(encoding: line).compact + "\n").utf8))
    let time = Date().timeIntervalSince1970
    let prefix = line.kind == .train ? "train" : "evaluation"
    var values = line.metrics
    values["loss"] = line.loss
    if line.kind == .train {
      values["rate"] = line.rate
      values["gradientNorm"] = line.gradientNorm
    }
    for (name, value) in values.sorted(by: { $0.key < $1.key }) {
      try events.scalar("\(prefix)/\(name)", value, step: line.step, time: time)
    }
  }

  func flush() throws {
    try file.synchronize()
    try events.flush()
  }
}
