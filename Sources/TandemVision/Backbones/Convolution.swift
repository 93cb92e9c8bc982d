// Convolutions, and what stands between two of them: a norm, a residual sum, a rectifier.

public import TandemNN
public import TandemTorch

/// The shape of a convolution.
public struct ConvolutionShape: Hashable, Sendable {
  public var input: Int
  public var output: Int
  /// Rows and columns of the kernel.
  public var size: Int
  public var stride: Int
  public var padding: Padding2D
  public var dilation: Int
  public var groups: Int

  /// - Parameter padding: nil for as many zeros on each side as keep the size at stride 1.
  public init(
    _ input: Int, _ output: Int, size: Int, stride: Int = 1, padding: Padding2D? = nil,
    dilation: Int = 1, groups: Int = 1
  ) {
    self.input = input
    self.output = output
    self.size = size
    self.stride = stride
    self.padding = padding ?? Padding2D(dilation * (size - 1) / 2)
    self.dilation = dilation
    self.groups = groups
  }

  var kernel: [Int] { [output, input / max(1, groups), size, size] }
}

/// rectifier(conv(x) + bias), over [N, C, H, W].
public struct Convolution {
  public let weight: Parameter
  public let bias: Parameter?
  public let shape: ConvolutionShape
  private let rectifier: Rectifier
  /// Weights do not keep their store: what uses them does.
  private let store: ParameterStore

  /// Claims `weight` [out, in / groups, size, size] and, where asked for, `bias` [out] (not decayed).
  public init(
    _ shape: ConvolutionShape, bias: Bool = true, rectifier: Rectifier = .none,
    initializer: Initializer? = nil, at path: ParameterPath
  ) throws {
    weight = try path("weight", shape.kernel, initializer ?? shape.spread)
    self.bias = bias ? try path("bias", [shape.output], .zeros, decay: false) : nil
    self.shape = shape
    self.rectifier = rectifier
    store = path.store
  }

  public func callAsFunction(_ x: Tensor) throws -> Tensor {
    let kernel = try weight.forProducts()
    return try x.to(kernel.dtype).convolved(
      kernel, bias?.forProducts(), stride: shape.stride, padding: shape.padding,
      dilation: shape.dilation, groups: shape.groups, rectifier: rectifier)
  }
}

extension ConvolutionShape {
  /// Normal numbers that keep the spread of activations after a rectifier (He et al. 2015, over
  /// outputs, as torchvision's networks start).
  var spread: Initializer {
    .normal(deviation: (2 * Double(groups) / Double(output * size * size)).squareRoot())
  }
}

/// rectifier(norm(conv(x)) + residual), over [N, C, H, W].
///
/// A norm that is fixed, and every norm outside training, is folded into the kernel: then all of it
/// is one call. Gradients of a folded kernel reach the claimed one through its scale.
public final class NormedConvolution {
  public let weight: Parameter
  public let shape: ConvolutionShape
  public let norm: Norm
  private let rectifier: Rectifier
  private let store: ParameterStore
  private var folded: Folded?

  public enum Norm {
    case frozen(FrozenBatchNorm)
    case trained(BatchNorm)
  }

  /// A kernel that no gradient asks for, and the weights it was made of.
  private struct Folded {
    let generation: Int
    let kernel: Tensor
    let shift: Tensor
  }

  /// Claims `weight` under `path`, and what the norm needs under `norm`.
  public init(
    _ shape: ConvolutionShape, _ kind: NormKind, epsilon: Double = 1e-5,
    rectifier: Rectifier = .none, at path: ParameterPath, norm: ParameterPath
  ) throws {
    weight = try path("weight", shape.kernel, shape.spread)
    switch kind {
    case .frozen:
      self.norm = .frozen(try FrozenBatchNorm(shape.output, epsilon: epsilon, at: norm))
    case .trained(let momentum):
      self.norm = .trained(
        try BatchNorm(shape.output, momentum: momentum, epsilon: epsilon, at: norm))
    }
    self.shape = shape
    self.rectifier = rectifier
    store = path.store
  }

  /// - Parameter residual: of the result's shape.
  public func callAsFunction(
    _ x: Tensor, adding residual: Tensor? = nil, _ mode: Mode
  ) throws -> Tensor {
    if case .trained(let norm) = norm, mode.isTraining {
      let kernel = try weight.forProducts()
      let sum = try norm(convolved(x, kernel, nil, adding: nil, .none).to(.float32), mode)
      let total = try residual.map { try sum + $0.to(.float32) } ?? sum
      return try rectified(total.to(kernel.dtype))
    }
    let (kernel, shift) = try foldedWeights()
    return try convolved(x, kernel, shift, adding: residual, rectifier)
  }

  private func convolved(
    _ x: Tensor, _ kernel: Tensor, _ bias: Tensor?, adding residual: Tensor?, _ rectifier: Rectifier
  ) throws -> Tensor {
    try x.to(kernel.dtype).convolved(
      kernel, bias, stride: shape.stride, padding: shape.padding, dilation: shape.dilation,
      groups: shape.groups, adding: residual?.to(kernel.dtype), rectifier: rectifier)
  }

  private func rectified(_ x: Tensor) throws -> Tensor {
    switch rectifier {
    case .none: return x
    case .relu: return try x.relu()
    case .relu6: return try x.relu6()
    }
  }

  private var productType: DType { store.precision == .bfloat16 ? .bfloat16 : .float32 }

  /// The kernel times the norm's scale, and the norm's shift. Kept where nothing learns from it.
  private func foldedWeights() throws -> (kernel: Tensor, shift: Tensor) {
    let isFixed: Bool
    if case .frozen = norm { isFixed = weight.group.isFrozen } else { isFixed = false }
    if let folded, isFixed || (!isRecordingGradients && folded.generation == store.generation) {
      return (folded.kernel, folded.shift)
    }
    func fold() throws -> (Tensor, Tensor) {
      let scale: Tensor
      let shift: Tensor
      switch norm {
      case .frozen(let frozen): (scale, shift) = (frozen.scale, frozen.shift)
      case .trained(let trained): (scale, shift) = try trained.folded()
      }
      let kernel = try weight.value * scale.reshaped([shape.output, 1, 1, 1])
      return (try kernel.to(productType), try shift.to(productType))
    }
    guard isFixed || !isRecordingGradients else { return try fold() }
    let (kernel, shift) = try withoutGradients { try fold() }
    folded = Folded(generation: store.generation, kernel: kernel, shift: shift)
    return (kernel, shift)
  }
}
