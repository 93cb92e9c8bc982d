// Other scenes to compare with: they make wrong answers as likely as right ones.

/// An even sample of the scenes seen so far, of constant size (reservoir sampling).
///
/// Questions and distractors about a scene are made with a second scene of the same pool: a
/// description is drawn from one of the two, and asked only if their answers differ. So the words
/// of a question say nothing of its answer. Fill it from scenes of the same split.
public struct ScenePool: Sendable {
  public let capacity: Int
  /// How many scenes were offered.
  public private(set) var offered = 0
  public private(set) var scenes: [SceneFacts] = []

  public init(capacity: Int = 512) { self.capacity = max(1, capacity) }

  /// Takes a scene in with the chance that keeps the sample even.
  public mutating func add(_ facts: SceneFacts, using rng: inout some RandomNumberGenerator) {
    var random = TextRandom(from: &rng)
    offered += 1
    if scenes.count < capacity {
      scenes.append(facts)
    } else {
      let place = random.below(offered)
      if place < capacity { scenes[place] = facts }
    }
  }

  /// A scene of the pool with another number than `id`.
  func other(than id: Int, _ random: inout TextRandom) -> SceneFacts? {
    guard !scenes.isEmpty else { return nil }
    for _ in 0..<4 {
      let facts = scenes[random.below(scenes.count)]
      if facts.scene.id != id { return facts }
    }
    return nil
  }
}
