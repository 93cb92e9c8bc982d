// Reads the sentences back: a small grammar of the tests' own, from English to what it means.

import TandemScenes

struct ReadError: Error, CustomStringConvertible {
  let description: String
}

/// A claim about a world; nil where a "the" fails.
typealias Meaning = (PossibleWorld) -> Bool?

/// Moves over the words of a sentence.
struct EnglishReader {
  private let words: [String]
  private var place = 0
  private let text: String

  init(_ text: String) throws {
    guard let mark = text.last, ".?".contains(mark), !text.dropLast().contains(where: ".?".contains)
    else { throw ReadError(description: "no full stop or mark: \(text)") }
    try self.init(phrase: String(text.dropLast()))
  }

  /// A phrase without a mark at its end.
  init(phrase: String) throws {
    text = phrase
    guard !phrase.contains("  "), !phrase.contains(" ,"), phrase.trimmed == phrase else {
      throw ReadError(description: "stray space: \(phrase)")
    }
    words = phrase.lowercased().split(separator: " ").flatMap { word -> [String] in
      word.hasSuffix(",") ? [String(word.dropLast()), ","] : [String(word)]
    }
  }

  var isAtEnd: Bool { place == words.count }
  var rest: String { words[place...].joined(separator: " ") }

  func fail(_ expected: String) -> ReadError {
    ReadError(description: "expected \(expected) at '\(rest)' of '\(text)'")
  }

  /// Moves over a phrase if it comes next.
  mutating func take(_ phrase: String) -> Bool {
    let parts = phrase.split(separator: " ").map(String.init)
    guard words[place...].starts(with: parts) else { return false }
    place += parts.count
    return true
  }

  mutating func takeAny(_ phrases: [String]) -> String? {
    for phrase in phrases where take(phrase) { return phrase }
    return nil
  }

  mutating func need(_ phrase: String) throws {
    guard take(phrase) else { throw fail("'\(phrase)'") }
  }

  mutating func end() throws { guard isAtEnd else { throw fail("the end") } }

  // MARK: Noun phrases

  static let numbers = [
    "no": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12,
  ]
  static let bearings = [
    "to the left of", "left of", "to the right of", "right of", "above", "below", "larger than",
    "bigger than", "smaller than", "on top of", "on", "next to", "beside",
  ]
  static let extremes = [
    "largest", "biggest", "smallest", "leftmost", "rightmost", "highest", "topmost", "lowest",
  ]
  static let hiddenBefore = [
    "hungry", "thirsty", "well-trained", "vaccinated", "four-year-old", "expensive", "rented",
    "second-hand", "insured", "borrowed", "organic", "unwashed", "locally grown",
    "homemade", "leftover",
  ]
  static let hiddenAfter = [
    "from spain", "drawn on a monday", "painted by a teacher", "owned by a doctor",
    "photographed in may", "chosen by a child",
  ]

  /// Every form of every noun, singular and plural, with the classes it means.
  static let nouns: (singular: [String: Set<String>], plural: [String: Set<String>]) = {
    var singular: [String: Set<String>] = ["object": []]
    var plural: [String: Set<String>] = ["objects": []]
    // Written out by hand: the library makes these by rules.
    let plurals = [
      "mammal": "mammals", "animal": "animals", "bird": "birds", "vegetable": "vegetables",
      "vehicle": "vehicles", "road vehicle": "road vehicles", "tool": "tools",
      "household item": "household items", "plant": "plants", "kitty": "kitties",
      "hound": "hounds", "cluster of grapes": "clusters of grapes", "aubergine": "aubergines",
      "automobile": "automobiles", "coach": "coaches", "fire engine": "fire engines",
      "plane": "planes", "mallet": "mallets", "tee": "tees", "blossom": "blossoms",
      "fruit": "pieces of fruit", "food": "pieces of food", "clothing": "pieces of clothing",
    ]
    let counted = [
      "fruit": "piece of fruit", "food": "piece of food", "clothing": "piece of clothing",
      "scissors": "pair of scissors",
    ]
    for one in TestScenes.classes {
      let own = one.name.lowercased()
      let shown = own == "scissors" ? "pairs of scissors" : one.plural.lowercased()
      singular[counted[own] ?? own, default: []].insert(one.name)
      plural[shown, default: []].insert(one.name)
      singular["object"]?.insert(one.name)
      plural["objects"]?.insert(one.name)
      // "pet" is said of two classes, "dog" is a class and a hypernym.
      for word in one.hypernyms + one.synonyms where word != "pet" {
        singular[counted[word] ?? word, default: []].insert(one.name)
        if let many = plurals[word] { plural[many, default: []].insert(one.name) }
      }
    }
    plural["dogs"]?.insert("poodle")
    return (singular, plural)
  }()

  mutating func noun(plural: Bool) throws -> Set<String> {
    let table = plural ? Self.nouns.plural : Self.nouns.singular
    for count in stride(from: min(4, words.count - place), to: 0, by: -1) {
      if let classes = table[words[place..<(place + count)].joined(separator: " ")] {
        place += count
        return classes
      }
    }
    throw fail(plural ? "a plural noun" : "a singular noun")
  }

  /// The adjectives, the noun and what follows it; no determiner.
  mutating func bare(
    plural: Bool = false, relatives: Bool = true, one: Set<String>? = nil
  ) throws -> ReadPhrase {
    var phrase = ReadPhrase(classes: [])
    phrase.extreme = takeAny(Self.extremes)
    let sizes = [
      "small": SceneSize.small, "little": .small, "medium-sized": .medium, "large": .large,
      "big": .large,
    ]
    phrase.size = takeAny(Array(sizes.keys)).flatMap { sizes[$0] }
    phrase.tint = takeAny(["red", "green", "blue", "yellow", "purple", "gray"]).flatMap {
      SceneTint(rawValue: $0)
    }
    phrase.hidden = takeAny(Self.hiddenBefore)
    // "The small one", of classes named before.
    if let one {
      try need("one")
      phrase.classes = one
      return phrase
    }
    phrase.classes = try noun(plural: plural)
    phrase.hidden = takeAny(Self.hiddenAfter) ?? phrase.hidden
    guard relatives else { return phrase }
    while let relative = try relative(plural: plural, isFirst: phrase.relatives.isEmpty) {
      phrase.relatives.append(relative)
    }
    return phrase
  }

  mutating func relative(
    plural: Bool, isFirst: Bool
  ) throws -> ReadPhrase.Relative? {
    let start = place
    if !isFirst && !take("and") { return nil }
    let hasVerb = take(plural ? "that are" : "that is")
    guard let bearing = takeAny(Self.bearings) else {
      place = start
      return nil
    }
    guard
      hasVerb || !bearing.hasSuffix("than") || place == 0 || !isFirst || words[start - 1] == "is"
    else { throw fail("'that is' before a comparison") }
    let isDefinite = try determiner() == "the"
    return ReadPhrase.Relative(
      bearing: bearing, isDefinite: isDefinite, landmark: try bare(relatives: false))
  }

  /// "a", "an", "the" or "another"; checks "a" and "an".
  mutating func determiner() throws -> String {
    guard let found = takeAny(["a", "an", "the", "another"]) else { throw fail("an article") }
    guard let next = words[place...].first, let letter = next.first else { throw fail("a word") }
    let isVowel = ("aeiou".contains(letter) || next == "hourglass") && next != "unicorn"
    if found == "a" && isVowel || found == "an" && !isVowel { throw fail("the other article") }
    return found
  }

  /// "a small cat" or "the largest cat".
  mutating func single() throws -> ReadPhrase {
    let article = try determiner()
    let phrase = try bare()
    guard article != "the" || phrase.extreme != nil else { throw fail("a superlative") }
    return phrase
  }

  mutating func number() throws -> Int {
    guard let word = words[place...].first, let number = Self.numbers[word] else {
      throw fail("a number")
    }
    place += 1
    return number
  }

  /// "two cats", "one cat", "no cats" or "no cat".
  mutating func counted() throws -> (Int, ReadPhrase) {
    let count = try number()
    let start = place
    if count == 0, let phrase = try? bare() { return (0, phrase) }
    place = start
    return (count, try bare(plural: count != 1))
  }
}

extension String {
  var trimmed: String {
    var text = self[...]
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}
