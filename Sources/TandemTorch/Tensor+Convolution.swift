// What networks over pictures are made of. Pictures are [N, C, H, W]; their memory may lie channels
// first or channels last, and results lie as their inputs do.

internal import CTorch

private let convolutionOperator = Operator("aten::conv2d")
private let batchNormOperator = Operator("aten::batch_norm")
private let maxPoolOperator = Operator("aten::max_pool2d")
private let averagePoolOperator = Operator("aten::avg_pool2d")
private let adaptivePoolOperator = Operator("aten::adaptive_avg_pool2d")
private let nearestOperator = Operator("aten::upsample_nearest2d")
private let bilinearOperator = Operator("aten::upsample_bilinear2d")
private let padOperator = Operator("aten::constant_pad_nd")
private let contiguousOperator = Operator("aten::contiguous")
private let reluInPlaceOperator = Operator("aten::relu_")
private let hardtanhOperator = Operator("aten::hardtanh")
private let hardtanhInPlaceOperator = Operator("aten::hardtanh_")

/// How a window moves over a picture.
public struct Window2D: Hashable, Sendable {
  public var stride: Int
  /// Rows and columns of zeros on each side.
  public var padding: Int
  public var dilation: Int

  public init(stride: Int = 1, padding: Int = 0, dilation: Int = 1) {
    self.stride = stride
    self.padding = padding
    self.dilation = dilation
  }
}

/// Rows and columns of zeros around a picture.
public struct Padding2D: Hashable, Sendable {
  public var top: Int
  public var left: Int
  public var bottom: Int
  public var right: Int

  public init(top: Int = 0, left: Int = 0, bottom: Int = 0, right: Int = 0) {
    self.top = top
    self.left = left
    self.bottom = bottom
    self.right = right
  }

  /// The same on each side.
  public init(_ side: Int) { self.init(top: side, left: side, bottom: side, right: side) }
}

/// What bounds the numbers that a layer gives.
public enum Rectifier: Int32, Hashable, Sendable, CaseIterable {
  case none = 0
  /// max(x, 0).
  case relu = 1
  /// min(max(x, 0), 6).
  case relu6 = 2
}

/// Where the numbers of a picture [N, C, H, W] lie next to each other.
public enum PictureLayout: String, Hashable, Sendable, CaseIterable {
  /// The columns of a row: N, C, H, W.
  case channelsFirst
  /// The channels of a pixel: N, H, W, C.
  case channelsLast

  /// libtorch's code of the memory format.
  fileprivate var code: Int { self == .channelsFirst ? 0 : 2 }
}

extension Tensor {
  /// This picture [N, C, H, W] convolved with a kernel [out, C / groups, h, w] and a bias [out].
  public func convolved(
    _ kernel: Tensor, _ bias: Tensor? = nil, _ window: Window2D = Window2D(), groups: Int = 1
  ) throws -> Tensor {
    try convolutionOperator(
      .tensor(self), .tensor(kernel), .optional(bias), .ints([window.stride, window.stride]),
      .ints([window.padding, window.padding]), .ints([window.dilation, window.dilation]),
      .int(groups))
  }

  /// rectifier(convolution + bias + residual) in one call, on the processor channels last.
  ///
  /// - Parameters:
  ///   - kernel: [out, C / groups, h, w].
  ///   - bias: [out].
  ///   - residual: of the result's shape.
  public func convolved(
    _ kernel: Tensor, _ bias: Tensor?, stride: Int = 1, padding: Padding2D, dilation: Int = 1,
    groups: Int = 1, adding residual: Tensor? = nil, rectifier: Rectifier = .none
  ) throws -> Tensor {
    var result = CTorchTensor(pointer: nil)
    let none = CTorchTensor(pointer: nil)
    try check(
      ctorch_convolution(
        handle, kernel.handle, bias?.handle ?? none, residual?.handle ?? none, stride, dilation,
        groups, [padding.top, padding.left, padding.bottom, padding.right], rectifier.rawValue,
        &result),
      "convolved", [self, kernel] + [bias, residual].compactMap { $0 })
    return Tensor(owning: result)
  }

  /// Batch normalisation by given statistics, all [C] (Ioffe & Szegedy 2015):
  /// (x − mean) / √(variance + epsilon) · weight + bias.
  public func batchNormed(
    _ weight: Tensor, _ bias: Tensor, mean: Tensor, variance: Tensor, epsilon: Double
  ) throws -> Tensor {
    try batchNormOperator(
      .tensor(self), .tensor(weight), .tensor(bias), .tensor(mean), .tensor(variance),
      .bool(false), .real(0), .real(epsilon), .bool(false))
  }

  /// Batch normalisation by the statistics of this batch, which move `mean` and `variance` (not
  /// biased) by the share `momentum` in place.
  public func batchNormed(
    _ weight: Tensor, _ bias: Tensor, movingMean: Tensor, movingVariance: Tensor, momentum: Double,
    epsilon: Double
  ) throws -> Tensor {
    try batchNormOperator(
      .tensor(self), .tensor(weight), .tensor(bias), .tensor(movingMean), .tensor(movingVariance),
      .bool(true), .real(momentum), .real(epsilon), .bool(false))
  }

  /// The largest number of each window of `size` × `size`; what lies outside never wins.
  public func maxPooled(_ size: Int, _ window: Window2D) throws -> Tensor {
    try maxPoolOperator(
      .tensor(self), .ints([size, size]), .ints([window.stride, window.stride]),
      .ints([window.padding, window.padding]), .ints([window.dilation, window.dilation]))
  }

  /// The mean of each window of `size` × `size`; zeros of the padding count.
  public func averagePooled(_ size: Int, _ window: Window2D) throws -> Tensor {
    try averagePoolOperator(
      .tensor(self), .ints([size, size]), .ints([window.stride, window.stride]),
      .ints([window.padding, window.padding]))
  }

  /// [N, C, H, W] → [N, C, height, width], means of equal parts.
  public func averagePooled(toHeight height: Int, width: Int) throws -> Tensor {
    try adaptivePoolOperator(.tensor(self), .ints([height, width]))
  }

  /// [N, C, H, W] → [N, C, height, width], each pixel from the one it falls into.
  public func resizedNearest(height: Int, width: Int) throws -> Tensor {
    try nearestOperator(.tensor(self), .ints([height, width]))
  }

  /// [N, C, H, W] → [N, C, height, width] between four pixels; pixel centres on pixel centres.
  public func resizedBilinear(height: Int, width: Int) throws -> Tensor {
    try bilinearOperator(.tensor(self), .ints([height, width]), .bool(false))
  }

  /// With rows and columns of `value` around the last two dimensions.
  public func padded(
    left: Int = 0, right: Int = 0, top: Int = 0, bottom: Int = 0, value: Double = 0
  ) throws -> Tensor {
    try padOperator(.tensor(self), .ints([left, right, top, bottom]), .real(value))
  }

  /// The same picture [N, C, H, W] with its numbers in another order in memory.
  public func laidOut(_ layout: PictureLayout) throws -> Tensor {
    try contiguousOperator(.tensor(self), .int(layout.code))
  }

  /// min(max(x, 0), 6).
  public func relu6() throws -> Tensor {
    try hardtanhOperator(.tensor(self), .real(0), .real(6))
  }

  /// max(x, 0) in place: for a tensor whose own numbers no gradient asks for.
  public func applyReLU() throws { try reluInPlaceOperator(.tensor(self)) }

  /// min(max(x, 0), 6) in place, as ``applyReLU()``.
  public func applyReLU6() throws {
    try hardtanhInPlaceOperator(.tensor(self), .real(0), .real(6))
  }
}
