// The counts that text-only guesses are made from.

internal import Foundation

enum BlindHash {
  /// FNV-1a: the same in every run.
  static func of(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
  }
}

/// How often each answer was given.
struct Votes: Sendable {
  var counts: [String: Int] = [:]

  mutating func add(_ answer: String) { counts[answer, default: 0] += 1 }

  /// The most frequent; of several, the first in the alphabet.
  var winner: String? {
    counts.min { ($1.value, $0.key) < ($0.value, $1.key) }?.key
  }

  /// The most frequent, unless two are.
  var clearWinner: String? {
    guard let winner, counts.count(where: { $0.value == counts[winner] }) == 1 else { return nil }
    return winner
  }
}

struct Mean: Sendable {
  var sum = 0.0
  var count = 0

  mutating func add(_ value: Double) {
    sum += value
    count += 1
  }

  mutating func add(_ other: Mean) {
    sum += other.sum
    count += other.count
  }

  var value: Double { count == 0 ? 0 : sum / Double(count) }
}

/// Naive Bayes over the words of a text and their pairs, with one added to every count.
struct WordVotes: Sendable {
  private var labels: [String: Int] = [:]
  private var features: [UInt64: [String: Int]] = [:]

  mutating func add(_ text: String, _ label: String, limit: Int) {
    labels[label, default: 0] += 1
    for feature in Self.features(text) where features[feature] != nil || features.count < limit {
      features[feature, default: [:]][label, default: 0] += 1
    }
  }

  /// The most likely label; nil before anything was added.
  func winner(_ text: String) -> String? {
    let known = Self.features(text).compactMap { features[$0] }
    let scored = labels.sorted { $0.key < $1.key }.map { label, count in
      let evidence = known.reduce(0.0) { sum, counts in
        sum + log(Double(counts[label, default: 0] + 1) / Double(count + 2))
      }
      return (label: label, score: log(Double(count)) + evidence)
    }
    return scored.max { $0.score < $1.score }?.label
  }

  private static func features(_ text: String) -> Set<UInt64> {
    let words = text.lowercased().split { !$0.isLetter && !$0.isNumber }.map(String.init)
    let pairs = zip(words, words.dropFirst()).map { $0 + " " + $1 }
    return Set((words + pairs).map(BlindHash.of))
  }
}
