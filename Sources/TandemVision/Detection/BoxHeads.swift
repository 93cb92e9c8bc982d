// From the pooled numbers of a box to its feature, and from that to what it shows.
//
// Shapes: K boxes, C channels, S bins a side, D numbers of a feature.

internal import TandemNN
internal import TandemTorch

/// A box's feature.
enum BoxHead {
  case twoLayers(Linear, Linear)
  case lastStage(ResNetStage)

  /// Claims `fc6` and `fc7`, or `layer4`, under `path`.
  init(_ config: DetectorConfig, channels: Int, at path: ParameterPath) throws {
    switch config.regions.head {
    case .twoLayers(let width):
      let bins = config.regions.bins
      self = .twoLayers(
        try Linear.drawn(channels * bins * bins, width, at: path / "fc6"),
        try Linear.drawn(width, width, at: path / "fc7"))
    case .lastStage:
      self = .lastStage(try ResNetStage(config.backbone.resNet, stage: 5, at: path))
    }
  }

  var width: Int {
    switch self {
    case .twoLayers(_, let second): second.weight.shape[0]
    case .lastStage(let stage): stage.channels
    }
  }

  /// [K, C, S, S] → float32 [K, D].
  func callAsFunction(_ pooled: Tensor, _ mode: Mode) throws -> Tensor {
    guard pooled.size(0) > 0 else { return try Tensor.zeros([0, width], on: pooled.device) }
    switch self {
    case .twoLayers(let first, let second):
      let flat = try pooled.reshaped([pooled.size(0), -1])
      return try second(first(flat).relu()).relu().to(.float32)
    case .lastStage(let stage):
      let map = try stage(pooled, mode).to(.float32)
      return try map.averagePooled(toHeight: 1, width: 1).reshaped([map.size(0), -1])
    }
  }
}

/// What a box shows, and where exactly it lies.
struct BoxPredictor {
  let classes: Linear
  let codes: Linear

  /// Claims `cls_score` and `bbox_pred`; background is row 0 of both.
  init(_ config: DetectorConfig, width: Int, at path: ParameterPath) throws {
    let count = config.classes + 1
    classes = try Linear.drawn(width, count, deviation: 0.01, at: path / "cls_score")
    codes = try Linear.drawn(
      width, 4 * (config.regions.isClassAgnostic ? 1 : count), deviation: 0.001,
      at: path / "bbox_pred")
  }
}

/// Which attributes a box's object has, given its label (Anderson et al. 2018): an embedding of the
/// label beside the feature, a layer, and a score for "none" and each attribute.
struct AttributePredictor {
  private let embedding: Embedding
  private let layer: Linear
  private let scores: Linear

  /// Claims `cls_embedding` [classes + 1, D / 8], `fc_attr` [D / 4, D + D / 8] and `attr_score`
  /// [attributes + 1, D / 4].
  init(_ config: DetectorConfig, width: Int, at path: ParameterPath) throws {
    embedding = try Embedding(config.classes + 1, width / 8, at: path / "cls_embedding")
    layer = try Linear.drawn(width + width / 8, width / 4, at: path / "fc_attr")
    scores = try Linear.drawn(
      width / 4, config.attributes + 1, deviation: 0.01, at: path / "attr_score")
  }

  /// Features [K, D] and int64 labels [K] → logits [K, attributes + 1].
  func callAsFunction(_ features: Tensor, labels: Tensor) throws -> Tensor {
    let both = try Tensor.concatenated([features, embedding(labels)], 1)
    return try scores(layer(both).relu()).to(.float32)
  }
}

extension Linear {
  /// A layer that starts with normal numbers: of 1/√inputs unless told otherwise.
  fileprivate static func drawn(
    _ input: Int, _ output: Int, deviation: Double? = nil, at path: ParameterPath
  ) throws -> Linear {
    Linear(
      weight: try path(
        "weight", [output, input],
        .normal(deviation: deviation ?? 1 / Double(max(1, input)).squareRoot())),
      bias: try path("bias", [output], .zeros, decay: false))
  }
}
