// What layers are made of, and the losses.

internal import CTorch

private let embeddingOperator = Operator("aten::embedding")
private let layerNormOperator = Operator("aten::layer_norm")
private let crossEntropyOperator = Operator("aten::cross_entropy_loss")
private let binaryCrossEntropyOperator = Operator("aten::binary_cross_entropy_with_logits")
private let upsampleOperator = Operator("aten::upsample_bilinear2d")
private let fusedAdamWOperator = Operator("aten::_fused_adamw_")

extension Tensor {
  /// x·wᵀ + b for rows [T, in], weight [out, in], bias [out].
  public func linear(
    _ weight: Tensor, _ bias: Tensor?, kernels: LinearKernels = .plain
  ) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    let none = CTorchTensor(pointer: nil)
    try check(
      ctorch_linear(
        handle, weight.handle, bias?.handle ?? none, kernels.forward.rawValue,
        kernels.inputGradient.rawValue, kernels.weightGradient.rawValue, &result),
      "linear", [self, weight])
    return Tensor(owning: result)
  }

  /// Rows of this table [V, D] for int64 indices of any shape.
  public func embedding(_ indices: Tensor) throws -> Tensor {
    try embeddingOperator(.tensor(self), .tensor(indices))
  }

  /// Layer normalisation over the last dimension (Ba et al. 2016).
  public func layerNorm(_ weight: Tensor, _ bias: Tensor, epsilon: Double) throws -> Tensor {
    try layerNormOperator(
      .tensor(self), .ints([weight.count]), .tensor(weight), .tensor(bias), .real(epsilon))
  }

  /// The sum of −log softmax(self)[target] over rows [N, C]; int64 targets [N], −100 ignored.
  public func crossEntropySum(_ targets: Tensor, smoothing: Double = 0) throws -> Tensor {
    try crossEntropyOperator(
      .tensor(self), .tensor(targets), .none, .int(2), .int(-100), .real(smoothing))
  }

  /// The sum of binary cross-entropies of logits against targets of the same shape.
  public func binaryCrossEntropySum(_ targets: Tensor) throws -> Tensor {
    try binaryCrossEntropyOperator(.tensor(self), .tensor(targets), .none, .none, .int(2))
  }

  /// [1, C, h, w] resized to [1, C, height, width], corner pixels on corner pixels.
  public func upsampledBilinear(height: Int, width: Int) throws -> Tensor {
    try upsampleOperator(.tensor(self), .ints([height, width]), .bool(true))
  }

  /// Inverted dropout of rows [T, D].
  public func rowDropout(_ dropout: RowDropout) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_row_dropout(
        handle, dropout.rowKeys.handle, dropout.probability, dropout.seed, &result), "rowDropout",
      [self, dropout.rowKeys])
    return Tensor(owning: result)
  }

  /// Scaled dot-product attention over packed rows.
  ///
  /// - Parameters:
  ///   - key, value: [K, D]; nil when this tensor is the fused [T, 3·D].
  ///   - spans: five numbers a span: first query row, query rows, first key row, key rows,
  ///     causal (1) or not (0). A causal span is aligned at its last row and last key.
  /// - Returns: [T, D]; rows that no span asks for are 0.
  public func packedAttention(
    key: Tensor?, value: Tensor?, heads: Int, spans: [Int], rowKeys: Tensor, dropout: Double,
    seed: UInt64
  ) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    let none = CTorchTensor(pointer: nil)
    try check(
      ctorch_packed_attention(
        handle, key?.handle ?? none, value?.handle ?? none, heads, spans, spans.count / 5,
        rowKeys.handle, dropout, seed, &result),
      "packedAttention", [self] + [key, value].compactMap { $0 })
    return Tensor(owning: result)
  }

  /// Attention between sequences that lie end to end, on a device of its own. Rows are [T, D];
  /// sequence i reads query rows `queryStarts[i]..<queryStarts[i + 1]` and key rows likewise
  /// (int32 on the device). Causal is aligned at the last row and the last key.
  public func variableLengthAttention(
    key: Tensor, value: Tensor, heads: Int, queryStarts: Tensor, keyStarts: Tensor,
    mostQueries: Int, mostKeys: Int, isCausal: Bool, dropout: Double, seed: UInt64
  ) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_varlen_attention(
        handle, key.handle, value.handle, heads, queryStarts.handle, keyStarts.handle, mostQueries,
        mostKeys, isCausal, dropout, seed, &result),
      "variableLengthAttention", [self, key, value])
    return Tensor(owning: result)
  }

  /// The sum of −log softmax(x·wᵀ + b)[label] over rows [N, D], for a vocabulary's weight [V, D] and
  /// bias [V], and in how many rows the label has the largest logit. Logits are made for
  /// `rowsAtATime` rows and kept only where that is all.
  public func vocabularyLoss(
    _ weight: Tensor, _ bias: Tensor, labels: Tensor, kernels: LinearKernels = .plain,
    rowsAtATime: Int = 256
  ) throws -> (sum: Tensor, right: Tensor) {
    var sum = CTorchTensor(pointer: nil)
    var right = CTorchTensor(pointer: nil)
    try check(
      ctorch_vocabulary_loss(
        handle, weight.handle, bias.handle, labels.handle, kernels.forward.rawValue,
        kernels.inputGradient.rawValue, kernels.weightGradient.rawValue, rowsAtATime, &sum,
        &right),
      "vocabularyLoss", [self, weight, labels])
    return (Tensor(owning: sum), Tensor(owning: right))
  }

  /// GELU(x·wᵀ + b) by oneDNN in one call; without a gradient.
  public func linearGELU(_ weight: Tensor, _ bias: Tensor) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_linear_gelu(handle, weight.handle, bias.handle, &result), "linearGELU",
      [self, weight])
    return Tensor(owning: result)
  }

  /// This weight [out, in] laid out for oneDNN's forward product of about `rows` rows.
  public func prepacked(rows: Int) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    try check(ctorch_linear_prepack(handle, rows, &result), "prepacked", [self])
    return Tensor(owning: result)
  }

  /// One AdamW step in place (Loshchilov & Hutter 2019), fused over flat float32 tensors.
  /// `stepCount` is a float32 scalar that holds the number of this step, from 1; gradients are
  /// divided by the float32 scalar `gradientScale` on the way.
  public static func fusedAdamW(
    parameters: Tensor, gradients: Tensor, first: Tensor, second: Tensor, stepCount: Tensor,
    learningRate: Double, betas: (Double, Double), decay: Double, epsilon: Double,
    gradientScale: Tensor? = nil
  ) throws {
    _ = try fusedAdamWOperator.results([
      .tensors([parameters]), .tensors([gradients]), .tensors([first]), .tensors([second]),
      .tensors([]), .tensors([stepCount]), .real(learningRate), .real(betas.0), .real(betas.1),
      .real(decay), .real(epsilon), .bool(false), .bool(false),
      .optional(gradientScale), .none,
    ])
  }
}
