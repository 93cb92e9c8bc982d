/// The mean of a figure over seeds, and how far the seeds lie apart.
public struct Spread: Sendable, Equatable {
  public let mean: Double
  /// The sample's standard deviation; 0 for a single value.
  public let deviation: Double
  public let count: Int

  public init(_ values: [Double]) {
    count = values.count
    let mean = values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    self.mean = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    deviation = values.count > 1 ? (squares / Double(values.count - 1)).squareRoot() : 0
  }

  /// The standard deviation of both samples together, each around its own mean.
  public static func pooled(_ one: Spread, _ other: Spread) -> Double {
    let degrees = Double(one.count + other.count - 2)
    guard degrees > 0 else { return 0 }
    let sum =
      Double(one.count - 1) * one.deviation * one.deviation
      + Double(other.count - 1) * other.deviation * other.deviation
    return (sum / degrees).squareRoot()
  }

  /// How much more `one` is than `other`; nil where that is below twice the pooled spread, or where
  /// there are fewer than three seeds to tell.
  public static func difference(_ one: Spread, _ other: Spread) -> Double? {
    guard one.count >= 3, other.count >= 3 else { return nil }
    let gap = one.mean - other.mean
    return abs(gap) >= 2 * pooled(one, other) ? gap : nil
  }
}
