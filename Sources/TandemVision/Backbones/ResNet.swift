// ResNet (He et al. 2016), with torchvision's names; its stride lies where torchvision or where the
// Caffe models have it, and its last stage may be dilated, as the Visual Genome detectors use it.
//
// Shapes: N pictures, C channels, H × W pixels; stage s of 2…5 has stride 2ˢ.

public import TandemNN
public import TandemTorch

/// The shape of a ResNet.
public struct ResNetShape: Hashable, Sendable, Codable {
  /// Which convolution of a bottleneck halves the picture.
  public enum StridePlace: String, Hashable, Sendable, Codable {
    /// The 3×3 one: torchvision, Facebook's Torch models.
    case middle
    /// The first 1×1 one: the original Caffe models and the detectors built on them.
    case first
  }

  /// Blocks in stages 2 to 5.
  public var blocks: [Int]
  /// Blocks of three convolutions, 1×1, 3×3 and 1×1, instead of two 3×3 ones.
  public var hasBottlenecks: Bool
  public var stridePlace: StridePlace
  /// Stage 5 keeps stride 16 and spreads its 3×3 kernels by 2.
  public var isLastStageDilated: Bool
  public var norm: NormKind
  public var epsilon: Double

  public init(
    blocks: [Int], hasBottlenecks: Bool, stridePlace: StridePlace = .middle,
    isLastStageDilated: Bool = false, norm: NormKind = .frozen, epsilon: Double = 1e-5
  ) {
    self.blocks = blocks
    self.hasBottlenecks = hasBottlenecks
    self.stridePlace = stridePlace
    self.isLastStageDilated = isLastStageDilated
    self.norm = norm
    self.epsilon = epsilon
  }

  /// A block a stage, for trials.
  public static let resNet10 = ResNetShape(blocks: [1, 1, 1, 1], hasBottlenecks: false)
  public static let resNet18 = ResNetShape(blocks: [2, 2, 2, 2], hasBottlenecks: false)
  public static let resNet34 = ResNetShape(blocks: [3, 4, 6, 3], hasBottlenecks: false)
  public static let resNet50 = ResNetShape(blocks: [3, 4, 6, 3], hasBottlenecks: true)
  public static let resNet101 = ResNetShape(blocks: [3, 4, 23, 3], hasBottlenecks: true)
  public static let resNet152 = ResNetShape(blocks: [3, 8, 36, 3], hasBottlenecks: true)

  /// Channels of C2 to C5.
  public var channels: [Int] { [64, 128, 256, 512].map { $0 * expansion } }
  var expansion: Int { hasBottlenecks ? 4 : 1 }
}

/// The stages of a ResNet up to one of them: a detector with a C4 head takes three and uses a
/// ``ResNetStage`` of its own on its boxes.
public struct ResNet: Backbone {
  public let shape: ResNetShape
  private let stem: NormedConvolution
  private let stages: [ResNetStage]

  /// Claims `conv1`, `bn1` and `layer1` to `layer4`, or fewer.
  ///
  /// - Parameters:
  ///   - stages: how many of the four.
  ///   - frozen: how much never learns, counted as ``isFrozen(_:stages:)`` does.
  public init(
    _ shape: ResNetShape, stages: Int = 4, frozen: Int = 0, at path: ParameterPath
  ) throws {
    guard shape.blocks.count == 4, (1...4).contains(stages) else {
      throw VisionError(
        "a ResNet has 4 stages and at least one is used; \(shape.blocks.count) were given and "
          + "\(stages) asked for")
    }
    self.shape = shape
    func learning(_ stage: Int) -> ParameterPath { stage <= frozen ? path.fixed : path }
    stem = try NormedConvolution(
      ConvolutionShape(3, 64, size: 7, stride: 2), shape.norm, epsilon: shape.epsilon,
      rectifier: .relu, at: learning(1) / "conv1", norm: learning(1) / "bn1")
    self.stages = try (2..<stages + 2).map {
      try ResNetStage(shape, stage: $0, at: learning($0))
    }
  }

  public var levels: [FeatureLevel] {
    stages.map { FeatureLevel(channels: $0.channels, stride: $0.stride) }
  }

  /// Pictures [N, 3, H, W] → C2, C3, … , as many as there are stages.
  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    var x = try stem(pictures, mode).maxPooled(3, Window2D(stride: 2, padding: 1))
    return try stages.map { stage in
      x = try stage(x, mode)
      return x
    }
  }

  /// Whether a weight belongs to what is frozen where the first `stages` stages are, counted as
  /// Detectron does: 1 is the stem, 2 adds C2, … up to 5. `name` is the weight's name below the
  /// backbone's own path.
  public static func isFrozen(_ name: String, stages: Int) -> Bool {
    if name.hasPrefix("conv1.") || name.hasPrefix("bn1.") { return stages >= 1 }
    return (1..<5).contains { $0 < stages && name.hasPrefix("layer\($0).") }
  }
}

/// One stage of a ResNet, 2 to 5: C4 detectors run stage 5 on the features of each box.
public struct ResNetStage {
  public let channels: Int
  /// Pixels of the picture per pixel of the result, for the whole network up to here.
  public let stride: Int
  private let blocks: [ResidualBlock]

  /// Claims `layer1` (stage 2) to `layer4` (stage 5) under `path`.
  public init(_ shape: ResNetShape, stage: Int, at path: ParameterPath) throws {
    try self.init(shape, stage: stage, blocks: path / "layer\(stage - 1)")
  }

  /// The same with a name of its own: claims `0`, `1`, … under `path`.
  public init(_ shape: ResNetShape, stage: Int, blocks path: ParameterPath) throws {
    guard shape.blocks.count == 4, (2...5).contains(stage) else {
      throw VisionError("a ResNet has stages 2 to 5; stage \(stage) was asked for")
    }
    let place = stage - 2
    let isDilated = stage == 5 && shape.isLastStageDilated
    let input = place == 0 ? 64 : shape.channels[place - 1]
    let output = shape.channels[place]
    channels = output
    stride = isDilated ? 16 : 4 << place
    blocks = try (0..<shape.blocks[place]).map { block in
      try ResidualBlock(
        shape, input: block == 0 ? input : output, output: output,
        stride: block == 0 && place > 0 && !isDilated ? 2 : 1, dilation: isDilated ? 2 : 1,
        at: path / block)
    }
  }

  /// [N, C, H, W] of the stage before → [N, channels, H′, W′].
  public func callAsFunction(_ x: Tensor, _ mode: Mode) throws -> Tensor {
    try blocks.reduce(x) { try $1($0, mode) }
  }
}

/// relu(branch(x) + x), x brought to the branch's shape where they differ.
private struct ResidualBlock {
  let branch: [NormedConvolution]
  let shortcut: NormedConvolution?

  init(
    _ shape: ResNetShape, input: Int, output: Int, stride: Int, dilation: Int,
    at path: ParameterPath
  ) throws {
    func convolution(
      _ number: Int, _ convolution: ConvolutionShape, _ rectifier: Rectifier
    ) throws -> NormedConvolution {
      try NormedConvolution(
        convolution, shape.norm, epsilon: shape.epsilon, rectifier: rectifier,
        at: path / "conv\(number)", norm: path / "bn\(number)")
    }
    let width = output / shape.expansion
    let isFirst = shape.stridePlace == .first
    branch =
      try shape.hasBottlenecks
      ? [
        convolution(
          1, ConvolutionShape(input, width, size: 1, stride: isFirst ? stride : 1), .relu),
        convolution(
          2,
          ConvolutionShape(
            width, width, size: 3, stride: isFirst ? 1 : stride, dilation: dilation), .relu),
        convolution(3, ConvolutionShape(width, output, size: 1), .relu),
      ]
      : [
        convolution(
          1, ConvolutionShape(input, width, size: 3, stride: stride, dilation: dilation), .relu),
        convolution(2, ConvolutionShape(width, output, size: 3, dilation: dilation), .relu),
      ]
    shortcut =
      try stride == 1 && input == output
      ? nil
      : NormedConvolution(
        ConvolutionShape(input, output, size: 1, stride: stride), shape.norm,
        epsilon: shape.epsilon, at: path / "downsample" / 0, norm: path / "downsample" / 1)
  }

  func callAsFunction(_ x: Tensor, _ mode: Mode) throws -> Tensor {
    let aside = try shortcut.map { try $0(x, mode) } ?? x
    var y = x
    for convolution in branch.dropLast() { y = try convolution(y, mode) }
    guard let last = branch.last else { return y }
    return try last(y, adding: aside, mode)
  }
}
