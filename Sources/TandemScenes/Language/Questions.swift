// Questions whose words do not give their answers away.

extension SceneTextWriter {
  /// Different questions about a scene, of as many types as it allows.
  public func questions(
    of facts: SceneFacts, among pool: ScenePool, count: Int = 6,
    using rng: inout some RandomNumberGenerator
  ) -> [SceneQuestion] {
    var random = TextRandom(from: &rng)
    return questions(facts, pool, count, &random)
  }

  func questions(
    _ facts: SceneFacts, _ pool: ScenePool, _ count: Int, _ random: inout TextRandom
  ) -> [SceneQuestion] {
    var found: [SceneQuestion] = []
    let types = random.shuffled(QuestionType.allCases)
    for attempt in 0..<(3 * max(count, types.count)) where found.count < count {
      let type = types[attempt % types.count]
      guard let form = form(type, facts, pool, &random), let answer = facts.answer(form),
        !found.contains(where: { $0.form == form })
      else { continue }
      found.append(
        SceneQuestion(
          text: plainWording.question(form, &random), type: type, form: form, answer: answer,
          answers: annotators(form, truth: answer, facts, &random)))
    }
    return found
  }

  private func form(
    _ type: QuestionType, _ facts: SceneFacts, _ pool: ScenePool, _ random: inout TextRandom
  ) -> QuestionForm? {
    switch type {
    case .existence:
      return balanced(facts, pool, &random) { facts, random in existence(facts, &random) }
    case .counting: return counting(facts, pool, &random)
    case .what: return what(facts, &random)
    case .color:
      let places = facts.scene.objects.indices.filter { facts.tint($0) != nil }
      guard let place = random.pick(Array(places)) else { return nil }
      return facts.name(place, usesTint: false, &random).map { .tint(of: $0) }
    case .relation: return relation(facts, &random)
    case .comparison: return comparison(facts, pool, &random)
    }
  }

  /// A form drawn from this scene or another, by coin, whose answers in the two differ. As either
  /// scene could have been the other, each answer is as likely as the other, whatever the words.
  ///
  /// - Parameter suits: what a form must be of both scenes, so that either could have been drawn
  ///   from: a scene that can only be asked would get one answer too often.
  private func balanced(
    _ facts: SceneFacts, _ pool: ScenePool, _ random: inout TextRandom,
    suits: (QuestionForm, SceneFacts) -> Bool = { _, _ in true },
    _ draw: (SceneFacts, inout TextRandom) -> QuestionForm?
  ) -> QuestionForm? {
    for _ in 0..<12 {
      guard let other = pool.other(than: facts.scene.id, &random) else {
        return draw(facts, &random)
      }
      guard let form = draw(random.coin() ? facts : other, &random),
        let here = facts.answer(form), let there = other.answer(form), here != there,
        suits(form, facts), suits(form, other)
      else { continue }
      return form
    }
    return nil
  }

  /// "Is there a red cat?", true of the scene it is drawn from.
  private func existence(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard !facts.scene.objects.isEmpty else { return nil }
    let place = random.below(facts.scene.objects.count)
    let hypernym = random.chance(0.3) ? facts.hypernym(place, &random) : nil
    return .truth(of: .exists(facts.described(place, noun: hypernym, attributes: 0.35, &random)))
  }

  // MARK: Counting

  private func counting(
    _ facts: SceneFacts, _ pool: ScenePool, _ random: inout TextRandom
  ) -> QuestionForm? {
    // Without a wish, most counts would be none or one.
    let wish = String(random.below(5))
    var last: QuestionForm?
    for _ in 0..<8 {
      let form = balanced(facts, pool, &random) { counted($0, &$1) }
      guard let form else { continue }
      if facts.answer(form) == wish { return form }
      last = form
    }
    return last
  }

  private func counted(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard !facts.scene.objects.isEmpty else {
      return .count(of: SceneDescription(Lexicon.anything))
    }
    let place = random.below(facts.scene.objects.count)
    let noun: String? =
      switch random.below(4) {
      case 0: nil
      case 1: Lexicon.anything
      default: facts.hypernym(place, &random)
      }
    return .count(of: facts.described(place, noun: noun, attributes: 0.2, &random))
  }

  // MARK: Classes

  /// "What is the small red object?"
  private func what(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard !facts.scene.objects.isEmpty else { return nil }
    for _ in 0..<8 {
      let place = random.below(facts.scene.objects.count)
      let noun = random.chance(0.6) ? facts.hypernym(place, &random) : nil
      var description = facts.described(
        place, noun: noun ?? Lexicon.anything, attributes: 0.5, &random)
      if random.chance(0.25) {
        description = SceneDescription(description.noun)
        guard let extreme = facts.superlative(place, description, &random) else { continue }
        description = extreme
      }
      let isEmpty = description.noun == Lexicon.anything && description.isPlain
      if facts.only(description) == place, !isEmpty { return .className(of: description) }
    }
    return nil
  }

  // MARK: Relations

  private func relation(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    for _ in 0..<6 {
      let form: QuestionForm? =
        switch random.below(10) {
        case 0..<5: whatBears(facts, &random)
        case 5..<7: side(facts, &random)
        default: relationHolds(facts, &random)
        }
      if let form, facts.answer(form) != nil { return form }
    }
    return nil
  }

  /// "What animal is to the left of the car?"
  private func whatBears(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard let (subject, object) = facts.pair(&random),
      let bearing = random.pick(facts.bearings(subject, object)),
      let landmark = facts.name(object, &random)
    else { return nil }
    let noun = random.coin() ? facts.hypernym(subject, &random) : nil
    var description = SceneDescription(noun ?? Lexicon.anything)
    description.relatives = [.init(bearing, isDefinite: true, landmark)]
    return facts.only(description) == subject ? .className(of: description) : nil
  }

  private func side(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard let (subject, object) = facts.pair(&random), let first = facts.name(subject, &random),
      let second = facts.name(object, &random)
    else { return nil }
    return .side(of: first, from: second)
  }

  /// "Is the cat to the left of the dog?": of a true relation and its false opposite, one by coin.
  private func relationHolds(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    let spatial: [Bearing] = [.leftOf, .rightOf, .above, .below, .on, .nextTo]
    guard let (subject, object) = facts.pair(&random),
      let bearing = random.pick(facts.bearings(subject, object).filter(spatial.contains))
    else { return nil }
    // Both must be askable, or the true one would give itself away.
    guard let other = counterpart(bearing, (subject, object), facts, &random) else { return nil }
    let names = [subject, object, other.0, other.1].compactMap { facts.name($0, &random) }
    guard names.count == 4 else { return nil }
    let asked = random.coin() ? names.prefix(2) : names.suffix(2)
    guard let first = asked.first, let second = asked.last else { return nil }
    return .truth(of: .relation(subject: first, bearing: bearing, landmark: second))
  }

  /// A pair of which the relation is clearly false.
  private func counterpart(
    _ bearing: Bearing, _ places: (Int, Int), _ facts: SceneFacts, _ random: inout TextRandom
  ) -> (Int, Int)? {
    if bearing != .nextTo, bearing != .on || random.coin() {
      return facts.scene.clearly(bearing: bearing, places.1, places.0) == false
        ? (places.1, places.0) : nil
    }
    for _ in 0..<6 {
      guard let other = facts.pair(&random) else { return nil }
      if facts.scene.clearly(bearing: bearing, other.0, other.1) == false { return other }
    }
    return nil
  }

  // MARK: Comparison

  private func comparison(
    _ facts: SceneFacts, _ pool: ScenePool, _ random: inout TextRandom
  ) -> QuestionForm? {
    for _ in 0..<6 {
      let form: QuestionForm? =
        switch random.below(5) {
        case 0, 1: larger(facts, &random)
        case 2: moreOfClasses(facts, &random)
        default:
          balanced(facts, pool, &random, suits: differ) { moreOfHypernyms($0, &$1) }
        }
      if let form, facts.answer(form) != nil { return form }
    }
    return nil
  }

  /// "Is the cat larger than the dog?", in an order by coin.
  private func larger(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard let (first, second) = facts.pair(&random),
      facts.scene.clearly(bearing: .largerThan, first, second) != nil,
      facts.scene.clearly(bearing: .largerThan, second, first) != nil,
      let subject = facts.name(first, &random), let landmark = facts.name(second, &random),
      // "The largest cat", "the small cat" answer by themselves.
      [subject, landmark].allSatisfy({ $0.size == nil && $0.extreme == nil })
    else { return nil }
    let bearing: Bearing = random.coin() ? .largerThan : .smallerThan
    return .truth(of: .relation(subject: subject, bearing: bearing, landmark: landmark))
  }

  /// "Are there more cats than dogs?", in an order by coin.
  private func moreOfClasses(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard let (first, second) = facts.pair(&random) else { return nil }
    return more(
      SceneDescription(facts.className(first)),
      SceneDescription(facts.className(second)), facts)
  }

  private func moreOfHypernyms(_ facts: SceneFacts, _ random: inout TextRandom) -> QuestionForm? {
    guard let (first, second) = facts.pair(&random), let one = facts.hypernym(first, &random),
      let two = facts.hypernym(second, &random)
    else { return nil }
    var descriptions = (SceneDescription(one), SceneDescription(two))
    if random.chance(0.3) {
      descriptions.0.tint = facts.tint(first)
      descriptions.1.tint = facts.tint(second)
    }
    return more(descriptions.0, descriptions.1, facts)
  }

  /// Whether there is clearly more of the one than of the other: as many of both say "no" to
  /// either order.
  private func differ(_ form: QuestionForm, _ facts: SceneFacts) -> Bool {
    guard case .truth(.more(let first, let second)) = form else { return false }
    return facts.truth(.asMany(of: first, as: second)) == false
  }

  private func more(
    _ first: SceneDescription, _ second: SceneDescription, _ facts: SceneFacts
  ) -> QuestionForm? {
    guard !lexicon.overlap(first.noun, second.noun), let one = facts.count(first),
      let two = facts.count(second), one != two
    else { return nil }
    return .truth(of: .more(of: first, than: second))
  }
}
