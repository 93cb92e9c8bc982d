/// Intervals that say how far a measured share may lie from the true one.
public enum ConfidenceInterval {
  /// The 97.5 % point of the standard normal distribution: 95 % lie within ± this.
  package static let normalQuantile = 1.959963984540054

  /// The Wilson score interval at 95 % for a share `successes / count`.
  ///
  /// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical
  /// inference", JASA 22 (1927), 209–212. It stays within 0…1 and keeps its coverage near 0 and 1,
  /// where the usual "± 1.96 standard errors" fails.
  ///
  /// - Parameters:
  ///   - successes: how many were right. Soft scores between 0 and 1 may be summed; the interval is
  ///     then on the wide side, because such scores vary less than right-or-wrong.
  ///   - count: how many were tried. With 0 nothing is known, and the interval is 0…1.
  /// - Throws: `ReportError.impossibleCounts` unless 0 ≤ successes ≤ count, both finite.
  public static func wilson(successes: Double, count: Double) throws -> ClosedRange<Double> {
    guard successes.isFinite, count.isFinite, successes >= 0, successes <= count else {
      throw ReportError.impossibleCounts(successes: successes, count: count)
    }
    guard count > 0 else { return 0...1 }
    let share = successes / count
    let z = normalQuantile
    let shrink = 1 + z * z / count
    let center = (share + z * z / (2 * count)) / shrink
    let half =
      z / shrink * (share * (1 - share) / count + z * z / (4 * count * count)).squareRoot()
    // Rounding may carry an end a hair past the share it must contain, at 0 and 1 above all.
    let low = min(max(center - half, 0), share)
    let high = max(min(center + half, 1), share)
    return low...high
  }
}
