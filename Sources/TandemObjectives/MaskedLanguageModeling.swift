// Masked language modelling (Devlin et al. 2019) from text and picture together.

public import TandemCore
public import TandemNN
internal import TandemText
public import TandemTorch

public struct MaskedLanguageModeling: Objective {
  public static let name = "mlm"
  public static let summary = "fill masked words from text and picture (Devlin et al. 2019)"

  public struct Options: Codable, Sendable, Equatable {
    /// The chance of a word (or piece) to be chosen.
    public var probability = 0.15
    /// Draw once for a word and hide all its pieces, instead of drawing for each piece.
    public var wholeWords = true
    /// Of the chosen pieces, how many become [MASK], and how many a random token; the rest stay.
    public var maskShare = 0.8
    public var randomShare = 0.1
    /// Choose one word where the draw gives none (UNITER does, ViLT does not).
    public var atLeastOne = false
    /// Choose stretches of words instead of single ones until `probability` of them is hidden
    /// (SpanBERT, UNIMO).
    public var spans = false
    /// A stretch goes on with the chance 1 − `spanStop`, up to `spanMost` words: 3.8 on average.
    public var spanStop = 0.2
    public var spanMost = 10
    /// Learn from texts with a foreign picture too, where the pass has such (LXMERT does, ViLBERT
    /// does not).
    public var onFalsePairs = true
    public init() {}
  }

  /// Chosen pieces of the texts, by their places behind [CLS], and what they were.
  public struct Target: Sendable, Equatable {
    public var pieces: [Int]
    public var labels: [Int32]

    public init(pieces: [Int], labels: [Int32]) {
      self.pieces = pieces
      self.labels = labels
    }
  }

  public static let defaults = Options()
  let head: VocabularyHead

  public static let part = PassPart.masks

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = try facts.need(
      facts.heads.vocabulary, for: Self.name, "has no head for words")
    guard (0...1).contains(options.probability), (0...1).contains(options.spanStop),
      options.maskShare >= 0, options.randomShare >= 0,
      options.maskShare + options.randomShare <= 1, options.spanMost > 0
    else {
      throw ParameterError(
        "objectives.mlm.options: probability \(options.probability), spanStop "
          + "\(options.spanStop), maskShare \(options.maskShare) and randomShare "
          + "\(options.randomShare) must be shares, the last two together at most 1, and "
          + "spanMost \(options.spanMost) at least 1")
    }
    head = try VocabularyHead(specification, facts, at: root)
  }

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    guard options.onFalsePairs || sequence.isTruePair != false else { return nil }
    let chosen = self.chosen(texts(of: sequence, options), options, using: &stream)
    guard !chosen.isEmpty else { return nil }
    var target = Target(pieces: [], labels: [])
    for piece in chosen.joined() {
      target.pieces.append(piece)
      target.labels.append(sequence[piece: piece])
      let draw = stream.uniform()
      if draw < options.maskShare {
        sequence[piece: piece] = context.specials.mask
      } else if draw < options.maskShare + options.randomShare {
        sequence[piece: piece] = randomToken(context.specials, using: &stream)
      }
    }
    return target
  }

  /// For each text what is drawn together: the pieces of a word, or single ones.
  private static func texts(of sequence: InputSequence, _ options: Options) -> [[Range<Int>]] {
    func units(_ words: [Int32], from start: Int) -> [Range<Int>] {
      let ranges =
        options.wholeWords
        ? TokenizedText.ranges(ofWords: words) : words.indices.map { $0..<$0 + 1 }
      return ranges.map { start + $0.lowerBound..<start + $0.upperBound }
    }
    return [
      units(sequence.words, from: 0),
      units(sequence.secondWords, from: sequence.firstOfSecond),
    ].filter { !$0.isEmpty }
  }

  private static func chosen(
    _ texts: [[Range<Int>]], _ options: Options, using stream: inout RandomStream
  ) -> [Range<Int>] {
    var chosen: [Range<Int>] = []
    for units in texts {
      chosen +=
        options.spans
        ? spans(units, options, using: &stream)
        : units.filter { _ in stream.uniform() < options.probability }
    }
    if chosen.isEmpty, options.atLeastOne, !texts.isEmpty {
      let units = Array(texts.joined())
      chosen = [units[stream.below(units.count)]]
    }
    return chosen
  }

  /// Stretches of geometric length from random places, until their share of the units is hidden;
  /// the last draw decides by chance, so that short texts have their share on average.
  private static func spans(
    _ units: [Range<Int>], _ options: Options, using stream: inout RandomStream
  ) -> [Range<Int>] {
    let wanted = options.probability * Double(units.count)
    var budget = Int(wanted) + (stream.uniform() < wanted - wanted.rounded(.down) ? 1 : 0)
    var isHidden = [Bool](repeating: false, count: units.count)
    while budget > 0 {
      var length = 1
      while length < min(options.spanMost, budget), stream.uniform() >= options.spanStop {
        length += 1
      }
      let start = stream.below(units.count)
      for place in start..<min(units.count, start + length) where !isHidden[place] {
        isHidden[place] = true
        budget -= 1
      }
      if !isHidden.contains(false) { break }
    }
    return units.indices.filter { isHidden[$0] }.map { units[$0] }
  }

  private static func randomToken(
    _ specials: SpecialTokens, using stream: inout RandomStream
  ) -> Int32 {
    var token: Int32
    repeat {
      token = Int32(stream.below(specials.vocabularyCount))
    } while specials.reserved.contains(token)
    return token
  }

  public static func weight(of target: Target) -> Double { Double(target.pieces.count) }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let places = targets.flatMap { placed in
      placed.target.pieces.map { (sequence: placed.sequence, piece: $0) }
    }
    let labels = targets.flatMap { $0.target.labels.map(Int.init) }
    let rows_ND = try encoding.pieces(places)
    let (sum, right) = try head.loss(
      rows_ND, labels: Tensor(labels, on: rows_ND.device))
    let count = Double(labels.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("mlm.loss", sum: sum, count: count),
        PendingMetric("mlm.accuracy", sum: right, count: count),
      ])
  }

  /// The most probable tokens at some pieces of the batch's first sequence.
  public func words(
    _ encoding: Encoding, pieces: [Int], most: Int
  ) throws -> [[(token: Int, probability: Double)]] {
    let rows_ND = try encoding.pieces(pieces.map { (sequence: 0, piece: $0) })
    let (values, indices) = try head(rows_ND).softmax(-1).top(most)
    let chances = try values.floats()
    let tokens = try indices.array(of: Int64.self)
    return pieces.indices.map { piece in
      (0..<most).map { rank in
        let place = piece * most + rank
        return (Int(tokens[place]), Double(chances[place]))
      }
    }
  }
}
