// New tensors.

private let emptyOperator = Operator("aten::empty", "memory_format")
private let zerosOperator = Operator("aten::zeros")
private let onesOperator = Operator("aten::ones")
private let fullOperator = Operator("aten::full")
private let arangeOperator = Operator("aten::arange")
private let zerosLikeOperator = Operator("aten::zeros_like")

extension Tensor {
  private static func options(_ dtype: DType, _ device: Device) -> [Argument] {
    [.dtype(dtype), .none, .device(device), .none]
  }

  private static func make(_ op: Operator, _ arguments: [Argument]) throws -> Tensor {
    guard let first = try op.results(arguments).first, let tensor = first else {
      throw TorchError(kind: .internalError, operation: op.title, message: "returned no tensor")
    }
    return tensor
  }

  /// Uninitialised memory of shape `shape`.
  public static func empty(
    _ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu
  ) throws -> Tensor { try make(emptyOperator, [.ints(shape)] + options(dtype, device)) }

  /// Uninitialised host memory that a GPU can read by itself.
  static func pinned(_ shape: [Int], _ dtype: DType) throws -> Tensor {
    try make(
      emptyOperator, [.ints(shape), .dtype(dtype), .none, .device(.cpu), .bool(true)])
  }

  public static func zeros(
    _ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu
  ) throws -> Tensor { try make(zerosOperator, [.ints(shape)] + options(dtype, device)) }

  public static func ones(
    _ shape: [Int], _ dtype: DType = .float32, on device: Device = .cpu
  ) throws -> Tensor { try make(onesOperator, [.ints(shape)] + options(dtype, device)) }

  public static func full(
    _ shape: [Int], _ value: Double, _ dtype: DType = .float32, on device: Device = .cpu
  ) throws -> Tensor {
    try make(fullOperator, [.ints(shape), .real(value)] + options(dtype, device))
  }

  /// 0, 1, … `count` − 1.
  public static func range(
    _ count: Int, _ dtype: DType = .int64, on device: Device = .cpu
  ) throws -> Tensor { try make(arangeOperator, [.int(count)] + options(dtype, device)) }

  /// Zeros of this tensor's shape, type and device.
  public func zerosLike() throws -> Tensor { try zerosLikeOperator(.tensor(self)) }
}
