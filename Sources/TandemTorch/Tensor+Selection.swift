// Choosing among numbers, and the losses of detectors.

private let sortOperator = Operator("aten::sort", "stable")
private let maxDimensionOperator = Operator("aten::max", "dim")
private let minimumOperator = Operator("aten::minimum")
private let maximumOperator = Operator("aten::maximum")
private let greaterOperator = Operator("aten::gt", "Scalar")
private let atLeastOperator = Operator("aten::ge", "Scalar")
private let andOperator = Operator("aten::logical_and")
private let nonzeroOperator = Operator("aten::nonzero")
private let clampLowOperator = Operator("aten::clamp_min")
private let smoothL1Operator = Operator("aten::smooth_l1_loss")

extension Tensor {
  /// Sorted along `dimension`, equal ones in the order they came, and the int64 places they had.
  public func sorted(
    _ dimension: Int = -1, descending: Bool = false
  ) throws -> (values: Tensor, indices: Tensor) {
    try pair(
      sortOperator,
      sortOperator.results([.tensor(self), .bool(true), .int(dimension), .bool(descending)]))
  }

  /// The largest along `dimension`, and its int64 place.
  public func max(_ dimension: Int) throws -> (values: Tensor, indices: Tensor) {
    try pair(maxDimensionOperator, maxDimensionOperator.results([.tensor(self), .int(dimension)]))
  }

  private func pair(
    _ op: Operator, _ results: [Tensor?]
  ) throws -> (values: Tensor, indices: Tensor) {
    guard results.count == 2, let values = results[0], let indices = results[1] else {
      throw TorchError(
        kind: .internalError, operation: op.title, shapes: [shape],
        message: "returned \(results.count) tensors")
    }
    return (values, indices)
  }

  /// The smaller of each two.
  public func minimum(_ other: Tensor) throws -> Tensor {
    try minimumOperator(.tensor(self), .tensor(other))
  }
  /// The larger of each two.
  public func maximum(_ other: Tensor) throws -> Tensor {
    try maximumOperator(.tensor(self), .tensor(other))
  }
  public func clamped(from low: Double) throws -> Tensor {
    try clampLowOperator(.tensor(self), .real(low))
  }
  /// True where a number is larger than `value`.
  public func isGreater(than value: Double) throws -> Tensor {
    try greaterOperator(.tensor(self), .real(value))
  }
  public func isAtLeast(_ value: Double) throws -> Tensor {
    try atLeastOperator(.tensor(self), .real(value))
  }
  public func and(_ other: Tensor) throws -> Tensor {
    try andOperator(.tensor(self), .tensor(other))
  }
  /// int64 places [M] where this vector is not 0 or false.
  public func places() throws -> Tensor {
    guard rank == 1 else {
      throw TorchError(
        kind: .invalid, operation: "places", shapes: [shape], message: "needs a vector")
    }
    return try nonzeroOperator(.tensor(self)).reshaped([-1])
  }

  /// The sum of d² / 2β for differences d below β, and of |d| − β/2 for others (Girshick 2015,
  /// "Fast R-CNN").
  public func smoothL1Sum(_ target: Tensor, beta: Double = 1) throws -> Tensor {
    try smoothL1Operator(.tensor(self), .tensor(target), .int(2), .real(beta))
  }
}
