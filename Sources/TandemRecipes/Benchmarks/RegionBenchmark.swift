// What extracting regions costs: the stages of a detector, and suppression by class alone.

internal import TandemCore
internal import TandemImage
public import TandemNN
internal import TandemTorch
internal import TandemVision

/// Times the bottom-up attention detector with random weights on random pictures.
public enum RegionBenchmark {
  public struct Extraction: Codable, Sendable {
    /// The median over the runs.
    public var secondsPerPicture: Double
    /// Boxes that the heads look at.
    public var proposals: Int
    /// The part of the time that each stage takes, over all runs.
    public var shares: [String: Double]
  }

  public struct Suppression: Codable, Sendable {
    public var classes: Int
    public var boxes: Int
    /// Boxes over all classes whose score is above the threshold.
    public var candidates: Int
    /// The median over the runs.
    public var milliseconds: Double
  }

  /// - Parameters:
  ///   - isDeep: ResNet-101 instead of ResNet-50.
  ///   - width, height: of the picture, in pixels; with 1000 and 600 it keeps its size.
  public static func extraction(
    isDeep: Bool, precision: Precision = .float32, width: Int = 1000, height: Int = 600,
    repeats: Int, threads: Int
  ) throws -> Extraction {
    try Runtime.configure(threads: threads)
    var config = DetectorConfig.visualGenomeResNet101
    if !isDeep { config.backbone.resNet.blocks = ResNetShape.resNet50.blocks }
    let drawn = ParameterStore(seed: 1)
    _ = try FasterRCNN(config, at: drawn.root)
    let store = ParameterStore(
      seed: 1, precision: precision, source: CalmNorms(weights: drawn.tensors()))
    let detector = try FasterRCNN(config, at: store.root)
    var random = RandomStream(seed: 2)
    let image = try Image(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { _ in UInt8(truncatingIfNeeded: random.next()) })
    let proposals = try detector.propose([image]).first?.count ?? 0
    _ = try detector.regions([image], .exactly(36))
    let clock = StageClock()
    detector.clock = clock
    var seconds: [Double] = []
    for _ in 0..<max(1, repeats) {
      let start = ContinuousClock.now
      _ = try detector.regions([image], .exactly(36))
      seconds.append((ContinuousClock.now - start) / .seconds(1))
    }
    let total = seconds.reduce(0, +)
    return Extraction(
      secondsPerPicture: median(seconds), proposals: proposals,
      shares: Dictionary(
        uniqueKeysWithValues: clock.seconds.map { ($0.key.rawValue, $0.value / total) }))
  }

  /// Own boxes for every class, score threshold 0.05, overlap 0.5. Scores are probabilities over
  /// `classes` and background, as peaked as a trained detector's.
  public static func suppression(
    classes: Int = 1600, boxes: Int = 1000, repeats: Int, threads: Int
  ) throws -> Suppression {
    try Runtime.configure(threads: threads)
    var random = RandomStream(seed: 3)
    let numbers = [Float](unsafeUninitializedCapacity: classes * boxes * 4) { buffer, count in
      for row in 0..<classes * boxes {
        let (x, y) = (Float(random.uniform()) * 900, Float(random.uniform()) * 500)
        buffer[4 * row] = x
        buffer[4 * row + 1] = y
        buffer[4 * row + 2] = x + 20 + Float(random.uniform()) * 300
        buffer[4 * row + 3] = y + 20 + Float(random.uniform()) * 200
      }
      count = classes * boxes * 4
    }
    let logits = (0..<boxes * (classes + 1)).map { _ in Float(random.normal() * 2) }
    let scores = try Tensor(logits, [boxes, classes + 1]).softmax(-1).narrow(1, from: 1, classes)
      .transposed(0, 1)
    let places = try Tensor(numbers, [classes, boxes, 4])
    let candidates = try scores.floats().count { $0 > 0.05 }
    var milliseconds: [Double] = []
    for run in 0...max(1, repeats) {
      let start = ContinuousClock.now
      _ = try places.suppressedByClass(scores: scores, above: 0.05, overlap: 0.5)
      if run > 0 { milliseconds.append((ContinuousClock.now - start) / .milliseconds(1)) }
    }
    return Suppression(
      classes: classes, boxes: boxes, candidates: candidates, milliseconds: median(milliseconds))
  }
}

/// Random weights whose blocks add little: without trained norms the sums over the blocks would
/// grow until no box makes sense.
private struct CalmNorms: WeightSource {
  let weights: [String: Tensor]
  var title: String { "random weights" }
  var names: [String] { Array(weights.keys) }

  func weight(_ name: String) throws -> Tensor? {
    guard let weight = weights[name] else { return nil }
    return name.hasSuffix("bn3.weight") ? try Tensor.full(weight.shape, 0.1) : weight
  }
}
