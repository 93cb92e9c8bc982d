// Masked region classes: what the detector took a hidden region for (Chen et al. 2020; Su et al.
// 2020; Lu et al. 2019). Shapes: N chosen regions, D width, C classes.

public import TandemCore
public import TandemNN
public import TandemTorch

public struct MaskedRegionClasses: Objective {
  public static let name = "mrc"
  public static let summary = "predict the classes of hidden regions (Chen et al. 2020)"
  public static let part = PassPart.masks

  public enum Loss: String, Codable, Sendable {
    /// Cross-entropy with the most probable class that is not the background; where the regions
    /// have no probabilities, with the class that the detector gave them.
    case hard
    /// KL(p‖q) of the detector's probabilities p and the model's q (UNITER, ViLBERT).
    case kl
    /// −Σ p log q (VL-BERT): the same gradient.
    case crossEntropy
  }

  public enum Reduction: String, Codable, Sendable {
    /// The sum over a region's classes (VL-BERT, ViLBERT).
    case rows
    /// Their mean, some 1600 times less (UNITER as published). It says nothing of hard classes.
    case elements
  }

  public struct Options: Codable, Sendable, Equatable {
    public var masking = RegionMasking()
    public var loss = Loss.kl
    public var reduction = Reduction.rows
    /// Only regions whose probabilities sum to 1 but for less than this are targets (VL-BERT, 0.1);
    /// 0: all are.
    public var sumTolerance = 0.0
    /// Columns of the detector's probabilities, the background included; 0: as many as the store of
    /// regions has.
    public var classes = 0
    public init() {}
  }

  public struct Target: Sendable, Equatable {
    /// [N]
    public var regions: [Int]
    /// [N], 0 the first class that is not background; empty for soft targets.
    public var objects: [Int]
    /// [N, C]; empty for hard targets.
    public var probabilities: [Float]

    public init(regions: [Int], objects: [Int] = [], probabilities: [Float] = []) {
      self.regions = regions
      self.objects = objects
      self.probabilities = probabilities
    }
  }

  public static let defaults = Options()
  let options: Options
  let head: RegionHead

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.regionClasses, for: Self.name, "has no head for classes of regions")
    try options.masking.check(Self.name, facts)
    guard options.classes > 1 else {
      throw ParameterError(
        "objectives.mrc.options.classes is \(options.classes), expected the number of the "
          + "detector's classes with the background: the store of regions says it, or "
          + "--set objectives.N.options.classes=1601")
    }
    guard options.sumTolerance >= 0 else {
      throw ParameterError(
        "objectives.mrc.options.sumTolerance is \(options.sumTolerance), expected 0 or more")
    }
    let keepsBackground = specification.hasBackground
    try facts.need(
      keepsBackground || options.loss == .hard ? true : nil, for: Self.name,
      "predicts classes without a background, while the detector's probabilities have one: "
        + "choose options.loss=hard")
    self.options = options
    head = try RegionHead(
      specification, outputs: keepsBackground ? options.classes : options.classes - 1, facts,
      at: root)
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    guard
      let (all, chosen) = try options.masking.regions(
        of: &sequence, example, context, using: &stream)
    else { return nil }
    let isSoft = options.loss != .hard
    guard all.classCount == options.classes || (all.classCount == 0 && !isSoft) else {
      throw DataError(
        "record \(example.record.id): its regions have \(all.classCount) class probabilities, "
          + "objectives.mrc.options.classes expects \(options.classes)"
          + (all.classCount == 0 ? "; objectives.mrc.options.loss=hard needs none" : ""))
    }
    guard !all.classProbabilities.isEmpty || !all.objects.isEmpty else {
      throw DataError("record \(example.record.id): its regions have no classes")
    }
    let counted = chosen.filter { isTarget($0, all, options) }
    guard !counted.isEmpty else { return nil }
    guard isSoft else { return Target(regions: counted, objects: counted.map { object($0, all) }) }
    return Target(regions: counted, probabilities: counted.flatMap { all.probabilities($0) })
  }

  private static func isTarget(_ region: Int, _ regions: Regions, _ options: Options) -> Bool {
    guard !regions.classProbabilities.isEmpty else {
      let object = Int(regions.objects[region])
      return object >= 0 && object < options.classes - 1
    }
    guard options.sumTolerance > 0 else { return true }
    let sum = regions.probabilities(region).reduce(0) { $0 + Double($1) }
    return abs(sum - 1) < options.sumTolerance
  }

  /// The first of the most probable classes that are not background, counted without it.
  private static func object(_ region: Int, _ regions: Regions) -> Int {
    guard !regions.classProbabilities.isEmpty else { return Int(regions.objects[region]) }
    let objects = Array(regions.probabilities(region).dropFirst())
    return objects.indices.reduce(0) { objects[$1] > objects[$0] ? $1 : $0 }
  }

  public static func weight(of target: Target) -> Double { Double(target.regions.count) }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let rows = targets.flatMap { placed in
      placed.target.regions.map { (sequence: placed.sequence, unit: $0) }
    }
    let logits_NC = try head(encoding.units(rows))
    let labels_N: Tensor
    let sum: Tensor
    if options.loss == .hard {
      let first = head.specification.hasBackground ? 1 : 0
      labels_N = try Tensor(
        targets.flatMap { $0.target.objects.map { $0 + first } }, on: logits_NC.device)
      sum = try logits_NC.crossEntropySum(labels_N)
    } else {
      let p_NC = try Tensor(
        targets.flatMap(\.target.probabilities), [rows.count, options.classes],
        on: logits_NC.device)
      labels_N = try p_NC.argmax(-1)
      sum = try Self.softSum(logits_NC, p_NC, options)
    }
    let count = Double(rows.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("mrc.loss", sum: sum, count: count),
        PendingMetric("mrc.accuracy", sum: logits_NC.hits(labels_N), count: count),
      ])
  }

  /// The sum over regions of the loss of each, for logits and the detector's probabilities [N, C].
  package static func softSum(
    _ logits_NC: Tensor, _ p_NC: Tensor, _ options: Options
  ) throws -> Tensor {
    var sum = try -(p_NC * logits_NC.logSoftmax(-1)).sum()
    if options.loss == .kl {
      // Probabilities may be 0: 0·log 0 is to be 0, so the logarithm must stay finite.
      sum = try sum + (p_NC * p_NC.clamped(from: 1e-30).log()).sum()
    }
    return options.reduction == .rows ? sum : try sum / Double(max(1, p_NC.size(1)))
  }
}
