/// The parts of the data set. The first three share cut-outs and differ in their scenes; the others
/// show what training never showed.
public enum SceneSplit: String, Sendable, Codable, CaseIterable {
  case train, validation, test
  /// Known classes, cut-outs that no other split shows.
  case testUnseenCutouts = "test-unseen-cutouts"
  /// Classes that no other split shows.
  case testUnseenClasses = "test-unseen-classes"
}

/// How scenes are made.
public struct ScenesSettings: Sendable, Codable, Equatable {
  public var seed: UInt64 = 1
  /// The picture's sides in pixels, 64 to 4096.
  public var width = 320
  public var height = 240
  /// Scenes in each split, by its name.
  public var counts: [String: Int] = [
    "train": 10_000, "validation": 1000, "test": 1000, "test-unseen-cutouts": 500,
    "test-unseen-classes": 500,
  ]
  /// On libjpeg's scale of 1 to 100.
  public var jpegQuality = 90
  /// Threads that compose; the result does not depend on it.
  public var threads = 2
  /// Writes `<split>/masks.jsonl` with the run lengths of every object's visible pixels.
  public var writesMasks = false

  public init() {}

  /// Scenes in one split.
  public func count(of split: SceneSplit) -> Int { counts[split.rawValue] ?? 0 }

  /// Throws `SceneError` naming the first setting out of its range.
  public func check() throws {
    func require(_ holds: Bool, _ name: String, _ expected: String, _ found: Any) throws {
      guard holds else { throw SceneError("scenes.\(name): expected \(expected), found \(found)") }
    }
    let sides = 64...4096
    try require(sides.contains(width), "width", "64 to 4096", width)
    try require(sides.contains(height), "height", "64 to 4096", height)
    try require((1...100).contains(jpegQuality), "jpegQuality", "1 to 100", jpegQuality)
    try require((1...256).contains(threads), "threads", "1 to 256", threads)
    let names = SceneSplit.allCases.map(\.rawValue)
    for (name, count) in counts.sorted(by: { $0.key < $1.key }) {
      try require(names.contains(name), "counts", "one of \(names.joined(separator: ", "))", name)
      try require(count >= 0, "counts.\(name)", "0 or more", count)
    }
  }
}
