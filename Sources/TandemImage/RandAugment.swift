/// RandAugment (Cubuk et al. 2019): a few operations drawn at random, all at one level.
public struct RandAugment: Sendable, Codable, Equatable {
  /// How many operations follow each other; the same one may be drawn twice.
  public let count: Int
  /// The level of every operation, 0 to 30.
  public let magnitude: Double

  /// ViLT's setting for fine-tuning is 2 operations at level 9.
  ///
  /// - Throws: `ImageError` when `count` is negative or `magnitude` is outside 0 ... 30.
  public init(count: Int = 2, magnitude: Double = 9) throws {
    guard count >= 0, magnitude >= 0, magnitude <= 30 else {
      throw ImageError(
        .argument, "RandAugment",
        "count is 0 or more and magnitude 0 to 30; found \(count) and \(magnitude)")
    }
    self.count = count
    self.magnitude = magnitude
  }

  private enum CodingKeys: String, CodingKey {
    case count, magnitude
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    try self.init(
      count: container.decode(Int.self, forKey: .count),
      magnitude: container.decode(Double.self, forKey: .magnitude))
  }

  /// The operations for one picture, with their values.
  public func draw(
    using rng: inout some RandomNumberGenerator
  ) -> [(operation: AugmentOperation, value: Double)] {
    let operations = AugmentOperation.allCases
    return (0..<count).map { _ in
      let operation = operations[Int.random(in: 0..<operations.count, using: &rng)]
      let value = operation.value(atLevel: magnitude)
      let isNegative = operation.hasSign && Bool.random(using: &rng)
      return (operation, isNegative ? -value : value)
    }
  }

  /// - Throws: `ImageError` from an operation; does not happen with levels of 0 to 30.
  public func apply(
    to image: Image, using rng: inout some RandomNumberGenerator
  ) throws -> Image {
    try draw(using: &rng).reduce(image) { try $1.operation.apply(to: $0, magnitude: $1.value) }
  }
}
