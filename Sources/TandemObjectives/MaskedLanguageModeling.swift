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
    public init() {}
  }

  /// Chosen pieces of the text and what they were.
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

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    head = try VocabularyHead(facts, at: root)
  }

  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>] {
    guard let text = example.texts.first else { return [] }
    let units =
      options.wholeWords ? text.wordRanges() : text.ids.indices.map { $0..<$0 + 1 }
    var chosen = units.filter { _ in stream.uniform() < options.probability }
    if chosen.isEmpty, options.atLeastOne, !units.isEmpty {
      chosen = [units[stream.below(units.count)]]
    }
    guard !chosen.isEmpty else { return [] }
    var ids = Array(text.ids)
    var target = Target(pieces: [], labels: [])
    for piece in chosen.joined() {
      target.pieces.append(piece)
      target.labels.append(ids[piece])
      let draw = stream.uniform()
      if draw < options.maskShare {
        ids[piece] = context.specials.mask
      } else if draw < options.maskShare + options.randomShare {
        ids[piece] = randomToken(context.specials, using: &stream)
      }
    }
    let sequence = InputSequence(text: ids, picture: example.pictures.first)
    return [PreparedSequence(sequence, target)]
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
    let rows = targets.flatMap { placed in
      placed.target.pieces.map { encoding.batch.row(ofPiece: $0, of: placed.sequence) }
    }
    let labels = targets.flatMap { $0.target.labels.map(Int.init) }
    let rows_ND = try encoding.rows(rows)
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
    let rows = pieces.map { encoding.batch.row(ofPiece: $0, of: 0) }
    let (values, indices) = try head(encoding.rows(rows)).softmax(-1).top(most)
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
