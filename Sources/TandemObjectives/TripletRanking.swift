// Triplet ranking: a text is to be nearer to its picture than to any other one of the step, and a
// picture to its text, by a margin (Kiros et al. 2014; Faghri et al. 2018; with the margin of Chen
// et al. 2020). Shapes: G pairs of the step, E width of their vectors.

public import TandemCore
public import TandemNN
public import TandemTorch

public struct TripletRanking: Objective {
  public static let name = "triplet"
  public static let summary = "rank true pairs above false ones by a margin (Faghri et al. 2018)"

  public struct Options: Codable, Sendable, Equatable {
    public var margin = 0.2
    /// Count the hardest false partner alone (VSE++), instead of the sum over all.
    public var hardest = true
    /// Pairs that share a text or a picture are no negatives of one another.
    public var sparesDuplicates = true
    public init() {}
  }
  public typealias Target = PairIdentity

  public static let defaults = Options()
  let options: Options

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    try facts.needPairs(for: Self.name)
    guard options.margin >= 0 else {
      throw ParameterError(
        "objectives.triplet.options.margin is \(options.margin), expected 0 or more")
    }
    self.options = options
  }

  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<PairIdentity>] {
    PairIdentity.prepared(example, group: StepGroup.triplets)
  }

  public static func weight(of target: PairIdentity) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<PairIdentity>], denominator: Double
  ) throws -> LossReport {
    let pair = try encoding.needPair(for: Self.name)
    let device = pair.text_SE.device
    let places = try Tensor(targets.map(\.sequence), on: device)
    let identities = targets.map(\.target)
    let similarity_GG = try pair.picture_SE.to(.float32).rows(places)
      .matmul(pair.text_SE.to(.float32).rows(places).transposed(0, 1))
    let spared_GG = options.sparesDuplicates ? try identities.duplicates(on: device) : nil
    let sum = try Self.lossSum(similarity_GG, spared: spared_GG, options)
    let count = Double(targets.count)
    let ranked_GG =
      try spared_GG.map { try similarity_GG.filled(where: $0, with: -.infinity) }
      ?? similarity_GG
    let labels_G = try Tensor.range(targets.count, on: device)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("triplet.loss", sum: sum, count: count),
        PendingMetric("triplet.textAccuracy", sum: ranked_GG.hits(labels_G), count: count),
        PendingMetric(
          "triplet.pictureAccuracy", sum: ranked_GG.transposed(0, 1).hits(labels_G), count: count),
      ])
  }

  /// The sum over pairs, both ways, of what false partners come too near.
  ///
  /// - Parameters:
  ///   - similarity_GG: rows are pictures, columns are texts; true pairs on the diagonal.
  ///   - spared_GG: Boolean, true where two pairs are no negatives of one another.
  package static func lossSum(
    _ similarity_GG: Tensor, spared spared_GG: Tensor?, _ options: Options
  ) throws -> Tensor {
    let places_G = try Tensor.range(similarity_GG.size(0), on: similarity_GG.device)
    let own_GG = try places_G.unsqueezed(1).equals(places_G.unsqueezed(0))
    let truth_G = try similarity_GG.diagonal(0, 1)
    func hinges(_ truth: Tensor) throws -> Tensor {
      let open_GG = try ((similarity_GG - truth) + options.margin).relu()
        .filled(where: own_GG, with: 0)
      return try spared_GG.map { try open_GG.filled(where: $0, with: 0) } ?? open_GG
    }
    let byPicture_GG = try hinges(truth_G.unsqueezed(1))
    let byText_GG = try hinges(truth_G.unsqueezed(0))
    guard options.hardest else { return try byPicture_GG.sum() + byText_GG.sum() }
    return try byPicture_GG.max(1).values.sum() + byText_GG.max(0).values.sum()
  }
}
