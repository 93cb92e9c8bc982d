// How descriptions and claims are said. Every text of this target is made here from its form.

/// Puts forms into English, with chosen variety.
struct Wording: Sendable {
  let lexicon: Lexicon
  /// How often a class is called by a synonym where it has one.
  var synonymRate = 0.0

  enum Number { case singular, plural }

  // MARK: Noun phrases

  /// "small red cat that is larger than the dog", without a determiner.
  func bare(
    _ description: SceneDescription, _ number: Number = .singular,
    _ random: inout TextRandom
  ) -> String {
    var words = [adjectives(description, &random)].filter { !$0.isEmpty }
    let hidden = description.hidden.map { HiddenProperty($0) }
    if let hidden, hidden.precedes { words.append(hidden.text) }
    words.append(noun(description.noun, number, &random))
    if let hidden, !hidden.precedes { words.append(hidden.text) }
    for (place, relative) in description.relatives.enumerated() {
      if place > 0 { words.append("and") }
      words.append(self.relative(relative, of: description, number, &random))
    }
    return words.joined(separator: " ")
  }

  /// "largest", "small red"; empty where there is none.
  func adjectives(_ description: SceneDescription, _ random: inout TextRandom) -> String {
    var words: [String] = []
    if let extreme = description.extreme { words.append(word(extreme, &random)) }
    if let size = description.size { words.append(word(size, &random)) }
    if let tint = description.tint { words.append(tint.rawValue) }
    return words.joined(separator: " ")
  }

  /// "a small cat", "an apple"; "the largest cat".
  func a(_ description: SceneDescription, _ random: inout TextRandom) -> String {
    let text = bare(description, .singular, &random)
    let article = description.extreme == nil ? English.article(for: text) : "the"
    return article + " " + text
  }

  func the(_ description: SceneDescription, _ random: inout TextRandom) -> String {
    "the " + bare(description, .singular, &random)
  }

  /// "no cats", "one cat", "two cats".
  func counted(
    _ count: Int, _ description: SceneDescription, _ random: inout TextRandom
  ) -> String {
    English.number(count) + " " + bare(description, count == 1 ? .singular : .plural, &random)
  }

  private func noun(
    _ noun: String, _ number: Number, _ random: inout TextRandom
  ) -> String {
    if synonymRate > 0, random.chance(synonymRate),
      let synonym = random.pick(lexicon.synonyms(of: noun))
    {
      let measured = English.measure(for: synonym).map {
        (number == .singular ? $0 : English.plural(of: $0)) + " of " + synonym
      }
      return measured ?? (number == .singular ? synonym : English.plural(of: synonym))
    }
    return number == .singular ? lexicon.singular(noun) : lexicon.plural(noun)
  }

  private func relative(
    _ relative: SceneDescription.Relative, of subject: SceneDescription, _ number: Number,
    _ random: inout TextRandom
  ) -> String {
    let landmark =
      relative.isDefinite
      ? the(relative.landmark, &random)
      : another(relative.landmark, beside: subject, &random)
    let verb = number == .singular ? "that is" : "that are"
    let needsVerb = relative.bearing == .largerThan || relative.bearing == .smallerThan
    return (needsVerb ? verb + " " : "") + word(relative.bearing, &random) + " " + landmark
  }

  /// "to the left of a red dog and above a car": all relatives after "is".
  func predicates(_ description: SceneDescription, _ random: inout TextRandom) -> String {
    description.relatives.map { relative in
      let landmark =
        relative.isDefinite
        ? the(relative.landmark, &random)
        : another(relative.landmark, beside: description, &random)
      return word(relative.bearing, &random) + " " + landmark
    }.joined(separator: " and ")
  }

  /// "a dog"; "another cat" beside a cat that it is not told from.
  private func another(
    _ landmark: SceneDescription, beside subject: SceneDescription, _ random: inout TextRandom
  ) -> String {
    let isLike =
      landmark.noun == subject.noun && landmark.extreme == nil
      && (landmark.size == nil || landmark.size == subject.size)
      && (landmark.tint == nil || landmark.tint == subject.tint)
    return isLike ? "another " + bare(landmark, .singular, &random) : a(landmark, &random)
  }

  // MARK: Words

  func word(_ size: SceneSize, _ random: inout TextRandom) -> String {
    switch size {
    case .small: random.chance(0.8) ? "small" : "little"
    case .medium: "medium-sized"
    case .large: random.chance(0.8) ? "large" : "big"
    }
  }

  func word(_ bearing: Bearing, _ random: inout TextRandom) -> String {
    switch bearing {
    case .leftOf: random.chance(0.7) ? "to the left of" : "left of"
    case .rightOf: random.chance(0.7) ? "to the right of" : "right of"
    case .above: "above"
    case .below: "below"
    case .largerThan: random.chance(0.7) ? "larger than" : "bigger than"
    case .smallerThan: "smaller than"
    case .on: random.chance(0.7) ? "on" : "on top of"
    case .nextTo: random.chance(0.7) ? "next to" : "beside"
    }
  }

  func word(_ extreme: SceneDescription.Extreme, _ random: inout TextRandom) -> String {
    switch extreme {
    case .largest: random.chance(0.7) ? "largest" : "biggest"
    case .highest: random.chance(0.5) ? "highest" : "topmost"
    case .lowest: "lowest"
    case .smallest, .leftmost, .rightmost: extreme.rawValue
    }
  }

  // MARK: Clauses

  /// The claim as a clause without capital and full stop: "there are two red cats".
  func clause(_ claim: SceneClaim, _ random: inout TextRandom) -> String {
    switch claim {
    case .count(let quantity, let description): return exists(quantity, description, &random)
    case .relation(let subject, let bearing, let landmark):
      return
        "\(the(subject, &random)) is \(word(bearing, &random)) \(the(landmark, &random))"
    case .more(let more, let fewer):
      // "Fewer hungry cats than dogs" reads better than "more dogs than hungry cats".
      return fewer.hidden != nil || (more.hidden == nil && random.chance(0.3))
        ? "there are fewer \(bare(fewer, .plural, &random)) than \(bare(more, .plural, &random))"
        : "there are more \(bare(more, .plural, &random)) than \(bare(fewer, .plural, &random))"
    case .asMany(let first, let second):
      return
        "there are as many \(bare(first, .plural, &random)) as \(bare(second, .plural, &random))"
    case .identity(let subject, let description):
      return "\(the(subject, &random)) is \(a(description, &random))"
    case .not(let claim): return "it is not true that \(clause(claim, &random))"
    case .all(let claims): return English.list(claims.map { clause($0, &random) })
    case .any(let claims):
      if let phrases = alternatives(claims, &random) {
        return "there is " + phrases
      }
      return English.list(claims.map { clause($0, &random) }, "or")
    }
  }

  /// "a cat or a dog" where every claim says that there is one.
  private func alternatives(_ claims: [SceneClaim], _ random: inout TextRandom) -> String? {
    var phrases: [String] = []
    var isOpenEnded = false
    for claim in claims {
      guard case .count(Quantity(.atLeast, 1), let description) = claim else { return nil }
      // In "a flower or a cat painted by a teacher" both might be.
      if let hidden = description.hidden, !HiddenProperty(hidden).precedes { isOpenEnded = true }
      phrases.append(a(description, &random))
    }
    return isOpenEnded
      ? phrases.joined(separator: " or there is ") : English.list(phrases, "or")
  }

  /// "there is a cat", "there are at most two dogs", "there are no apples".
  func exists(
    _ quantity: Quantity, _ description: SceneDescription, _ random: inout TextRandom
  ) -> String {
    let verb = quantity.number == 1 ? "there is" : "there are"
    switch (quantity.comparison, quantity.number) {
    case (.atLeast, 1):
      return random.chance(0.8)
        ? "there is \(a(description, &random))"
        : "there is at least one \(bare(description, .singular, &random))"
    case (.exactly, 0), (.atMost, 0):
      return random.coin()
        ? "there is no \(bare(description, .singular, &random))"
        : "there are no \(bare(description, .plural, &random))"
    case (.exactly, let number):
      return "\(verb) exactly \(counted(number, description, &random))"
    case (.atLeast, let number):
      return "\(verb) at least \(counted(number, description, &random))"
    case (.atMost, let number):
      return "\(verb) at most \(counted(number, description, &random))"
    }
  }

  /// The claim as a hypothesis: "the picture shows a cat", "no cat is in the picture", or a clause.
  func hypothesis(_ claim: SceneClaim, _ random: inout TextRandom) -> String {
    guard random.coin(), case .count(let quantity, let description) = claim,
      description.relatives.isEmpty
    else { return clause(claim, &random) }
    switch (quantity.comparison, quantity.number) {
    case (.atLeast, 1):
      return random.coin()
        ? "the picture shows \(a(description, &random))"
        : "\(a(description, &random)) is in the picture"
    case (.exactly, 0): return "no \(bare(description, .singular, &random)) is in the picture"
    default: return clause(claim, &random)
    }
  }

  /// The clause as a sentence.
  static func sentence(_ clause: String) -> String { English.capitalized(clause) + "." }
}

/// A property that a picture cannot show.
public struct HiddenProperty: Sendable, Equatable {
  public let text: String
  /// Whether it stands before the noun: "hungry cat", but "cat from Spain".
  public var precedes: Bool { !Self.following.contains(text) }

  init(_ text: String) { self.text = text }

  static let living = ["hungry", "thirsty", "well-trained", "vaccinated", "four-year-old"]
  static let made = ["expensive", "rented", "second-hand", "insured", "borrowed"]
  static let grown = ["organic", "expensive", "unwashed", "locally grown"]
  static let eaten = ["expensive", "homemade", "leftover"]
  /// Of anything that can be drawn.
  static let drawn = [
    "drawn on a Monday", "painted by a teacher", "photographed in May", "chosen by a child",
  ]
  /// Of anything that can be moved.
  static let moved = ["from Spain", "owned by a doctor"]
  static let following = Set(drawn + moved)

  /// Properties that make sense for a noun.
  static func fitting(_ noun: String, _ lexicon: Lexicon) -> [String] {
    let kinds: [(Set<String>, [String])] = [
      (
        [
          "animal", "bird", "mammal", "insect", "fish", "reptile", "amphibian", "sea animal",
          "person",
        ], living
      ),
      (
        [
          "vehicle", "road vehicle", "furniture", "musical instrument", "tool", "device",
          "household item", "clothing", "toy",
        ], made
      ),
      (["fruit", "vegetable"], grown),
      (["food", "sweet", "drink"], eaten),
    ]
    for (nouns, properties) in kinds {
      let isKind =
        nouns.contains(noun)
        || lexicon.place(of: noun).map {
          !nouns.isDisjoint(with: lexicon.classes[$0].hypernyms)
        } ?? false
      if isKind { return properties + moved + drawn }
    }
    return drawn
  }
}
