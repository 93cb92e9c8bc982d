// Region descriptions and scene graphs, in the manner of Visual Genome (Krishna et al. 2017).

/// A phrase that is true of one object, though maybe of others too.
public struct RegionDescription: Codable, Sendable, Equatable {
  public var phrase: String
  /// The index of the object in its scene.
  public var object: Int
  public var box: SceneBox
  public var description: SceneDescription

  public init(phrase: String, object: Int, box: SceneBox, description: SceneDescription) {
    self.phrase = phrase
    self.object = object
    self.box = box
    self.description = description
  }
}

/// What a scene holds: objects with attributes, and what clearly stands how to what.
public struct SceneGraph: Codable, Sendable, Equatable {
  public struct Object: Codable, Sendable, Equatable {
    /// The index of the object in its scene.
    public var id: Int
    /// The class and its hypernyms, nearest first.
    public var names: [String]
    /// The size and, unless natural, the tint.
    public var attributes: [String]
    public var box: SceneBox
  }

  public struct Relationship: Codable, Sendable, Equatable {
    public var subject: Int
    /// A `SceneRelation` as text, "left of".
    public var predicate: String
    public var object: Int
  }

  public var objects: [Object]
  public var relationships: [Relationship]

  public init(_ facts: SceneFacts) {
    objects = facts.scene.objects.enumerated().map { place, object in
      let one = facts.lexicon.classes[facts.classes[place]]
      return Object(
        id: place, names: [one.name] + one.hypernyms,
        attributes: [object.size.rawValue]
          + (object.tint == .natural ? [] : [object.tint.rawValue]),
        box: object.box)
    }
    relationships = facts.scene.relations.map {
      Relationship(subject: $0.subject, predicate: $0.relation.rawValue, object: $0.object)
    }
  }
}

extension SceneTextWriter {
  /// Different phrases for each object of a scene, `each` of them where it gives so many.
  public func regions(
    of facts: SceneFacts, each: Int = 2, using rng: inout some RandomNumberGenerator
  ) -> [RegionDescription] {
    var random = TextRandom(from: &rng)
    return regions(facts, each, &random)
  }

  func regions(
    _ facts: SceneFacts, _ each: Int, _ random: inout TextRandom
  ) -> [RegionDescription] {
    facts.scene.objects.indices.flatMap { place in
      var found: [RegionDescription] = []
      for _ in 0..<(4 * each) where found.count < each {
        let description = region(facts, place, &random)
        let phrase = wording.a(description, &random)
        guard let objects = facts.objects(description), objects.certain >> UInt64(place) & 1 == 1,
          !found.contains(where: { $0.phrase == phrase })
        else { continue }
        found.append(
          RegionDescription(
            phrase: phrase, object: place, box: facts.scene.objects[place].box,
            description: description))
      }
      return found
    }
  }

  private func region(
    _ facts: SceneFacts, _ place: Int, _ random: inout TextRandom
  ) -> SceneDescription {
    let noun = random.chance(0.25) ? facts.hypernym(place, &random) : nil
    guard facts.scene.objects.count > 1, random.chance(0.4) else {
      return facts.adorned(place, noun: noun, &random)
    }
    let count = facts.scene.objects.count
    let other = (place + 1 + random.below(count - 1)) % count
    var description = facts.described(place, noun: noun, attributes: 0.3, &random)
    if let bearing = random.pick(facts.bearings(place, other)) {
      if bearing == .largerThan || bearing == .smallerThan { description.size = nil }
      description.relatives = [
        .init(bearing, isDefinite: false, facts.described(other, attributes: 0.3, &random))
      ]
    }
    return description
  }
}
