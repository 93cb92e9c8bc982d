public import TandemImage
public import TandemNN
public import TandemTorch

/// Pictures with their objects.
public protocol DetectionExamples {
  var count: Int { get }
  func example(at index: Int) throws -> DetectionExample
}

/// A picture and what is in it.
public struct DetectionExample: Sendable {
  public var image: Image
  public var objects: [AnnotatedObject]

  public init(image: Image, objects: [AnnotatedObject]) {
    self.image = image
    self.objects = objects
  }

  /// Left and right exchanged.
  public func mirrored() -> DetectionExample {
    let width = Float(image.width)
    return DetectionExample(
      image: image.mirrored(),
      objects: objects.map { object in
        var other = object
        other.box.x1 = width - object.box.x2
        other.box.x2 = width - object.box.x1
        return other
      })
  }
}

extension [DetectionExample]: DetectionExamples {
  public func example(at index: Int) throws -> DetectionExample { self[index] }
}

/// Trains a detector, from the first step to the last or from a checkpoint on: a training that was
/// interrupted comes to the same weights as one that was not.
public final class DetectorTraining {
  /// What a step came to.
  public struct Step: Sendable, Equatable {
    /// From 1.
    public let number: Int
    public let rate: Double
    /// By the names of ``DetectorLosses``.
    public let losses: [String: Double]
    public let gradientNorm: Double
    public var total: Double { losses.values.reduce(0, +) }
  }

  public let settings: DetectorTrainingSettings
  public let detector: FasterRCNN
  public let store: ParameterStore
  /// How many steps have been done.
  public private(set) var step = 0
  private let optimizer: DetectorOptimizer
  private let random: RandomStream
  /// The order of one pass over the pictures.
  private var order: (pass: Int, places: [Int]) = (-1, [])

  /// - Parameters:
  ///   - source: weights to start from; what it lacks is drawn.
  ///   - mayLack: true for names that the source need not have, or whose shapes may differ.
  /// - Throws: `DetectionError` for settings that do not fit, `ParameterError` for a source that
  ///   lacks weights.
  public init(
    _ config: DetectorConfig, _ settings: DetectorTrainingSettings, device: Device = .cpu,
    source: (any WeightSource)? = nil, mayLack: (String) -> Bool = { _ in false }
  ) throws {
    try settings.check()
    self.settings = settings
    random = RandomStream(seed: settings.seed).child("detector")
    store = ParameterStore(seed: settings.seed, device: device, source: source)
    detector = try FasterRCNN(config, at: store.root)
    if source != nil { try store.loadReport().check(optional: mayLack) }
    try store.seal {
      ParameterGroup(decays: $0.decays, isFrozen: FasterRCNN.isFrozen($0.name, config))
    }
    optimizer = try DetectorOptimizer(settings, store)
  }

  // MARK: steps

  /// Trains up to a step, the last one unless told otherwise.
  public func run(
    on examples: some DetectionExamples, until end: Int? = nil,
    report: (Step) throws -> Void = { _ in }
  ) throws {
    guard examples.count > 0 else { throw DetectionError("training: there are no pictures") }
    while step < min(end ?? settings.steps, settings.steps) {
      try report(advance(examples))
    }
  }

  private func advance(_ examples: some DetectionExamples) throws -> Step {
    // A step's numbers depend on the seed and its own number alone.
    var stream = random.child("step").child(UInt64(step))
    let batch = try (0..<settings.pictures).map { place in
      let example = try examples.example(
        at: index(step * settings.pictures + place, of: examples.count))
      return settings.flips && stream.below(2) == 1 ? example.mirrored() : example
    }
    try store.clearGradients()
    let losses = try detector.losses(
      images: batch.map(\.image), targets: batch.map(\.objects), using: &stream)
    try losses.total().backward()
    let norm = try optimizer.gradientNorm()
    var numbers: [String: Double] = [:]
    for (name, value) in losses.named { numbers[name] = try value.item() }
    let rate = settings.rate(at: step)
    guard norm.isFinite, numbers.values.allSatisfy(\.isFinite) else {
      throw DetectionError(
        "step \(step + 1): the losses are \(numbers.sorted { $0.key < $1.key }) and the gradients' "
          + "norm \(norm); a rate below \(rate) or a clip above 0 may help")
    }
    try optimizer.update(step: step, norm: norm)
    step += 1
    return Step(number: step, rate: rate, losses: numbers, gradientNorm: norm)
  }

  /// The picture at a place of all passes laid end to end: each pass has its own order.
  private func index(_ place: Int, of count: Int) -> Int {
    let pass = place / count
    if order.pass != pass || order.places.count != count {
      var stream = random.child("pass").child(UInt64(pass))
      order = (pass, (0..<count).shuffled(using: &stream))
    }
    return order.places[place % count]
  }

  /// How well the detector finds the objects of pictures.
  public func evaluate(
    on examples: some DetectionExamples,
    _ settings: AveragePrecision.Settings = AveragePrecision.Settings()
  ) throws -> AveragePrecision.Result {
    try detector.evaluate(on: examples, settings, pictures: self.settings.pictures)
  }
}

extension DetectorTraining {
  // MARK: checkpoints

  /// Writes weights, moments, config, settings and the step into a folder, which takes the place of
  /// one of that name once all is written.
  public func save(to folder: String) throws {
    try DetectorCheckpoint.write(
      folder, config: detector.config, settings: settings, step: step, weights: store.tensors(),
      moments: optimizer.tensors())
  }

  /// Goes on where a checkpoint left off.
  public convenience init(resuming folder: String, device: Device = .cpu) throws {
    let checkpoint = try DetectorCheckpoint(folder)
    try self.init(
      checkpoint.config, checkpoint.settings, device: device, source: checkpoint.weights)
    try optimizer.restore { try checkpoint.moments.tensor($0) }
    step = checkpoint.step
  }
}

extension FasterRCNN {
  /// How well objects of pictures are found.
  ///
  /// - Parameter pictures: how many are looked at at once.
  public func evaluate(
    on examples: some DetectionExamples,
    _ settings: AveragePrecision.Settings = AveragePrecision.Settings(), pictures: Int = 1
  ) throws -> AveragePrecision.Result {
    var evaluation = try AveragePrecision(settings)
    for start in stride(from: 0, to: examples.count, by: max(1, pictures)) {
      let batch = try (start..<min(start + max(1, pictures), examples.count)).map {
        try examples.example(at: $0)
      }
      for (example, found) in zip(batch, try detect(batch.map(\.image))) {
        evaluation.add(objects: example.objects, detections: found)
      }
    }
    return evaluation.result()
  }
}
