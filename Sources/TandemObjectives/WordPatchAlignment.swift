// Word-patch alignment: the cost of moving a text's words onto a picture's patches is to be small
// for true pairs and large for false ones (Chen et al. 2020, Kim et al. 2021).

public import TandemCore
public import TandemNN
public import TandemTorch

public struct WordPatchAlignment: Objective {
  public static let name = "wpa"
  public static let summary = "align words and patches by optimal transport (Chen et al. 2020)"
  /// Judges the pairs of image-text matching where the mixture has it: one forward serves both.
  public static let sequencesOf: String? = ImageTextMatching.name

  public struct Options: Codable, Sendable, Equatable {
    public var transport = OptimalTransport()
    public init() {}
  }
  public typealias Target = ImageTextMatching.Match

  public static let defaults = Options()
  let options: Options

  public init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    self.options = options
  }

  public static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Target>] {
    try ImageTextMatching.prepare(example, NoOptions(), context, using: &stream)
  }

  public static func weight(of target: Target) -> Double { 1 }

  public func loss(
    _ encoding: Encoding, _ targets: [Placed<Target>], denominator: Double
  ) throws -> LossReport {
    let pairs = targets.filter {
      encoding.batch.textRows(of: $0.sequence).count > 2
        && !encoding.batch.patchRows(of: $0.sequence).isEmpty
    }
    let distance_N = try options.transport.distances(encoding, pairs.map(\.sequence))
    let signs = pairs.map { Float($0.target.isMatch ? 1 : -1) }
    let sum = try (distance_N * Tensor(signs).to(distance_N.device)).sum()
    let values = try distance_N.detached().floats()
    func metric(_ name: String, _ isMatch: Bool) -> Metric {
      let chosen = zip(values, pairs).filter { $0.1.target.isMatch == isMatch }.map(\.0)
      return Metric(
        name, sum: Double(chosen.reduce(0, +)), count: Double(chosen.count))
    }
    return LossReport(
      total: try sum / denominator,
      metrics: [
        Metric("wpa.loss", sum: try sum.detached().item(), count: Double(targets.count)),
        metric("wpa.trueDistance", true), metric("wpa.falseDistance", false),
      ])
  }
}
