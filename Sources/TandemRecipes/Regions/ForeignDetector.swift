internal import TandemCore
internal import TandemNN
internal import TandemTorch
internal import TandemVision

extension LoadedDetector {
  /// A detector file of torchvision (`fasterrcnn_resnet50_fpn`'s state dictionary) or of Detectron2's
  /// Visual Genome models (bottom-up attention), told apart by the names of the weights; a file of
  /// `torch.save`, a pickle of arrays, or safetensors.
  static func foreign(
    _ path: String, precision: Precision, device: Device
  ) throws -> (FasterRCNN, DetectorConfig) {
    let file = try WeightFiles.open(path)
    // Counters of batches are no weights.
    let tensors = file.tensors.filter(\.isFloatingPoint)
    guard let form = DetectorAdapter.recognised(tensors.map(\.name)) else {
      throw ParameterError(
        "\(path): is neither a detector of torchvision (backbone.body.…) nor of Detectron2 "
          + "(backbone.stem.…); its first names are "
          + tensors.map(\.name).sorted().prefix(3).joined(separator: ", "))
    }
    let config = Self.config(form, tensors)
    let store = ParameterStore(
      seed: 0, precision: precision, device: device,
      source: AdaptedWeights(file, try form.mapping(tensors, config), config))
    let network = try FasterRCNN(config, at: store.root)
    try store.loadReport().check()
    return (network, config)
  }

  /// The published settings with the file's own numbers of classes and attributes, and its depth.
  private static func config(
    _ form: DetectorAdapter, _ tensors: [StoredTensor]
  ) -> DetectorConfig {
    let shapes = Dictionary(tensors.map { ($0.name, $0.shape) }) { first, _ in first }
    func rows(_ layer: String) -> Int? {
      shapes["roi_heads.box_predictor.\(layer).weight"]?.first.map { $0 - 1 }
    }
    func has(_ name: String) -> Bool { shapes[name] != nil }
    var config: DetectorConfig
    switch form {
    case .torchvision:
      config = .torchvisionResNet50
      if has("backbone.body.layer3.22.conv1.weight") {
        config.backbone.resNet.blocks = ResNetShape.resNet101.blocks
      }
    case .detectron2VisualGenome:
      config = .visualGenomeResNet101
      if !has("backbone.res4.22.conv1.weight") {
        config.backbone.resNet.blocks = ResNetShape.resNet50.blocks
      }
      config.attributes = rows("attr_score") ?? 0
    }
    config.classes = rows("cls_score") ?? config.classes
    return config
  }
}
