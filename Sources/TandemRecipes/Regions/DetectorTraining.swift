internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemFiles
internal import TandemImage
internal import TandemNN
internal import TandemTorch
internal import TandemTrain
public import TandemVision

/// Trains a detector on annotated pictures: one checkpoint that is always whole, from which the same
/// command goes on.
public final class DetectorTraining {
  public struct Settings: Codable, Sendable, Equatable {
    public var steps = 2400
    /// Pictures a step.
    public var batch = 8
    public var seed: UInt64 = 1
    public var learningRate = 1e-3
    /// Factor on the backbone's learning rate.
    public var backboneMultiplier = 0.5
    public var weightDecay = 0.01
    /// The largest norm of all gradients together; 0 for no limit.
    public var clip = 5.0
    /// The share of steps in which the rate rises; then it falls in half a cosine.
    public var warmup = 0.05
    /// Decay of the averaged weights that detect.
    public var averaging = 0.998
    /// Every second picture is mirrored.
    public var mirrors = true
    public var loaders = 1
    /// Steps between checkpoints.
    public var checkpointEvery = 200
    public init() {}
  }

  /// A line of metrics.jsonl.
  public struct Metrics: Codable, Sendable {
    public let step: Int
    public let losses: [String: Double]
    public let learningRate: Double
    public let gradientNorm: Double
    public let seconds: Double
  }

  private struct State: Codable { var step: Int }

  private struct Lesson: Sendable {
    let images: [Image]
    let objects: [[AnnotatedObject]]
  }

  public let folder: DetectorFolder
  public let card: DetectorCard
  /// Steps that an earlier call has taken.
  public private(set) var step: Int
  public let weights: Int
  private let network: FasterRCNN
  private let store: ParameterStore
  private let optimizer: Optimizer
  private let pictures: AnnotatedPictures

  /// Starts in a new folder, or goes on with what the folder holds, which must have been started
  /// with the same settings.
  ///
  /// - Parameters:
  ///   - learnsAttributes: the detector gets an attribute head for the words of the annotations.
  ///   - weights: a file with the backbone's weights; nil for random ones.
  /// - Throws: `DataError` where there are no attributes to learn.
  public init(
    _ config: DetectorConfig, _ settings: Settings, on pictures: AnnotatedPictures,
    learnsAttributes: Bool = false, weights path: String?, at output: String
  ) throws {
    guard !learnsAttributes || !pictures.attributeNames.isEmpty else {
      throw DataError(
        file: pictures.title, "has no attributes (a list of words in each annotation)")
    }
    var config = config
    config.classes = pictures.classNames.count
    config.attributes = learnsAttributes ? pictures.attributeNames.count : 0
    card = DetectorCard(
      config: config, classNames: pictures.classNames,
      attributeNames: learnsAttributes ? pictures.attributeNames : [], training: settings,
      annotations: pictures.title, weights: path ?? "")
    folder = DetectorFolder(path: output)
    let isResumed = folder.exists
    if isResumed, try folder.card() != card {
      throw RunError(
        "\(output) was started with other settings (\(folder.cardFile) has them); name another "
          + "--output, or give the same settings to go on")
    }
    let hasCheckpoint = FileManager.default.fileExists(atPath: folder.stateFile)
    store = ParameterStore(
      seed: settings.seed,
      source: try Self.source(config, weights: path, checkpoint: hasCheckpoint ? folder : nil))
    network = try FasterRCNN(config, at: store.root)
    try store.loadReport().check { !hasCheckpoint && BackboneWeights.mayLack($0) }
    let frozen = config
    try store.seal { parameter in
      ParameterGroup(
        decays: parameter.decays,
        multiplier: parameter.name.hasPrefix(Self.body) ? settings.backboneMultiplier : 1,
        isFrozen: FasterRCNN.isFrozen(parameter.name, frozen))
    }
    self.weights = store.parameterCount
    var rules = Recipe.Optimizer()
    rules.learningRate = settings.learningRate
    rules.beta2 = 0.999
    rules.weightDecay = settings.weightDecay
    rules.clip = settings.clip
    rules.averaging = settings.averaging
    optimizer = try Optimizer(rules, store)
    self.pictures = pictures
    step = 0
    if hasCheckpoint {
      let data = FileManager.default.contents(atPath: folder.stateFile) ?? Data()
      guard let state = try? JSONDecoder().decode(State.self, from: data) else {
        throw RunError("\(folder.stateFile): is damaged")
      }
      step = state.step
      let file = try SafeTensorsFile(path: folder.optimizerFile)
      try optimizer.restore(step: step) { try file.tensor($0) }
    } else if !isResumed {
      if let found = try? FileManager.default.contentsOfDirectory(atPath: output), !found.isEmpty {
        throw RunError("\(output) is not empty; name another --output")
      }
      try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
      try folder.write(card)
    }
  }

  private static let body = "backbone.body."

  private static func source(
    _ config: DetectorConfig, weights: String?, checkpoint: DetectorFolder?
  ) throws -> (any WeightSource)? {
    if let checkpoint {
      return SafeTensorsSource(try SafeTensorsFile(path: checkpoint.weightsFile))
    }
    return try weights.map { BackboneWeights(try PickleWeights(path: $0), config) }
  }

  /// Takes the steps that are left.
  ///
  /// - Parameters:
  ///   - report: after every step.
  ///   - isInterrupted: asked after every step; a checkpoint is written before it stops.
  public func run(
    isInterrupted: () -> Bool = { false }, report: (Metrics) -> Void = { _ in }
  ) throws {
    let settings = card.training
    guard step < settings.steps else { return }
    let lines = try MetricsFile(folder.metricsFile, through: step)
    let stream = RandomStream(seed: settings.seed).child("detector")
    let order = SampleOrder(count: pictures.count, seed: stream.child("order").key)
    let (entries, batch, mirrors) = (pictures.entries, settings.batch, settings.mirrors)
    let loader = OrderedPrefetch<Lesson>(
      step..<settings.steps, workers: settings.loaders, capacity: 2 + settings.loaders
    ) { step in
      var random = stream.child("pictures").child(UInt64(step))
      return try Self.lesson(
        (0..<batch).map { entries[order[step * batch + $0].index] }, mirrors, &random)
    }
    let schedule = Self.schedule(settings)
    while let lesson = try loader.next() {
      let start = ContinuousClock.now
      var random = stream.child("samples").child(UInt64(step))
      try store.clearGradients()
      let losses = try network.losses(
        images: lesson.images, targets: lesson.objects, using: &random)
      try losses.total().backward()
      let norm = try optimizer.gradientNorm()
      let rate = settings.learningRate * schedule.factor(step: step, of: settings.steps)
      try optimizer.update(rate: rate, norm: norm)
      step += 1
      let metrics = Metrics(
        step: step,
        losses: Dictionary(
          uniqueKeysWithValues: try losses.named.map { ($0.name, try $0.value.item()) }),
        learningRate: rate, gradientNorm: try norm.item(),
        seconds: (ContinuousClock.now - start) / .seconds(1))
      guard metrics.losses.values.allSatisfy(\.isFinite) else {
        throw RunError(
          "step \(step): the loss is not a number any more (\(metrics.losses)); lower the learning "
            + "rate, and go on from the last checkpoint with the same command")
      }
      try lines.append(metrics)
      report(metrics)
      let stops = isInterrupted()
      if stops || step % settings.checkpointEvery == 0 || step == settings.steps {
        try lines.synchronize()
        try save()
      }
      if stops { throw RunError("stopped at step \(step); the same command goes on") }
    }
  }

  private static func schedule(_ settings: Settings) -> Recipe.Schedule {
    var schedule = Recipe.Schedule()
    schedule.kind = .cosine
    schedule.warmup = settings.warmup
    return schedule
  }

  private static func lesson(
    _ entries: [AnnotatedPictures.Entry], _ mirrors: Bool, _ random: inout RandomStream
  ) throws -> Lesson {
    var images: [Image] = []
    var objects: [[AnnotatedObject]] = []
    for entry in entries {
      let image = try Image(contentsOfFile: entry.file)
      let isMirrored = mirrors && random.next() & 1 == 1
      images.append(isMirrored ? image.mirrored() : image)
      objects.append(
        entry.objects.map { object in
          guard isMirrored else { return object }
          var moved = object
          moved.box.x1 = Float(image.width) - object.box.x2
          moved.box.x2 = Float(image.width) - object.box.x1
          return moved
        })
    }
    return Lesson(images: images, objects: objects)
  }

  private func save() throws {
    try AtomicDirectory.write(to: folder.checkpoint) { staging in
      let staged = { (file: String) in
        staging + "/" + URL(filePath: file).lastPathComponent
      }
      try SafeTensors.write(store.tensors(), to: staged(folder.weightsFile))
      try optimizer.withAveragedWeights {
        try SafeTensors.write(store.tensors(), to: staged(folder.averagedFile))
      }
      try SafeTensors.write(optimizer.tensors(), to: staged(folder.optimizerFile))
      try AtomicFile.write(
        utf8: JSONValue(encoding: State(step: step)).pretty + "\n", to: staged(folder.stateFile))
    }
  }
}

/// metrics.jsonl, gone on with after a stop: lines after the checkpoint are cut off first.
private final class MetricsFile {
  private let handle: FileHandle

  init(_ path: String, through step: Int) throws {
    struct Step: Decodable { let step: Int }
    let data = FileManager.default.contents(atPath: path) ?? Data()
    let kept = data.split(separator: 10).filter { line in
      ((try? JSONDecoder().decode(Step.self, from: line))?.step ?? .max) <= step
    }
    try AtomicFile.write(kept.flatMap { [UInt8]($0) + [10] }, to: path)
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw RunError("\(path): cannot be written")
    }
    try handle.seekToEnd()
    self.handle = handle
  }

  func append(_ metrics: DetectorTraining.Metrics) throws {
    try handle.write(contentsOf: Data((JSONValue(encoding: metrics).compact + "\n").utf8))
  }

  func synchronize() throws { try handle.synchronize() }
}
