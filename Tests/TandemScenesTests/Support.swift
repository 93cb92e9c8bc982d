import Foundation
import TandemScenes

/// A file under Tests/Fixtures/scenes, made by Tests/Fixtures/make_scenes.py.
func fixture(_ name: String) -> String {
  URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Fixtures/scenes/" + name).path
}

func contents(_ path: String) -> [UInt8] {
  Array(FileManager.default.contents(atPath: path) ?? Data())
}

func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let directory =
    FileManager.default.temporaryDirectory.path + "/tandem-scenes-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try body(directory)
}

/// What Pillow made of the fixtures.
struct Expected: Decodable {
  struct Pose: Decodable {
    let side: Double
    let turn: Int
    let mirrored: Bool
    let width: Int
    let height: Int
    let pixels: Data
  }

  let formats: [String: Data]
  let poses: [Pose]

  static func read() throws -> Expected {
    try JSONDecoder().decode(Expected.self, from: Data(contents(fixture("expected.json"))))
  }
}

/// Six classes of six drawings each, two of them set aside.
enum Shapes {
  static let names = ["disc", "bar", "ring", "cross", "arrow", "hill"]
  static let setAside: Set<String> = ["arrow", "hill"]

  static let rules = names.map {
    SceneClassRule($0, $0 + "s", [], ["shape"], setAside: setAside.contains($0), [$0])
  }

  static func candidates(_ source: String = "shapes", _ indices: Range<Int> = 0..<6)
    -> [CutoutCandidate]
  {
    names.flatMap { name in
      indices.map {
        CutoutCandidate(
          name: "\(source)/\(name)-\($0)", source: source, caption: name,
          path: fixture("\(name)-\($0).png"))
      }
    }
  }

  static func library() throws -> CutoutLibrary { try CutoutLibrary(candidates(), rules: rules) }

  static func settings(_ count: Int = 60) -> ScenesSettings {
    var settings = ScenesSettings()
    settings.counts = [:]
    for split in SceneSplit.allCases { settings.counts[split.rawValue] = count }
    return settings
  }
}
