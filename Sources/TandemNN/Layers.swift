// The small layers: what they compute is in the names.

public import TandemTorch

/// y = x·Wᵀ + b over rows [T, in].
public struct Linear {
  public let weight: Parameter
  public let bias: Parameter?
  private let shape: LinearShape

  /// Claims `weight` [out, in] and, unless told otherwise, `bias` [out] (not decayed).
  public init(
    _ input: Int, _ output: Int, bias: Bool = true, biasStarts: Initializer = .zeros,
    at path: ParameterPath
  ) throws {
    weight = try path("weight", [output, input], .product)
    self.bias = bias ? try path("bias", [output], biasStarts, decay: false) : nil
    shape = LinearShape(input: input, output: output)
    path.store.note(shape)
  }

  /// A linear layer over a weight [out, …] and a bias [out] that are claimed elsewhere. A kernel of
  /// a convolution, [out, channels, height, width], takes patches of channels·height·width numbers.
  public init(weight: Parameter, bias: Parameter?) {
    self.weight = weight
    self.bias = bias
    shape = LinearShape(
      input: weight.shape.dropFirst().reduce(1, *), output: weight.shape.first ?? 0)
    weight.store.note(shape)
  }

  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    let kernels = self.kernels
    return try x.to(precision).linear(
      matrix(kernels, rows: x.size(0)), try bias?.forProducts(), kernels: kernels)
  }

  /// dropout(GELU(x·Wᵀ + b)): one product where nothing learns, else a pass of its own, because the
  /// gradient asks for what GELU was given.
  func withGELU(
    _ x: Tensor, _ dropout: Dropout, _ rows: PackedRows, _ mode: Mode
  ) throws -> Tensor {
    let kernels = self.kernels
    guard let bias, !isRecordingGradients, !mode.isTraining, kernels.forward != .plain,
      weight.store.kernels.rows == .fused, x.size(0) > 0
    else { return try dropout.afterGELU(self(x), rows, mode) }
    return try x.to(precision).linearGELU(
      matrix(kernels, rows: x.size(0)), bias.forProducts())
  }

  /// The losses of rows [N, in] whose outputs are logits of a vocabulary, for int64 labels [N].
  public func vocabularyLoss(_ x: Tensor, labels: Tensor) throws -> (sum: Tensor, right: Tensor) {
    guard let bias else { throw ParameterError("\(weight.name): a vocabulary needs a bias") }
    var kernels = self.kernels
    if kernels.forward == .oneDNNPrepacked { kernels.forward = .oneDNN }
    return try x.to(precision).vocabularyLoss(
      weight.forProducts(), bias.forProducts(), labels: labels, kernels: kernels)
  }

  private var precision: DType { weight.store.precision.dtype }

  private var kernels: LinearKernels {
    var kernels = weight.store.kernels.linear(input: shape.input, output: shape.output)
    if isRecordingGradients, kernels.forward == .oneDNNPrepacked { kernels.forward = .oneDNN }
    return kernels
  }

  /// The weight as a matrix [out, in], laid out as the forward kernel wants it.
  private func matrix(_ kernels: LinearKernels, rows: Int) throws -> Tensor {
    if kernels.forward == .oneDNNPrepacked {
      return try weight.prepacked([shape.output, shape.input], rows: rows)
    }
    let copy = try weight.forProducts()
    return copy.rank == 2 ? copy : try copy.reshaped([shape.output, shape.input])
  }
}

/// Layer normalisation in float32 (Ba et al. 2016).
public struct LayerNorm {
  let weight: Parameter
  let bias: Parameter
  let epsilon: Double
  private var kernel: RowKernel { weight.store.kernels.rows }
  private var precision: DType { weight.store.precision.dtype }

  /// Claims `weight` and `bias`, both [width], neither decayed.
  public init(_ width: Int, epsilon: Double, at path: ParameterPath) throws {
    weight = try path("weight", [width], .ones, decay: false)
    bias = try path("bias", [width], .zeros, decay: false)
    self.epsilon = epsilon
  }

  /// Rows [T, D] → float32 [T, D].
  public func callAsFunction(_ x: Tensor) throws -> Tensor { try norm(x, as: .float32) }

  /// Rows [T, D] → [T, D] in the precision of products, for a layer that multiplies them next.
  public func forProducts(_ x: Tensor) throws -> Tensor { try norm(x, as: precision) }

  /// The norm of x + dropout(branch), float32.
  public func afterResidual(
    _ x: Tensor, _ branch: Tensor, _ dropout: Dropout, _ rows: PackedRows, _ mode: Mode
  ) throws -> Tensor {
    guard kernel == .fused else { return try self(dropout.residual(x, branch, rows, mode)) }
    return try x.residualNorm(branch, dropout.bits(rows, mode), weights, as: .float32).normed
  }

  /// x + dropout(branch) in float32, and its norm in the precision of products.
  public func withResidual(
    _ x: Tensor, _ branch: Tensor, _ dropout: Dropout, _ rows: PackedRows, _ mode: Mode
  ) throws -> (sum: Tensor, normed: Tensor) {
    guard kernel == .fused else {
      let sum = try dropout.residual(x, branch, rows, mode)
      return (sum, try forProducts(sum))
    }
    return try x.residualNorm(branch, dropout.bits(rows, mode), weights, as: precision)
  }

  private var weights: NormWeights {
    NormWeights(weight: weight.value, bias: bias.value, epsilon: epsilon)
  }

  private func norm(_ x: Tensor, as dtype: DType) throws -> Tensor {
    let x = try x.to(.float32)
    guard kernel == .fused, x.rank == 2, x.size(0) > 0 else {
      return try x.layerNorm(weight.value, bias.value, epsilon: epsilon).to(dtype)
    }
    return try x.rowNorm(weights, as: dtype)
  }
}

/// A table [count, width] looked up by row.
public struct Embedding {
  public let weight: Parameter

  public init(_ count: Int, _ width: Int, at path: ParameterPath) throws {
    weight = try path("weight", [count, width])
    weight.isTable = true
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
  private unowned let store: ParameterStore

  public init(_ probability: Double, at path: ParameterPath) {
    self.probability = probability
    site = stableHash(path.name)
    store = path.store
  }

  public func callAsFunction(_ x: Tensor, _ rows: PackedRows, _ mode: Mode) throws -> Tensor {
    guard let bits = bits(rows, mode) else { return x }
    return try x.rowDropout(bits)
  }

  /// x + dropout(branch), float32.
  public func residual(
    _ x: Tensor, _ branch: Tensor, _ rows: PackedRows, _ mode: Mode
  ) throws -> Tensor {
    guard store.kernels.rows == .fused else { return try x + self(branch, rows, mode) }
    return try x.residual(branch, bits(rows, mode))
  }

  /// dropout(GELU(x)).
  public func afterGELU(_ x: Tensor, _ rows: PackedRows, _ mode: Mode) throws -> Tensor {
    guard store.kernels.rows == .fused, x.size(0) > 0 else {
      return try self(x.gelu(), rows, mode)
    }
    return try x.geluRows(bits(rows, mode))
  }

  /// What the kernels draw this place's bits from in this step; nil where nothing is dropped.
  func bits(_ rows: PackedRows, _ mode: Mode) -> RowDropout? {
    guard mode.isTraining, probability > 0 else { return nil }
    return RowDropout(probability, rowKeys: rows.keys, seed: seed(mode))
  }

  /// The seed of this site in this step, for kernels that draw their own bits.
  func seed(_ mode: Mode) -> UInt64 { mixed(mode.seed ^ site) }
}
