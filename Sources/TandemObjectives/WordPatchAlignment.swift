// Word-patch alignment, word-region alignment where the picture comes as regions: the cost of moving
// a text's words onto a picture's patches is to be small for true pairs and large for false ones (Chen et al. 2020, Kim et al. 2021).

public import TandemCore
public import TandemNN
public import TandemTorch

public struct WordPatchAlignment: Objective {
  public static let name = "wpa"
  public static let summary = "align words and patches by optimal transport (Chen et al. 2020)"
  /// Judges the pairs of image-text matching where the mixture has it: one forward serves both.
  public static let pass = ImageTextMatching.name
  public static let part = PassPart.pairs

  public struct Options: Codable, Sendable, Equatable {
    public var transport = OptimalTransport()
    public init() {}
  }
  public typealias Target = ImageTextMatching.Match

  public static let defaults = Options()
  let options: Options

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    try facts.need(
      facts.fusesRows ? true : nil, for: Self.name,
      "encodes texts and pictures apart, so that words and regions never meet")
    self.options = options
  }

  public static func objection(
    _ options: Options, to others: [ObjectiveDefinition]
  ) -> String? {
    guard let other = others.first(where: \.readsSecondText) else { return nil }
    return "objectives.wpa aligns one text with its picture, and '\(other.name)' puts a second one "
      + "beside it: --set objectives.N.pass=wpa gives it pairs of its own"
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    try ImageTextMatching.join(&sequence, example, .init(), context, using: &stream)
  }

  public static func weight(of target: Target) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let pairs = targets.filter {
      encoding.text.rows(of: $0.sequence).count > 2
        && !encoding.visual.rows(of: $0.sequence).isEmpty
    }
    let distance_N = try options.transport.distances(encoding, pairs.map(\.sequence))
    let isMatch = pairs.map(\.target.isMatch)
    func weighed(_ match: Float, _ other: Float) throws -> Tensor {
      try (distance_N * Tensor(isMatch.map { $0 ? match : other }, on: distance_N.device)).sum()
    }
    let sum = try weighed(1, -1)
    let matches = isMatch.filter { $0 }.count
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("wpa.loss", sum: sum, count: Double(targets.count)),
        PendingMetric("wpa.trueDistance", sum: weighed(1, 0), count: Double(matches)),
        PendingMetric(
          "wpa.falseDistance", sum: weighed(0, 1), count: Double(pairs.count - matches)),
      ])
  }
}
