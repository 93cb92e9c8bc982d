// The two transformer layers of the field. Shapes: T packed rows, D width, F feed-forward width.

public import TandemTorch

/// What a transformer layer is made of.
public struct TransformerShape: Codable, Sendable, Equatable {
  public var width: Int
  public var heads: Int
  public var feedForward: Int
  public var epsilon: Double
  public var dropout: Double
  public var attentionDropout: Double

  public init(
    width: Int, heads: Int, feedForward: Int, epsilon: Double, dropout: Double,
    attentionDropout: Double
  ) {
    self.width = width
    self.heads = heads
    self.feedForward = feedForward
    self.epsilon = epsilon
    self.dropout = dropout
    self.attentionDropout = attentionDropout
  }
}

/// x + attention(norm(x)), then x + mlp(norm(x)): ViT (Dosovitskiy et al. 2021), with timm's names.
public struct PreNormLayer {
  let norm1: LayerNorm
  let attention: FusedSelfAttention
  let attentionDropout: Dropout
  let norm2: LayerNorm
  let fc1: Linear
  let innerDropout: Dropout
  let fc2: Linear
  let outerDropout: Dropout

  public init(_ shape: TransformerShape, at path: ParameterPath) throws {
    norm1 = try LayerNorm(shape.width, epsilon: shape.epsilon, at: path / "norm1")
    attention = try FusedSelfAttention(
      shape.width, heads: shape.heads, weightDropout: shape.attentionDropout, at: path / "attn")
    attentionDropout = Dropout(shape.dropout, at: path / "attn" / "proj")
    norm2 = try LayerNorm(shape.width, epsilon: shape.epsilon, at: path / "norm2")
    fc1 = try Linear(shape.width, shape.feedForward, at: path / "mlp" / "fc1")
    innerDropout = Dropout(shape.dropout, at: path / "mlp" / "fc1")
    fc2 = try Linear(shape.feedForward, shape.width, at: path / "mlp" / "fc2")
    outerDropout = Dropout(shape.dropout, at: path / "mlp" / "fc2")
  }

  public func callAsFunction(
    _ x: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    let attended = try attention(norm1.forProducts(x), rows, plan, mode)
    let (x, normed) = try norm2.withResidual(x, attended, attentionDropout, rows, mode)
    let inner = try fc1.withGELU(normed, innerDropout, rows, mode)
    return try outerDropout.residual(x, fc2(inner), rows, mode)
  }
}

/// norm(x + attention(x)): the first half of BERT's layer, and of those that cross streams.
public struct PostNormAttention {
  let attention: Attention
  let output: Linear
  let dropout: Dropout
  let norm: LayerNorm

  /// - Parameters:
  ///   - innerWidth: of all heads together; nil for the rows' own.
  ///   - keyWidth: of the rows that are asked; nil for the rows' own.
  ///   - path: of `query`, `key` and `value`.
  ///   - output: of `dense` and `LayerNorm`.
  public init(
    _ shape: TransformerShape, innerWidth: Int? = nil, keyWidth: Int? = nil,
    at path: ParameterPath, output: ParameterPath
  ) throws {
    let inner = innerWidth ?? shape.width
    attention = try Attention(
      inner, queryWidth: shape.width, keyWidth: keyWidth, heads: shape.heads,
      weightDropout: shape.attentionDropout, at: path)
    self.output = try Linear(inner, shape.width, at: output / "dense")
    dropout = Dropout(shape.dropout, at: output / "dense")
    norm = try LayerNorm(shape.width, epsilon: shape.epsilon, at: output / "LayerNorm")
  }

  /// Rows [T, D] that ask rows [K, D'].
  public func callAsFunction(
    _ x: Tensor, keys: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    try norm.afterResidual(
      x, output(attention(x, keys: keys, rows, plan, mode)), dropout, rows, mode)
  }
}

/// norm(x + mlp(x)): the second half of BERT's layer, which drops nothing between the products.
public struct PostNormFeedForward {
  let inner: Linear
  let activation: Dropout
  let output: Linear
  let dropout: Dropout
  let norm: LayerNorm

  /// - Parameters:
  ///   - path: of the first product, `dense`.
  ///   - output: of the second one, `dense`, and of `LayerNorm`.
  public init(
    _ shape: TransformerShape, at path: ParameterPath, output: ParameterPath
  ) throws {
    inner = try Linear(shape.width, shape.feedForward, at: path / "dense")
    activation = Dropout(0, at: path)
    self.output = try Linear(shape.feedForward, shape.width, at: output / "dense")
    dropout = Dropout(shape.dropout, at: output / "dense")
    norm = try LayerNorm(shape.width, epsilon: shape.epsilon, at: output / "LayerNorm")
  }

  /// [T, D] → [T, D]
  public func callAsFunction(_ x: Tensor, _ rows: PackedRows, _ mode: Mode) throws -> Tensor {
    try norm.afterResidual(
      x, output(inner.withGELU(x, activation, rows, mode)), dropout, rows, mode)
  }
}

/// norm(x + attention(x)), then norm(x + mlp(x)): BERT (Devlin et al. 2019), with its names.
public struct PostNormLayer {
  let attention: PostNormAttention
  let feedForward: PostNormFeedForward

  public init(_ shape: TransformerShape, at path: ParameterPath) throws {
    attention = try PostNormAttention(
      shape, at: path / "attention" / "self", output: path / "attention" / "output")
    feedForward = try PostNormFeedForward(
      shape, at: path / "intermediate", output: path / "output")
  }

  /// [T, D] → [T, D]
  public func callAsFunction(
    _ x: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    try feedForward(attention(x, keys: x, rows, plan, mode), rows, mode)
  }
}

/// Runs layers one after another, keeping or recomputing their intermediate values.
public func run(
  _ layers: [(Tensor) throws -> Tensor], _ x: Tensor, _ mode: Mode
) throws -> Tensor {
  var x = x
  for (index, layer) in layers.enumerated() {
    let recomputes = mode.recomputation.covers(layer: index) && isRecordingGradients
    x = try recomputes ? recomputed(x, layer) : layer(x)
  }
  return x
}
