// What lies between the products in one pass over the rows: residual sums, dropout, norms, GELU.

internal import CTorch

/// Inverted dropout of rows: the bits depend on `seed`, the row's int64 key in `rowKeys` [T] and the
/// column alone, so neither batching nor threads change them.
public struct RowDropout {
  public let probability: Double
  public let rowKeys: Tensor
  public let seed: UInt64

  public init(_ probability: Double, rowKeys: Tensor, seed: UInt64) {
    self.probability = probability
    self.rowKeys = rowKeys
    self.seed = seed
  }
}

/// The learned part of a layer norm (Ba et al. 2016): float32 weight and bias [D].
public struct NormWeights {
  public let weight: Tensor
  public let bias: Tensor
  public let epsilon: Double

  public init(weight: Tensor, bias: Tensor, epsilon: Double) {
    self.weight = weight
    self.bias = bias
    self.epsilon = epsilon
  }
}

extension Tensor {
  /// float32 rows [T, D] + dropout(branch [T, D]).
  public func residual(_ branch: Tensor, _ dropout: RowDropout?) throws -> Tensor {
    try residualNorm(branch, dropout, nil, .float32).sum
  }

  /// float32 rows [T, D] + dropout(branch [T, D]), and the layer norm of that sum as `dtype`.
  public func residualNorm(
    _ branch: Tensor, _ dropout: RowDropout?, _ norm: NormWeights, as dtype: DType
  ) throws -> (sum: Tensor, normed: Tensor) {
    let (sum, normed) = try residualNorm(branch, dropout, norm, dtype)
    return (sum, normed)
  }

  /// The layer norm of float32 rows [T, D] as `dtype`.
  public func rowNorm(_ norm: NormWeights, as dtype: DType) throws -> Tensor {
    try residualNorm(nil, nil, norm, dtype).normed
  }

  /// dropout(GELU(self)) of rows [T, D], within 2e-7 of the exact GELU.
  public func geluRows(_ dropout: RowDropout?) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_gelu_dropout(
        handle, dropout?.rowKeys.handle ?? CTorchTensor(pointer: nil), dropout?.probability ?? 0,
        dropout?.seed ?? 0, &result),
      "geluRows", [self])
    return Tensor(owning: result)
  }

  /// What is not asked for comes back as this tensor.
  private func residualNorm(
    _ branch: Tensor?, _ dropout: RowDropout?, _ norm: NormWeights?, _ dtype: DType
  ) throws -> (sum: Tensor, normed: Tensor) {
    let none = CTorchTensor(pointer: nil)
    var sum = none
    var normed = none
    try check(
      ctorch_residual_norm(
        handle, branch?.handle ?? none, dropout?.rowKeys.handle ?? none, dropout?.probability ?? 0,
        dropout?.seed ?? 0, norm?.weight.handle ?? none, norm?.bias.handle ?? none,
        norm?.epsilon ?? 0, dtype.rawValue, &sum, &normed),
      "residualNorm", [self] + [branch].compactMap { $0 })
    return (
      branch == nil ? self : Tensor(owning: sum), norm == nil ? self : Tensor(owning: normed)
    )
  }
}
