// What is done with proposals: their features, what they show, and the losses of that.
//
// Shapes: N pictures, K boxes of all of them, D numbers of a feature, C classes without background.

internal import TandemImage
internal import TandemNN
internal import TandemTorch

/// What the heads say of boxes.
struct RegionOutputs {
  /// float32 [K, D].
  let features: Tensor
  /// [K, C + 1]; 0 is background.
  let logits: Tensor
  /// [K, (C + 1)·4], or [K, 4] where one box serves all classes.
  let codes: Tensor
  /// How many of the boxes belong to each picture.
  let counts: [Int]
}

/// The second half of Faster R-CNN.
struct RegionHeads {
  let config: DetectorConfig
  private let pooling: RegionPooling
  private let strides: [Int]
  private let head: BoxHead
  private let predictor: BoxPredictor
  private let attributes: AttributePredictor?

  /// Claims everything under `box_head` and `box_predictor`.
  ///
  /// - Parameter levels: the maps that boxes are read from.
  init(_ config: DetectorConfig, levels: [FeatureLevel], at path: ParameterPath) throws {
    self.config = config
    pooling = RegionPooling(pooling: config.regions.pooling, bins: config.regions.bins)
    strides = levels.map(\.stride)
    head = try BoxHead(config, channels: levels.first?.channels ?? 0, at: path / "box_head")
    let predictors = path / "box_predictor"
    predictor = try BoxPredictor(config, width: head.width, at: predictors)
    attributes =
      config.attributes > 0
      ? try AttributePredictor(config, width: head.width, at: predictors) : nil
  }

  /// Numbers of a feature.
  var featureWidth: Int { head.width }

  func callAsFunction(_ maps: [Tensor], boxes: [[Box]], _ mode: Mode) throws -> RegionOutputs {
    let used = Array(maps.prefix(strides.count))
    let all = boxes.enumerated().flatMap { picture, boxes in boxes.map { (picture, $0) } }
    // Where nothing learns, some boxes at a time: the last stage takes 4 MB a box.
    let most = isRecordingGradients ? max(1, all.count) : 64
    let parts = try stride(from: 0, to: max(1, all.count), by: most).map { start in
      let some = Array(all[start..<min(start + most, all.count)])
      return try head(pooling(used, strides: strides, boxes: some), mode)
    }
    let features = try Tensor.concatenated(parts)
    return RegionOutputs(
      features: features, logits: try predictor.classes(features).to(.float32),
      codes: try predictor.codes(features).to(.float32), counts: boxes.map(\.count))
  }

  /// Probabilities of "none" and each attribute [K, attributes + 1], for int64 labels [K]; nil
  /// without an attribute head.
  func attributeProbabilities(_ features: Tensor, labels: Tensor) throws -> Tensor? {
    try attributes.map { try $0(features, labels: labels).softmax(-1) }
  }

  /// The boxes of each class [K, C, 4] that the codes stand for, cut off at the picture's edges.
  func boxes(_ outputs: RegionOutputs, from proposals: [[Box]], sizes: [PixelSize]) throws
    -> [Tensor]
  {
    let device = outputs.codes.device
    let all = try config.regions.coding.decode(
      outputs.codes, relativeTo: Tensor.boxes(proposals.flatMap { $0 }, on: device))
    let classes =
      config.regions.isClassAgnostic
      ? try all.expanded([all.size(0), config.classes, 4])
      : try all.narrow(1, from: 1, config.classes)
    var start = 0
    return try zip(outputs.counts, sizes).map { count, size in
      defer { start += count }
      return try classes.narrow(0, from: start, count).clipped(
        to: size, isInclusive: config.regions.coding.isInclusive)
    }
  }

  // MARK: detections

  /// The objects of each picture, best first, in the pixels of the batch.
  func detections(
    _ outputs: RegionOutputs, from proposals: [[Box]], sizes: [PixelSize]
  ) throws -> [[DetectedObject]] {
    let settings = config.regions
    let isInclusive = settings.coding.isInclusive
    let boxes = try boxes(outputs, from: proposals, sizes: sizes)
    let scores = try outputs.logits.softmax(-1).narrow(1, from: 1, config.classes)
    var start = 0
    return try boxes.map { boxes in
      let count = boxes.size(0)
      defer { start += count }
      guard count > 0 else { return [] }
      // Of shape [classes, boxes].
      let large = try boxes.areAtLeast(settings.leastSide, isInclusive: isInclusive).transposed(
        0, 1)
      let score = try scores.narrow(0, from: start, count).transposed(0, 1)
      let some = try large.select(score, else: Tensor.full([1], -1, on: score.device))
      let kept = try boxes.transposed(0, 1).suppressedByClass(
        scores: some, above: settings.leastScore, overlap: settings.overlap,
        isInclusive: isInclusive)
      let place =
        try kept.classes * Tensor.full([1], Double(count), .int64, on: score.device)
        + kept.places
      let found = try some.reshaped([-1]).rows(place)
      let order = try found.sorted(descending: true)
      let best = try order.indices.narrow(0, from: 0, min(settings.detections, found.count))
      let corners = try boxes.transposed(0, 1).reshaped([-1, 4]).rows(place.rows(best)).asBoxes()
      let labels = try kept.classes.rows(best).array(of: Int.self)
      let values = try found.rows(best).floats()
      return corners.indices.map {
        DetectedObject(box: corners[$0], label: labels[$0] + 1, score: values[$0])
      }
    }
  }

  // MARK: learning

  /// Proposals and objects of a picture that were drawn to learn from.
  struct Sample {
    var boxes: [Box] = []
    /// 0 is background.
    var labels: [Int] = []
    /// What each is to become; for background itself.
    var goals: [Box] = []
    var attributes: [[Int]] = []
  }

  /// Draws from the proposals of a picture and its objects themselves.
  func sample(
    _ proposals: [Box], objects: [AnnotatedObject], using rng: inout some RandomNumberGenerator
  ) -> Sample {
    let boxes = proposals + objects.map(\.box)
    let matches = config.regions.matcher.match(boxes.coordinates, to: objects.map(\.box))
    let drawn = config.regions.sampler.sample(matches, using: &rng)
    var sample = Sample()
    for place in (drawn.foreground + drawn.background).sorted() {
      let object: AnnotatedObject? =
        if case .object(let index) = matches[place] { objects[index] } else { nil }
      sample.boxes.append(boxes[place])
      sample.labels.append(object?.label ?? 0)
      sample.goals.append(object?.box ?? boxes[place])
      sample.attributes.append(object?.attributes ?? [])
    }
    return sample
  }

  /// Cross entropy over sampled boxes, smooth L1 distance of those with an object (both means over
  /// all sampled boxes), and where there is an attribute head, its cross entropy: a mean over boxes
  /// that have attributes of a mean over those.
  func losses(
    _ outputs: RegionOutputs, _ samples: [Sample]
  ) throws -> (classes: Tensor, boxes: Tensor, attributes: Tensor?) {
    let device = outputs.logits.device
    let labels = samples.flatMap(\.labels)
    let count = Double(max(1, labels.count))
    let classes = try outputs.logits.crossEntropySum(Tensor(labels, on: device)) / count

    let foreground = labels.indices.filter { labels[$0] > 0 }
    let boxes = samples.flatMap(\.boxes)
    let goals = samples.flatMap(\.goals)
    let each = config.regions.isClassAgnostic ? 1 : config.classes + 1
    let rows = foreground.map { config.regions.isClassAgnostic ? $0 : $0 * each + labels[$0] }
    let codes = try outputs.codes.reshaped([labels.count * each, 4])
      .rows(Tensor(rows, on: device))
    let targets = try config.regions.coding.encode(
      Tensor.boxes(foreground.map { goals[$0] }, on: device),
      relativeTo: Tensor.boxes(foreground.map { boxes[$0] }, on: device))
    let distance = try codes.smoothL1Sum(targets, beta: config.regions.beta) / count
    return (
      classes, distance,
      try attributeLoss(outputs.features, labels, samples.flatMap(\.attributes))
    )
  }

  private func attributeLoss(
    _ features: Tensor, _ labels: [Int], _ attributes: [[Int]]
  ) throws -> Tensor? {
    guard let predictor = self.attributes else { return nil }
    let device = features.device
    let boxes = labels.indices.filter { labels[$0] > 0 && !attributes[$0].isEmpty }
    // Without such boxes the loss is 0, but still one of the graph.
    guard !boxes.isEmpty else { return try features.sum() * 0 }
    let logits = try predictor(
      features.rows(Tensor(boxes, on: device)),
      labels: Tensor(boxes.map { labels[$0] }, on: device)
    ).logSoftmax(-1)
    var rows: [Int] = []
    var shares: [Float] = []
    for (row, box) in boxes.enumerated() {
      for attribute in attributes[box] {
        rows.append(row * (config.attributes + 1) + attribute)
        shares.append(1 / Float(attributes[box].count))
      }
    }
    let chosen = try logits.reshaped([-1]).rows(Tensor(rows, on: device))
    return try (chosen * Tensor(shares, on: device)).sum()
      * (-config.regions.attributeWeight / Double(boxes.count))
  }
}
