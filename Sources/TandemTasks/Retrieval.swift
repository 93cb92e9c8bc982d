// Image-text retrieval: fine-tuned to score the true caption above false ones (Kim et al. 2021),
// measured by recall among all pairs of a split.

public import TandemCore
public import TandemNN
public import TandemTorch

public struct Retrieval: DownstreamTask {
  public static let name = "retrieval"
  public static let summary = "find the text of a picture and the picture of a text (R@K)"
  public static let mainMetric = "retrieval.accuracy"

  public struct Options: Codable, Sendable, Equatable {
    /// False captions beside the true one.
    public var falseTexts = 15
    public init() {}
  }

  /// Whether this is the true caption of its group.
  public struct Target: Sendable, Equatable {
    public var group: Int
    public var isTrue: Bool
  }

  /// The score of one pair.
  public struct Prediction: Codable, Sendable, Equatable {
    public var score: Double
  }

  public static let defaults = Options()
  let head: RankingHead

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    guard options.falseTexts > 0 else {
      throw ParameterError("objectives.retrieval.options.falseTexts must be at least 1")
    }
    let specification = try facts.need(
      facts.heads.ranking, for: Self.name, "cannot tell a text's picture from another")
    head = try RankingHead(specification, facts, at: root)
  }

  public static func query(_ example: Example, _ options: Options) throws -> InputSequence {
    InputSequence(example)
  }

  /// The picture with its caption and with false ones: a group that is never cut.
  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>] {
    let group = context.positionInStep + 1
    let truth = try query(example, options)
    var result = [
      PreparedSequence(truth, Target(group: group, isTrue: true), group: group)
    ]
    for _ in 0..<options.falseTexts {
      var other = truth
      other.replaceText(by: try context.otherText(example, &stream))
      result.append(PreparedSequence(other, Target(group: group, isTrue: false), group: group))
    }
    return result
  }

  /// One loss a group: the true pair counts it.
  public static func weight(of target: Target) -> Double { target.isTrue ? 1 : 0 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let groups = Dictionary(grouping: targets, by: \.target.group).sorted { $0.key < $1.key }
      .map { $0.value.sorted { $0.target.isTrue && !$1.target.isTrue } }
    let width = groups.first?.count ?? 0
    let members = groups.flatMap { $0.map(\.sequence) }
    let scores_GW = try head(encoding, members).reshaped([groups.count, width])
    let labels_G = try Tensor.zeros([groups.count], .int64, on: scores_GW.device)
    let sum = try scores_GW.crossEntropySum(labels_G)
    let count = Double(groups.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("retrieval.loss", sum: sum, count: count),
        PendingMetric("retrieval.accuracy", sum: scores_GW.hits(labels_G), count: count),
      ])
  }

  public func predict(_ encoding: Encoding) throws -> [Prediction] {
    try head(encoding, Array(0..<encoding.batch.sequenceCount)).floats().map {
      Prediction(score: Double($0))
    }
  }

  public func score(_ prediction: Prediction, _ record: Record) -> [Metric] { [] }
}

/// Recall among ranked candidates, both ways.
public struct RecallAtK: Sendable, Equatable {
  public let cutoffs: [Int]
  /// For each cutoff the share of pictures with a true text among the first K.
  public let textRetrieval: [Double]
  /// For each cutoff the share of texts whose picture is among the first K.
  public let imageRetrieval: [Double]

  /// - Parameters:
  ///   - scores: row-major, pictures by texts.
  ///   - picturesOfText: for each text the pictures it is true of; a text that several pictures
  ///     have is one text, and finding any of them is right.
  ///
  /// Equal scores count as ranked before the true one, so that a constant scorer gains nothing.
  public init(
    scores: [Float], pictures: Int, picturesOfText: [[Int]], cutoffs: [Int] = [1, 5, 10]
  ) {
    let texts = picturesOfText.count
    var isTrue = [Bool](repeating: false, count: pictures * texts)
    for (text, own) in picturesOfText.enumerated() {
      for picture in own { isTrue[picture * texts + text] = true }
    }
    /// How many false candidates are not behind the best true one.
    func rank(_ places: StrideTo<Int>) -> Int {
      var best = -Float.infinity
      for place in places where isTrue[place] { best = max(best, scores[place]) }
      return places.reduce(0) { $0 + (!isTrue[$1] && scores[$1] >= best ? 1 : 0) }
    }
    let bestRank = (0..<pictures).map {
      rank(stride(from: $0 * texts, to: ($0 + 1) * texts, by: 1))
    }
    let imageRank = (0..<texts).map { rank(stride(from: $0, to: pictures * texts, by: texts)) }
    self.cutoffs = cutoffs
    func share(_ ranks: [Int], _ cutoff: Int) -> Double {
      ranks.isEmpty ? 0 : Double(ranks.filter { $0 < cutoff }.count) / Double(ranks.count)
    }
    textRetrieval = cutoffs.map { share(bestRank, $0) }
    imageRetrieval = cutoffs.map { share(imageRank, $0) }
  }
}
