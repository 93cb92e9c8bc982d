import Foundation

/// The part of a chart inside the axes, and the way from values to places in the drawing.
struct ChartFrame {
  let left: Double
  let right: Double
  let top: Double
  let bottom: Double
  let isLogarithmicY: Bool
  private let xRange: ClosedRange<Double>
  private let yRange: ClosedRange<Double>

  init(
    left: Double, right: Double, top: Double, bottom: Double, xRange: ClosedRange<Double>,
    yRange: ClosedRange<Double>, isLogarithmicY: Bool
  ) {
    self.left = left
    self.right = right
    self.top = top
    self.bottom = bottom
    self.xRange = xRange
    self.yRange =
      isLogarithmicY ? log10(yRange.lowerBound)...log10(yRange.upperBound) : yRange
    self.isLogarithmicY = isLogarithmicY
  }

  func x(_ value: Double) -> Double {
    left + (right - left) * Self.share(of: value, in: xRange)
  }

  func y(_ value: Double) -> Double {
    bottom - (bottom - top) * Self.share(of: isLogarithmicY ? log10(value) : value, in: yRange)
  }

  /// 0 at the lower end, 1 at the upper; a range without extent puts everything in the middle.
  private static func share(of value: Double, in range: ClosedRange<Double>) -> Double {
    let extent = range.upperBound - range.lowerBound
    return extent > 0 ? (value - range.lowerBound) / extent : 0.5
  }
}
