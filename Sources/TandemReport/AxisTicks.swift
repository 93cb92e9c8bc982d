import Foundation

/// Where an axis carries numbers, and how they are written.
package struct AxisTicks: Sendable, Equatable {
  /// Ascending; the first is at most the lower end of the data, the last at least the upper end.
  package let values: [Double]
  package let labels: [String]

  /// Multiples of 1, 2, 2.5 or 5 times a power of ten, about `target` steps over the range.
  package static func linear(
    covering range: ClosedRange<Double>, target: Int, style: RunReport.NumberStyle = .plain
  ) -> AxisTicks {
    let range = widened(range)
    let rough = (range.upperBound - range.lowerBound) / Double(max(target, 1))
    var exponent = Int(log10(rough).rounded(.down))
    let leading = rough / pow(10, Double(exponent))
    var mantissa = [1, 2, 2.5, 5].first { leading <= $0 * (1 + 1e-9) } ?? 10
    if mantissa == 10 {
      mantissa = 1
      exponent += 1
    }
    let step = mantissa * pow(10, Double(exponent))
    // A bound that lies on a tick up to rounding needs no further tick.
    let first = (range.lowerBound / step + 1e-9).rounded(.down)
    let last = max((range.upperBound / step - 1e-9).rounded(.up), first + 1)
    let values = stride(from: first, through: last, by: 1).map { index in
      // Dividing by a positive power gives the double nearest to the decimal number: 0.3, not
      // 0.30000000000000004.
      exponent < 0
        ? index * mantissa / pow(10, Double(-exponent))
        : index * mantissa * pow(10, Double(exponent))
    }
    let decimals = max(0, (mantissa == 2.5 ? 1 : 0) - exponent)
    return AxisTicks(
      values: values, labels: labels(of: values, decimals: decimals, style: style))
  }

  /// Powers of ten; over less than two decades also twice and five times them; over more than seven
  /// decades every second, third … power.
  package static func logarithmic(
    covering range: ClosedRange<Double>, style: RunReport.NumberStyle = .plain
  ) -> AxisTicks {
    let low = max(range.lowerBound, 1e-150)
    let high = max(range.upperBound, low)
    let firstDecade = Int((log10(low) + 1e-9).rounded(.down))
    let lastDecade = Int((log10(high) - 1e-9).rounded(.up))
    let isFine = log10(high / low) < 2
    let stride = max(1, (lastDecade - firstDecade + 6) / 7)
    var values: [Double] = []
    var decade = firstDecade
    while true {
      for factor in isFine ? [1.0, 2, 5] : [1.0] {
        values.append(
          decade < 0
            ? factor / pow(10, Double(-decade)) : factor * pow(10, Double(decade)))
      }
      if decade >= lastDecade, values.count > 1 { break }
      decade += stride
    }
    let start = values.lastIndex { $0 <= low * (1 + 1e-9) } ?? 0
    var end = values.firstIndex { $0 >= high * (1 - 1e-9) } ?? values.count - 1
    if end == start { end = min(start + 1, values.count - 1) }
    let kept = Array(values[min(start, max(end - 1, 0))...end])
    if style == .share {
      return AxisTicks(values: kept, labels: kept.map { NumberText.significant(100 * $0) + "%" })
    }
    // One axis writes all its numbers the same way.
    let isPlain = kept.allSatisfy { (1e-4..<1e7).contains($0) }
    return AxisTicks(
      values: kept,
      labels: kept.map { isPlain ? NumberText.significant($0) : NumberText.scientific($0) })
  }

  /// A range with room between its ends: one number alone is put in the middle of a wider one.
  private static func widened(_ range: ClosedRange<Double>) -> ClosedRange<Double> {
    let (low, high) = (range.lowerBound, range.upperBound)
    let magnitude = max(low.magnitude, high.magnitude)
    guard high - low <= max(magnitude * 1e-9, 1e-150) else { return range }
    let room = magnitude > 1e-150 ? magnitude / 2 : 0.5
    return (low - room)...(high + room)
  }

  private static func labels(
    of values: [Double], decimals: Int, style: RunReport.NumberStyle
  ) -> [String] {
    if style == .share {
      return values.map { NumberText.percent($0, decimals: max(0, decimals - 2)) }
    }
    let largest = values.map(\.magnitude).max() ?? 0
    if decimals > 4 || largest >= 1e7 {
      return values.map { NumberText.scientific($0, digits: 6) }
    }
    return values.map { NumberText.fixed($0, decimals: decimals) }
  }
}
