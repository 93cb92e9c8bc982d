// Folders for what the tests write, and the events the fixtures hold.

import Foundation
import TandemEvents

let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().appendingPathComponent("Fixtures/events")

/// A run as events.json describes it.
struct FixtureRun: Decodable {
  struct Event: Decodable {
    let tag: String
    let step: Int
    let time: Double
    /// A number as text: JSON has no infinity.
    let value: String?
    let text: String?
  }
  let time: Double
  let resumingAtStep: Int?
  let events: [Event]

  /// Both runs: "first" and "resumed".
  static func all() throws -> [String: FixtureRun] {
    let json = try Data(contentsOf: fixtures.appendingPathComponent("events.json"))
    return try JSONDecoder().decode([String: FixtureRun].self, from: json)
  }

  /// Writes the run into a new event file of `directory`; returns the file's path.
  func write(to directory: String) throws -> String {
    let writer = try EventWriter(
      directory: directory, suffix: "test", time: time, resumingAtStep: resumingAtStep)
    for event in events {
      if let text = event.text {
        try writer.text(event.tag, text, step: event.step, time: event.time)
      } else {
        let value = event.value.flatMap(Double.init) ?? .signalingNaN
        try writer.scalar(event.tag, value, step: event.step, time: event.time)
      }
    }
    try writer.flush()
    return writer.path
  }
}

/// Calls `body` with the path of a folder that does not exist yet; removes it afterwards.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let folder = FileManager.default.temporaryDirectory
    .appendingPathComponent("tandem-events-\(UUID().uuidString)")
  defer { try? FileManager.default.removeItem(at: folder) }
  try body(folder.path)
}

func contents(_ path: String) throws -> Data {
  try Data(contentsOf: URL(fileURLWithPath: path))
}

/// The names in a folder, in the order in which TensorBoard reads them.
func sortedNames(_ directory: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
}
