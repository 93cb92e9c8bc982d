// The small layers: what they compute is in the names.

public import TandemTorch

/// y = x·Wᵀ + b over rows [T, in].
public struct Linear {
  public let weight: Parameter
  public let bias: Parameter?
  private let kernel: LinearKernel

  /// Claims `weight` [out, in] and, unless told otherwise, `bias` [out] (not decayed).
  public init(
    _ input: Int, _ output: Int, bias: Bool = true, at path: ParameterPath
  ) throws {
    weight = try path("weight", [output, input], .product)
    self.bias = bias ? try path("bias", [output], .zeros, decay: false) : nil
    kernel = path.store.linearKernel
  }

  /// A linear layer over weights that are claimed elsewhere.
  public init(weight: Parameter, bias: Parameter?, kernel: LinearKernel) {
    self.weight = weight
    self.bias = bias
    self.kernel = kernel
  }

  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    let weight = try weight.forProducts()
    return try x.to(weight.dtype).linear(weight, try bias?.forProducts(), kernel: kernel)
  }
}

/// Layer normalisation in float32 (Ba et al. 2016).
public struct LayerNorm {
  let weight: Parameter
  let bias: Parameter
  let epsilon: Double

  /// Claims `weight` and `bias`, both [width], neither decayed.
  public init(_ width: Int, epsilon: Double, at path: ParameterPath) throws {
    weight = try path("weight", [width], .ones, decay: false)
    bias = try path("bias", [width], .zeros, decay: false)
    self.epsilon = epsilon
  }

  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    try x.to(.float32).layerNorm(weight.value, bias.value, epsilon: epsilon)
  }
}

/// A table [count, width] looked up by row.
public struct Embedding {
  public let weight: Parameter

  public init(_ count: Int, _ width: Int, at path: ParameterPath) throws {
    weight = try path("weight", [count, width])
  }

  /// int64 indices [T] → [T, width].
  public func callAsFunction(_ indices: Tensor) throws -> Tensor {
    try weight.value.embedding(indices)
  }
}

/// Dropout of packed rows; its place in the model names its bits.
public struct Dropout {
  let probability: Double
  let site: UInt64

  public init(_ probability: Double, at path: ParameterPath) {
    self.probability = probability
    site = stableHash(path.name)
  }

  public func callAsFunction(_ x: Tensor, _ rows: PackedRows, _ mode: Mode) throws -> Tensor {
    guard mode.isTraining, probability > 0 else { return x }
    return try x.rowDropout(probability, rowKeys: rows.keys, seed: seed(mode))
  }

  /// The seed of this site in this step, for kernels that draw their own bits.
  func seed(_ mode: Mode) -> UInt64 { mixed(mode.seed ^ site) }
}
