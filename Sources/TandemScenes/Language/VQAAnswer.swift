// How the VQA evaluation compares answers (Antol et al. 2015; rules of the official evaluation).

/// The cleaning and the score of the VQA evaluation.
public enum VQAAnswer {
  /// Lower case; punctuation dropped or made a space; number words as digits; articles dropped;
  /// apostrophes put back into contractions.
  public static func normalized(_ answer: String) -> String {
    let bytes = Array(answer.utf8)
    // Most answers are plain words already.
    let isPlain = bytes.allSatisfy { (97...122).contains($0) || (48...57).contains($0) }
    if isPlain && !words.contains(answer) { return answer }
    var text = answer.lowercased()
    text = String(text.map { $0 == "\n" || $0 == "\t" ? " " : $0 })
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    text = withoutPunctuation(text)
    let cleaned = text.split(separator: " ").compactMap { word -> String? in
      if articles.contains(String(word)) { return nil }
      return digits[String(word)] ?? contractions[String(word)] ?? String(word)
    }
    return cleaned.joined(separator: " ")
  }

  /// The mean, over the ways to leave one annotator out, of min(1, equal answers / 3). For a
  /// single annotator, 1 where the answers are equal. Without any, 0.
  public static func accuracy(_ answer: String, among annotators: [String]) -> Double {
    let cleaned = normalized(answer)
    let matches = annotators.count { normalized($0) == cleaned }
    return accuracy(matches: matches, of: annotators.count)
  }

  /// The same, for a number of annotators that gave the answer.
  static func accuracy(matches: Int, of count: Int) -> Double {
    guard count > 1 else { return Double(matches) }
    let agreeing = Double(matches) * min(1, Double(matches - 1) / 3)
    let others = Double(count - matches) * min(1, Double(matches) / 3)
    return (agreeing + others) / Double(count)
  }

  private static func withoutPunctuation(_ text: String) -> String {
    let characters = Array(text)
    let hasGroupedNumber = characters.indices.contains { place in
      characters[place] == "," && place > 0 && place + 1 < characters.count
        && isDigit(characters[place - 1]) && isDigit(characters[place + 1])
    }
    // A mark that stands beside a space anywhere is dropped everywhere, otherwise it is a space.
    var dropped: Set<Character> = []
    for (place, one) in characters.enumerated() where marks.contains(one) {
      let before = place > 0 ? characters[place - 1] : "x"
      let after = place + 1 < characters.count ? characters[place + 1] : "x"
      if hasGroupedNumber || before == " " || after == " " { dropped.insert(one) }
    }
    var result = ""
    for (place, one) in characters.enumerated() {
      if marks.contains(one) {
        if !dropped.contains(one) { result.append(" ") }
      } else if one == "." {
        // A full stop stays only before a digit.
        if place + 1 < characters.count, isDigit(characters[place + 1]) { result.append(one) }
      } else {
        result.append(one)
      }
    }
    return result
  }

  private static func isDigit(_ character: Character) -> Bool {
    character.isASCII && character.isNumber
  }

  private static let marks = Set<Character>(";/[]\"{}()=+\\_-><@`,?!")
  private static let articles: Set<String> = ["a", "an", "the"]
  private static let digits = [
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
  ]
  private static let words = articles.union(digits.keys).union(contractions.keys)

  /// "dont" → "don't".
  private static let contractions: [String: String] = {
    let negated = [
      "ain", "aren", "can", "couldn", "didn", "doesn", "don", "hadn", "hasn", "haven", "isn",
      "mightn", "mustn", "needn", "oughtn", "shan", "shouldn", "wasn", "weren", "won", "wouldn",
    ]
    let others = [
      "could've", "he'd", "he's", "how'd", "how'll", "how's", "i'm", "i've", "it'd", "it'll",
      "let's", "ma'am", "might've", "must've", "o'clock", "she's", "should've", "somebody's",
      "someone's", "something's", "that'd", "that's", "there'd", "there's", "they'd", "they'll",
      "they're", "they've", "we've", "what'll", "what're", "what's", "what've", "when's",
      "where'd", "where's", "who'd", "who'll", "who's", "who've", "why's", "would've", "y'all",
      "you'd", "you'll", "you're", "you've",
    ]
    let full = negated.map { $0 + "'t" } + others
    return Dictionary(
      full.map { (String($0.filter { $0 != "'" }), $0) }, uniquingKeysWith: { first, _ in first })
  }()
}
