// Which scenes of a chunk hold which nouns.

/// Many scenes at hand, found by noun: what statements over several scenes are made from.
public struct SceneIndex: Sendable {
  public let scenes: [SceneFacts]
  private let byNoun: [String: [Int]]

  public init(_ scenes: [SceneFacts]) {
    self.scenes = scenes
    var byNoun: [String: [Int]] = [:]
    for (place, facts) in scenes.enumerated() {
      var nouns: Set<String> = []
      for number in facts.classes {
        nouns.insert(facts.lexicon.classes[number].name)
        nouns.formUnion(facts.lexicon.classes[number].hypernyms)
      }
      for noun in nouns { byNoun[noun, default: []].append(place) }
    }
    self.byNoun = byNoun
  }

  func any(_ random: inout TextRandom) -> SceneFacts? { random.pick(scenes) }

  /// A scene that holds the noun more often than not.
  func likely(_ noun: String, _ random: inout TextRandom) -> SceneFacts? {
    guard random.chance(0.65), let place = random.pick(byNoun[noun] ?? []) else {
      return any(&random)
    }
    return scenes[place]
  }
}
