// Expressions that mean exactly one object (RefCOCO: Yu et al. 2016).

/// An expression that is true of exactly one object of its scene.
public struct ReferringExpression: Codable, Sendable, Equatable {
  /// How it tells the object from the others.
  public enum Kind: String, Codable, Sendable, CaseIterable {
    case noun, attributes, relation, superlative
  }

  public var text: String
  public var kind: Kind
  /// The index of the object in its scene.
  public var object: Int
  public var box: SceneBox
  public var description: SceneDescription

  public init(text: String, kind: Kind, object: Int, box: SceneBox, description: SceneDescription) {
    self.text = text
    self.kind = kind
    self.object = object
    self.box = box
    self.description = description
  }

  /// Whether it means its object and no other, clearly; checked from the description alone.
  public func isUnique(in facts: SceneFacts) -> Bool { facts.only(description) == object }
}

extension SceneTextWriter {
  /// Expressions for different objects of a scene, of kinds as even as the scene allows.
  public func expressions(
    of facts: SceneFacts, count: Int = 3, using rng: inout some RandomNumberGenerator
  ) -> [ReferringExpression] {
    var random = TextRandom(from: &rng)
    return expressions(facts, count, &random)
  }

  func expressions(
    _ facts: SceneFacts, _ count: Int, _ random: inout TextRandom
  ) -> [ReferringExpression] {
    let places = random.shuffled(Array(facts.scene.objects.indices)).prefix(count)
    return places.compactMap { place in
      for kind in random.shuffled(ReferringExpression.Kind.allCases) {
        for _ in 0..<4 {
          guard let description = expression(kind, place, facts, &random),
            facts.only(description) == place
          else { continue }
          let bare = wording.bare(description, .singular, &random)
          return ReferringExpression(
            text: random.chance(0.7) ? "the " + bare : bare, kind: kind, object: place,
            box: facts.scene.objects[place].box, description: description)
        }
      }
      return nil
    }
  }

  private func expression(
    _ kind: ReferringExpression.Kind, _ place: Int, _ facts: SceneFacts,
    _ random: inout TextRandom
  ) -> SceneDescription? {
    let hypernym = random.chance(0.4) ? facts.hypernym(place, &random) : nil
    let noun = random.chance(0.15) ? Lexicon.anything : hypernym
    switch kind {
    case .noun: return SceneDescription(hypernym ?? facts.className(place))
    case .attributes: return facts.adorned(place, noun: noun, &random)
    case .relation:
      guard facts.scene.objects.count > 1 else { return nil }
      let other =
        (place + 1 + random.below(facts.scene.objects.count - 1)) % facts.scene.objects.count
      guard let bearing = random.pick(facts.bearings(place, other)) else { return nil }
      var description = SceneDescription(noun ?? facts.className(place))
      let name = facts.name(other, &random)
      // "The cat next to a dog" where there are two dogs.
      let landmark = name ?? SceneDescription(facts.className(other))
      description.relatives = [.init(bearing, isDefinite: name != nil, landmark)]
      return description
    case .superlative:
      var description = SceneDescription(noun ?? facts.className(place))
      if random.chance(0.2) { description.tint = facts.tint(place) }
      return facts.superlative(place, description, &random)
    }
  }
}
