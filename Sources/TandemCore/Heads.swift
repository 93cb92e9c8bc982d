// Heads read rows or pooled vectors; where their weights lie, and in what order their layers come,
// is the model's to say. Shapes: N gathered rows, D width, V vocabulary, C classes.

public import TandemNN
public import TandemTorch

/// What a model says of each kind of head.
public struct HeadSpecifications: Sendable, Equatable {
  public var vocabulary: VocabularyHead.Specification
  public var matching: MatchingHead.Specification
  public var ranking: RankingHead.Specification
  public var answers: AnswerHead.Specification

  public init(
    vocabulary: VocabularyHead.Specification, matching: MatchingHead.Specification,
    ranking: RankingHead.Specification, answers: AnswerHead.Specification
  ) {
    self.vocabulary = vocabulary
    self.matching = matching
    self.ranking = ranking
    self.answers = answers
  }
}

/// Linear, GELU, norm, then the vocabulary: BERT's prediction of masked words.
public struct VocabularyHead {
  public struct Specification: Sendable, Equatable {
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

  public init(_ facts: ModelFacts, at root: ParameterPath) throws {
    let specification = facts.heads.vocabulary
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

/// Does the text match the picture? Two classes from the pooled vector; class 1 is a match.
public struct MatchingHead {
  public struct Specification: Sendable, Equatable {
    public var path: String
    public init(path: String) { self.path = path }
  }

  let classifier: Linear

  public init(_ facts: ModelFacts, at root: ParameterPath) throws {
    classifier = try Linear(facts.width, 2, at: root / facts.heads.matching.path)
  }

  /// [N, D] → logits [N, 2], float32.
  public func callAsFunction(_ pooled_ND: Tensor) throws -> Tensor {
    try classifier(pooled_ND).to(.float32)
  }
}

/// One score a pair, for ranking many against one another.
public struct RankingHead {
  public struct Specification: Sendable, Equatable {
    public var path: String
    public init(path: String) { self.path = path }
  }

  let scorer: Linear

  public init(_ facts: ModelFacts, at root: ParameterPath) throws {
    scorer = try Linear(facts.width, 1, at: root / facts.heads.ranking.path)
  }

  /// [N, D] → [N], float32.
  public func callAsFunction(_ pooled_ND: Tensor) throws -> Tensor {
    try scorer(pooled_ND).to(.float32).squeezed(1)
  }
}

/// A two-layer classifier of the pooled vector into answers.
public struct AnswerHead {
  public struct Specification: Sendable, Equatable {
    public enum Order: Sendable { case normThenGELU, geluThenNorm }
    /// Paths of the first linear layer, the norm and the last linear layer.
    public var first: String
    public var norm: String
    public var last: String
    public var order: Order
    public var epsilon: Double

    public init(first: String, norm: String, last: String, order: Order, epsilon: Double) {
      self.first = first
      self.norm = norm
      self.last = last
      self.order = order
      self.epsilon = epsilon
    }
  }

  let first: Linear
  let norm: LayerNorm
  let last: Linear
  let order: Specification.Order

  public init(_ facts: ModelFacts, classes: Int, at root: ParameterPath) throws {
    let specification = facts.heads.answers
    first = try Linear(facts.width, 2 * facts.width, at: root / specification.first)
    norm = try LayerNorm(
      2 * facts.width, epsilon: specification.epsilon, at: root / specification.norm)
    last = try Linear(2 * facts.width, classes, at: root / specification.last)
    order = specification.order
  }

  /// [N, D] → logits [N, C], float32.
  public func callAsFunction(_ pooled_ND: Tensor) throws -> Tensor {
    let hidden = try first(pooled_ND)
    let inner =
      switch order {
      case .normThenGELU: try norm(hidden).gelu()
      case .geluThenNorm: try norm(hidden.gelu())
      }
    return try last(inner).to(.float32)
  }
}
