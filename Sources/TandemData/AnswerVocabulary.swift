public import TandemCore

/// The answers a classifier can give: those that occur often enough in a split.
public enum AnswerVocabulary {
  /// Answers with at least `minimumCount` occurrences, most frequent first, equals in order of
  /// their letters; at most `limit`.
  public static func build(
    _ dataset: any Dataset, minimumCount: Int = 1, limit: Int = .max, badRecords: Int = 0
  ) throws -> [String] {
    var counts: [String: Int] = [:]
    var bad = BadRecords(allowed: badRecords)
    for index in 0..<dataset.count {
      do {
        for answer in try dataset.record(at: index).answers { counts[answer, default: 0] += 1 }
      } catch {
        try bad.note("\(error)")
      }
    }
    let kept = counts.filter { $0.value >= minimumCount }
    guard !kept.isEmpty else {
      throw DataError("no answer occurs \(minimumCount) times: the data has no answers to learn")
    }
    return kept.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.prefix(limit).map(\.key)
  }
}
