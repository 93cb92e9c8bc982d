public import TandemImage
public import TandemNN
public import TandemTorch

/// The losses of a batch, to be added up.
public struct DetectorLosses {
  /// Whether anchors hold something, and where.
  public let objectness: Tensor
  public let proposalBoxes: Tensor
  /// What proposals show, and where.
  public let classes: Tensor
  public let boxes: Tensor
  /// What their objects are like; nil without an attribute head.
  public let attributes: Tensor?

  /// All losses with their names.
  public var named: [(name: String, value: Tensor)] {
    let four = [
      ("objectness", objectness), ("proposal_boxes", proposalBoxes), ("classes", classes),
      ("boxes", boxes),
    ]
    return attributes.map { four + [("attributes", $0)] } ?? four
  }

  public func total() throws -> Tensor {
    let four = try objectness + proposalBoxes + classes + boxes
    return try attributes.map { try four + $0 } ?? four
  }
}

/// A detector of objects in two steps (Ren et al. 2015, "Faster R-CNN"), with torchvision's names of
/// weights: `backbone.body`, `backbone.fpn`, `rpn.head`, `roi_heads.box_head` and
/// `roi_heads.box_predictor`.
///
/// Boxes that come in or go out are in pixels of the pictures as they were given.
public final class FasterRCNN {
  public let config: DetectorConfig
  /// Numbers of a region's feature.
  public var featureWidth: Int { heads.featureWidth }
  private let backbone: any Backbone
  private let proposals: RegionProposals
  private let heads: RegionHeads
  private let store: ParameterStore
  /// Where the time of looking at pictures is added up; nil for nowhere.
  public var clock: StageClock?

  /// - Throws: `DetectionError` or `VisionError` for a config that does not fit together,
  ///   `ParameterError` for names that are taken.
  public init(_ config: DetectorConfig, at path: ParameterPath) throws {
    try config.check()
    self.config = config
    store = path.store
    backbone = try Self.backbone(config.backbone, at: path / "backbone")
    proposals = try RegionProposals(
      config.proposals, levels: backbone.levels, at: path / "rpn")
    // The coarsest map of a pyramid is for proposals alone.
    let read = config.backbone.pyramidChannels > 0 ? backbone.levels.dropLast() : backbone.levels
    heads = try RegionHeads(config, levels: Array(read), at: path / "roi_heads")
  }

  private static func backbone(
    _ settings: BackboneSettings, at path: ParameterPath
  ) throws -> any Backbone {
    let isPyramid = settings.pyramidChannels > 0
    func finished<Body: Backbone>(_ body: Body) throws -> any Backbone {
      isPyramid
        ? try FeaturePyramid(body, channels: settings.pyramidChannels, at: path / "fpn")
        : LastMap(body: body)
    }
    let body = path / "body"
    switch settings.kind {
    case .resNet:
      let stages = isPyramid ? 4 : 3
      return try settings.poolsAsCaffe
        ? finished(CaffeResNet(settings.resNet, stages: stages, at: body))
        : finished(ResNet(settings.resNet, stages: stages, at: body))
    case .efficientNetLite0:
      return try finished(EfficientNetLite(hasHead: false, at: body))
    case .plain:
      let maps = isPyramid ? max(1, settings.widths.count - 1) : 1
      return try finished(PlainBackbone(widths: settings.widths, maps: maps, at: body))
    }
  }

  /// Whether the config keeps a weight as it is. `name` is the weight's name below the detector's
  /// own path.
  public static func isFrozen(_ name: String, _ config: DetectorConfig) -> Bool {
    let body = "backbone.body."
    guard name.hasPrefix(body) else { return false }
    let inside = String(name.dropFirst(body.count))
    switch config.backbone.kind {
    case .resNet: return ResNet.isFrozen(inside, stages: config.backbone.frozen)
    case .efficientNetLite0:
      return EfficientNetLite.isFrozen(inside, blocks: config.backbone.frozen)
    case .plain:
      return (0..<max(0, config.backbone.frozen)).contains { inside.hasPrefix("layers.\($0).") }
    }
  }

  // MARK: detections

  /// The objects of each picture, best first.
  public func detect(_ images: [Image]) throws -> [[DetectedObject]] {
    try withoutGradients {
      let batch = try config.preparation.batch(images, on: store.device)
      let seen = try look(batch)
      let found = try heads.detections(seen.outputs, from: seen.boxes, sizes: batch.sizes)
      return found.enumerated().map { picture, objects in
        objects.map { object in
          DetectedObject(
            box: batch.toOriginal(object.box, picture: picture), label: object.label,
            score: object.score)
        }
      }
    }
  }

  /// Boxes that may hold something, best first, with what the first step says of them.
  public func propose(_ images: [Image]) throws -> [[(box: Box, score: Float)]] {
    try withoutGradients {
      let batch = try config.preparation.batch(images, on: store.device)
      let maps = try backbone(batch.pixels, .inference)
      return try propose(maps, batch, isTraining: false).enumerated().map { picture, found in
        zip(found.boxes, found.scores).map { (batch.toOriginal($0, picture: picture), $1) }
      }
    }
  }

  private func propose(
    _ maps: [Tensor], _ batch: PreparedPictures, isTraining: Bool
  ) throws -> [Proposals] {
    let sides = (height: batch.pixels.size(2), width: batch.pixels.size(3))
    return try proposals.chosen(
      proposals(maps, picture: sides), sizes: batch.sizes, isTraining: isTraining)
  }

  private func look(
    _ batch: PreparedPictures
  ) throws -> (boxes: [[Box]], outputs: RegionOutputs) {
    let maps = try clock.time(.backbone) { try backbone(batch.pixels, .inference) }
    let boxes = try clock.time(.proposals) {
      try propose(maps, batch, isTraining: false).map(\.boxes)
    }
    return (boxes, try clock.time(.heads) { try heads(maps, boxes: boxes, .inference) })
  }

  // MARK: regions

  /// The regions of each picture that a selection keeps, by falling confidence. Their boxes are the
  /// proposals that their features were read from.
  public func regions(_ images: [Image], _ selection: RegionSelection) throws -> [PictureRegions] {
    try withoutGradients {
      let batch = try clock.time(.preparation) {
        try config.preparation.batch(images, on: store.device)
      }
      let seen = try look(batch)
      let probabilities = try seen.outputs.logits.softmax(-1)
      var start = 0
      return try seen.boxes.enumerated().map { picture, boxes in
        defer { start += boxes.count }
        let own = boxes.map { batch.toOriginal($0, picture: picture) }
        let chosen = try clock.time(.suppression) {
          try selection.chosen(
            own, probabilities: probabilities.narrow(0, from: start, boxes.count),
            isInclusive: config.regions.coding.isInclusive)
        }
        return try clock.time(.description) {
          try describe(
            seen.outputs, probabilities, rows: chosen.places.map { start + $0 },
            boxes: chosen.places.map { own[$0] }, confidences: chosen.confidences,
            size: batch.originals[picture])
        }
      }
    }
  }

  /// Features and probabilities of given boxes of each picture, in their order: annotated boxes, or
  /// ``wholePicture(_:)``.
  public func regions(_ images: [Image], boxes: [[Box]]) throws -> [PictureRegions] {
    guard images.count == boxes.count else {
      throw DetectionError(
        "regions: \(images.count) pictures and the boxes of \(boxes.count) were given")
    }
    for (picture, boxes) in boxes.enumerated() {
      for box in boxes where !box.isUsable {
        throw DetectionError(
          "picture \(picture): the box (\(box.x1), \(box.y1), \(box.x2), \(box.y2)) has a side that "
            + "is no number or ends before it begins")
      }
    }
    return try withoutGradients {
      let batch = try config.preparation.batch(images, on: store.device)
      let inside = boxes.enumerated().map { picture, boxes in
        boxes.map { batch.toBatch($0, picture: picture) }
      }
      let maps = try backbone(batch.pixels, .inference)
      let outputs = try heads(maps, boxes: inside, .inference)
      let probabilities = try outputs.logits.softmax(-1)
      var start = 0
      return try boxes.enumerated().map { picture, boxes in
        defer { start += boxes.count }
        return try describe(
          outputs, probabilities, rows: Array(start..<start + boxes.count), boxes: boxes,
          confidences: [Float](repeating: 1, count: boxes.count), size: batch.originals[picture])
      }
    }
  }

  /// The box around all of a picture.
  public static func wholePicture(_ size: PixelSize) -> Box {
    Box(x1: 0, y1: 0, x2: Float(size.width), y2: Float(size.height))
  }

  private func describe(
    _ outputs: RegionOutputs, _ probabilities: Tensor, rows: [Int], boxes: [Box],
    confidences: [Float], size: PixelSize
  ) throws -> PictureRegions {
    let index = try Tensor(rows, on: store.device)
    let features = try outputs.features.rows(index)
    let classes = try probabilities.rows(index)
    // As it was published: the label that attributes are asked for may be background.
    let attributes =
      try rows.isEmpty
      ? nil : heads.attributeProbabilities(features, labels: classes.argmax(-1))
    func best(_ probabilities: Tensor?) throws -> (places: [Int], values: [Float]) {
      guard let probabilities, !rows.isEmpty else { return ([], []) }
      let best = try probabilities.narrow(1, from: 1, probabilities.size(1) - 1).max(1)
      return (try best.indices.array(of: Int.self).map { $0 + 1 }, try best.values.floats())
    }
    let label = try best(classes)
    let attribute = try best(attributes)
    return PictureRegions(
      size: size, boxes: boxes, labels: label.places, scores: label.values,
      confidences: confidences, attributes: attribute.places, attributeScores: attribute.values,
      features: try features.floats(), featureWidth: featureWidth,
      classProbabilities: try classes.floats(),
      attributeProbabilities: try attributes?.floats() ?? [])
  }

  // MARK: learning

  /// The losses of pictures with their objects. Crowds teach nothing. Anchors and proposals to learn
  /// from, and sizes of pictures, are drawn from `rng`.
  public func losses(
    images: [Image], targets: [[AnnotatedObject]], using rng: inout some RandomNumberGenerator
  ) throws -> DetectorLosses {
    try check(targets, pictures: images.count)
    let batch = try config.preparation.batch(images, on: store.device, using: &rng)
    let objects = targets.enumerated().map { picture, objects in
      objects.filter { !$0.isCrowd }.map { object in
        var moved = object
        moved.box = batch.toBatch(object.box, picture: picture)
        return moved
      }
    }
    let mode = Mode(isTraining: true)
    let maps = try backbone(batch.pixels, mode)
    let outputs = try proposals(
      maps, picture: (height: batch.pixels.size(2), width: batch.pixels.size(3)))
    let found = try proposals.chosen(outputs, sizes: batch.sizes, isTraining: true)
    let first = try proposals.losses(
      outputs, objects: objects.map { $0.map(\.box) }, using: &rng)
    var samples: [RegionHeads.Sample] = []
    for (proposals, objects) in zip(found, objects) {
      samples.append(heads.sample(proposals.boxes, objects: objects, using: &rng))
    }
    let regions = try heads(maps, boxes: samples.map(\.boxes), mode)
    let second = try heads.losses(regions, samples)
    return DetectorLosses(
      objectness: first.objectness, proposalBoxes: first.boxes, classes: second.classes,
      boxes: second.boxes, attributes: second.attributes)
  }

  private func check(_ targets: [[AnnotatedObject]], pictures: Int) throws {
    guard targets.count == pictures else {
      throw DetectionError(
        "losses: \(pictures) pictures and the objects of \(targets.count) were given")
    }
    for (picture, objects) in targets.enumerated() {
      for object in objects {
        let box = object.box
        guard (1...config.classes).contains(object.label) else {
          throw DetectionError(
            "picture \(picture): label \(object.label) is not one of 1 to \(config.classes)")
        }
        guard box.isUsable, box.width > 0, box.height > 0 else {
          throw DetectionError(
            "picture \(picture): the box (\(box.x1), \(box.y1), \(box.x2), \(box.y2)) has no area "
              + "or is out of bounds; leave it out")
        }
        if config.attributes > 0,
          let wrong = object.attributes.first(where: { $0 < 0 || $0 > config.attributes })
        {
          throw DetectionError(
            "picture \(picture): attribute \(wrong) is not one of 0 to \(config.attributes)")
        }
      }
    }
  }
}

/// A backbone of which one map alone is used.
private struct LastMap<Body: Backbone>: Backbone {
  let body: Body
  var levels: [FeatureLevel] { body.levels.suffix(1) }

  func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    try body(pictures, mode).suffix(1)
  }
}
