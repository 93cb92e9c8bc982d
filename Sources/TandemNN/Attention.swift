// Multi-head attention (Vaswani et al. 2017) over packed rows.

public import TandemTorch

/// Self-attention with one fused projection, as in ViT: `qkv` [3·D, D] and `proj` [D, D].
public struct FusedSelfAttention {
  let qkv: Linear
  let projection: Linear
  let heads: Int
  let weightDropout: Dropout

  public init(_ width: Int, heads: Int, weightDropout: Double, at path: ParameterPath) throws {
    qkv = try Linear(width, 3 * width, at: path / "qkv")
    projection = try Linear(width, width, at: path / "proj")
    self.heads = heads
    self.weightDropout = Dropout(weightDropout, at: path / "weights")
  }

  /// Over projections that are claimed elsewhere.
  public init(qkv: Linear, projection: Linear, heads: Int, weightDropout: Dropout) {
    self.qkv = qkv
    self.projection = projection
    self.heads = heads
    self.weightDropout = weightDropout
  }

  /// [T, D] → [T, D]
  public func callAsFunction(
    _ x: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    try projection(
      plan.attend(qkv(x), key: nil, value: nil, heads: heads, weightDropout, rows, mode))
  }
}

/// Attention with separate projections `query`, `key` and `value`, as in BERT. The keys may be
/// another stream's rows, of another width.
public struct Attention {
  let query: Linear
  let key: Linear
  let value: Linear
  let heads: Int
  let weightDropout: Dropout

  /// - Parameters:
  ///   - width: of all heads together.
  ///   - queryWidth: of the rows that ask; nil for `width`.
  ///   - keyWidth: of the rows that are asked; nil for `queryWidth`.
  public init(
    _ width: Int, queryWidth: Int? = nil, keyWidth: Int? = nil, heads: Int,
    weightDropout: Double, at path: ParameterPath
  ) throws {
    let asking = queryWidth ?? width
    query = try Linear(asking, width, at: path / "query")
    key = try Linear(keyWidth ?? asking, width, at: path / "key")
    value = try Linear(keyWidth ?? asking, width, at: path / "value")
    self.heads = heads
    self.weightDropout = Dropout(weightDropout, at: path / "weights")
  }

  /// Over projections that are claimed elsewhere.
  public init(query: Linear, key: Linear, value: Linear, heads: Int, weightDropout: Dropout) {
    self.query = query
    self.key = key
    self.value = value
    self.heads = heads
    self.weightDropout = weightDropout
  }

  /// Queries [T, D], keys [K, D'] → [T, D], before any output projection.
  public func callAsFunction(
    _ x: Tensor, keys: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    try plan.attend(
      query(x), key: key(keys), value: value(keys), heads: heads, weightDropout, rows, mode)
  }
}

/// Attention of rows to others with one fused projection, as in torch's MultiheadAttention:
/// `in_proj_weight` [3·D, D] of queries, keys and values, and `out_proj` [D, D].
public struct FusedCrossAttention {
  let weight: Parameter
  let bias: Parameter
  let projection: Linear
  let heads: Int
  let weightDropout: Dropout

  public init(_ width: Int, heads: Int, weightDropout: Double, at path: ParameterPath) throws {
    weight = try path("in_proj_weight", [3 * width, width], .product)
    bias = try path("in_proj_bias", [3 * width], .zeros, decay: false)
    projection = try Linear(width, width, at: path / "out_proj")
    self.heads = heads
    self.weightDropout = Dropout(weightDropout, at: path / "weights")
  }

  /// Queries [T, D], keys [K, D] → [T, D].
  public func callAsFunction(
    _ x: Tensor, keys: Tensor, _ rows: PackedRows, _ plan: AttentionPlan, _ mode: Mode
  ) throws -> Tensor {
    let (weight, bias) = (try weight.forProducts(), try bias.forProducts())
    let width = weight.size(1)
    func part(_ rows: Tensor, _ place: Int) throws -> Tensor {
      try rows.to(weight.dtype).linear(
        weight.narrow(0, from: place * width, width), bias.narrow(0, from: place * width, width))
    }
    return try projection(
      plan.attend(
        part(x, 0), key: part(keys, 1), value: part(keys, 2), heads: heads, weightDropout, rows,
        mode))
  }
}
