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

/// norm(x + attention(x)), then norm(x + mlp(x)): BERT (Devlin et al. 2019), with its names.
public struct PostNormLayer {
  let attention: Attention
  let attentionOutput: Linear
  let attentionDropout: Dropout
  let attentionNorm: LayerNorm
  let intermediate: Linear
  /// BERT drops nothing between the two products.
  let activation: Dropout
  let output: Linear
  let outputDropout: Dropout
  let outputNorm: LayerNorm

  public init(_ shape: TransformerShape, at path: ParameterPath) throws {
    let attended = path / "attention" / "output"
    attention = try Attention(
      shape.width, heads: shape.heads, weightDropout: shape.attentionDropout,
      at: path / "attention" / "self")
    attentionOutput = try Linear(shape.width, shape.width, at: attended / "dense")
    attentionDropout = Dropout(shape.dropout, at: attended / "dense")
    attentionNorm = try LayerNorm(
      shape.width, epsilon: shape.epsilon, at: attended / "LayerNorm")
    intermediate = try Linear(shape.width, shape.feedForward, at: path / "intermediate" / "dense")
    activation = Dropout(0, at: path / "intermediate")
    output = try Linear(shape.feedForward, shape.width, at: path / "output" / "dense")
    outputDropout = Dropout(shape.dropout, at: path / "output" / "dense")
    outputNorm = try LayerNorm(
      shape.width, epsilon: shape.epsilon, at: path / "output" / "LayerNorm")
  }

  public func callAsFunction(
    _ x: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    let attended = try attentionOutput(attention(x, keys: x, rows, plan, mode))
    let x = try attentionNorm.afterResidual(x, attended, attentionDropout, rows, mode)
    let inner = try intermediate.withGELU(x, activation, rows, mode)
    return try outputNorm.afterResidual(x, output(inner), outputDropout, rows, mode)
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
