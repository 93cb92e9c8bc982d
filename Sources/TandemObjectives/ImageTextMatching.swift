// Image-text matching: does this text belong to this picture? (Chen et al. 2020; Kim et al. 2021)

public import TandemCore
public import TandemNN
internal import TandemText
public import TandemTorch

public struct ImageTextMatching: DownstreamTask {
  public static let name = "itm"
  public static let summary = "tell true pairs from false ones (Chen et al. 2020)"
  public typealias Options = NoOptions
  public typealias Target = Match

  /// Whether the pair is a true one.
  public struct Match: Sendable, Equatable {
    public var isMatch: Bool

    public init(isMatch: Bool) { self.isMatch = isMatch }
  }

  public struct Prediction: Codable, Sendable, Equatable {
    /// The probability that text and picture belong together.
    public var probability: Double
  }

  public static let mainMetric = "itm.accuracy"
  public static let defaults = NoOptions()
  let head: MatchingHead

  public init(_ options: NoOptions, _ facts: ModelFacts, at root: ParameterPath) throws {
    head = try MatchingHead(facts, at: root)
  }

  /// Of two neighbours in a step one keeps its picture and the other gets one that no record
  /// shows with its text: exactly half of a step is true, and no false pair is true by chance.
  public static func prepare(
    _ example: Example, _ options: NoOptions, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Match>] {
    guard let text = example.texts.first, let own = example.pictures.first else { return [] }
    var coin = context.pairStream
    let isMatch = (coin.next() & 1 == 0) == (context.positionInStep % 2 == 0)
    let picture = try isMatch ? own : context.otherPicture(example, &stream)
    return [
      PreparedSequence(
        InputSequence(text: Array(text.ids), picture: picture), Match(isMatch: isMatch))
    ]
  }

  public static func weight(of target: Match) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Match>], denominator: Double
  ) throws -> LossReport {
    let logits_N2 = try head(encoding.pooled(targets.map(\.sequence)))
    let labels_N = try Tensor(
      targets.map { $0.target.isMatch ? 1 : 0 }, on: logits_N2.device)
    let sum = try logits_N2.crossEntropySum(labels_N)
    let count = Double(targets.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("itm.loss", sum: sum, count: count),
        PendingMetric("itm.accuracy", sum: logits_N2.hits(labels_N), count: count),
      ])
  }

  public static func query(_ example: Example, _ options: NoOptions) throws -> InputSequence {
    InputSequence(
      text: example.texts.first.map { Array($0.ids) } ?? [], picture: example.pictures.first)
  }

  public func predict(_ encoding: Encoding) throws -> [Prediction] {
    try head(encoding.pooled_SD).softmax(-1).narrow(1, from: 1, 1).floats().map {
      Prediction(probability: Double($0))
    }
  }

  /// A single pair says nothing of how false ones would fare: nothing to score.
  public func score(_ prediction: Prediction, _ record: Record) -> [Metric] { [] }
}
