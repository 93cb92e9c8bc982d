internal import TandemNN
internal import TandemTorch

/// x + attention(norm(x)), then x + mlp(norm(x)) with x·sigmoid(1.702·x) between the products: the
/// layer of CLIP (Radford et al. 2021), with its names. Shapes: T packed rows, D width.
struct QuickGELULayer {
  let norm1: LayerNorm
  let attention: FusedSelfAttention
  let attentionDropout: Dropout
  let norm2: LayerNorm
  let fc: Linear
  let projection: Linear
  let outerDropout: Dropout

  init(_ shape: TransformerShape, at path: ParameterPath) throws {
    let (width, attention) = (shape.width, path / "attn")
    norm1 = try LayerNorm(width, epsilon: shape.epsilon, at: path / "ln_1")
    self.attention = FusedSelfAttention(
      qkv: Linear(
        weight: try attention("in_proj_weight", [3 * width, width], .product),
        bias: try attention("in_proj_bias", [3 * width], .zeros, decay: false)),
      projection: try Linear(width, width, at: attention / "out_proj"), heads: shape.heads,
      weightDropout: Dropout(shape.attentionDropout, at: attention / "weights"))
    attentionDropout = Dropout(shape.dropout, at: attention / "out_proj")
    norm2 = try LayerNorm(width, epsilon: shape.epsilon, at: path / "ln_2")
    fc = try Linear(width, shape.feedForward, at: path / "mlp" / "c_fc")
    projection = try Linear(shape.feedForward, width, at: path / "mlp" / "c_proj")
    outerDropout = Dropout(shape.dropout, at: path / "mlp" / "c_proj")
  }

  /// [T, D] → [T, D], float32.
  func callAsFunction(
    _ x: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    let attended = try attention(norm1.forProducts(x), rows, plan, mode)
    let (x, normed) = try norm2.withResidual(x, attended, attentionDropout, rows, mode)
    let inner = try fc(normed)
    let activated = try inner * (inner * 1.702).sigmoid()
    return try outerDropout.residual(x, projection(activated), rows, mode)
  }
}
