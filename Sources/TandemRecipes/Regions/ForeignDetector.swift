internal import TandemCore
internal import TandemNN
internal import TandemPickle
internal import TandemTorch
internal import TandemVision

extension LoadedDetector {
  /// A detector file of torchvision (`fasterrcnn_resnet50_fpn`'s state dictionary) or of Detectron2's
  /// Visual Genome models (bottom-up attention), told apart by the names of the weights.
  static func foreign(_ path: String, device: Device) throws -> LoadedDetector {
    let shapes = try Dictionary(
      uniqueKeysWithValues: PickleWeights.arrays(path).map { ($0.name, $0.array.shape) })
    if shapes["backbone.fpn.inner_blocks.0.0.weight"] != nil {
      var config = DetectorConfig.torchvisionResNet50
      config.classes = (shapes["roi_heads.box_predictor.cls_score.weight"]?.first ?? 91) - 1
      return try make(config, path, PickleWeights(path: path), device)
    }
    throw ParameterError(
      "\(path): is neither torchvision's Faster R-CNN (no backbone.fpn.…) nor Detectron2's "
        + "(no backbone.res2.…); its first names are "
        + shapes.keys.sorted().prefix(3).joined(separator: ", "))
  }

  private static func make(
    _ config: DetectorConfig, _ path: String, _ weights: any WeightSource, _ device: Device
  ) throws -> LoadedDetector {
    let store = ParameterStore(seed: 0, device: device, source: weights)
    let network = try FasterRCNN(config, at: store.root)
    try store.loadReport().check()
    return LoadedDetector(network, classNames: nil, attributeNames: nil, title: path)
  }
}
