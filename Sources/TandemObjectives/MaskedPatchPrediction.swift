// Masked patch prediction: what did the hidden patches look like? The mean colour as three classes
// of 256 (Kim et al. 2021, whose released code could not run it), or the pixels themselves (He et
// al. 2022). Shapes: N hidden patches, D width, K pixel values of a patch.

public import TandemCore
internal import TandemImage
public import TandemNN
public import TandemTorch

public struct MaskedPatchPrediction: Objective {
  public static let name = "mpp"
  public static let summary = "predict hidden patches: mean colour or pixels (Kim et al. 2021)"

  public enum Kind: String, Codable, Sendable {
    /// Red, green and blue means of the patch, each one of 256 classes.
    case colour
    /// All pixel values, normalised as the model reads them.
    case pixels
  }

  public struct Options: Codable, Sendable, Equatable {
    public var probability = 0.15
    public var kind = Kind.colour
    public init() {}
  }

  public enum Target: Sendable, Equatable {
    /// Places in raster order, and three classes a patch.
    case colours(places: [Int], classes: [Int])
    /// Places in raster order, and K values a patch.
    case pixels(places: [Int], values: [Float])

    public var places: [Int] {
      switch self {
      case .colours(let places, _), .pixels(let places, _): places
      }
    }
  }

  public static let defaults = Options()
  let transform: Linear
  let norm: LayerNorm
  let decoder: Linear

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    try facts.need(facts.patchSize > 0 ? true : nil, for: Self.name, "reads no patches")
    let path = root.reusing / "mpp_score"
    let outputs = options.kind == .colour ? 3 * 256 : 3 * facts.patchSize * facts.patchSize
    transform = try Linear(facts.visualWidth, facts.visualWidth, at: path / "transform" / "dense")
    norm = try LayerNorm(
      facts.visualWidth, epsilon: 1e-12, at: path / "transform" / "LayerNorm")
    decoder = try Linear(facts.visualWidth, outputs, at: path / "decoder")
  }

  public static let part = PassPart.masks

  public static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: Options,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Target? {
    guard let picture = sequence.picture, let image = picture.image,
      let input = context.input.patches
    else { return nil }
    let grid = context.input.grid(picture)
    let places = (0..<grid.count).filter { _ in stream.uniform() < options.probability }
    guard !places.isEmpty else { return nil }
    sequence.chosen = places
    sequence.hidden = places
    return switch options.kind {
    case .colour:
      .colours(
        places: places, classes: places.flatMap { meanColour(image, $0, grid, input.size) })
    case .pixels:
      .pixels(places: places, values: try values(image, places, input))
    }
  }

  /// Means of the three channels over a patch, rounded to 0...255.
  static func meanColour(_ image: Image, _ place: Int, _ grid: PatchGrid, _ size: Int) -> [Int] {
    let top = place / grid.width * size
    let left = place % grid.width * size
    var sums = [0, 0, 0]
    for y in top..<top + size {
      for x in left..<left + size {
        let start = 3 * (y * image.width + x)
        for channel in 0..<3 { sums[channel] += Int(image.pixels[start + channel]) }
      }
    }
    return sums.map { (2 * $0 + size * size) / (2 * size * size) }
  }

  private static func values(
    _ image: Image, _ places: [Int], _ input: PatchInput
  ) throws -> [Float] {
    let width = 3 * input.size * input.size
    let count = (image.width / input.size) * (image.height / input.size)
    var all = [Float](repeating: 0, count: count * width)
    try all.withUnsafeMutableBufferPointer {
      try image.patches(
        size: input.size, mean: input.mean, std: input.deviation, into: $0)
    }
    return places.flatMap { all[$0 * width..<($0 + 1) * width] }
  }

  public static func weight(of target: Target) -> Double { Double(target.places.count) }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    var rows: [(sequence: Int, unit: Int)] = []
    var classes: [Int] = []
    var values: [Float] = []
    for placed in targets {
      rows += placed.target.places.map { (placed.sequence, $0) }
      switch placed.target {
      case .colours(_, let some): classes += some
      case .pixels(_, let some): values += some
      }
    }
    let output = try decoder(norm(transform(encoding.units(rows)).gelu())).to(.float32)
    let count = Double(rows.count)
    if values.isEmpty {
      let logits = try output.reshaped([3 * rows.count, 256])
      let labels = try Tensor(classes, on: output.device)
      let sum = try logits.crossEntropySum(labels) / 3
      return LossReport(
        total: try sum / denominator,
        metrics: try [
          PendingMetric("mpp.loss", sum: sum, count: count),
          PendingMetric("mpp.accuracy", sum: logits.hits(labels), count: 3 * count),
        ])
    }
    let width = values.count / max(rows.count, 1)
    let error = try output - Tensor(values, [rows.count, width], on: output.device)
    let sum = try (error * error).sum() / Double(width)
    return LossReport(
      total: try sum / denominator,
      metrics: [try PendingMetric("mpp.loss", sum: sum, count: count)])
  }
}
