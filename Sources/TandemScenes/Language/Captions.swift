// Captions: what a person might write below the picture, each one true of it.

/// A sentence about a picture, with what it says.
public struct Caption: Codable, Sendable, Equatable {
  public var text: String
  public var claim: SceneClaim

  public init(text: String, claim: SceneClaim) {
    self.text = text
    self.claim = claim
  }
}

extension SceneTextWriter {
  /// Different true captions of a scene.
  ///
  /// The first names all objects; the others say how two objects stand, what one looks like, how
  /// many there are, or name them by hypernyms. Fewer than `count` come only where the scene gives
  /// no more.
  public func captions(
    of facts: SceneFacts, count: Int = 5, using rng: inout some RandomNumberGenerator
  ) -> [Caption] {
    var random = TextRandom(from: &rng)
    return captions(facts, count, &random)
  }

  func captions(_ facts: SceneFacts, _ count: Int, _ random: inout TextRandom) -> [Caption] {
    guard !facts.scene.objects.isEmpty else { return emptyCaptions(count) }
    var kinds: [CaptionKind] = random.shuffled(CaptionKind.allCases.filter { $0 != .everything })
    kinds.insert(.everything, at: 0)
    var captions: [Caption] = []
    for attempt in 0..<(8 * count) where captions.count < count {
      let kind = kinds[attempt % kinds.count]
      guard let caption = caption(kind, facts, &random), facts.truth(caption.claim) == true,
        !captions.contains(where: { $0.text == caption.text }),
        // The same said otherwise only where there is no more to say.
        attempt >= 4 * count || !captions.contains(where: { $0.claim == caption.claim })
      else { continue }
      captions.append(caption)
    }
    return captions
  }

  private enum CaptionKind: CaseIterable {
    case everything, relation, attributes, counting, hypernyms, twoRelations, extreme
  }

  private func caption(
    _ kind: CaptionKind, _ facts: SceneFacts, _ random: inout TextRandom
  ) -> Caption? {
    switch kind {
    case .everything: return everything(facts, &random)
    case .relation: return relation(facts, usesHypernyms: false, &random)
    case .attributes:
      let place = random.below(facts.scene.objects.count)
      return standing(.exists(facts.adorned(place, &random)), &random)
    case .counting: return counting(facts, &random)
    case .hypernyms:
      if let caption = relation(facts, usesHypernyms: true, &random) { return caption }
      let place = random.below(facts.scene.objects.count)
      guard let noun = facts.hypernym(place, &random) else { return nil }
      return standing(.exists(facts.adorned(place, noun: noun, &random)), &random)
    case .twoRelations: return twoRelations(facts, &random)
    case .extreme: return extreme(facts, &random)
    }
  }

  private func emptyCaptions(_ count: Int) -> [Caption] {
    let nothing = SceneClaim.count(
      is: Quantity(.exactly, 0), of: SceneDescription(Lexicon.anything))
    let texts = [
      "An empty picture.", "There is nothing in the picture.", "There are no objects here.",
      "A background without any objects.", "The picture is empty.",
    ]
    return texts.prefix(count).map { Caption(text: $0, claim: nothing) }
  }

  /// "A red cat, two dogs and an apple."
  private func everything(_ facts: SceneFacts, _ random: inout TextRandom) -> Caption {
    var claims: [SceneClaim] = []
    var phrases: [String] = []
    let groups = Dictionary(grouping: facts.scene.objects.indices) { widest($0, facts) }
    // An order that does not depend on the dictionary's.
    for (name, places) in random.shuffled(groups.sorted { $0.key < $1.key }) {
      let plain = SceneDescription(name)
      claims.append(.count(is: Quantity(.exactly, places.count), of: plain))
      var shown =
        places.count == 1 ? facts.described(places[0], noun: name, attributes: 0.5, &random) : plain
      if places.count > 1, let tint = facts.tint(places[0]), random.coin(),
        places.allSatisfy({ facts.tint($0) == tint })
      {
        shown.tint = tint
      }
      claims.append(.count(is: Quantity(.atLeast, places.count), of: shown))
      phrases.append(
        places.count == 1
          ? wording.a(shown, &random) : wording.counted(places.count, shown, &random))
    }
    let list = English.list(phrases)
    let isPlural = facts.scene.objects.count > 1
    let firstIsOne = claims.first.map {
      if case .count(let q, _) = $0 { q.number == 1 } else { true }
    }
    var forms = [list, "a picture of \(list)", "a picture with \(list)"]
    forms.append("there \(firstIsOne ?? true ? "is" : "are") \(list)")
    if isPlural { forms.append("\(list) are shown together") }
    return Caption(
      text: Wording.sentence(random.pick(forms) ?? list), claim: .all(claims: claims))
  }

  /// The class of the object, or that of another object that means it too: beside a dog, a poodle
  /// is one more dog, or "two dogs" would be false.
  private func widest(_ place: Int, _ facts: SceneFacts) -> String {
    let name = facts.className(place)
    let wider = facts.scene.objects.map(\.className).filter {
      $0 != name && lexicon.means($0, className: name) == true
    }
    // The one that means all the others.
    return wider.first { one in
      wider.allSatisfy { lexicon.means(one, className: $0) == true }
    } ?? name
  }

  /// A phrase by itself, or as a sentence.
  private func standing(_ claim: SceneClaim, _ random: inout TextRandom) -> Caption? {
    guard case .count(_, let description) = claim else { return nil }
    let phrase = wording.a(description, &random)
    let text =
      description.relatives.isEmpty
      ? random.pick(
        "there is \(phrase) in the picture", "\(phrase) is in the picture",
        "a picture of \(phrase)",
        "there is \(phrase)")
      : random.pick(phrase, "there is \(phrase)", phrase)
    return Caption(text: Wording.sentence(text), claim: claim)
  }

  /// "A cat to the left of a red dog."
  private func relation(
    _ facts: SceneFacts, usesHypernyms: Bool, _ random: inout TextRandom
  ) -> Caption? {
    guard let (subject, object) = facts.pair(&random),
      let bearing = random.pick(facts.bearings(subject, object))
    else { return nil }
    var nouns: (String?, String?) = (nil, nil)
    if usesHypernyms {
      guard let noun = facts.hypernym(subject, &random) else { return nil }
      nouns = (noun, random.coin() ? facts.hypernym(object, &random) : nil)
    }
    var description = facts.described(subject, noun: nouns.0, attributes: 0.3, &random)
    let landmark = facts.described(object, noun: nouns.1, attributes: 0.3, &random)
    // "A small cat smaller than …" says the same twice.
    if bearing == .largerThan || bearing == .smallerThan { description.size = nil }
    description.relatives = [.init(bearing, isDefinite: false, landmark)]
    return random.chance(0.4)
      ? verbal(description, &random) : standing(.exists(description), &random)
  }

  /// "A cat is to the left of a red dog and above a car."
  private func verbal(_ description: SceneDescription, _ random: inout TextRandom) -> Caption {
    var subject = description
    subject.relatives = []
    let phrase = wording.a(subject, &random)
    let tail = wording.predicates(description, &random)
    return Caption(
      text: Wording.sentence("\(phrase) is \(tail)"), claim: .exists(description))
  }

  private func twoRelations(_ facts: SceneFacts, _ random: inout TextRandom) -> Caption? {
    let count = facts.scene.objects.count
    guard count > 2 else { return nil }
    let places = random.shuffled(Array(0..<count))
    guard let first = random.pick(facts.bearings(places[0], places[1])),
      let second = random.pick(facts.bearings(places[0], places[2])), first != second
    else { return nil }
    var description = facts.described(places[0], attributes: 0.2, &random)
    description.relatives = [
      .init(first, isDefinite: false, facts.described(places[1], attributes: 0.2, &random)),
      .init(second, isDefinite: false, facts.described(places[2], attributes: 0.2, &random)),
    ]
    if [first, second].contains(where: { $0 == .largerThan || $0 == .smallerThan }) {
      description.size = nil
    }
    return verbal(description, &random)
  }

  /// "Three animals are in the picture."
  private func counting(_ facts: SceneFacts, _ random: inout TextRandom) -> Caption? {
    let place = random.below(facts.scene.objects.count)
    let nouns = [facts.className(place), Lexicon.anything, facts.hypernym(place, &random)]
    guard let noun = random.pick(nouns.compactMap { $0 }) else { return nil }
    var description = SceneDescription(noun)
    if random.chance(0.25) { description.tint = facts.tint(place) }
    guard let count = facts.count(description), count > 0 else { return nil }
    let phrase = wording.counted(count, description, &random)
    let verb = count == 1 ? "is" : "are"
    let text = random.pick(
      "there \(verb) \(phrase)", "\(phrase) \(verb) in the picture",
      "the picture shows \(phrase)", "a picture with \(phrase)")
    return Caption(
      text: Wording.sentence(text),
      claim: .count(is: Quantity(.exactly, count), of: description))
  }

  /// "The largest object is a red cat."
  private func extreme(_ facts: SceneFacts, _ random: inout TextRandom) -> Caption? {
    let place = random.below(facts.scene.objects.count)
    let hypernym = random.coin() ? facts.hypernym(place, &random) : nil
    let rivals = SceneDescription(hypernym ?? Lexicon.anything)
    guard let subject = facts.superlative(place, rivals, &random) else { return nil }
    var description = SceneDescription(facts.className(place))
    if random.coin() { description.tint = facts.tint(place) }
    let claim = SceneClaim.identity(subject: subject, is: description)
    return Caption(text: Wording.sentence(wording.clause(claim, &random)), claim: claim)
  }
}

extension SceneClaim {
  /// "There is one."
  static func exists(_ description: SceneDescription) -> SceneClaim {
    .count(is: Quantity(.atLeast, 1), of: description)
  }
}
