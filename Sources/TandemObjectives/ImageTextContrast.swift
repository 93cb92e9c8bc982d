// Image-text contrast: each text of a step is to find its picture among all pictures, and each
// picture its text (Radford et al. 2021); with a queue of earlier vectors and the soft targets of a
// averaged copy of the weights (Li et al. 2021, "Align before Fuse"; He et al. 2020).
// Shapes: G pairs of the step, Q vectors of the queue, K = G + Q keys, E width of the vectors.

public import TandemCore
public import TandemNN
public import TandemTorch

public struct ImageTextContrast: Objective {
  public static let name = "itc"
  public static let summary = "find the text of a picture and the picture of a text (CLIP, ALBEF)"

  public struct Options: Codable, Sendable, Equatable {
    /// What similarities are divided by; 0: they are multiplied by the model's own scale.
    public var temperature = 0.0
    /// Pairs that share a text or a picture are no negatives of one another.
    public var sparesDuplicates = true
    /// How many vectors of earlier steps are negatives too (ALBEF: 65536), where something is
    /// learned: an evaluation looks at its own pairs alone.
    public var queue = 0
    /// Keys are what the averaged copy of the weights makes of texts and pictures (ALBEF, with
    /// optimizer.averaging=0.995), not what the weights themselves make of them.
    public var averagedKeys = false
    /// The share of the targets that is what that copy says (ALBEF: 0.4); the rest is the truth.
    public var alpha = 0.0
    public init() {}
  }
  public typealias Target = PairIdentity

  public static let defaults = Options()
  let options: Options
  let queue: PairQueue?

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    try facts.needPairs(for: Self.name)
    guard options.temperature >= 0, options.queue >= 0, (0...1).contains(options.alpha)
    else {
      throw ParameterError(
        "objectives.itc.options: temperature \(options.temperature) and queue \(options.queue) "
          + "must not be negative, and alpha \(options.alpha) must be a share")
    }
    guard options.alpha == 0 || options.averagedKeys else {
      throw ParameterError(
        "objectives.itc.options.alpha is \(options.alpha): soft targets come from the averaged "
          + "copy of the weights, --set objectives.N.options.averagedKeys=true")
    }
    self.options = options
    if options.queue > 0 {
      try facts.need(
        facts.pairWidth > 0 ? true : nil, for: Self.name,
        "does not say how wide its vectors are: --set objectives.N.options.queue=0")
    }
    queue =
      options.queue == 0
      ? nil : try PairQueue(options.queue, width: facts.pairWidth, at: root / "itc")
  }

  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<PairIdentity>] {
    PairIdentity.prepared(example, group: StepGroup.contrast)
  }

  public static func readsFollower(_ options: Options) -> Bool { options.averagedKeys }

  public static func weight(of target: PairIdentity) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<PairIdentity>], denominator: Double
  ) throws -> LossReport {
    let pair = try encoding.needPair(for: Self.name)
    let own = try PairRows(pair, targets)
    let keys = try self.keys(encoding, own, targets)
    let device = own.text_GE.device
    let identities = targets.map(\.target)
    let queue = isRecordingGradients ? self.queue : nil
    let duplicates_GG =
      options.sparesDuplicates ? try identities.duplicates(on: device) : nil
    /// Of one way: queries find their keys among those of the step and those of the queue.
    func way(
      _ query_GE: Tensor, _ key_GE: Tensor, _ queued_QE: Tensor?, teacher_GE: Tensor?
    ) throws -> (sum: Tensor, right: Tensor) {
      let key_KE = try queued_QE.map { try Tensor.concatenated([key_GE, $0]) } ?? key_GE
      let spared_GK = try spared(duplicates_GG, identities, queue)
      func logits(_ x_GE: Tensor) throws -> Tensor {
        let similarity_GK = try x_GE.matmul(key_KE.transposed(0, 1))
        return options.temperature > 0
          ? try similarity_GK / options.temperature : try similarity_GK * pair.scale.to(.float32)
      }
      let teacher_GK = try withoutGradients { try teacher_GE.map { try logits($0) } }
      return try Self.lossSum(
        logits(query_GE), spared: spared_GK, teacher: teacher_GK, alpha: options.alpha)
    }
    let hasTeacher = options.alpha > 0 && encoding.follower != nil
    let toText = try way(
      own.picture_GE, keys.text_GE, queue?.texts(), teacher_GE: hasTeacher ? keys.picture_GE : nil)
    let toPicture = try way(
      own.text_GE, keys.picture_GE, queue?.pictures(), teacher_GE: hasTeacher ? keys.text_GE : nil)
    let sum = try (toText.sum + toPicture.sum) / 2
    let count = Double(targets.count)
    return LossReport(
      total: try sum / denominator,
      metrics: try [
        PendingMetric("itc.loss", sum: sum, count: count),
        PendingMetric("itc.textAccuracy", sum: toText.right, count: count),
        PendingMetric("itc.pictureAccuracy", sum: toPicture.right, count: count),
      ])
  }

  /// The vectors that are found: those of the averaged copy where it is asked for.
  private func keys(
    _ encoding: Encoding, _ own: PairRows, _ targets: [Placed<PairIdentity>]
  ) throws -> PairRows {
    guard options.averagedKeys else { return own }
    if let follower = encoding.follower { return try PairRows(follower, targets) }
    guard !isRecordingGradients else {
      throw ParameterError(
        "objectives.itc.options.averagedKeys: there is no averaged copy of the weights: "
          + "--set optimizer.averaging=0.995, or averagedKeys=false")
    }
    // An evaluation looks at the model alone.
    return own
  }

  /// Boolean [G, K]: keys that are no negatives.
  private func spared(
    _ duplicates_GG: Tensor?, _ identities: [PairIdentity], _ queue: PairQueue?
  ) throws -> Tensor? {
    guard let duplicates_GG else { return nil }
    guard let queued_GQ = try queue?.duplicates(identities) else { return duplicates_GG }
    return try Tensor.concatenated([duplicates_GG, queued_GQ], 1)
  }

  /// The sum of −Σ t·log p over queries, and how many find their key. The key of query g is number g.
  ///
  /// - Parameters:
  ///   - logits_GK: scaled similarities.
  ///   - spared_GK: Boolean, true for keys that take no part.
  ///   - teacher_GK: scaled similarities whose softmax has the share `alpha` of the targets t.
  package static func lossSum(
    _ logits_GK: Tensor, spared spared_GK: Tensor?, teacher teacher_GK: Tensor? = nil,
    alpha: Double = 0
  ) throws -> (sum: Tensor, right: Tensor) {
    func open(_ x_GK: Tensor) throws -> Tensor {
      try spared_GK.map { try x_GK.filled(where: $0, with: -.infinity) } ?? x_GK
    }
    let open_GK = try open(logits_GK)
    let labels_G = try Tensor.range(logits_GK.size(0), on: logits_GK.device)
    let right = try open_GK.hits(labels_G)
    let hard = try open_GK.crossEntropySum(labels_G)
    guard let teacher_GK, alpha > 0 else { return (hard, right) }
    let target_GK = try withoutGradients { try open(teacher_GK).softmax(-1) }
    // What is spared has the target 0 and the logarithm −∞, whose product is to be 0.
    var log_GK = try open_GK.logSoftmax(-1)
    if let spared_GK { log_GK = try log_GK.filled(where: spared_GK, with: 0) }
    let soft = try -(target_GK * log_GK).sum()
    return (try hard * (1 - alpha) + soft * alpha, right)
  }

  public func remember(_ encoding: Encoding, _ targets: [Placed<PairIdentity>]) throws {
    guard let queue else { return }
    let rows = try PairRows(encoding.follower ?? encoding.needPair(for: Self.name), targets)
    try queue.append(rows, targets.map(\.target))
  }
}

/// Vectors of the pairs that an objective asks about, in its order.
struct PairRows {
  /// [G, E], float32.
  let text_GE: Tensor
  let picture_GE: Tensor

  init<Target>(_ pair: PairFeatures, _ targets: [Placed<Target>]) throws {
    let places = try Tensor(targets.map(\.sequence), on: pair.text_SE.device)
    text_GE = try pair.text_SE.to(.float32).rows(places)
    picture_GE = try pair.picture_SE.to(.float32).rows(places)
  }
}

/// The last vectors of texts and of pictures, in buffers that are saved with the weights: the newest
/// take the place of the oldest.
final class PairQueue {
  private let size: Int
  private let texts_QE: Tensor
  private let pictures_QE: Tensor
  private let textNames_Q: Tensor
  private let pictureNames_Q: Tensor
  /// Where the next vector goes, plus `size` once every place is taken.
  private let pointer: Tensor
  private var next: Int?

  init(_ size: Int, width: Int, at path: ParameterPath) throws {
    self.size = size
    texts_QE = try path.buffer("text_queue", Tensor.zeros([size, width]))
    pictures_QE = try path.buffer("image_queue", Tensor.zeros([size, width]))
    textNames_Q = try path.buffer("text_names", Tensor.zeros([size]))
    pictureNames_Q = try path.buffer("image_names", Tensor.zeros([size]))
    pointer = try path.buffer("queue_ptr", Tensor.zeros([1]))
  }

  private func place() throws -> Int {
    if let next { return next }
    let stored = Int(try pointer.item())
    guard (0..<2 * size).contains(stored) else {
      throw ParameterError(
        "itc.queue_ptr is \(stored), expected 0..<\(2 * size): the queue is of another size")
    }
    next = stored
    return stored
  }

  /// How many vectors there are.
  private func filled() throws -> Int { try min(place(), size) }

  /// [Q, E] of what is there; nil for nothing.
  func texts() throws -> Tensor? { try known(texts_QE) }
  func pictures() throws -> Tensor? { try known(pictures_QE) }

  private func known(_ queue: Tensor) throws -> Tensor? {
    let count = try filled()
    return count == 0 ? nil : try queue.narrow(0, from: 0, count)
  }

  /// Boolean [G, Q], true where a queued pair has a text or a picture of a given one; nil where
  /// nothing is queued.
  func duplicates(_ pairs: [PairIdentity]) throws -> Tensor? {
    guard let texts_Q = try known(textNames_Q), let pictures_Q = try known(pictureNames_Q) else {
      return nil
    }
    func equal(_ names: [Float], _ queued_Q: Tensor) throws -> Tensor {
      try Tensor(names, [names.count, 1], on: queued_Q.device).equals(queued_Q.unsqueezed(0))
        .to(.float32)
    }
    return try
      (equal(pairs.map(\.text.short), texts_Q) + equal(pairs.map(\.picture.short), pictures_Q))
      .isGreater(than: 0.5)
  }

  func append(_ rows: PairRows, _ pairs: [PairIdentity]) throws {
    // Of more than fit only the last ones stay.
    var start = max(0, pairs.count - size)
    while start < pairs.count {
      let place = try self.place()
      let count = min(pairs.count - start, size - place % size)
      let names = pairs[start..<start + count]
      let device = rows.text_GE.device
      for (queue, new) in try [
        (texts_QE, rows.text_GE.narrow(0, from: start, count)),
        (pictures_QE, rows.picture_GE.narrow(0, from: start, count)),
        (textNames_Q, Tensor(names.map(\.text.short), on: device)),
        (pictureNames_Q, Tensor(names.map(\.picture.short), on: device)),
      ] {
        try queue.narrow(0, from: place % size, count).copy(from: new.detached())
      }
      start += count
      let later = place + count
      next = later < 2 * size ? later : size
      try pointer.fill(Double(next ?? 0))
    }
  }
}
