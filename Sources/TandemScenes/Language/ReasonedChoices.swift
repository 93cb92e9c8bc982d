// Questions with four answers and four rationales, one of each right (VCR: Zellers et al. 2019).

/// A question about objects that it points at, with four answers and four rationales.
///
/// The wrong ones have the form of the right one and are clearly false of the picture; the wrong
/// rationales agree with the right answer, so that words alone do not rule them out.
public struct ReasonedChoice: Codable, Sendable, Equatable {
  public enum Kind: String, Codable, Sendable, CaseIterable {
    case location, identity, extreme, members
  }

  public struct Option: Codable, Sendable, Equatable {
    public var text: TaggedText
    public var claim: TaggedClaim

    public init(text: TaggedText, claim: TaggedClaim) {
      self.text = text
      self.claim = claim
    }
  }

  public var kind: Kind
  public var question: TaggedText
  /// Four.
  public var answers: [Option]
  /// The index of the right answer.
  public var answer: Int
  /// Four.
  public var rationales: [Option]
  public var rationale: Int

  public init(
    kind: Kind, question: TaggedText, answers: [Option], answer: Int, rationales: [Option],
    rationale: Int
  ) {
    self.kind = kind
    self.question = question
    self.answers = answers
    self.answer = answer
    self.rationales = rationales
    self.rationale = rationale
  }
}

extension SceneTextWriter {
  /// Reasoned choices about a scene, of different kinds; fewer than `count`, or none, where it has
  /// too few objects.
  public func choices(
    of facts: SceneFacts, among pool: ScenePool, count: Int = 1,
    using rng: inout some RandomNumberGenerator
  ) -> [ReasonedChoice] {
    var random = TextRandom(from: &rng)
    return choices(facts, pool, count, &random)
  }

  func choices(
    _ facts: SceneFacts, _ pool: ScenePool, _ count: Int, _ random: inout TextRandom
  ) -> [ReasonedChoice] {
    var found: [ReasonedChoice] = []
    let kinds = random.shuffled(ReasonedChoice.Kind.allCases)
    guard facts.scene.objects.count > 1 else { return [] }
    for attempt in 0..<(3 * kinds.count) where found.count < count {
      let kind = kinds[attempt % kinds.count]
      let choice =
        switch kind {
        case .location: location(facts, &random)
        case .identity: identity(facts, pool, &random)
        case .extreme: extremeChoice(facts, &random)
        case .members: members(facts, &random)
        }
      if let choice, !found.contains(where: { $0.question == choice.question }) {
        found.append(choice)
      }
    }
    return found
  }

  private typealias Option = ReasonedChoice.Option

  /// One true option and three clearly false ones out of those offered, in any order.
  private func four(
    _ options: [Option], _ facts: SceneFacts, _ random: inout TextRandom
  ) -> ([Option], Int)? {
    var right: Option?
    var wrong: [Option] = []
    for option in random.shuffled(options) {
      if wrong.contains(where: { $0.text == option.text }) { continue }
      switch facts.truth(option.claim) {
      case true?: right = right ?? option
      case false? where wrong.count < 3: wrong.append(option)
      default: break
      }
    }
    guard let right, wrong.count == 3 else { return nil }
    let place = random.below(4)
    wrong.insert(right, at: place)
    return (wrong, place)
  }

  private func choice(
    _ kind: ReasonedChoice.Kind, _ question: TaggedText, _ answers: [Option],
    _ facts: SceneFacts, _ random: inout TextRandom,
    rationales: (Option, inout TextRandom) -> [Option]
  ) -> ReasonedChoice? {
    guard let (answers, answer) = four(answers, facts, &random),
      let (rationales, rationale) = four(rationales(answers[answer], &random), facts, &random)
    else { return nil }
    return ReasonedChoice(
      kind: kind, question: question, answers: answers, answer: answer, rationales: rationales,
      rationale: rationale)
  }

  // MARK: Kinds

  /// "Where is [0]?" "[0] is to the left of [1] and above it." "[0] is at the left of …"
  private func location(_ facts: SceneFacts, _ random: inout TextRandom) -> ReasonedChoice? {
    guard let (first, second) = facts.pair(&random), let here = facts.place(first),
      let there = facts.place(second)
    else { return nil }
    let pointers = [[first], [second]]
    let answers = Self.quarters.map { across, down in
      Option(
        text: TaggedText("# is \(quarter(across, down, &random)) .", pointers),
        claim: .all(claims: Self.claims(first, across, down, second)))
    }
    return choice(.location, TaggedText("Where is # ?", [[first]]), answers, facts, &random) {
      answer, _ in
      guard case .all(let claims) = answer.claim, claims.count == 2,
        case .bearing(_, let across, _) = claims[0], case .bearing(_, let down, _) = claims[1],
        // The right one must show why; the others could.
        here.shows(across, there), here.shows(down, there)
      else { return [] }
      return PicturePlace.all.flatMap { one in
        PicturePlace.all.filter { one.shows(across, $0) && one.shows(down, $0) }.map { other in
          Option(
            text: TaggedText("# is \(one.phrase) , and # is \(other.phrase) .", pointers),
            claim: .all(claims: [.place(of: first, is: one), .place(of: second, is: other)]))
        }
      }
    }
  }

  /// One of these is true of two objects that clearly differ both ways; all are equally likely.
  private static let quarters: [(Bearing, Bearing)] = [
    (.leftOf, .above), (.leftOf, .below), (.rightOf, .above), (.rightOf, .below),
  ]

  /// "to the left of # and above it"
  private func quarter(
    _ across: Bearing, _ down: Bearing, _ random: inout TextRandom
  ) -> String {
    "\(plainWording.word(across, &random)) # and \(plainWording.word(down, &random)) it"
  }

  private static func claims(
    _ first: Int, _ across: Bearing, _ down: Bearing, _ second: Int
  ) -> [TaggedClaim] {
    [across, down].map { .bearing(subject: first, bearing: $0, object: second) }
  }

  /// "What is [0]?" "[0] is a small cat." "[0] is an animal, and it is above [1] …"
  private func identity(
    _ facts: SceneFacts, _ pool: ScenePool, _ random: inout TextRandom
  ) -> ReasonedChoice? {
    guard let (first, second) = facts.pair(&random) else { return nil }
    let option = { (description: SceneDescription, random: inout TextRandom) in
      Option(
        text: TaggedText("# is \(plainWording.a(description, &random)) .", [[first]]),
        claim: .description(of: first, is: description))
    }
    let usesTint = facts.tint(first) != nil && random.coin()
    let describe = { (facts: SceneFacts, place: Int) in
      SceneDescription(
        facts.className(place), size: usesTint ? nil : facts.scene.objects[place].size,
        tint: usesTint ? facts.tint(place) : nil)
    }
    var answers = [option(describe(facts, first), &random)]
    for _ in 0..<24 where answers.count < 8 {
      guard let other = pool.other(than: facts.scene.id, &random),
        let place = random.pick(Array(other.scene.objects.indices))
      else { break }
      let description = describe(other, place)
      if usesTint && description.tint == nil { continue }
      answers.append(option(description, &random))
    }
    let noun = facts.hypernym(first, &random) ?? Lexicon.anything
    let kind = SceneDescription(noun)
    return choice(.identity, TaggedText("What is # ?", [[first]]), answers, facts, &random) {
      _, random in
      Self.quarters.map { across, down in
        let words = quarter(across, down, &random)
        return Option(
          text: TaggedText(
            "# is \(plainWording.a(kind, &random)) , and it is \(words) .", [[first], [second]]),
          claim: .all(
            claims: [.description(of: first, is: kind)]
              + Self.claims(first, across, down, second)))
      }
    }
  }

  /// "Which object is the largest?" "[2] is." "[2] is larger than [0], and [0] is larger than [1]."
  private func extremeChoice(_ facts: SceneFacts, _ random: inout TextRandom) -> ReasonedChoice? {
    guard facts.scene.objects.count > 3 else { return nil }
    let extremes: [(SceneDescription.Extreme, Bearing)] = [
      (.largest, .largerThan), (.smallest, .smallerThan), (.leftmost, .leftOf),
      (.rightmost, .rightOf), (.highest, .above), (.lowest, .below),
    ]
    guard let (extreme, bearing) = random.pick(extremes) else { return nil }
    let all = Array(facts.scene.objects.indices)
    let answers = all.map {
      Option(text: TaggedText("# is .", [[$0]]), claim: .extreme(of: $0, is: extreme))
    }
    let word = plainWording.word(extreme, &random)
    let question = TaggedText("Which object is the \(word) ?")
    let relation = plainWording.word(bearing, &random)
    return choice(.extreme, question, answers, facts, &random) { answer, _ in
      guard case .extreme(let first, _) = answer.claim else { return [] }
      return all.flatMap { second in
        all.filter { $0 != second && $0 != first && second != first }.map { third in
          Option(
            text: TaggedText(
              "# is \(relation) # , and # is \(relation) # .",
              [[first], [second], [second], [third]]),
            claim: .all(claims: [
              .bearing(subject: first, bearing: bearing, object: second),
              .bearing(subject: second, bearing: bearing, object: third),
            ]))
        }
      }
    }
  }

  /// "Which objects are animals?" "[0] and [2] are." "[0] is a cat, and [2] is a dog."
  private func members(_ facts: SceneFacts, _ random: inout TextRandom) -> ReasonedChoice? {
    let count = facts.scene.objects.count
    guard count > 3, let noun = facts.hypernym(random.below(count), &random),
      let members = facts.objects(SceneDescription(noun))?.least
    else { return nil }
    let kind = SceneDescription(noun)
    // Every set of as many objects: how many belong must not tell which.
    let sets = Self.sets(of: members, below: count)
    guard sets.count > 3, members < 4 else { return nil }
    let answers = sets.map { set in
      Option(
        text: TaggedText(set.count == 1 ? "Only # is ." : "# are .", [set]),
        claim: .exactly(objects: set, description: kind))
    }
    let things = plainWording.bare(kind, .plural, &random)
    let question = TaggedText("Which objects are \(things) ?")
    let names = lexicon.classes.map(\.name).filter { lexicon.means(noun, className: $0) == true }
    guard names.count > 3 else { return nil }
    return choice(.members, question, answers, facts, &random) { answer, random in
      guard case .exactly(let set, _) = answer.claim else { return [] }
      let right = set.map(facts.className)
      let wrong = (0..<12).map { _ in set.map { _ in random.pick(names) ?? noun } }
      return ([right] + wrong).map { names in
        let parts = names.map { "# is \(plainWording.a(SceneDescription($0), &random))" }
        return Option(
          text: TaggedText(
            English.list(parts, ", and").replacing(", ", with: " , ") + " .",
            set.map { [$0] }),
          claim: .all(
            claims: zip(set, names).map { .description(of: $0, is: SceneDescription($1)) }))
      }
    }
  }

  /// All sets of `size` numbers below `count`.
  private static func sets(of size: Int, below count: Int) -> [[Int]] {
    guard size > 0 else { return [[]] }
    guard size <= count else { return [] }
    return sets(of: size - 1, below: count - 1).map { $0 + [count - 1] }
      + sets(of: size, below: count - 1)
  }
}
