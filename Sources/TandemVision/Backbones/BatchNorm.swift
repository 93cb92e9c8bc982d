// Batch normalisation (Ioffe & Szegedy 2015), frozen as detectors have it, or trained.

public import TandemNN
public import TandemTorch

/// How the norms of a backbone are kept.
public enum NormKind: Hashable, Sendable, Codable {
  /// Scale, shift and statistics are buffers and never change.
  case frozen
  /// Scale and shift are trained; a training batch is normed by its own statistics, which move the
  /// kept ones by the share `momentum`.
  case trained(momentum: Double = 0.1)
}

/// y = (x − mean) / √(variance + ε) · weight + bias, all four fixed, over [N, C, H, W].
///
/// It is never run by itself: the convolution before it takes over its scale and its shift.
public struct FrozenBatchNorm {
  /// What the outputs of the convolution are multiplied with, [C].
  public let scale: Tensor
  /// What is added to them after that, [C].
  public let shift: Tensor

  /// Claims the buffers `weight`, `bias`, `running_mean` and `running_var`, all [channels].
  public init(_ channels: Int, epsilon: Double = 1e-5, at path: ParameterPath) throws {
    let weight = try path.buffer("weight", .ones([channels]))
    let bias = try path.buffer("bias", .zeros([channels]))
    let mean = try path.buffer("running_mean", .zeros([channels]))
    let variance = try path.buffer("running_var", .ones([channels]))
    scale = try weight / (variance + epsilon).sqrt()
    shift = try bias - mean * scale
  }
}

/// Trained batch normalisation over [N, C, H, W].
public struct BatchNorm {
  public let weight: Parameter
  public let bias: Parameter
  public let mean: Tensor
  public let variance: Tensor
  public let momentum: Double
  public let epsilon: Double

  /// Claims `weight` and `bias` (neither decayed) and the buffers `running_mean` and
  /// `running_var`, all [channels].
  public init(
    _ channels: Int, momentum: Double = 0.1, epsilon: Double = 1e-5, at path: ParameterPath
  ) throws {
    weight = try path("weight", [channels], .ones, decay: false)
    bias = try path("bias", [channels], .zeros, decay: false)
    mean = try path.buffer("running_mean", .zeros([channels]))
    variance = try path.buffer("running_var", .ones([channels]))
    self.momentum = momentum
    self.epsilon = epsilon
  }

  /// By the statistics of the batch in training, by the kept ones otherwise.
  public func callAsFunction(_ x: Tensor, _ mode: Mode) throws -> Tensor {
    guard mode.isTraining else {
      return try x.batchNormed(
        weight.value, bias.value, mean: mean, variance: variance, epsilon: epsilon)
    }
    return try x.batchNormed(
      weight.value, bias.value, movingMean: mean, movingVariance: variance, momentum: momentum,
      epsilon: epsilon)
  }

  /// Scale and shift that the kept statistics amount to, both [C].
  func folded() throws -> (scale: Tensor, shift: Tensor) {
    let scale = try weight.value / (variance + epsilon).sqrt()
    return (scale, try bias.value - mean * scale)
  }

  /// Whether a name is that of a counter of batches, which PyTorch writes beside the statistics and
  /// nobody here asks for.
  public static func isCounter(_ name: String) -> Bool { name.hasSuffix("num_batches_tracked") }
}
