// EfficientNet-Lite0 (Tan & Le 2019 and Google's "lite" variant of it): inverted residual blocks
// with ReLU6 and without squeeze-and-excitation. Names, padding and ε are those of
// efficientnet-lite-pytorch 0.1.0: zeros as TensorFlow adds them to a picture of 224 × 224, whatever
// the picture's size. Its pictures are (x / 255 − 0.498) / 0.502.

public import TandemNN
public import TandemTorch

/// EfficientNet-Lite0 as a classifier and as a backbone.
public struct EfficientNetLite: Backbone {
  /// A stage of equal blocks.
  struct Stage {
    let repeats: Int
    let size: Int
    let stride: Int
    let expansion: Int
    let output: Int
  }

  static let stages = [
    Stage(repeats: 1, size: 3, stride: 1, expansion: 1, output: 16),
    Stage(repeats: 2, size: 3, stride: 2, expansion: 6, output: 24),
    Stage(repeats: 2, size: 5, stride: 2, expansion: 6, output: 40),
    Stage(repeats: 3, size: 3, stride: 2, expansion: 6, output: 80),
    Stage(repeats: 3, size: 5, stride: 1, expansion: 6, output: 112),
    Stage(repeats: 4, size: 5, stride: 2, expansion: 6, output: 192),
    Stage(repeats: 1, size: 3, stride: 1, expansion: 6, output: 320),
  ]
  /// Blocks whose outputs are the maps of strides 8, 16 and 32: the last of each stride.
  static let levelBlocks = [4, 10, 15]
  static let epsilon = 1e-3
  /// The mean and the deviation of a picture's numbers, of 0…1.
  public static let mean = 0.498
  public static let deviation = 0.502
  /// Channels of the last map.
  public static let headChannels = 1280

  private let stem: NormedConvolution
  private let blocks: [InvertedBlock]
  private let head: NormedConvolution?

  /// Claims `_conv_stem`, `_bn0` and `_blocks.N`, and for the last map `_conv_head` and `_bn1`.
  ///
  /// - Parameters:
  ///   - hasHead: whether the map of 1280 channels is made.
  ///   - imageSize: the size of square pictures that the padding is computed for; nil for that of
  ///     each picture. The published weights were converted with 224.
  public init(
    norm: NormKind = .frozen, hasHead: Bool = true, imageSize: Int = 224, at path: ParameterPath
  ) throws {
    guard imageSize >= 32 else {
      throw VisionError("EfficientNet-Lite needs pictures of 32 pixels or more, found \(imageSize)")
    }
    var side = imageSize
    func padding(_ size: Int, _ stride: Int) -> Padding2D { Self.padding(side, size, stride) }
    stem = try NormedConvolution(
      ConvolutionShape(3, 32, size: 3, stride: 2, padding: padding(3, 2)), norm,
      epsilon: Self.epsilon, rectifier: .relu6, at: path / "_conv_stem", norm: path / "_bn0")
    side = (side + 1) / 2
    var input = 32
    var blocks: [InvertedBlock] = []
    for stage in Self.stages {
      for place in 0..<stage.repeats {
        let stride = place == 0 ? stage.stride : 1
        blocks.append(
          try InvertedBlock(
            input: input, stage, stride: stride, padding: padding(stage.size, stride), norm,
            at: path / "_blocks" / blocks.count))
        side = (side + stride - 1) / stride
        input = stage.output
      }
    }
    self.blocks = blocks
    head =
      hasHead
      ? try NormedConvolution(
        ConvolutionShape(input, Self.headChannels, size: 1), norm, epsilon: Self.epsilon,
        rectifier: .relu6, at: path / "_conv_head", norm: path / "_bn1") : nil
  }

  /// TensorFlow's "same": ⌈side / stride⌉ results, the odd zero at the end.
  static func padding(_ side: Int, _ size: Int, _ stride: Int) -> Padding2D {
    let results = (side + stride - 1) / stride
    let total = max(0, (results - 1) * stride + size - side)
    return Padding2D(
      top: total / 2, left: total / 2, bottom: total - total / 2, right: total - total / 2)
  }

  public var levels: [FeatureLevel] {
    [
      FeatureLevel(channels: 40, stride: 8), FeatureLevel(channels: 112, stride: 16),
      FeatureLevel(channels: 320, stride: 32),
    ]
  }

  /// Pictures [N, 3, H, W] → maps of strides 8, 16 and 32, of 40, 112 and 320 channels.
  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    var x = try stem(pictures, mode)
    var maps: [Tensor] = []
    for (place, block) in blocks.enumerated() {
      x = try block(x, mode)
      if Self.levelBlocks.contains(place) { maps.append(x) }
    }
    return maps
  }

  /// Pictures [N, 3, H, W] → the map of 1280 channels at stride 32: 7 × 7 of 224 × 224.
  public func grid(_ pictures: Tensor, _ mode: Mode) throws -> Tensor {
    guard let head else {
      throw VisionError("this EfficientNet-Lite was made without its head of 1280 channels")
    }
    return try head(blocks.reduce(stem(pictures, mode)) { try $1($0, mode) }, mode)
  }

  /// Whether a weight belongs to the stem and the first `blocks` blocks of 16; 0 is nothing. `name`
  /// is the weight's name below the backbone's own path.
  public static func isFrozen(_ name: String, blocks: Int) -> Bool {
    guard blocks > 0 else { return false }
    if name.hasPrefix("_conv_stem.") || name.hasPrefix("_bn0.") { return true }
    return (0..<blocks).contains { name.hasPrefix("_blocks.\($0).") }
  }
}

/// The map of 1280 channels as a backbone's only one.
public struct EfficientNetLiteGrid: Backbone {
  public let body: EfficientNetLite

  public init(_ body: EfficientNetLite) { self.body = body }

  public var levels: [FeatureLevel] {
    [FeatureLevel(channels: EfficientNetLite.headChannels, stride: 32)]
  }

  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    [try body.grid(pictures, mode)]
  }
}

/// EfficientNet-Lite0 with its classifier of ImageNet's 1000 classes.
public struct EfficientNetLiteClassifier {
  public let backbone: EfficientNetLite
  private let classifier: Linear

  /// Claims the backbone's weights and `_fc`.
  public init(
    norm: NormKind = .frozen, classes: Int = 1000, at path: ParameterPath
  ) throws {
    backbone = try EfficientNetLite(norm: norm, at: path)
    classifier = try Linear(EfficientNetLite.headChannels, classes, at: path / "_fc")
  }

  /// Pictures [N, 3, H, W] → logits [N, classes], without dropout.
  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> Tensor {
    try described(pictures, mode).logits
  }

  /// Pictures [N, 3, H, W] → the mean of the last map over its places [N, 1280], and the logits
  /// [N, classes] made of it.
  public func described(
    _ pictures: Tensor, _ mode: Mode
  ) throws -> (features: Tensor, logits: Tensor) {
    let map = try backbone.grid(pictures, mode).to(.float32)
    let features = try map.averagePooled(toHeight: 1, width: 1).reshaped([map.size(0), -1])
    return (features, try classifier(features))
  }
}

/// Expand by a 1×1 convolution, convolve each channel, project by a 1×1 convolution, and add the
/// input where shapes are equal (Sandler et al. 2018).
private struct InvertedBlock {
  let expand: NormedConvolution?
  let depthwise: NormedConvolution
  let project: NormedConvolution
  let isResidual: Bool

  init(
    input: Int, _ stage: EfficientNetLite.Stage, stride: Int, padding: Padding2D, _ norm: NormKind,
    at path: ParameterPath
  ) throws {
    let width = input * stage.expansion
    func convolution(
      _ shape: ConvolutionShape, _ name: String, _ bn: Int, _ rectifier: Rectifier
    ) throws -> NormedConvolution {
      try NormedConvolution(
        shape, norm, epsilon: EfficientNetLite.epsilon, rectifier: rectifier, at: path / name,
        norm: path / "_bn\(bn)")
    }
    expand =
      stage.expansion > 1
      ? try convolution(ConvolutionShape(input, width, size: 1), "_expand_conv", 0, .relu6) : nil
    depthwise = try convolution(
      ConvolutionShape(
        width, width, size: stage.size, stride: stride, padding: padding, groups: width),
      "_depthwise_conv", 1, .relu6)
    project = try convolution(
      ConvolutionShape(width, stage.output, size: 1), "_project_conv", 2, .none)
    isResidual = stride == 1 && input == stage.output
  }

  func callAsFunction(_ x: Tensor, _ mode: Mode) throws -> Tensor {
    let wide = try depthwise(expand.map { try $0(x, mode) } ?? x, mode)
    return try project(wide, adding: isResidual ? x : nil, mode)
  }
}
