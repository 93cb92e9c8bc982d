internal import Foundation
internal import TandemCore

/// Writes metrics as JSON lines, and as TensorBoard events.
final class MetricsLog {
  private let file: FileHandle
  private let path: String

  init(_ run: RunDirectory) throws {
    path = run.metricsFile
    let manager = FileManager.default
    guard manager.fileExists(atPath: path) || manager.createFile(atPath: path, contents: nil),
      let file = FileHandle(forWritingAtPath: path)
    else {
      throw RunError("\(path): cannot be written")
    }
    self.file = file
    try file.seekToEnd()
  }

  deinit { try? file.close() }

  func write(_ line: MetricsLine) throws {
    try file.write(contentsOf: Data((JSONValue(encoding: line).compact + "\n").utf8))
  }

  func flush() throws { try file.synchronize() }
}
