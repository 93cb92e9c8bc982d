// Element by element.

private let addOperator = Operator("aten::add", "Tensor")
private let addScalarOperator = Operator("aten::add", "Scalar")
private let subOperator = Operator("aten::sub", "Tensor")
private let mulOperator = Operator("aten::mul", "Tensor")
private let mulScalarOperator = Operator("aten::mul", "Scalar")
private let divOperator = Operator("aten::div", "Tensor")
private let negOperator = Operator("aten::neg")
private let expOperator = Operator("aten::exp")
private let logOperator = Operator("aten::log")
private let sqrtOperator = Operator("aten::sqrt")
private let absOperator = Operator("aten::abs")
private let tanhOperator = Operator("aten::tanh")
private let sigmoidOperator = Operator("aten::sigmoid")
private let reluOperator = Operator("aten::relu")
private let geluOperator = Operator("aten::gelu")
private let reciprocalOperator = Operator("aten::reciprocal")
private let powOperator = Operator("aten::pow", "Tensor_Scalar")
private let clampOperator = Operator("aten::clamp")
private let whereOperator = Operator("aten::where", "self")
private let eqOperator = Operator("aten::eq", "Tensor")
private let maskedFillOperator = Operator("aten::masked_fill", "Scalar")
private let isFiniteOperator = Operator("aten::isfinite")
private let addInPlaceOperator = Operator("aten::add_", "Tensor")
private let mulInPlaceOperator = Operator("aten::mul_", "Scalar")
private let fillInPlaceOperator = Operator("aten::fill_", "Scalar")
private let mulTensorInPlaceOperator = Operator("aten::mul_", "Tensor")
private let copyInPlaceOperator = Operator("aten::copy_")
private let zeroInPlaceOperator = Operator("aten::zero_")
private let lerpInPlaceOperator = Operator("aten::lerp_", "Scalar")
private let addcmulInPlaceOperator = Operator("aten::addcmul_")
private let addcdivInPlaceOperator = Operator("aten::addcdiv_")
private let toOperator = Operator("aten::to", "dtype")
private let toDeviceOperator = Operator("aten::to", "device")

extension Tensor {
  public static func + (a: Tensor, b: Tensor) throws -> Tensor {
    try addOperator(.tensor(a), .tensor(b))
  }
  public static func + (a: Tensor, b: Double) throws -> Tensor {
    try addScalarOperator(.tensor(a), .real(b))
  }
  public static func - (a: Tensor, b: Tensor) throws -> Tensor {
    try subOperator(.tensor(a), .tensor(b))
  }
  public static func * (a: Tensor, b: Tensor) throws -> Tensor {
    try mulOperator(.tensor(a), .tensor(b))
  }
  public static func * (a: Tensor, b: Double) throws -> Tensor {
    try mulScalarOperator(.tensor(a), .real(b))
  }
  public static func / (a: Tensor, b: Tensor) throws -> Tensor {
    try divOperator(.tensor(a), .tensor(b))
  }
  public static func / (a: Tensor, b: Double) throws -> Tensor { try a * (1 / b) }
  public static prefix func - (a: Tensor) throws -> Tensor { try negOperator(.tensor(a)) }

  public func exp() throws -> Tensor { try expOperator(.tensor(self)) }
  public func log() throws -> Tensor { try logOperator(.tensor(self)) }
  public func sqrt() throws -> Tensor { try sqrtOperator(.tensor(self)) }
  public func abs() throws -> Tensor { try absOperator(.tensor(self)) }
  public func tanh() throws -> Tensor { try tanhOperator(.tensor(self)) }
  public func sigmoid() throws -> Tensor { try sigmoidOperator(.tensor(self)) }
  public func relu() throws -> Tensor { try reluOperator(.tensor(self)) }
  public func reciprocal() throws -> Tensor { try reciprocalOperator(.tensor(self)) }
  /// The exact Gaussian error linear unit, x·Φ(x) (Hendrycks & Gimpel 2016).
  public func gelu() throws -> Tensor { try geluOperator(.tensor(self)) }
  public func power(_ exponent: Double) throws -> Tensor {
    try powOperator(.tensor(self), .real(exponent))
  }
  public func clamped(from low: Double, to high: Double) throws -> Tensor {
    try clampOperator(.tensor(self), .real(low), .real(high))
  }
  /// `a` where this is true, `b` elsewhere.
  public func select(_ a: Tensor, else b: Tensor) throws -> Tensor {
    try whereOperator(.tensor(self), .tensor(a), .tensor(b))
  }
  public func equals(_ other: Tensor) throws -> Tensor {
    try eqOperator(.tensor(self), .tensor(other))
  }
  /// This tensor with `value` wherever `mask` is true.
  public func filled(where mask: Tensor, with value: Double) throws -> Tensor {
    try maskedFillOperator(.tensor(self), .tensor(mask), .real(value))
  }
  public func isFinite() throws -> Tensor { try isFiniteOperator(.tensor(self)) }

  /// Converted to another element type; the same tensor when it has it already.
  public func to(_ dtype: DType) throws -> Tensor {
    self.dtype == dtype ? self : try toOperator(.tensor(self), .dtype(dtype))
  }
  /// Moved to another device; the same tensor when it is there already.
  public func to(_ device: Device) throws -> Tensor {
    self.device == device
      ? self : try toDeviceOperator(.tensor(self), .device(device), .dtype(dtype))
  }
}

extension Tensor {
  /// On its way to a device: from pinned memory the host does not wait for the copy.
  func sent(to device: Device) throws -> Tensor {
    self.device == device
      ? self
      : try toDeviceOperator(.tensor(self), .device(device), .dtype(dtype), .bool(true))
  }
}

// MARK: in place

extension Tensor {
  /// self += scale · other
  public func add(_ other: Tensor, scale: Double = 1) throws {
    try addInPlaceOperator(.tensor(self), .tensor(other), .real(scale))
  }
  public func multiply(by factor: Double) throws {
    try mulInPlaceOperator(.tensor(self), .real(factor))
  }
  public func multiply(by factor: Tensor) throws {
    try mulTensorInPlaceOperator(.tensor(self), .tensor(factor))
  }
  /// Takes over the values of `other`, converted and broadcast.
  public func copy(from other: Tensor) throws {
    try copyInPlaceOperator(.tensor(self), .tensor(other))
  }
  public func fill(_ value: Double) throws { try fillInPlaceOperator(.tensor(self), .real(value)) }
  public func fillZero() throws { try zeroInPlaceOperator(.tensor(self)) }
  /// self += weight · (end − self)
  public func interpolate(towards end: Tensor, by weight: Double) throws {
    try lerpInPlaceOperator(.tensor(self), .tensor(end), .real(weight))
  }
  /// self += scale · a · b
  public func addProduct(_ a: Tensor, _ b: Tensor, scale: Double) throws {
    try addcmulInPlaceOperator(.tensor(self), .tensor(a), .tensor(b), .real(scale))
  }
  /// self += scale · a / b
  public func addQuotient(_ a: Tensor, _ b: Tensor, scale: Double) throws {
    try addcdivInPlaceOperator(.tensor(self), .tensor(a), .tensor(b), .real(scale))
  }
}
