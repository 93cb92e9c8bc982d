// The region proposal network (Ren et al. 2015), with torchvision's names.
//
// Shapes: N pictures; A anchors at each place; L of them in all maps of a picture together.

internal import TandemImage
internal import TandemNN
internal import TandemTorch

/// What the network says of every anchor.
struct ProposalOutputs {
  /// [N, L].
  let logits: Tensor
  /// [N, L, 4].
  let codes: Tensor
  /// x1, y1, x2, y2 of the L anchors, which all pictures share.
  let anchors: [Float]
  /// How many of the anchors belong to each map.
  let counts: [Int]
}

/// Boxes that may hold something, best first.
struct Proposals {
  let boxes: [Box]
  let scores: [Float]
}

/// Says of every anchor of every map whether it holds something and where that lies.
struct RegionProposals {
  let settings: ProposalSettings
  private let anchors: Anchors
  private let strides: [Int]
  private let convolutions: [Convolution]
  private let logits: Convolution
  private let codes: Convolution

  /// Claims `head.conv.N.0`, `head.cls_logits` and `head.bbox_pred`.
  init(_ settings: ProposalSettings, levels: [FeatureLevel], at path: ParameterPath) throws {
    self.settings = settings
    anchors = try Anchors(settings.anchors)
    strides = levels.map(\.stride)
    let counts = Set(levels.indices.map { settings.anchors.count(level: $0) })
    guard let count = counts.first, counts.count == 1, count > 0,
      Set(levels.map(\.channels)).count == 1, let input = levels.first?.channels
    else {
      throw DetectionError(
        "proposals: every map needs as many anchors and channels as the others; found maps "
          + "of \(levels.map(\.channels)) channels and anchors of sizes \(settings.anchors.sizes)")
    }
    guard settings.convolutions >= 1 else {
      throw DetectionError("proposals: need a convolution or more, found \(settings.convolutions)")
    }
    let width = settings.channels > 0 ? settings.channels : input
    let head = path / "head"
    let spread = Initializer.normal(deviation: 0.01)
    convolutions = try (0..<settings.convolutions).map { place in
      try Convolution(
        ConvolutionShape(place == 0 ? input : width, width, size: 3), rectifier: .relu,
        initializer: spread, at: head / "conv" / place / 0)
    }
    logits = try Convolution(
      ConvolutionShape(width, count, size: 1), initializer: spread, at: head / "cls_logits")
    codes = try Convolution(
      ConvolutionShape(width, 4 * count, size: 1), initializer: spread, at: head / "bbox_pred")
  }

  /// - Parameter picture: the sides of the padded pictures that the maps were made from.
  func callAsFunction(
    _ maps: [Tensor], picture: (height: Int, width: Int)
  ) throws -> ProposalOutputs {
    var allLogits: [Tensor] = []
    var allCodes: [Tensor] = []
    var coordinates: [Float] = []
    var counts: [Int] = []
    for (level, map) in maps.enumerated() {
      let hidden = try convolutions.reduce(map) { try $1($0) }
      let logit = try logits(hidden).to(.float32)
      let code = try codes(hidden).to(.float32)
      let (pictures, each) = (logit.size(0), logit.size(1))
      let (height, width) = (logit.size(2), logit.size(3))
      counts.append(each * height * width)
      allLogits.append(try logit.permuted([0, 2, 3, 1]).reshaped([pictures, -1]))
      allCodes.append(
        try code.reshaped([pictures, each, 4, height, width]).permuted([0, 3, 4, 1, 2])
          .reshaped([pictures, -1, 4]))
      coordinates += anchors.coordinates(
        level: level, height: height, width: width, stride: strides[level], picture: picture)
    }
    return ProposalOutputs(
      logits: try Tensor.concatenated(allLogits, 1), codes: try Tensor.concatenated(allCodes, 1),
      anchors: coordinates, counts: counts)
  }

  // MARK: choosing

  /// The best boxes of each picture: the best anchors of each map, decoded, cut off at the edges,
  /// without what nearly repeats a better one of its map.
  func chosen(
    _ outputs: ProposalOutputs, sizes: [PixelSize], isTraining: Bool
  ) throws -> [Proposals] {
    try withoutGradients {
      let device = outputs.logits.device
      let logits = try outputs.logits.detached()
      let total = outputs.anchors.count / 4
      let anchors = try Tensor(outputs.anchors, [total, 4], on: device)
      var places: [Tensor] = []
      var levels: [Int] = []
      var start = 0
      for (level, count) in outputs.counts.enumerated() {
        let most = min(count, settings.candidates.value(isTraining))
        let best = try logits.narrow(1, from: start, count).top(most).indices
        places.append(try best + Tensor.full([1], Double(start), .int64, on: device))
        levels += [Int](repeating: level, count: most)
        start += count
      }
      let place = try Tensor.concatenated(places, 1)
      let level = try Tensor(levels, on: device)
      return try sizes.enumerated().map { picture, size in
        let rows = try place.narrow(0, from: picture, 1).squeezed(0)
        return try kept(
          scores: logits.narrow(0, from: picture, 1).squeezed(0).rows(rows).sigmoid(),
          codes: outputs.codes.detached().narrow(0, from: picture, 1).squeezed(0).rows(rows),
          anchors: anchors.rows(rows), levels: level, size: size, isTraining: isTraining)
      }
    }
  }

  private func kept(
    scores: Tensor, codes: Tensor, anchors: Tensor, levels: Tensor, size: PixelSize,
    isTraining: Bool
  ) throws -> Proposals {
    let isInclusive = settings.coding.isInclusive
    let decoded = try settings.coding.decode(codes, relativeTo: anchors).squeezed(1)
    let inside = try decoded.clipped(to: size, isInclusive: isInclusive)
    let large = try inside.areAtLeast(settings.leastSide, isInclusive: isInclusive).places()
    let (boxes, scores) = (try inside.rows(large), try scores.rows(large))
    let left = try boxes.suppressed(
      scores: scores, overlap: settings.overlap, groups: levels.rows(large),
      isInclusive: isInclusive)
    let order = try scores.rows(left).sorted(descending: true)
    let count = min(order.values.count, settings.kept.value(isTraining))
    let best = try left.rows(order.indices.narrow(0, from: 0, count))
    return Proposals(
      boxes: try boxes.rows(best).asBoxes(), scores: try scores.rows(best).floats())
  }

  // MARK: learning

  /// The cross entropy of whether sampled anchors hold something, and the smooth L1 distance of
  /// those that do from their objects; both are means over the sampled anchors.
  ///
  /// - Parameter objects: the boxes of each picture's objects in the pixels of the batch.
  func losses(
    _ outputs: ProposalOutputs, objects: [[Box]], using rng: inout some RandomNumberGenerator
  ) throws -> (objectness: Tensor, boxes: Tensor) {
    let device = outputs.logits.device
    let total = outputs.anchors.count / 4
    var sampled: [Int] = []
    var labels: [Float] = []
    var positive: [Int] = []
    var starts: [Box] = []
    var goals: [Box] = []
    for (picture, boxes) in objects.enumerated() {
      let matches = settings.matcher.match(outputs.anchors, to: boxes)
      let sample = settings.sampler.sample(matches, using: &rng)
      for place in sample.foreground {
        guard case .object(let object) = matches[place] else { continue }
        positive.append(picture * total + place)
        starts.append(
          Box(
            x1: outputs.anchors[4 * place], y1: outputs.anchors[4 * place + 1],
            x2: outputs.anchors[4 * place + 2], y2: outputs.anchors[4 * place + 3]))
        goals.append(boxes[object])
      }
      sampled += (sample.foreground + sample.background).map { picture * total + $0 }
      labels += sample.foreground.map { _ in 1 } + sample.background.map { _ in 0 }
    }
    let count = Double(max(1, sampled.count))
    let logits = try outputs.logits.reshaped([-1]).rows(Tensor(sampled, on: device))
    let objectness = try logits.binaryCrossEntropySum(Tensor(labels, on: device)) / count
    let codes = try outputs.codes.reshaped([-1, 4]).rows(Tensor(positive, on: device))
    let targets = try settings.coding.encode(
      Tensor.boxes(goals, on: device), relativeTo: Tensor.boxes(starts, on: device))
    return (objectness, try codes.smoothL1Sum(targets, beta: settings.beta) / count)
  }
}
