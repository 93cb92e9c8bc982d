internal import TandemNN
internal import TandemTorch

/// A ResNet whose first pooling is that of the Caffe models: windows start at the very corner, and
/// the last of a row may reach beyond it.
struct CaffeResNet: Backbone {
  private let stem: NormedConvolution
  private let stages: [ResNetStage]

  /// Claims what ``ResNet`` claims: `conv1`, `bn1` and `layer1` on.
  init(_ shape: ResNetShape, stages: Int, at path: ParameterPath) throws {
    stem = try NormedConvolution(
      ConvolutionShape(3, 64, size: 7, stride: 2), shape.norm, epsilon: shape.epsilon,
      rectifier: .relu, at: path / "conv1", norm: path / "bn1")
    self.stages = try (0..<stages).map { try ResNetStage(shape, stage: $0 + 2, at: path) }
  }

  var levels: [FeatureLevel] {
    stages.map { FeatureLevel(channels: $0.channels, stride: $0.stride) }
  }

  func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    // What is added is 0, and nothing that was rectified is less.
    var x = try stem(pictures, mode).padded(right: 1, bottom: 1).maxPooled(3, Window2D(stride: 2))
    return try stages.map { stage in
      x = try stage(x, mode)
      return x
    }
  }
}
