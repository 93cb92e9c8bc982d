// The cleaning of answers that the VQA evaluation applies before it compares them
// (Antol et al. 2015; the rules are those of the official evaluation server).

internal import Foundation

/// Brings an answer to the form in which the VQA evaluation compares it.
public enum AnswerText {
  /// Lower case; punctuation dropped or made a space; number words as digits; articles dropped;
  /// apostrophes put back into contractions.
  public static func cleaned(_ answer: String) -> String {
    let flat = answer.lowercased().replacing("\n", with: " ").replacing("\t", with: " ")
    let words = withoutPunctuation(flat.trimmingCharacters(in: .whitespaces))
      .split(separator: " ")
      .map { digits[String($0)] ?? String($0) }
      .filter { !articles.contains($0) }
      .map { contractions[$0] ?? $0 }
    return words.joined(separator: " ")
  }

  private static func withoutPunctuation(_ text: String) -> String {
    var result = text
    let hasGroupedNumber = text.contains(/\d,\d/)
    for mark in marks where result.contains(mark) {
      let standsAlone = text.contains("\(mark) ") || text.contains(" \(mark)")
      let replacement = standsAlone || hasGroupedNumber ? "" : " "
      result = result.replacing(String(mark), with: replacement)
    }
    // A full stop stays only between digits.
    return result.replacing(/\.(?!\d)/, with: "")
  }

  private static let marks: [Character] = [
    ";", "/", "[", "]", "\"", "{", "}", "(", ")", "=", "+", "\\", "_", "-", ">", "<", "@", "`",
    ",", "?", "!",
  ]

  private static let articles: Set<String> = ["a", "an", "the"]

  private static let digits = [
    "none": "0", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5",
    "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10",
  ]

  /// "dont" → "don't", for every form the evaluation knows.
  private static let contractions: [String: String] = {
    let forms = [
      "ain't", "aren't", "can't", "could've", "couldn't", "didn't", "doesn't", "don't", "hadn't",
      "hasn't", "haven't", "he'd", "he's", "how'd", "how'll", "how's", "I'd", "I'm", "I've",
      "isn't", "it'd", "it'll", "let's", "ma'am", "might've", "mightn't", "must've", "mustn't",
      "needn't", "not've", "o'clock", "oughtn't", "shan't", "she's", "should've", "shouldn't",
      "somebody'd", "somebody'll", "somebody's", "someone'd", "someone'll", "someone's",
      "something'd", "something'll", "that'd", "that's", "there'd", "there're", "there's",
      "they'd", "they'll", "they're", "they've", "'twas", "wasn't", "we've", "weren't", "what'll",
      "what're", "what's", "what've", "when's", "where'd", "where's", "where've", "who'd",
      "who'll", "who's", "who've", "why'll", "why're", "why's", "won't", "would've", "wouldn't",
      "y'all", "you'd", "you'll", "you're", "you've",
    ]
    return Dictionary(
      forms.map { ($0.lowercased().replacing("'", with: ""), $0.lowercased()) },
      uniquingKeysWith: { first, _ in first })
  }()
}
