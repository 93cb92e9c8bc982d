// Statements about two pictures, each true of one pair and false of another (NLVR2: Suhr et al.
// 2019), so that the words alone decide nothing.

/// A statement about two scenes.
public struct PairStatement: Codable, Sendable, Equatable {
  public var text: String
  public var claim: PairClaim
  /// The numbers of the scenes.
  public var left: Int
  public var right: Int
  public var answer: Bool

  public init(text: String, claim: PairClaim, left: Int, right: Int, answer: Bool) {
    self.text = text
    self.claim = claim
    self.left = left
    self.right = right
    self.answer = answer
  }
}

/// One statement with a pair that it is true of and a pair that it is false of.
public struct PairStatementGroup: Codable, Sendable, Equatable {
  public struct Pair: Codable, Sendable, Equatable {
    public var left: Int
    public var right: Int
  }

  public var text: String
  public var claim: PairClaim
  public var whenTrue: Pair
  public var whenFalse: Pair

  /// Both, the true one first.
  public var statements: [PairStatement] {
    [(whenTrue, true), (whenFalse, false)].map {
      PairStatement(text: text, claim: claim, left: $0.left, right: $0.right, answer: $1)
    }
  }
}

extension SceneTextWriter {
  /// Statements about pairs of the scenes of a chunk; fewer than `count` where the chunk has too
  /// few scenes that differ. For a split of any length, call it chunk by chunk.
  public func pairStatements(
    _ count: Int, among index: SceneIndex, using rng: inout some RandomNumberGenerator
  ) -> [PairStatementGroup] {
    guard index.scenes.count > 1 else { return [] }
    var random = TextRandom(from: &rng)
    var groups: [PairStatementGroup] = []
    var texts: Set<String> = []
    for _ in 0..<(8 * count) where groups.count < count {
      guard let (claim, noun) = pairClaim(index, &random),
        let (whenTrue, whenFalse) = pairs(claim, noun, index, &random)
      else { continue }
      let text = Wording.sentence(plainWording.clause(claim, &random))
      guard texts.insert(text).inserted else { continue }
      groups.append(
        PairStatementGroup(text: text, claim: claim, whenTrue: whenTrue, whenFalse: whenFalse))
    }
    return groups
  }

  /// A pair for each answer, from one distribution of pairs.
  private func pairs(
    _ claim: PairClaim, _ noun: String, _ index: SceneIndex, _ random: inout TextRandom
  ) -> (PairStatementGroup.Pair, PairStatementGroup.Pair)? {
    var found: (PairStatementGroup.Pair?, PairStatementGroup.Pair?)
    for _ in 0..<24 {
      guard let left = index.likely(noun, &random), let right = index.likely(noun, &random),
        left.scene.id != right.scene.id, let truth = claim.truth(left: left, right: right)
      else { continue }
      let pair = PairStatementGroup.Pair(left: left.scene.id, right: right.scene.id)
      if truth { found.0 = pair } else { found.1 = pair }
      if let first = found.0, let second = found.1 { return (first, second) }
    }
    return nil
  }

  /// A claim about two pictures, and the noun that scenes are searched by.
  private func pairClaim(
    _ index: SceneIndex, _ random: inout TextRandom
  ) -> (PairClaim, String)? {
    guard let facts = index.any(&random), !facts.scene.objects.isEmpty else { return nil }
    let place = random.below(facts.scene.objects.count)
    let hypernym = random.chance(0.5) ? facts.hypernym(place, &random) : nil
    let noun = random.chance(0.1) ? Lexicon.anything : hypernym
    var description = facts.described(place, noun: noun, attributes: 0.2, &random)
    let side: PairSide = random.coin() ? .left : .right
    let claim: PairClaim
    switch random.below(8) {
    case 0: claim = .more(side: side, of: description)
    case 1: claim = .asMany(of: description)
    case 2:
      guard let count = facts.count(description) else { return nil }
      let total = count + random.below(3)
      claim = .total(is: Quantity(comparison(total, &random), total), of: description)
    case 3:
      if description.noun == Lexicon.anything && description.isPlain { return nil }
      claim = .neither(claim: .exists(description))
    case let kind:
      if description.noun == Lexicon.anything || random.chance(0.3) {
        guard let relative = relative(facts, place, &random) else { return nil }
        description.relatives = [relative]
      }
      guard let inner = single(facts, description, &random) else { return nil }
      switch kind {
      case 4: claim = .one(side: side, claim: inner)
      case 5: claim = .both(claim: inner)
      case 6: claim = .either(claim: inner)
      default: claim = .exactlyOne(claim: inner)
      }
    }
    return (claim, description.noun)
  }

  private func comparison(_ number: Int, _ random: inout TextRandom) -> Quantity.Comparison {
    if number == 0 { return .exactly }
    return random.pick(.exactly, .atLeast, .atMost)
  }

  private func relative(
    _ facts: SceneFacts, _ place: Int, _ random: inout TextRandom
  ) -> SceneDescription.Relative? {
    let count = facts.scene.objects.count
    guard count > 1 else { return nil }
    let other = (place + 1 + random.below(count - 1)) % count
    guard let bearing = random.pick(facts.bearings(place, other)) else { return nil }
    let noun = facts.hypernym(other, &random) ?? Lexicon.anything
    return .init(bearing, isDefinite: false, SceneDescription(noun))
  }

  /// A claim about one picture.
  private func single(
    _ facts: SceneFacts, _ description: SceneDescription, _ random: inout TextRandom
  ) -> SceneClaim? {
    if !description.relatives.isEmpty || random.chance(0.4) { return .exists(description) }
    guard let count = facts.count(description) else { return nil }
    return .count(is: Quantity(comparison(count, &random), count), of: description)
  }
}

extension Wording {
  /// The claim as a clause: "in both pictures there are two cats".
  func clause(_ claim: PairClaim, _ random: inout TextRandom) -> String {
    switch claim {
    case .one(let side, let claim):
      return placed(claim, "in the \(side.rawValue) picture", &random)
    case .both(let claim): return placed(claim, "in both pictures", &random)
    case .either(let claim): return placed(claim, "in at least one of the pictures", &random)
    case .exactlyOne(let claim):
      return placed(claim, "in exactly one of the two pictures", &random)
    case .neither(let claim):
      guard case .count(_, let description) = claim else {
        return "it is true of neither picture that \(clause(claim, &random))"
      }
      return random.coin()
        ? "neither picture shows \(a(description, &random))"
        : "in neither picture is there \(a(description, &random))"
    case .more(let side, let description):
      let other = side == .left ? "right" : "left"
      let things = bare(description, .plural, &random)
      return random.coin()
        ? "there are more \(things) in the \(side.rawValue) picture than in the \(other) one"
        : "there are fewer \(things) in the \(other) picture than in the \(side.rawValue) one"
    case .asMany(let description):
      let things = bare(description, .plural, &random)
      return random.coin()
        ? "there are as many \(things) in the left picture as in the right one"
        : "the two pictures have the same number of \(things)"
    case .total(let quantity, let description):
      return exists(quantity, description, &random) + " in the two pictures together"
    }
  }

  private func placed(
    _ claim: SceneClaim, _ place: String, _ random: inout TextRandom
  ) -> String {
    // "There is a cat next to a dog in both pictures" could mean the same dog: place first.
    "\(place) \(clause(claim, &random))"
  }
}
