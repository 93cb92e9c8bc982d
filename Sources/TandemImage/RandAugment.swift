public struct RandAugment: Sendable {
  public init(count: Int, magnitude: Double) {}
  public func apply(to image: Image, using rng: inout some RandomNumberGenerator) throws -> Image {
    image
  }
}
