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

  /// The mean score of each answer over all records, between half a record's share and its
  /// opposite: none is impossible, none certain.
  ///
  /// - Parameter score: of an answer that so many of a record's people give.
  public static func priors(
    of answers: [String], _ dataset: any Dataset, badRecords: Int = 0,
    score: (_ count: Int, _ people: Int) -> Double
  ) throws -> [Double] {
    var sums: [String: Double] = [:]
    var bad = BadRecords(allowed: badRecords)
    var records = 0
    for index in 0..<dataset.count {
      do {
        let given = try dataset.record(at: index).answers
        for (answer, same) in Dictionary(grouping: given, by: { $0 }) {
          sums[answer, default: 0] += score(same.count, given.count)
        }
        records += 1
      } catch {
        try bad.note("\(error)")
      }
    }
    let least = 0.5 / Double(max(1, records))
    return answers.map { min(1 - least, max(least, (sums[$0] ?? 0) / Double(max(1, records)))) }
  }
}
