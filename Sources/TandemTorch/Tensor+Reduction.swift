// Sums, extremes and products.

private let sumOperator = Operator("aten::sum")
private let sumDimensionsOperator = Operator("aten::sum", "dim_IntList")
private let meanOperator = Operator("aten::mean")
private let normOperator = Operator("aten::linalg_vector_norm")
private let maxOperator = Operator("aten::max")
private let argmaxOperator = Operator("aten::argmax")
private let topKOperator = Operator("aten::topk")
private let matmulOperator = Operator("aten::matmul")
private let allOperator = Operator("aten::all")
private let softmaxOperator = Operator("aten::softmax", "int")
private let logSoftmaxOperator = Operator("aten::log_softmax", "int")

extension Tensor {
  public func sum() throws -> Tensor { try sumOperator(.tensor(self)) }
  public func sum(_ dimensions: [Int], keep: Bool = false) throws -> Tensor {
    try sumDimensionsOperator(.tensor(self), .ints(dimensions), .bool(keep))
  }
  public func mean() throws -> Tensor { try meanOperator(.tensor(self)) }
  /// The Euclidean norm over all elements, or over some dimensions.
  public func norm(_ dimensions: [Int] = [], keep: Bool = false) throws -> Tensor {
    try normOperator(
      .tensor(self), .real(2), dimensions.isEmpty ? .none : .ints(dimensions), .bool(keep))
  }
  public func max() throws -> Tensor { try maxOperator(.tensor(self)) }
  public func argmax(_ dimension: Int) throws -> Tensor {
    try argmaxOperator(.tensor(self), .int(dimension))
  }
  /// The `k` largest along the last dimension, largest first, and their places.
  public func top(_ k: Int) throws -> (values: Tensor, indices: Tensor) {
    let results = try topKOperator.results([.tensor(self), .int(k)])
    guard results.count == 2, let values = results[0], let indices = results[1] else {
      throw TorchError(
        kind: .internalError, operation: topKOperator.title, shapes: [shape],
        message: "returned \(results.count) tensors")
    }
    return (values, indices)
  }
  /// In how many rows [N, C] the largest number stands at the row's int64 label [N]: a float32
  /// scalar without a gradient.
  public func hits(_ labels: Tensor) throws -> Tensor {
    try withoutGradients { try argmax(-1).equals(labels).to(.float32).sum() }
  }
  public func matmul(_ other: Tensor) throws -> Tensor {
    try matmulOperator(.tensor(self), .tensor(other))
  }
  public func all() throws -> Tensor { try allOperator(.tensor(self)) }
  public func softmax(_ dimension: Int) throws -> Tensor {
    try softmaxOperator(.tensor(self), .int(dimension))
  }
  public func logSoftmax(_ dimension: Int) throws -> Tensor {
    try logSoftmaxOperator(.tensor(self), .int(dimension))
  }
}
