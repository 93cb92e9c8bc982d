// Image-text matching: does this text belong to this picture? (Chen et al. 2020; Kim et al. 2021)

public import TandemCore
public import TandemNN
internal import TandemText
public import TandemTorch

public struct ImageTextMatching: DownstreamTask {
  public static let name = "itm"
  public static let summary = "tell true pairs from false ones (Chen et al. 2020)"

  /// What a false pair has from elsewhere.
  public enum Negatives: String, Codable, Sendable {
    /// The picture (ViLT, and UNITER's code).
    case picture
    /// The text (LXMERT).
    case text
    /// One or the other, by a coin (UNITER's paper).
    case either
  }

  public struct Options: Codable, Sendable, Equatable {
    public var negatives = Negatives.picture
    public init() {}
  }
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
  public static let defaults = Options()
  let head: MatchingHead

  public static let part = PassPart.pairs

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.matching, for: Self.name, "has no vector that has seen both text and picture")
    head = try MatchingHead(specification, facts, at: root)
  }

  /// Of two neighbours in a step one stays a true pair and the other gets a picture that no record
  /// shows with its text, or a text that no record has with its picture: exactly half of a step is
  /// true, and no false pair is true by chance.
  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Match? {
    guard !example.texts.isEmpty, !example.pictures.isEmpty else { return nil }
    if let isMatch = sequence.isTruePair { return Match(isMatch: isMatch) }
    var coin = context.pairStream
    let isMatch = (coin.next() & 1 == 0) == (context.positionInStep % 2 == 0)
    if !isMatch {
      let replacesPicture =
        switch options.negatives {
        case .picture: true
        case .text: false
        case .either: stream.next() & 1 == 0
        }
      if replacesPicture {
        sequence.picture = try context.otherPicture(example, &stream)
      } else {
        sequence.replaceText(by: try context.otherText(example, &stream))
      }
    }
    sequence.isTruePair = isMatch
    return Match(isMatch: isMatch)
  }

  public static func weight(of target: Match) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Match>], denominator: Double
  ) throws -> LossReport {
    let logits_N2 = try head(encoding.pooled(targets.map(\.sequence)))
    let labels_N = try Tensor(
      targets.map { $0.target.isMatch ? head.matchClass : 1 - head.matchClass },
      on: logits_N2.device)
    let sum = try logits_N2.crossEntropySum(labels_N)
    let count = Double(targets.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("itm.loss", sum: sum, count: count),
        PendingMetric("itm.accuracy", sum: logits_N2.hits(labels_N), count: count),
      ])
  }

  public static func query(_ example: Example, _ options: Options) throws -> InputSequence {
    InputSequence(example)
  }

  public func predict(_ encoding: Encoding) throws -> [Prediction] {
    try head(encoding.pooled_SD).softmax(-1).narrow(1, from: head.matchClass, 1).floats().map {
      Prediction(probability: Double($0))
    }
  }

  /// A single pair says nothing of how false ones would fare: nothing to score.
  public func score(_ prediction: Prediction, _ record: Record) -> [Metric] { [] }
}
