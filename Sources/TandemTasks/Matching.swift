// Image-text matching as a task: how probable is it that the text belongs to the picture?

public import TandemCore
public import TandemNN
internal import TandemText
public import TandemTorch

public struct Matching: DownstreamTask {
  public static let name = "matching"
  public static let summary = "tell whether a text belongs to a picture"
  public static let mainMetric = "matching.accuracy"
  public typealias Options = NoOptions

  public struct Target: Sendable, Equatable {
    public var isMatch: Bool
  }

  public struct Prediction: Codable, Sendable, Equatable {
    /// The probability of a match.
    public var probability: Double
  }

  public static let defaults = NoOptions()
  let head: MatchingHead

  public init(_ options: NoOptions, _ facts: ModelFacts, at root: ParameterPath) throws {
    head = try MatchingHead(facts, at: root)
  }

  public static func query(_ example: Example, _ options: NoOptions) throws -> InputSequence {
    InputSequence(
      text: example.texts.first.map { Array($0.ids) } ?? [], picture: example.pictures.first)
  }

  /// The true pair and a false one.
  public static func prepare(
    _ example: Example, _ options: NoOptions, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>] {
    let truth = try query(example, options)
    var lie = truth
    lie.picture = try context.otherPicture(example, &stream)
    return [
      PreparedSequence(truth, Target(isMatch: true)),
      PreparedSequence(lie, Target(isMatch: false)),
    ]
  }

  public static func weight(of target: Target) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let logits_N2 = try head(encoding.pooled(targets.map(\.sequence)))
    let labels_N = try Tensor(targets.map { $0.target.isMatch ? 1 : 0 }).to(logits_N2.device)
    let sum = try logits_N2.crossEntropySum(labels_N)
    let right = try withoutGradients {
      try logits_N2.argmax(-1).equals(labels_N).to(.float32).sum().item()
    }
    let count = Double(targets.count)
    return LossReport(
      total: try sum / denominator,
      metrics: [
        Metric("matching.loss", sum: try sum.detached().item(), count: count),
        Metric("matching.accuracy", sum: right, count: count),
      ])
  }

  public func predict(_ encoding: Encoding) throws -> [Prediction] {
    try head(encoding.pooled_SD).softmax(-1).narrow(1, from: 1, 1).floats().map {
      Prediction(probability: Double($0))
    }
  }

  public func score(_ prediction: Prediction, _ record: Record) -> [Metric] { [] }
}
