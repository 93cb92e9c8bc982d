// What the detector calls each region, as hard labels of objects and attributes, weighted by its
// confidence (Tan & Bansal 2019). Shapes: N regions, D width, C classes.

public import TandemCore
public import TandemNN
public import TandemTorch

public struct RegionLabels: Objective {
  public static let name = "labels"
  public static let summary = "name the objects and attributes of regions (Tan & Bansal 2019)"
  public static let part = PassPart.masks

  public enum Asked: String, Codable, Sendable {
    /// Every region, hidden or not, as LXMERT's code has it.
    case all
    /// Those that were chosen, as its paper has it.
    case chosen
  }

  public struct Options: Codable, Sendable, Equatable {
    public var masking = RegionMasking()
    public var regions = Asked.all
    /// The regions that the loss is divided by: all of them in LXMERT.
    public var divisor = RegionDivisor.all
    /// A factor: 1 / 0.15 in LXMERT.
    public var scale = 1.0
    /// Weigh each label by the detector's confidence.
    public var weighsByConfidence = true
    /// Classes of objects, the background not counted; 0: as many as the store of regions has.
    public var objects = 0
    /// Attributes; 0: none are asked for.
    public var attributes = 0
    public init() {}
  }

  /// Labels of regions and what each weighs.
  public struct Labels: Sendable, Equatable {
    /// [N], −1 for none.
    public var classes: [Int]
    /// [N]
    public var weights: [Float]

    public init(classes: [Int], weights: [Float]) {
      self.classes = classes
      self.weights = weights
    }
  }

  public struct Target: Sendable, Equatable {
    /// [N]
    public var regions: [Int]
    public var objects: Labels
    /// Empty where none are asked for.
    public var attributes: Labels
    /// The regions that the loss is divided by.
    public var counted: Int

    public init(regions: [Int], objects: Labels, attributes: Labels, counted: Int) {
      self.regions = regions
      self.objects = objects
      self.attributes = attributes
      self.counted = counted
    }
  }

  public static let defaults = Options()
  let options: Options
  let objects: RegionHead
  let attributes: RegionHead?

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.regionClasses, for: Self.name, "has no head for classes of regions")
    try options.masking.check(Self.name, facts)
    guard options.objects > 0, options.attributes >= 0 else {
      throw ParameterError(
        "objectives.labels.options: objects is \(options.objects) and attributes "
          + "\(options.attributes), expected how many the detector knows: the store of regions "
          + "says it, or --set objectives.N.options.objects=1600")
    }
    self.options = options
    objects = try RegionHead(
      specification, outputs: options.objects + (specification.hasBackground ? 1 : 0), facts,
      at: root)
    attributes =
      try options.attributes == 0
      ? nil
      : RegionHead(
        facts.need(
          facts.heads.regionAttributes, for: Self.name,
          "has no head for attributes of regions: --set objectives.N.options.attributes=0"),
        outputs: options.attributes, facts, at: root)
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    guard
      let (all, chosen) = try options.masking.regions(
        of: &sequence, example, context, using: &stream)
    else { return nil }
    let regions = options.regions == .all ? Array(0..<all.count) : chosen
    let counted = options.divisor.count(regions, all)
    guard counted > 0 else { return nil }
    let id = example.record.id
    return Target(
      regions: regions,
      objects: try labels(
        all.objects, all.objectConfidences, regions, options, "objects", options.objects, id),
      attributes: options.attributes == 0
        ? Labels(classes: [], weights: [])
        : try labels(
          all.attributes, all.attributeConfidences, regions, options, "attributes",
          options.attributes, id),
      counted: counted)
  }

  private static func labels(
    _ classes: [Int32], _ confidences: [Float], _ regions: [Int], _ options: Options,
    _ kind: String, _ count: Int, _ id: String
  ) throws -> Labels {
    guard !classes.isEmpty else {
      throw DataError("record \(id): its regions have no \(kind) to learn from")
    }
    if let wrong = regions.first(where: { Int(classes[$0]) >= count }) {
      throw DataError(
        "record \(id): region \(wrong) has the label \(classes[wrong]), "
          + "objectives.labels.options.\(kind) allows 0 to \(count - 1)")
    }
    let weighs = options.weighsByConfidence && !confidences.isEmpty
    return Labels(
      classes: regions.map { Int(classes[$0]) },
      weights: regions.map { weighs ? confidences[$0] : 1 })
  }

  public static func weight(of target: Target) -> Double { Double(target.counted) }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let rows_ND = try encoding.units(
      targets.flatMap { placed in
        placed.target.regions.map { (sequence: placed.sequence, unit: $0) }
      })
    let counted = targets.reduce(0) { $0 + Self.weight(of: $1.target) }
    let first = objects.specification.hasBackground ? 1 : 0
    var (sum, metrics) = try part(
      objects(rows_ND), targets.map(\.target.objects), first: first, "object", counted)
    if let attributes {
      let more = try part(
        attributes(rows_ND), targets.map(\.target.attributes), first: 0, "attribute", counted)
      sum = try sum + more.sum
      metrics += more.metrics
    }
    return LossReport(
      total: try sum / denominator,
      metrics: [try PendingMetric("labels.loss", sum: sum, count: counted)] + metrics)
  }

  /// - Parameter first: the column of the first class that is not background.
  private func part(
    _ logits_NC: Tensor, _ labels: [Labels], first: Int, _ kind: String, _ counted: Double
  ) throws -> (sum: Tensor, metrics: [PendingMetric]) {
    let classes = labels.flatMap { $0.classes.map { $0 < 0 ? -1 : $0 + first } }
    let classes_N = try Tensor(classes, on: logits_NC.device)
    let weights_N = try Tensor(labels.flatMap(\.weights), on: logits_NC.device)
    let sum = try Self.lossSum(logits_NC, classes_N, weights_N) * options.scale
    let known = Double(classes.count { $0 >= 0 })
    return (
      sum,
      try [
        PendingMetric("labels.\(kind).loss", sum: sum, count: counted),
        PendingMetric("labels.\(kind).accuracy", sum: logits_NC.hits(classes_N), count: known),
      ]
    )
  }

  /// The weighted sum of −log p(label) over regions, for logits [N, C], int64 labels [N], −1 for
  /// none, and weights [N].
  package static func lossSum(
    _ logits_NC: Tensor, _ labels_N: Tensor, _ weights_N: Tensor
  ) throws -> Tensor {
    let known_N = try labels_N.isAtLeast(0).to(.float32)
    let places_N1 = try labels_N.maximum(labels_N.zerosLike()).unsqueezed(1)
    let score_N = try logits_NC.logSoftmax(-1).gathered(1, places_N1).squeezed(1)
    return try -(score_N * weights_N * known_N).sum()
  }
}
