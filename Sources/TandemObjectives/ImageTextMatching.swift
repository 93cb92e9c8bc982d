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
    /// How many false partners each false pair has to choose from: it is learned with the one that
    /// looks most true (Chen et al. 2020; Li et al. 2021). All of them are encoded, so that a step
    /// costs that many forwards and backwards of its false half, and matching needs a pass of its
    /// own. 0: one false partner and no choice.
    public var hardNegatives = 0
    public init() {}
  }
  public typealias Target = Match

  /// Whether the pair is a true one.
  public struct Match: Sendable, Equatable {
    public var isMatch: Bool
    /// False pairs of one group are candidates, of which the hardest is learned; 0 for pairs
    /// without a choice.
    public var group: Int
    /// One pair of each group counts, and every pair without a choice.
    public var isCounted: Bool

    public init(isMatch: Bool, group: Int = 0, isCounted: Bool = true) {
      self.isMatch = isMatch
      self.group = group
      self.isCounted = isCounted
    }
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
    guard options.hardNegatives >= 0 else {
      throw ParameterError(
        "objectives.itm.options.hardNegatives is \(options.hardNegatives), expected 0 or more")
    }
    head = try MatchingHead(specification, facts, at: root)
  }

  /// One pair of an example, or the candidates for its false pair: a group that is never cut.
  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Match>] {
    let truth = InputSequence(example)
    var sequence = truth
    guard let match = try paired(&sequence, example, options, context, using: &stream) else {
      return []
    }
    guard options.hardNegatives > 0, !match.isMatch else {
      return [PreparedSequence(sequence, match)]
    }
    let group = context.positionInStep + 1
    return try (0..<options.hardNegatives).map { candidate in
      if candidate > 0 {
        sequence = truth
        try spoil(&sequence, example, options, context, using: &stream)
      }
      let match = Match(isMatch: false, group: group, isCounted: candidate == 0)
      return PreparedSequence(sequence, match, group: group)
    }
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Match? {
    guard options.hardNegatives == 0 else {
      throw DataError(
        "objectives.itm.options.hardNegatives is \(options.hardNegatives): several false pairs of "
          + "one example cannot share the sequence of other objectives; give itm a pass of its "
          + "own, or set hardNegatives=0")
    }
    return try paired(&sequence, example, options, context, using: &stream)
  }

  /// Of two neighbours in a step one stays a true pair and the other gets a picture that no record
  /// shows with its text, or a text that no record has with its picture: exactly half of a step is
  /// true, and no false pair is true by chance.
  private static func paired(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Match? {
    guard !example.texts.isEmpty, !example.pictures.isEmpty else { return nil }
    if let isMatch = sequence.isTruePair { return Match(isMatch: isMatch) }
    var coin = context.pairStream
    let isMatch = (coin.next() & 1 == 0) == (context.positionInStep % 2 == 0)
    if isMatch {
      sequence.isTruePair = true
    } else {
      try spoil(&sequence, example, options, context, using: &stream)
    }
    return Match(isMatch: isMatch)
  }

  /// Makes a false pair of a true one.
  private static func spoil(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws {
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
    sequence.isTruePair = false
  }

  public static func weight(of target: Match) -> Double { target.isCounted ? 1 : 0 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Match>], denominator: Double
  ) throws -> LossReport {
    let single = targets.filter { $0.target.group == 0 }
    var parts: [Tensor] = []
    if !single.isEmpty { parts.append(try head(encoding.pooled(single.map(\.sequence)))) }
    let hardest = try hardestLogits(encoding, targets.filter { $0.target.group != 0 })
    if let hardest { parts.append(hardest) }
    let logits_N2 = try parts.count == 1 ? parts[0] : Tensor.concatenated(parts)
    let isMatch =
      single.map(\.target.isMatch)
      + [Bool](repeating: false, count: hardest.map { $0.size(0) } ?? 0)
    let labels_N = try Tensor(
      isMatch.map { $0 ? head.matchClass : 1 - head.matchClass }, on: logits_N2.device)
    let sum = try logits_N2.crossEntropySum(labels_N)
    let count = Double(isMatch.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("itm.loss", sum: sum, count: count),
        PendingMetric("itm.accuracy", sum: logits_N2.hits(labels_N), count: count),
      ])
  }

  /// For each group of candidates the logits of the one that looks most true, [groups, 2]; nil
  /// without groups.
  private func hardestLogits(
    _ encoding: Encoding, _ candidates: [Placed<Match>]
  ) throws -> Tensor? {
    let groups = Dictionary(grouping: candidates, by: \.target.group).sorted { $0.key < $1.key }
      .map(\.value)
    guard let most = groups.map(\.count).max() else { return nil }
    let logits_C2 = try head(encoding.pooled(groups.flatMap { $0.map(\.sequence) }))
    // A group with fewer candidates has its last one several times.
    var starts = 0
    let places = groups.flatMap { group in
      defer { starts += group.count }
      return (0..<most).map { starts + min($0, group.count - 1) }
    }
    let device = logits_C2.device
    let places_GM = try Tensor(places, [groups.count, most], on: device)
    let hardest_G = try withoutGradients {
      let truth_C = try logits_C2.softmax(-1).narrow(1, from: head.matchClass, 1).squeezed(1)
      let best_G1 = try truth_C.rows(places_GM.reshaped([-1])).reshaped([groups.count, most])
        .argmax(-1).unsqueezed(1)
      return try places_GM.gathered(1, best_G1).squeezed(1)
    }
    return try logits_C2.rows(hardest_G)
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
