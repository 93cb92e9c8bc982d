extension DetectorConfig {
  /// Names of the detectors that are ready made.
  public static let presetNames = [
    "torchvision-fpn-resnet50", "visual-genome-c4-resnet101", "small-efficientnet-lite0",
    "tiny-plain", "tiny-c4-resnet18",
  ]

  /// A ready made detector.
  ///
  /// - Throws: `DetectionError` for a name that is not in ``presetNames``.
  public init(preset name: String) throws {
    switch name {
    case "torchvision-fpn-resnet50": self = .torchvisionResNet50
    case "visual-genome-c4-resnet101": self = .visualGenomeResNet101
    case "small-efficientnet-lite0": self = .smallEfficientNet
    case "tiny-plain": self = .tinyPlain
    case "tiny-c4-resnet18": self = .tinyC4
    default:
      throw DetectionError(
        "detector '\(name)': there is no such preset; known: "
          + Self.presetNames.joined(separator: ", "))
    }
  }

  /// torchvision's fasterrcnn_resnet50_fpn: COCO's 90 labels, the stem and C2 frozen.
  public static let torchvisionResNet50 = DetectorConfig(
    preparation: PicturePreparation(),
    backbone: BackboneSettings(
      kind: .resNet, resNet: .torchvisionDetector, pyramidChannels: 256, frozen: 2),
    proposals: ProposalSettings(
      anchors: AnchorSettings(sizes: [[32], [64], [128], [256], [512]])),
    regions: RegionSettings(head: .twoLayers(width: 1024)), classes: 90)

  /// The bottom-up attention detector in the form of its conversion to Detectron2: 1600 classes and
  /// 400 attributes of Visual Genome, 2048 numbers a region, blue first, strides in the first 1×1
  /// convolution, the Caffe models' pooling, and a fifth stage that keeps its size and is dilated.
  public static let visualGenomeResNet101 = DetectorConfig(
    preparation: PicturePreparation(
      shorter: [600], longer: 1000, filter: .plain, rounding: .nearest, scale: 1,
      mean: [102.9801, 115.9465, 122.7717], deviation: [1, 1, 1], isBlueFirst: true, multiple: 1),
    backbone: BackboneSettings(
      kind: .resNet, resNet: .visualGenome, poolsAsCaffe: true, frozen: 2),
    proposals: ProposalSettings(
      anchors: AnchorSettings(sizes: [[64, 128, 256, 512]], form: .detectron), channels: 512,
      candidates: ByPhase(training: 12000, inference: 6000),
      kept: ByPhase(training: 2000, inference: 300)),
    regions: RegionSettings(
      head: .lastStage, pooling: .max, bins: 14,
      sampler: BalancedSampler(count: 64, foreground: 0.5), overlap: 0.5, leastSide: 0,
      detections: 100),
    classes: 1600, attributes: 400)

  /// A detector that a processor alone can train: EfficientNet-Lite0 under a narrow pyramid, on
  /// pictures of 320 pixels.
  public static let smallEfficientNet = DetectorConfig(
    preparation: PicturePreparation(
      shorter: [320], longer: 320, filter: .smooth,
      mean: [EfficientNetLite.mean, EfficientNetLite.mean, EfficientNetLite.mean],
      deviation: [
        EfficientNetLite.deviation, EfficientNetLite.deviation, EfficientNetLite.deviation,
      ], multiple: 64),
    backbone: BackboneSettings(kind: .efficientNetLite0, pyramidChannels: 64, frozen: 3),
    proposals: ProposalSettings(
      anchors: AnchorSettings(sizes: [[32], [64], [128], [256]]),
      candidates: ByPhase(training: 500, inference: 300),
      kept: ByPhase(training: 300, inference: 100),
      sampler: BalancedSampler(count: 128, foreground: 0.5)),
    regions: RegionSettings(
      head: .twoLayers(width: 256), sampler: BalancedSampler(count: 128, foreground: 0.25)),
    classes: 80)

  /// For trials: a few convolutions and a pyramid of 32 channels, three classes.
  public static let tinyPlain = DetectorConfig(
    preparation: PicturePreparation(
      shorter: [64], longer: 64, filter: .smooth, mean: [0.5, 0.5, 0.5],
      deviation: [0.25, 0.25, 0.25]),
    backbone: BackboneSettings(kind: .plain, widths: [16, 24, 32, 48], pyramidChannels: 32),
    proposals: ProposalSettings(
      anchors: AnchorSettings(sizes: [[8], [16], [32], [64]]),
      candidates: ByPhase(training: 200, inference: 100),
      kept: ByPhase(training: 100, inference: 50),
      sampler: BalancedSampler(count: 64, foreground: 0.5)),
    regions: RegionSettings(
      head: .twoLayers(width: 64), bins: 5,
      sampler: BalancedSampler(count: 64, foreground: 0.25)),
    classes: 3)

  /// For trials: a small ResNet with a dilated fifth stage on each box, attributes, and the samples
  /// of the published C4 detectors.
  public static let tinyC4 = DetectorConfig(
    preparation: PicturePreparation(
      shorter: [64], longer: 96, rounding: .nearest, scale: 1, mean: [103, 116, 123],
      deviation: [57, 57, 57], isBlueFirst: true, multiple: 1),
    backbone: BackboneSettings(
      kind: .resNet,
      resNet: ResNetShape(
        blocks: [1, 1, 1, 1], hasBottlenecks: false, stridePlace: .first,
        isLastStageDilated: true)),
    proposals: ProposalSettings(
      anchors: AnchorSettings(sizes: [[16, 32, 64]], form: .detectron), channels: 64,
      candidates: ByPhase(training: 100, inference: 60),
      kept: ByPhase(training: 60, inference: 30)),
    regions: RegionSettings(
      head: .lastStage, pooling: .align(samplingRatio: 0, isAligned: true), bins: 4,
      sampler: BalancedSampler(count: 32, foreground: 0.5)),
    classes: 4, attributes: 3)
}

extension ResNetShape {
  /// torchvision's detectors have no epsilon in their frozen norms.
  fileprivate static let torchvisionDetector: ResNetShape = {
    var shape = ResNetShape.resNet50
    shape.epsilon = 0
    return shape
  }()

  fileprivate static let visualGenome: ResNetShape = {
    var shape = ResNetShape.resNet101
    shape.stridePlace = .first
    shape.isLastStageDilated = true
    return shape
  }()
}
