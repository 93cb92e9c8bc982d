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
    /// The second of two texts: the first is true of its picture, and the question is whether the
    /// second is another text of that picture (VisualBERT). An example whose picture has one text
    /// is not asked about.
    case second
  }

  /// Where the partners of false pairs come from.
  public enum Candidates: String, Codable, Sendable {
    /// The whole of the data.
    case data
    /// The other pairs of the step, whose pictures are there anyway (ALBEF); where all of them
    /// belong together, there is no false pair.
    case batch
  }

  /// Which of its candidates a false pair is learned with.
  public enum Choice: String, Codable, Sendable {
    /// The one that looks most true (UNITER).
    case hardest
    /// One drawn by the softmax of how true they look (ALBEF).
    case sampled
  }

  public struct Options: Codable, Sendable, Equatable {
    public var negatives = Negatives.picture
    /// How many false partners each false pair has to choose from, fewer where a step has no more.
    /// The model as it is looks at them without gradients and without dropout, and one is learned
    /// (Chen et al. 2020; Li et al. 2021). Matching needs a pass of its own then. 0: one partner and
    /// no choice.
    public var hardNegatives = 0
    public var candidates = Candidates.data
    public var choice = Choice.hardest
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
  let options: Options
  /// The model has vectors of texts and pictures by themselves.
  let comparesVectors: Bool

  public static let part = PassPart.pairs

  public static func readsSecondText(_ options: Options) -> Bool { options.negatives == .second }

  public static func objection(
    _ options: Options, to others: [ObjectiveDefinition]
  ) -> String? {
    guard options.hardNegatives > 0, let other = others.first else { return nil }
    return
      "objectives.itm.options.hardNegatives is \(options.hardNegatives): several false pairs of "
      + "one example cannot share the sequence of '\(other.name)'; give one of the two a pass of its "
      + "own (--set objectives.N.pass=alone), or set hardNegatives=0"
  }

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.matching, for: Self.name, "has no vector that has seen both text and picture")
    try Self.check(options)
    head = try MatchingHead(specification, facts, at: root)
    self.options = options
    comparesVectors = facts.pairWidth > 0
  }

  private static func check(_ options: Options) throws {
    let path = "objectives.itm.options"
    let count = options.hardNegatives
    guard count >= 0 else {
      throw ParameterError("\(path).hardNegatives is \(count), expected 0 or more")
    }
    guard options.candidates == .data || count > 0 else {
      throw ParameterError(
        "\(path).candidates is batch, but hardNegatives is 0, which takes partners from the data: "
          + "--set objectives.N.options.hardNegatives=1 takes one of the step, more choose")
    }
    guard options.choice == .hardest || count > 1 else {
      throw ParameterError(
        "\(path).choice is sampled, but hardNegatives is \(count), which leaves nothing to choose: "
          + "--set objectives.N.options.hardNegatives=8 gives 8 candidates")
    }
  }

  /// One pair of an example, or the candidates for its false pair.
  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Match>] {
    var sequence = InputSequence(example)
    guard let isMatch = try judged(&sequence, example, options, context, using: &stream) else {
      return []
    }
    guard !isMatch else { return [PreparedSequence(sequence, Match(isMatch: true))] }
    let pairs =
      switch options.candidates {
      case .batch:
        try falsePairs(of: sequence, example, inStep: options, context, using: &stream)
      case .data:
        try (0..<max(1, options.hardNegatives)).map { _ in
          try falsePair(of: sequence, example, options, context, using: &stream)
        }
      }
    let choice = pairs.count > 1 ? context.positionInStep + 1 : 0
    return pairs.map { PreparedSequence($0, Match(isMatch: false), choice: choice) }
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Match? {
    // Another objective of the pass may have decided it.
    if let isMatch = sequence.isTruePair { return Match(isMatch: isMatch) }
    guard let isMatch = try judged(&sequence, example, options, context, using: &stream) else {
      return nil
    }
    if !isMatch {
      sequence = try falsePair(of: sequence, example, options, context, using: &stream)
    }
    return Match(isMatch: isMatch)
  }

  /// Of two neighbours in a step one stays a true pair and the other gets a picture that no record
  /// shows with its text, or a text that no record has with its picture: exactly half of a step is
  /// true, and no false pair is true by chance. A sequence that is to be false is left as it is;
  /// nil where there is nothing to ask.
  private static func judged(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Bool? {
    guard !example.texts.isEmpty, !example.pictures.isEmpty else { return nil }
    var second: TokenizedText?
    if options.negatives == .second {
      // Asked of false pairs too: a picture with one text would always be in a false one.
      second = try context.secondText(example, &stream)
      guard second != nil else { return nil }
    }
    var coin = context.pairStream
    let isMatch = (coin.next() & 1 == 0) == (context.positionInStep % 2 == 0)
    sequence.isTruePair = isMatch
    if isMatch, let second { sequence.append(second: second, within: context.input.pairPieces) }
    return isMatch
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
