import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import Testing
import TestSupport

/// Weights of other detectors, brought under the names of this one.
@Suite struct DetectorAdapterTests {
  /// Names as they stand in the published files.
  static let pairs = [
    "backbone.stem.conv1.weight": "backbone.body.conv1.weight",
    "backbone.stem.conv1.norm.running_var": "backbone.body.bn1.running_var",
    "backbone.res2.0.conv1.norm.weight": "backbone.body.layer1.0.bn1.weight",
    "backbone.res2.0.shortcut.weight": "backbone.body.layer1.0.downsample.0.weight",
    "backbone.res3.0.shortcut.norm.bias": "backbone.body.layer2.0.downsample.1.bias",
    "backbone.res4.22.conv3.weight": "backbone.body.layer3.22.conv3.weight",
    "proposal_generator.rpn_head.conv.weight": "rpn.head.conv.0.0.weight",
    "proposal_generator.rpn_head.objectness_logits.bias": "rpn.head.cls_logits.bias",
    "proposal_generator.rpn_head.anchor_deltas.weight": "rpn.head.bbox_pred.weight",
    "roi_heads.res5.0.shortcut.norm.running_mean":
      "roi_heads.box_head.layer4.0.downsample.1.running_mean",
    "roi_heads.res5.2.conv2.weight": "roi_heads.box_head.layer4.2.conv2.weight",
    "roi_heads.box_predictor.fc_attr.bias": "roi_heads.box_predictor.fc_attr.bias",
  ]

  @Test func namesOfTheVisualGenomeDetector() throws {
    let mapping = try DetectorAdapter.detectron2VisualGenome.mapping(
      Self.pairs.keys.map { StoredTensor(name: $0, elementType: "float32", shape: [64]) }
        + [
          StoredTensor(
            name: "backbone.stem.conv1.norm.num_batches_tracked", elementType: "float32", shape: []),
          StoredTensor(
            name: "proposal_generator.anchor_generator.cell_anchors.0", elementType: "float32",
            shape: [12, 4]),
          StoredTensor(name: "pixel_mean", elementType: "float32", shape: [3, 1, 1]),
        ], .visualGenomeResNet101)
    #expect(mapping.unused.count == 3)
    #expect(mapping.entries.count == Self.pairs.count)
    for (theirs, ours) in Self.pairs { #expect(mapping.entries[ours]?.source == theirs) }
    #expect(DetectorAdapter.recognised(Self.pairs.keys) == .detectron2VisualGenome)
    #expect(DetectorAdapter.recognised(["rpn.head.cls_logits.weight"]) == .torchvision)
    #expect(DetectorAdapter.recognised(["model.layers.0"]) == nil)
  }

  /// The name of one of our weights in a file of the other form, by the pairs' rule backwards.
  private func foreign(_ name: String) -> String {
    var name = name
    if name.hasPrefix("rpn.head.") {
      return name.replacing("rpn.head.", with: "proposal_generator.rpn_head.")
        .replacing("conv.0.0.", with: "conv.").replacing("cls_logits", with: "objectness_logits")
        .replacing("bbox_pred", with: "anchor_deltas")
    }
    for (ours, theirs) in [("layer1", "res2"), ("layer2", "res3"), ("layer3", "res4")] {
      name = name.replacing("backbone.body.\(ours).", with: "backbone.\(theirs).")
    }
    name = name.replacing("roi_heads.box_head.layer4.", with: "roi_heads.res5.")
      .replacing("backbone.body.", with: "backbone.stem.")
      .replacing("downsample.0.", with: "shortcut.")
      .replacing("downsample.1.", with: "shortcut.norm.")
    for number in 1...3 { name = name.replacing(".bn\(number).", with: ".conv\(number).norm.") }
    return name
  }

  @Test func aDetectorInTheOtherFormSeesTheSame() throws {
    let (detector, store, _) = try RegionAttributeTests.detector()
    func lastFirst(_ tensor: Tensor) throws -> Tensor {
      let count = tensor.size(0)
      return try Tensor.concatenated([
        tensor.narrow(0, from: 1, count - 1), tensor.narrow(0, from: 0, 1),
      ])
    }
    var theirs: [String: Tensor] = [:]
    try withoutGradients {
      for (name, tensor) in store.tensors() {
        let isTurned = ["cls_score", "cls_embedding", "attr_score"].contains { name.contains($0) }
        let hasNoBackground = name.contains("box_predictor.bbox_pred")
        theirs[foreign(name)] =
          try isTurned
          ? lastFirst(tensor)
          : hasNoBackground ? tensor.narrow(0, from: 4, tensor.size(0) - 4) : tensor
      }
    }
    #expect(theirs.count == store.tensors().count)
    #expect(theirs["roi_heads.box_predictor.bbox_pred.weight"]?.shape == [24, 2048])
    let config = RegionAttributeTests.config
    let mapping = try DetectorAdapter.detectron2VisualGenome.mapping(
      theirs.map { StoredTensor(name: $0, elementType: "\($1.dtype)", shape: $1.shape) }, config)
    let other = ParameterStore(
      seed: 9, source: AdaptedWeights(GivenWeights(theirs), mapping, config))
    let adapted = try FasterRCNN(config, at: other.root)
    try other.loadReport().check()
    let image = try namedPicture("c4", 112, 90)
    #expect(
      try adapted.regions([image], .exactly(12)) == detector.regions([image], .exactly(12)))
    #expect(try adapted.detect([image]) == detector.detect([image]))
  }

  @Test func oldFilesOfTorchvision() throws {
    let mapping = try DetectorAdapter.torchvision.mapping(
      [
        StoredTensor(
          name: "rpn.head.conv.weight", elementType: "float32", shape: [256, 256, 3, 3]),
        StoredTensor(
          name: "backbone.body.bn1.num_batches_tracked", elementType: "int64", shape: []),
        StoredTensor(
          name: "roi_heads.box_predictor.cls_score.bias", elementType: "float32", shape: [91]),
      ], .torchvisionResNet50)
    #expect(mapping.entries["rpn.head.conv.0.0.weight"]?.source == "rpn.head.conv.weight")
    #expect(mapping.unused == ["backbone.body.bn1.num_batches_tracked"])
  }

  @Test func whatDoesNotFitIsRefused() {
    func refusal(_ tensors: [StoredTensor]) -> String? {
      message {
        _ = try DetectorAdapter.detectron2VisualGenome.mapping(tensors, .visualGenomeResNet101)
      }
    }
    let score = "roi_heads.box_predictor.cls_score.weight"
    #expect(
      refusal([StoredTensor(name: score, elementType: "float32", shape: [1601, 2048])]) == nil)
    #expect(
      refusal([StoredTensor(name: score, elementType: "float32", shape: [81, 2048])])?.contains(
        "1601") == true)
    let boxes = "roi_heads.box_predictor.bbox_pred.weight"
    #expect(
      refusal([StoredTensor(name: boxes, elementType: "float32", shape: [6400, 2048])]) == nil)
    #expect(
      refusal([StoredTensor(name: boxes, elementType: "float32", shape: [6404, 2048])])?.contains(
        "6400") == true)
    #expect(
      refusal([
        StoredTensor(name: "backbone.fpn_lateral2.weight", elementType: "float32", shape: [1])
      ]) != nil)
    #expect(
      refusal([StoredTensor(name: score, elementType: "int64", shape: [1601, 2048])])?
        .contains("int64") == true)
    let conv = "proposal_generator.rpn_head.conv.weight"
    #expect(
      refusal([
        StoredTensor(name: conv, elementType: "float32", shape: [1]),
        StoredTensor(name: conv, elementType: "float32", shape: [1]),
      ])
        != nil)
  }

  /// A detector starts from a classifier: everything of its body, nothing of its own layers.
  @Test(arguments: ["tiny-c4-resnet18", "small-efficientnet-lite0"])
  func aClassifierIsAStart(preset: String) throws {
    let config = try DetectorConfig(preset: preset)
    var classifier: [String: Tensor] = [:]
    let other = ParameterStore(seed: 8)
    if config.backbone.kind == .resNet {
      _ = try ResNet(config.backbone.resNet, at: other.root)
      classifier["fc.weight"] = try Tensor.zeros([10, 512])
      classifier["bn1.num_batches_tracked"] = try Tensor.zeros([], .int64)
    } else {
      _ = try EfficientNetLiteClassifier(at: other.root)
    }
    classifier.merge(other.tensors()) { $1 }
    func start(_ classifier: [String: Tensor]) throws -> ParameterStore {
      let store = ParameterStore(
        seed: 1, source: BackboneWeights(GivenWeights(classifier), config))
      _ = try FasterRCNN(config, at: store.root)
      try store.loadReport().check(optional: BackboneWeights.mayLack)
      return store
    }
    let (name, theirs) =
      config.backbone.kind == .resNet
      ? ("roi_heads.box_head.layer4.0.conv2.weight", "layer4.0.conv2.weight")
      : ("backbone.body._blocks.7._project_conv.weight", "_blocks.7._project_conv.weight")
    let found = try #require(try start(classifier)[name])
    #expect(try found.value.floats() == other[theirs]?.value.floats())
    classifier = classifier.filter {
      !$0.key.contains(config.backbone.kind == .resNet ? "layer2" : "_blocks.3")
    }
    #expect(message { _ = try start(classifier) }?.contains("missing") == true)
  }
}
