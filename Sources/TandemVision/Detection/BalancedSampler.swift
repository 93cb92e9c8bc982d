/// Draws some foreground and some background, so that the many boxes of background do not drown the
/// few others.
public struct BalancedSampler: Sendable, Equatable, Codable {
  /// Boxes drawn of a picture.
  public var count: Int
  /// The most of them that are foreground, 0 to 1; what is missing is filled with background.
  public var foreground: Double

  public init(count: Int, foreground: Double) {
    self.count = count
    self.foreground = foreground
  }

  /// The places that were drawn of both kinds, each rising.
  public func sample(
    _ matches: [Matcher.Match], using rng: inout some RandomNumberGenerator
  ) -> (foreground: [Int], background: [Int]) {
    var objects: [Int] = []
    var rest: [Int] = []
    for (place, match) in matches.enumerated() {
      switch match {
      case .object: objects.append(place)
      case .background: rest.append(place)
      case .between: break
      }
    }
    let share = min(objects.count, Int(Double(count) * foreground))
    return (
      Self.draw(share, of: &objects, using: &rng),
      Self.draw(min(rest.count, count - share), of: &rest, using: &rng)
    )
  }

  /// `count` of `places`, each as likely as the other: the first steps of a Fisher–Yates shuffle.
  private static func draw(
    _ count: Int, of places: inout [Int], using rng: inout some RandomNumberGenerator
  ) -> [Int] {
    guard count < places.count else { return places }
    for index in 0..<max(0, count) {
      places.swapAt(index, Int.random(in: index..<places.count, using: &rng))
    }
    return places.prefix(max(0, count)).sorted()
  }
}
