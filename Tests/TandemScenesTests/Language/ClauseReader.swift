// Clauses, questions and statements about two pictures, read back.

import TandemScenes

extension EnglishReader {
  /// A whole caption or hypothesis.
  static func statement(_ text: String) throws -> Meaning {
    var reader = try EnglishReader(text)
    let meaning = try reader.clause()
    try reader.end()
    return meaning
  }

  mutating func clause() throws -> Meaning {
    for empty in [
      "an empty picture", "there is nothing in the picture", "there are no objects here",
      "a background without any objects", "the picture is empty",
    ] where take(empty) {
      return { $0.scene.objects.isEmpty }
    }
    if take("a picture of") || take("a picture with") { return try list().0 }
    if take("the picture shows") { return try list().0 }
    if take("there is") { return try existence(isSingular: true) }
    if take("there are") { return try existence(isSingular: false) }
    if take("the") { return try definite() }
    let (meaning, count) = try list()
    if take("are shown together") {
      guard count > 1 else { throw fail("one thing alone is not shown together") }
    } else if take(count > 1 ? "are in the picture" : "is in the picture") || isAtEnd {
    } else {
      throw fail("the end of a list")
    }
    return meaning
  }

  /// "a cat, two dogs and an apple"; or with "or". Its meaning and the number of things.
  private mutating func list() throws -> (Meaning, Int) {
    var meanings: [Meaning] = []
    var count = 0
    var isAlternative = false
    repeat {
      let (meaning, number) = try item()
      meanings.append(meaning)
      count += number
      if take("or") {
        isAlternative = true
        _ = take("there is")
      } else if !take(",") && !take("and") {
        break
      }
    } while true
    let all = meanings
    if isAlternative { return ({ world in all.contains { $0(world) == true } }, count) }
    return ({ world in all.allSatisfy { $0(world) == true } }, count)
  }

  private mutating func item() throws -> (Meaning, Int) {
    if let word = rest.split(separator: " ").first, Self.numbers[String(word)] != nil {
      let (count, phrase) = try counted()
      return ({ $0.fitting(phrase)?.count == count }, count)
    }
    var phrase = try single()
    // "A cat is above a dog and below a car."
    if phrase.relatives.isEmpty, take("is") {
      let after = rest
      if after.hasPrefix("in the picture") { return try inPicture(phrase) }
      while let relative = try relative(plural: false, isFirst: phrase.relatives.isEmpty) {
        phrase.relatives.append(relative)
      }
      guard !phrase.relatives.isEmpty else { throw fail("where it is") }
    }
    _ = take("in the picture")
    let found = phrase
    return ({ ($0.fitting(found)?.count ?? 0) >= 1 }, 1)
  }

  private mutating func inPicture(_ phrase: ReadPhrase) throws -> (Meaning, Int) {
    try need("in the picture")
    return ({ ($0.fitting(phrase)?.count ?? 0) >= 1 }, 1)
  }

  private mutating func existence(isSingular: Bool) throws -> Meaning {
    for (word, sign) in [("exactly", 0), ("at least", 1), ("at most", -1)] where take(word) {
      let (count, phrase) = try counted()
      guard (count == 1) == isSingular else { throw fail("agreement of the verb") }
      return { world in
        world.fitting(phrase).map {
          sign == 0 ? $0.count == count : sign > 0 ? $0.count >= count : $0.count <= count
        }
      }
    }
    if take("as many") {
      let first = try bare(plural: true)
      try need("as")
      let second = try bare(plural: true)
      return { $0.fitting(first)?.count == $0.fitting(second)?.count }
    }
    for (word, sign) in [("more", 1), ("fewer", -1)] where take(word) {
      let first = try bare(plural: true)
      try need("than")
      let second = try bare(plural: true)
      return { world in
        guard let one = world.fitting(first), let two = world.fitting(second) else { return nil }
        return sign * (one.count - two.count) > 0
      }
    }
    let start = rest
    let (meaning, _) = try list()
    _ = take("in the picture")
    let first = start.split(separator: " ").first ?? ""
    // "There are no cats" and "there is no cat" are both right.
    if first != "no", isSingular != ["a", "an", "one", "the"].contains(first) {
      throw fail("agreement of the verb with '\(start)'")
    }
    return meaning
  }

  /// After "the": "cat is to the left of the dog", "largest animal is a cat".
  private mutating func definite() throws -> Meaning {
    let subject = try bare()
    try need("is")
    if let bearing = takeAny(Self.bearings) {
      try need("the")
      let landmark = try bare()
      return { world in
        guard let a = world.only(subject), let b = world.only(landmark) else { return nil }
        return world.bears(bearing, a, b)
      }
    }
    let kind = try single()
    return { world in
      guard let place = world.only(subject), let found = world.fitting(kind) else { return nil }
      return found.contains(place)
    }
  }

  // MARK: Questions

  /// The answer that a question has in a world; nil where it has none.
  static func question(_ text: String) throws -> (PossibleWorld) -> String? {
    guard text.last == "?", text.first?.isUppercase == true else {
      throw ReadError(description: "not a question: \(text)")
    }
    var reader = try EnglishReader(text)
    let answer = try reader.question()
    try reader.end()
    return answer
  }

  private mutating func question() throws -> (PossibleWorld) -> String? {
    if take("how many") { return try howMany() }
    if take("what color is the") { return color(try bare()) }
    if take("what is the color of the") { return color(try bare()) }
    if take("are there more") { return try more(1) }
    if take("are there fewer") { return try more(-1) }
    if take("are there any") { return exists(try bare(plural: true)) }
    if take("is there") || take("can you see") {
      let phrase = try single()
      _ = take("in the picture")
      return exists(phrase)
    }
    if take("is the") { return try relationQuestion() }
    return try what()
  }

  private func exists(_ phrase: ReadPhrase) -> (PossibleWorld) -> String? {
    { $0.fitting(phrase).map { $0.isEmpty ? "no" : "yes" } }
  }

  private func color(_ phrase: ReadPhrase) -> (PossibleWorld) -> String? {
    { world in world.only(phrase).flatMap { world.tints[$0]?.rawValue } }
  }

  private mutating func howMany() throws -> (PossibleWorld) -> String? {
    let phrase = try bare(plural: true)
    guard take("are there") || take("are in the picture") else { throw fail("'are there'") }
    return { $0.fitting(phrase).map { String($0.count) } }
  }

  private mutating func more(_ sign: Int) throws -> (PossibleWorld) -> String? {
    let first = try bare(plural: true)
    try need("than")
    let second = try bare(plural: true)
    return { world in
      guard let one = world.fitting(first), let two = world.fitting(second) else { return nil }
      return sign * (one.count - two.count) > 0 ? "yes" : "no"
    }
  }

  private mutating func relationQuestion() throws -> (PossibleWorld) -> String? {
    let subject = try bare(relatives: false)
    if take("to the left or to the right of the") {
      let landmark = try bare()
      return { world in
        guard let a = world.only(subject), let b = world.only(landmark) else { return nil }
        let (left, right) = (world.bears("left of", a, b), world.bears("right of", a, b))
        return left == right ? nil : left ? "left" : "right"
      }
    }
    guard let bearing = takeAny(Self.bearings) else { throw fail("a relation") }
    try need("the")
    let landmark = try bare()
    return { world in
      guard let a = world.only(subject), let b = world.only(landmark), a != b else { return nil }
      return world.bears(bearing, a, b) ? "yes" : "no"
    }
  }

  /// "What is the …", "What animal is …", "Which animal is in the picture", and so on.
  private mutating func what() throws -> (PossibleWorld) -> String? {
    var kind: Set<String>?
    guard takeAny(["what", "which"]) != nil else { throw fail("a question word") }
    let isKind = take("kind of")
    if !take("is") {
      kind = try rawNoun()
      try need("is")
    }
    var phrase: ReadPhrase
    if take("in the picture") {
      guard let kind else { throw fail("a noun before") }
      phrase = ReadPhrase(classes: kind)
    } else if let bearing = takeAny(Self.bearings) {
      try need("the")
      phrase = ReadPhrase(classes: kind ?? Self.nouns.singular["object"] ?? [])
      phrase.relatives = [
        ReadPhrase.Relative(bearing: bearing, isDefinite: true, landmark: try bare())
      ]
    } else {
      try need("the")
      phrase = try bare(one: isKind ? kind : nil)
      guard kind == nil || isKind else { throw fail("no noun before") }
    }
    let found = phrase
    return { world in
      world.only(found).map {
        world.scene.objects[$0].className.lowercased().replacing("-", with: " ")
      }
    }
  }

  /// "fruit" without a piece.
  private mutating func rawNoun() throws -> Set<String> {
    for word in ["fruit", "food", "clothing"] where take(word) {
      return Self.nouns.singular["piece of \(word)"] ?? []
    }
    return try noun(plural: false)
  }

  // MARK: Two pictures

  static func pair(_ text: String) throws -> (PossibleWorld, PossibleWorld) -> Bool? {
    var reader = try EnglishReader(text)
    let meaning = try reader.pair()
    try reader.end()
    return meaning
  }

  private mutating func pair() throws -> (PossibleWorld, PossibleWorld) -> Bool? {
    typealias Combination = (Bool, Bool) -> Bool
    let openings: [(String, Combination)] = [
      ("in the left picture", { left, _ in left }), ("in the right picture", { _, right in right }),
      ("in both pictures", { $0 && $1 }), ("in at least one of the pictures", { $0 || $1 }),
      ("in exactly one of the two pictures", { $0 != $1 }),
    ]
    for (opening, combine) in openings where take(opening) {
      let inner = try clause()
      return { one, two in
        guard let left = inner(one), let right = inner(two) else { return nil }
        return combine(left, right)
      }
    }
    if take("neither picture shows") || take("in neither picture is there") {
      let phrase = try single()
      return { $0.fitting(phrase)?.isEmpty == true && $1.fitting(phrase)?.isEmpty == true }
    }
    if take("the two pictures have the same number of") {
      let phrase = try bare(plural: true)
      return { $0.fitting(phrase)?.count == $1.fitting(phrase)?.count }
    }
    return try pairCount()
  }

  private mutating func pairCount() throws -> (PossibleWorld, PossibleWorld) -> Bool? {
    let isSingular = take("there is")
    if !isSingular { try need("there are") }
    if take("as many") {
      let phrase = try bare(plural: true)
      try need("in the left picture as in the right one")
      return { $0.fitting(phrase)?.count == $1.fitting(phrase)?.count }
    }
    for (word, sign) in [("more", 1), ("fewer", -1)] where take(word) {
      let phrase = try bare(plural: true)
      let isLeft = take("in the left picture than in the right one")
      if !isLeft { try need("in the right picture than in the left one") }
      return { one, two in
        guard let left = one.fitting(phrase), let right = two.fitting(phrase) else { return nil }
        return sign * (isLeft ? 1 : -1) * (left.count - right.count) > 0
      }
    }
    return try total(isSingular)
  }

  private mutating func total(_ isSingular: Bool) throws -> (PossibleWorld, PossibleWorld) -> Bool?
  {
    let sign = take("exactly") ? 0 : take("at least") ? 1 : take("at most") ? -1 : 2
    let count: Int
    let phrase: ReadPhrase
    if sign == 2, rest.hasPrefix("a ") || rest.hasPrefix("an ") {
      (count, phrase) = (1, try single())
    } else {
      (count, phrase) = try counted()
      guard count == 0 || (count == 1) == isSingular else { throw fail("agreement of the verb") }
    }
    try need("in the two pictures together")
    return { one, two in
      guard let left = one.fitting(phrase), let right = two.fitting(phrase) else { return nil }
      let sum = left.count + right.count
      switch sign {
      case 0: return sum == count
      case -1: return sum <= count
      case 1: return sum >= count
      default: return count == 0 ? sum == 0 : sum >= 1
      }
    }
  }
}
