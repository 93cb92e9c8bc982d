// Heads read rows or pooled vectors; where their weights lie, and in what order their layers come,
// is the model's to say. Shapes: N gathered rows, D width, V vocabulary, C classes.

public import TandemNN
public import TandemTorch

/// What a model says of each kind of head; nil for what it cannot have.
public struct HeadSpecifications: Codable, Sendable, Equatable {
  public var vocabulary: VocabularyHead.Specification?
  public var matching: MatchingHead.Specification?
  public var ranking: RankingHead.Specification?
  public var answers: AnswerHead.Specification?
  public var statements: StatementHead.Specification?
  /// Scores of the choices of a question, each read as a sequence of its own (VCR).
  public var choices: AnswerHead.Specification?
  public var regionFeatures: RegionHead.Specification?
  public var regionClasses: RegionHead.Specification?
  public var regionAttributes: RegionHead.Specification?

  public init(
    vocabulary: VocabularyHead.Specification? = nil, matching: MatchingHead.Specification? = nil,
    ranking: RankingHead.Specification? = nil, answers: AnswerHead.Specification? = nil,
    statements: StatementHead.Specification? = nil,
    choices: AnswerHead.Specification? = nil,
    regionFeatures: RegionHead.Specification? = nil,
    regionClasses: RegionHead.Specification? = nil,
    regionAttributes: RegionHead.Specification? = nil
  ) {
    self.vocabulary = vocabulary
    self.matching = matching
    self.ranking = ranking
    self.answers = answers
    self.statements = statements
    self.choices = choices
    self.regionFeatures = regionFeatures
    self.regionClasses = regionClasses
    self.regionAttributes = regionAttributes
  }

  /// The paths under which heads claim their weights.
  public var paths: [String] {
    let regions = [regionFeatures, regionClasses, regionAttributes].compactMap { $0 }
    return [
      vocabulary?.transform, vocabulary?.norm, vocabulary?.decoder, vocabulary?.bias,
      matching?.path, ranking?.path, answers?.first, answers?.norm, answers?.last,
      choices?.first, choices?.norm, choices?.last,
    ].compactMap { $0 }.filter { !$0.isEmpty }
      + (statements?.paths ?? [])
      + regions.flatMap { [$0.transform, $0.norm, $0.decoder, $0.bias] }
      .filter { !$0.isEmpty }
  }
}

/// Linear, GELU, norm, then the vocabulary: BERT's prediction of masked words.
public struct VocabularyHead {
  public struct Specification: Codable, Sendable, Equatable {
    public var transform: String
    public var norm: String
    public var decoder: String
    /// The weight of the decoder when it is an embedding table; empty when it is its own.
    public var tied: String
    public var bias: String
    public var epsilon: Double

    public init(
      transform: String, norm: String, decoder: String, tied: String = "", bias: String,
      epsilon: Double
    ) {
      self.transform = transform
      self.norm = norm
      self.decoder = decoder
      self.tied = tied
      self.bias = bias
      self.epsilon = epsilon
    }
  }

  let transform: Linear
  let norm: LayerNorm
  let decoder: Linear

  public init(
    _ specification: Specification, _ facts: ModelFacts, at root: ParameterPath
  ) throws {
    let root = root.reusing
    transform = try Linear(facts.width, facts.width, at: root / specification.transform)
    norm = try LayerNorm(
      facts.width, epsilon: specification.epsilon, at: root / specification.norm)
    let weight =
      try specification.tied.isEmpty
      ? root(specification.decoder, [facts.vocabulary, facts.width])
      : root.shared(specification.tied)
    let bias = try root(specification.bias, [facts.vocabulary], .zeros, decay: false)
    decoder = Linear(weight: weight, bias: bias)
  }

  /// [N, D] → logits [N, V], float32.
  public func callAsFunction(_ rows_ND: Tensor) throws -> Tensor {
    try decoder(features(rows_ND)).to(.float32)
  }

  /// The sum of −log p(label) over rows [N, D] for int64 labels [N], and how many are right.
  public func loss(_ rows_ND: Tensor, labels: Tensor) throws -> (sum: Tensor, right: Tensor) {
    try decoder.vocabularyLoss(features(rows_ND), labels: labels)
  }

  private func features(_ rows_ND: Tensor) throws -> Tensor {
    try norm.forProducts(transform(rows_ND).gelu())
  }
}

/// Does the text match the picture? Two classes from the pooled vector.
public struct MatchingHead {
  public struct Specification: Codable, Sendable, Equatable {
    public var path: String
    /// The class of a match: 1, but 0 in ViLBERT.
    public var matchClass: Int

    public init(path: String, matchClass: Int = 1) {
      self.path = path
      self.matchClass = matchClass
    }
  }

  let classifier: Linear
  public let matchClass: Int

  public init(
    _ specification: Specification, _ facts: ModelFacts, at root: ParameterPath
  ) throws {
    classifier = try Linear(facts.pooledWidth, 2, at: root.reusing / specification.path)
    matchClass = specification.matchClass
  }

  /// [N, D] → logits [N, 2], float32.
  public func callAsFunction(_ pooled_ND: Tensor) throws -> Tensor {
    try classifier(pooled_ND).to(.float32)
  }
}

/// One score a pair, for ranking many against one another.
public struct RankingHead {
  public struct Specification: Codable, Sendable, Equatable {
    /// Of a linear layer on the pooled vector; empty where the score is the similarity of a text's
    /// and a picture's own vectors.
    public var path: String

    public init(path: String) { self.path = path }
    public static let similarity = Specification(path: "")
  }

  let scorer: Linear?

  public init(
    _ specification: Specification, _ facts: ModelFacts, at root: ParameterPath
  ) throws {
    scorer =
      specification.path.isEmpty
      ? nil : try Linear(facts.pooledWidth, 1, at: root.reusing / specification.path)
  }

  /// The scores of some sequences, [N], float32.
  public func callAsFunction(_ encoding: Encoding, _ sequences: [Int]) throws -> Tensor {
    if let scorer { return try scorer(encoding.pooled(sequences)).to(.float32).squeezed(1) }
    guard let pair = encoding.pair else {
      throw ParameterError("a score by similarity needs vectors of texts and of pictures")
    }
    let chosen = try Tensor(sequences, on: pair.text_SE.device)
    return try (pair.text_SE.rows(chosen) * pair.picture_SE.rows(chosen)).sum([1]) * pair.scale
  }
}

/// A two-layer classifier into answers.
public struct AnswerHead {
  public struct Specification: Codable, Sendable, Equatable {
    /// Of what stands between the layers; reluThenNorm is UNITER's for choices.
    public enum Order: String, Codable, Sendable {
      case normThenGELU, geluThenNorm, reluThenNorm
    }
    /// What it reads: the pooled vector, or the state at the answer's place (VL-BERT).
    public enum Reads: String, Codable, Sendable { case pooled, answerPlace }
    /// Paths of the first linear layer, the norm and the last linear layer; the first two are empty
    /// where there is one layer alone.
    public var first: String
    public var norm: String
    public var last: String
    public var order: Order
    public var epsilon: Double
    /// The inner width over the outer one.
    public var widening: Int
    public var reads: Reads

    public init(
      first: String, norm: String, last: String, order: Order, epsilon: Double,
      widening: Int = 2, reads: Reads = .pooled
    ) {
      self.first = first
      self.norm = norm
      self.last = last
      self.order = order
      self.epsilon = epsilon
      self.widening = widening
      self.reads = reads
    }

    /// One linear layer.
    public static func linear(_ path: String, reads: Reads = .pooled) -> Specification {
      Specification(
        first: "", norm: "", last: path, order: .geluThenNorm, epsilon: 0, widening: 1,
        reads: reads)
    }
  }

  private let classifier: Classifier
  let specification: Specification

  /// - Parameter priors: what the logits start at, [C]; nil for 0.
  public init(
    _ specification: Specification, classes: Int, priors: [Float]? = nil, _ facts: ModelFacts,
    at root: ParameterPath
  ) throws {
    self.specification = specification
    classifier = try Classifier(
      specification,
      inputs: specification.reads == .pooled ? facts.pooledWidth : facts.width,
      classes: classes, priors: priors, at: root)
  }

  /// Logits of some sequences, [N, C], float32.
  public func callAsFunction(_ encoding: Encoding, _ sequences: [Int]) throws -> Tensor {
    try classifier(rows(encoding, sequences))
  }

  private func rows(_ encoding: Encoding, _ sequences: [Int]) throws -> Tensor {
    guard specification.reads == .answerPlace else { return try encoding.pooled(sequences) }
    return try encoding.text(
      sequences.map { sequence in
        let place = encoding.batch.answerPlaces[sequence]
        guard place >= 0 else { throw DataError("a question has no place for its answer") }
        return encoding.text.rows(of: sequence).lowerBound + place
      })
  }
}

/// Two linear layers with a norm and GELU or ReLU between them, in either order, or the last one alone.
struct Classifier {
  private let inner: (linear: Linear, norm: LayerNorm)?
  private let last: Linear
  private let order: AnswerHead.Specification.Order

  /// - Parameter inputs: the width of what it reads; the inner one is that times the widening.
  init(
    _ specification: AnswerHead.Specification, inputs: Int, classes: Int, priors: [Float]? = nil,
    at root: ParameterPath
  ) throws {
    let width = specification.widening * inputs
    let root = root.reusing
    order = specification.order
    inner =
      specification.first.isEmpty
      ? nil
      : (
        try Linear(inputs, width, at: root / specification.first),
        try LayerNorm(width, epsilon: specification.epsilon, at: root / specification.norm)
      )
    last = try Linear(
      width, classes, biasStarts: priors.map { .values($0) } ?? .zeros,
      at: root / specification.last)
  }

  /// [N, D] → logits [N, C], float32.
  func callAsFunction(_ rows_ND: Tensor) throws -> Tensor {
    guard let inner else { return try last(rows_ND).to(.float32) }
    let hidden_NI = try inner.linear(rows_ND)
    let normed_NI =
      switch order {
      case .normThenGELU: try inner.norm(hidden_NI).gelu()
      case .geluThenNorm: try inner.norm(hidden_NI.gelu())
      case .reluThenNorm: try inner.norm(hidden_NI.to(.float32).relu())
      }
    return try last(normed_NI).to(.float32)
  }
}
