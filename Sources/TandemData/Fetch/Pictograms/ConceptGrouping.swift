// Which captions name the same thing, so that a split never separates them.
//
// The rules are cautious in one direction: they rather join two things ("red book" and "book") than
// let one thing lie on both sides of a split.

import Foundation

/// Normalises captions to concept keys, and joins keys that one picture carries together.
package struct ConceptGrouping {
  /// Every flag of every source has this key.
  package static let flag = "flag"

  private var parents: [String: String] = [:]

  package init() {}

  /// Declares that these keys belong to one group.
  package mutating func join(_ keys: [String]) {
    guard let first = keys.first else { return }
    for key in keys { unite(first, key) }
  }

  /// The name of the key's group: its shortest key, and of those the alphabetically first.
  package mutating func group(of key: String) -> String {
    var root = key
    while let parent = parents[root], parent != root { root = parent }
    // Shorten the path for the next question.
    var step = key
    while let parent = parents[step], parent != root {
      parents[step] = root
      step = parent
    }
    return root
  }

  private mutating func unite(_ first: String, _ second: String) {
    let a = group(of: first)
    let b = group(of: second)
    let root = (a.count, a) < (b.count, b) ? a : b
    parents[a] = root
    parents[b] = root
  }

  /// The keys of a caption: of the caption without its parentheses, and of a second name that stands
  /// in them: "A baby sheep (a lamb).", but not "Lime (Half)".
  package static func keys(forCaption caption: String) -> [String] {
    var outside = ""
    var inside: [String] = []
    var rest = Substring(caption)
    while let open = rest.firstIndex(of: "("), let close = rest[open...].firstIndex(of: ")") {
      outside += rest[..<open] + " "
      let aside = rest[rest.index(after: open)..<close]
      if ["a ", "an ", "the ", "or "].contains(where: aside.hasPrefix) {
        inside.append(aside.hasPrefix("or ") ? String(aside.dropFirst(3)) : String(aside))
      }
      rest = rest[rest.index(after: close)...]
    }
    outside += rest
    // Emoji names put the variant after a colon: "flag: Chad", "woman: red hair", "keycap: 3".
    if let colon = outside.firstIndex(of: ":"), colon != outside.startIndex {
      outside = String(outside[..<colon])
    }
    return ([outside] + inside).map(key).filter { !$0.isEmpty }
  }

  /// The key of one name: folded, singular, without articles, numbers, colours, sizes, and with
  /// every gender and role of a person as "person".
  package static func key(_ name: String) -> String {
    let folded = name.folding(
      options: [.caseInsensitive, .diacriticInsensitive, .widthInsensitive], locale: nil
    ).replacing("'", with: "").replacing("\u{2019}", with: "")
    let words = folded.split { !$0.isLetter && !$0.isNumber }.map { singular(String($0)) }
    if words.contains("flag") { return flag }
    if words.contains("oclock") || words.contains("thirty") { return "clock" }

    var kept = words.flatMap { roles[$0] ?? [$0] }
    kept = dropping(from: kept) { isNumber($0) || articles.contains($0) }
    kept = dropping(from: kept) { modifiers.contains($0) }
    kept = dropping(from: kept) { $0 == "person" }
    return kept.joined(separator: " ")
  }

  /// Drops words, unless nothing would be left.
  private static func dropping(
    from words: [String], _ unwanted: (String) -> Bool
  ) -> [String] {
    let kept = words.filter { !unwanted($0) }
    return kept.isEmpty ? words : kept
  }

  private static func isNumber(_ word: String) -> Bool { word.allSatisfy(\.isNumber) }

  /// A rough singular: right for most English nouns, and the same wrong form every time for others.
  private static func singular(_ word: String) -> String {
    if let known = irregularPlurals[word] { return known }
    guard word.count > 3, word.hasSuffix("s") else { return word }
    if word.hasSuffix("ss") || word.hasSuffix("us") || word.hasSuffix("is") { return word }
    if word.hasSuffix("ies") { return word.dropLast(3) + "y" }
    for ending in ["ches", "shes", "xes", "sses", "zes", "oes"] where word.hasSuffix(ending) {
      return String(word.dropLast(2))
    }
    return String(word.dropLast())
  }

  private static let irregularPlurals = [
    "men": "man", "women": "woman", "people": "person", "persons": "person", "children": "child",
    "feet": "foot", "teeth": "tooth", "mice": "mouse", "geese": "goose", "leaves": "leaf",
    "wolves": "wolf", "knives": "knife", "firemen": "fireman", "policemen": "policeman",
  ]

  private static let roles: [String: [String]] = {
    var roles: [String: [String]] = [:]
    let person = [
      "man", "woman", "male", "female", "boy", "girl", "child", "lady", "gentleman", "guy", "adult",
      "dad", "mom", "mum", "father", "mother", "mr", "mrs", "mx", "ms",
    ]
    for word in person { roles[word] = ["person"] }
    let same: [String: [String]] = [
      "police officer": ["police", "policeman", "policewoman", "cop"],
      "firefighter": ["fireman", "firewoman"],
      "prince": ["princess"], "king": ["queen"], "waiter": ["waitress"], "actor": ["actress"],
      "grandparent": ["grandfather", "grandmother", "grandpa", "grandma", "granddad"],
      "merperson": ["mermaid", "merman"], "business": ["businessman", "businesswoman"],
      "fisher": ["fisherman"], "cowboy": ["cowgirl"], "host": ["hostess"],
      "superhero": ["superheroine"], "old": ["older", "elderly"], "snowman": ["snowwoman"],
    ]
    for (name, variants) in same {
      for variant in variants { roles[variant] = name.split(separator: " ").map(String.init) }
    }
    return roles
  }()

  private static let articles: Set<String> = [
    "a", "an", "the", "some", "our", "your", "this", "that", "is", "are", "of", "in", "pair",
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
  ]

  private static let modifiers: Set<String> = [
    "red", "green", "blue", "yellow", "orange", "purple", "violet", "pink", "brown", "black",
    "white", "gray", "grey", "golden", "gold", "silver", "cyan", "magenta", "teal", "dark", "light",
    "small", "big", "large", "little", "medium", "tiny", "bw", "colour", "color", "coloured",
    "colored", "simple", "cartoon", "clipart", "icon", "symbol", "sign", "button", "face", "photo",
    "outline", "contour", "silhouette", "officer",
  ]
}
