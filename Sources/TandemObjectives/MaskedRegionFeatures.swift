// Masked region features: what the detector saw where the model sees nothing (Chen et al. 2020;
// Tan & Bansal 2019; Li et al. 2021). Shapes: N chosen regions, D width, F width of features.

public import TandemCore
public import TandemNN
public import TandemTorch

public struct MaskedRegionFeatures: Objective {
  public static let name = "mrfr"
  public static let summary = "predict the features of hidden regions (Chen et al. 2020)"
  public static let part = PassPart.masks

  public enum Loss: String, Codable, Sendable {
    /// The square of a difference (UNITER, UNIMO).
    case l2
    /// Half the square of differences below 1, and others less a half (LXMERT).
    case smoothL1
  }

  public enum Reduction: String, Codable, Sendable {
    /// The mean over a region's numbers (UNITER, LXMERT).
    case elements
    /// Their sum (UNIMO).
    case rows
  }

  public struct Options: Codable, Sendable, Equatable {
    public var masking = RegionMasking()
    public var loss = Loss.l2
    public var reduction = Reduction.elements
    /// The regions that the loss is divided by: all of them in LXMERT.
    public var divisor = RegionDivisor.chosen
    /// A factor: 1 / 0.15 in LXMERT.
    public var scale = 1.0
    public init() {}
  }

  /// Chosen regions, [N], and their features, [N, F].
  public struct Target: Sendable, Equatable {
    public var regions: [Int]
    public var features: [Float]
    /// The regions that the loss is divided by.
    public var counted: Int

    public init(regions: [Int], features: [Float], counted: Int) {
      self.regions = regions
      self.features = features
      self.counted = counted
    }
  }

  public static let defaults = Options()
  let options: Options
  let head: RegionHead
  let featureWidth: Int

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.regionFeatures, for: Self.name, "has no head for features of regions")
    try options.masking.check(Self.name, facts)
    self.options = options
    featureWidth = facts.featureWidth
    head = try RegionHead(specification, outputs: featureWidth, facts, at: root)
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    guard
      let regions = try options.masking.regions(of: &sequence, example, context, using: &stream)
    else { return nil }
    let counted = options.divisor.count(regions.chosen, regions.all)
    guard counted > 0 else { return nil }
    return Target(
      regions: regions.chosen,
      features: regions.chosen.flatMap { regions.all.feature($0) }, counted: counted)
  }

  public static func weight(of target: Target) -> Double { Double(target.counted) }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let rows = targets.flatMap { placed in
      placed.target.regions.map { (sequence: placed.sequence, unit: $0) }
    }
    let predicted_NF = try head(encoding.units(rows))
    let features_NF = try Tensor(
      targets.flatMap(\.target.features), [rows.count, featureWidth], on: predicted_NF.device)
    let sum = try Self.lossSum(predicted_NF, features_NF, options)
    return LossReport(
      total: try sum / denominator,
      metrics: [
        try PendingMetric(
          "mrfr.loss", sum: sum, count: targets.reduce(0) { $0 + Self.weight(of: $1.target) })
      ])
  }

  /// The scaled sum over regions of the loss of each, for predictions and features [N, F].
  package static func lossSum(
    _ predicted_NF: Tensor, _ features_NF: Tensor, _ options: Options
  ) throws -> Tensor {
    let sum: Tensor
    switch options.loss {
    case .l2:
      let error_NF = try predicted_NF - features_NF
      sum = try (error_NF * error_NF).sum()
    case .smoothL1: sum = try predicted_NF.smoothL1Sum(features_NF)
    }
    let share = options.reduction == .elements ? 1 / Double(max(1, features_NF.size(1))) : 1
    return try sum * (share * options.scale)
  }
}

/// The regions that a loss is divided by.
public enum RegionDivisor: String, Codable, Sendable {
  /// Those that are asked about.
  case chosen
  /// All regions of the pictures.
  case all

  func count(_ chosen: [Int], _ regions: Regions) -> Int {
    self == .chosen ? chosen.count : regions.count
  }
}
