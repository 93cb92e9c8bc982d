// The few rules of English that the sentences need: articles, plurals, numbers, lists.

/// Articles, plurals and lists of English nouns.
public enum English {
  /// "a" or "an", by the sound that the word begins with.
  public static func article(for word: String) -> String {
    let lower = word.lowercased()
    guard let first = lower.first else { return "a" }
    let head = lower.prefix { $0.isLetter }
    if silentH.contains(where: { lower.hasPrefix($0) }) { return "an" }
    if soundsLikeYou.contains(where: { lower.hasPrefix($0) }) { return "a" }
    // "an X-ray", "an MP3 player", "a U-turn": single letters are read by their names.
    if head.count == 1, let letter = head.first {
      return "aefhilmnorsx".contains(letter) ? "an" : "a"
    }
    return "aeiou".contains(first) ? "an" : "a"
  }

  private static let silentH = ["hour", "honest", "honor", "honour", "heir"]
  private static let soundsLikeYou = [
    "unicorn", "unicycle", "uniform", "union", "unit", "univers", "unique", "use", "usual",
    "utensil", "ukulele", "uranium", "urinal", "euro", "eucalyptus", "ewe", "one-", "one ", "ufo",
  ]

  /// The plural of a noun of one or more words: "mouse" → "mice", "bunch of grapes" → "bunches
  /// of grapes", "fire truck" → "fire trucks".
  public static func plural(of noun: String) -> String {
    for joint in [" of ", " in ", " with ", "-in-", "-of-"] {
      if let place = noun.firstRange(of: joint) {
        return plural(of: String(noun[..<place.lowerBound])) + noun[place.lowerBound...]
      }
    }
    var words = noun.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    guard let last = words.popLast(), !last.isEmpty else { return noun }
    words.append(pluralWord(last))
    return words.joined(separator: " ")
  }

  private static func pluralWord(_ word: String) -> String {
    if let irregular = irregularPlurals[word] { return irregular }
    if unchanged.contains(word) { return word }
    for (ending, plural) in [("woman", "women"), ("man", "men"), ("foot", "feet")]
    where word.hasSuffix(ending) && !regularMen.contains(word) {
      return word.dropLast(ending.count) + plural
    }
    for ending in ["fish", "sheep", "deer", "fowl", "craft"] where word.hasSuffix(ending) {
      return word
    }
    for (ending, plural) in [("goose", "geese"), ("mouse", "mice"), ("tooth", "teeth")]
    where word.hasSuffix(ending) && word != "mongoose" {
      return word.dropLast(ending.count) + plural
    }
    if word.hasSuffix("s") || word.hasSuffix("x") || word.hasSuffix("z") || word.hasSuffix("ch")
      || word.hasSuffix("sh")
    {
      return word + "es"
    }
    let beforeLast = word.dropLast().last ?? "a"
    if word.hasSuffix("y"), !"aeiou".contains(beforeLast) { return word.dropLast() + "ies" }
    return word + "s"
  }

  private static let irregularPlurals = [
    "person": "people", "child": "children", "ox": "oxen", "leaf": "leaves", "knife": "knives",
    "wolf": "wolves", "calf": "calves", "loaf": "loaves", "shelf": "shelves", "scarf": "scarves",
    "half": "halves", "elf": "elves", "hoof": "hooves", "thief": "thieves", "wife": "wives",
    "die": "dice", "cactus": "cacti", "octopus": "octopuses", "hippopotamus": "hippopotamuses",
    "tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes", "hero": "heroes",
    "buffalo": "buffaloes", "mosquito": "mosquitoes", "flamingo": "flamingos",
    "volcano": "volcanoes", "quiz": "quizzes", "passerby": "passersby", "crisis": "crises",
    "larva": "larvae", "stomach": "stomachs", "ax": "axes", "axis": "axes",
  ]
  private static let unchanged: Set<String> = [
    "bison", "moose", "shrimp", "squid", "salmon", "trout", "series", "species", "elk", "cod",
    "offspring", "swine", "cattle", "police", "sushi", "koi",
  ]
  private static let regularMen: Set<String> = ["human", "german", "shaman", "talisman", "ottoman"]

  /// A noun that is not counted by itself is counted by this: "furniture" → "piece".
  static func measure(for noun: String) -> String? {
    if pairs.contains(noun) { return "pair" }
    return masses.contains(noun) ? "piece" : nil
  }

  private static let pairs: Set<String> = [
    "scissors", "glasses", "sunglasses", "eyeglasses", "spectacles", "goggles", "binoculars",
    "jeans", "trousers", "pants", "shorts", "pliers", "tweezers", "tongs", "headphones", "pajamas",
    "tights", "shears", "socks", "shoes", "boots", "gloves", "mittens", "sandals",
  ]
  private static let masses: Set<String> = [
    "furniture", "clothing", "food", "fruit", "jewelry", "jewellery", "equipment", "produce",
    "footwear", "headgear", "cutlery", "tableware", "luggage", "bread", "meat", "stationery",
    "kitchenware", "hardware", "wood", "cheese", "bacon", "sports equipment", "popcorn", "rice",
  ]

  /// 0 → "no", 1 → "one" … 12 → "twelve", above in digits.
  public static func number(_ value: Int) -> String {
    numbers.indices.contains(value) ? numbers[value] : String(value)
  }

  private static let numbers = [
    "no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve",
  ]

  /// "a", "a and b", "a, b and c".
  public static func list(_ items: [String], _ conjunction: String = "and") -> String {
    guard let last = items.last, items.count > 1 else { return items.first ?? "" }
    return items.dropLast().joined(separator: ", ") + " \(conjunction) " + last
  }

  /// The text with its first letter as a capital.
  public static func capitalized(_ text: String) -> String {
    text.prefix(1).uppercased() + text.dropFirst()
  }
}
