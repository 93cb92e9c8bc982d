import Foundation

/// The two ways a long series is made readable: thinning that keeps peaks, and averaging.
package enum Curve {
  /// At most `limit` drawable points that keep both ends and, of every stretch between them, the
  /// lowest and the highest value. A stretch in which nothing can be drawn stays as one gap.
  ///
  /// - Parameters:
  ///   - points: in drawing order; those that cannot be drawn are gaps.
  ///   - limit: at least 4.
  package static func thinned(
    _ points: [Chart.Point], limit: Int, canDraw: (Chart.Point) -> Bool
  ) -> [Chart.Point] {
    guard points.count > max(limit, 4), let first = points.first, let last = points.last else {
      return points
    }
    let stretches = (max(limit, 4) - 2) / 2
    let inner = points.count - 2
    var kept = [first]
    kept.reserveCapacity(limit)
    for stretch in 0..<stretches {
      let start = 1 + stretch * inner / stretches
      let end = 1 + (stretch + 1) * inner / stretches
      var lowest: Int?
      var highest: Int?
      for index in start..<end where canDraw(points[index]) {
        if lowest.map({ points[index].y < points[$0].y }) ?? true { lowest = index }
        if highest.map({ points[index].y > points[$0].y }) ?? true { highest = index }
      }
      guard let lowest, let highest else {
        if start < end { kept.append(points[start]) }
        continue
      }
      kept.append(points[min(lowest, highest)])
      if lowest != highest { kept.append(points[max(lowest, highest)]) }
    }
    kept.append(last)
    return kept
  }

  /// The moving average over `2 * reach + 1` neighbours; the geometric mean for values that are
  /// drawn on a logarithmic axis, where one spike would lift the arithmetic mean of a whole window.
  ///
  /// At the start the window shrinks evenly on both sides, so that a steep first descent stays where
  /// it is; at the end it is cut, so that the last value is an average too.
  package static func smoothed(
    _ points: [Chart.Point], reach: Int, isGeometric: Bool = false
  ) -> [Chart.Point] {
    var sums = [0.0]
    sums.reserveCapacity(points.count + 1)
    for point in points {
      sums.append((sums.last ?? 0) + (isGeometric ? log(point.y) : point.y))
    }
    return points.indices.map { index in
      let start = index - min(reach, index)
      let end = min(index + min(reach, index), points.count - 1)
      let mean = (sums[end + 1] - sums[start]) / Double(end + 1 - start)
      return Chart.Point(x: points[index].x, y: isGeometric ? exp(mean) : mean)
    }
  }
}
