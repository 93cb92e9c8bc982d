/// One chart laid out for a given size: what is drawn where, before it becomes markup.
struct ChartDrawing {
  static let fontSize = 12.0
  static let lineHeight = 15.0
  /// A series with more points than this gets an average over its values.
  static let smoothingThreshold = 200
  static let pointLimit = 800
  /// Series with at most this many points show each as a dot.
  static let dotLimit = 40

  /// A series ready to be drawn.
  struct Line {
    var name: String
    /// Which of the colours; also the position in the chart's list of series.
    var index: Int
    var isDashed: Bool
    /// Every value, thinned, with gaps.
    var values: [Chart.Point]
    /// The moving average, when there is one.
    var average: [Chart.Point]?
    /// Of all drawable points: the first, the last (of the average if there is one), the extremes.
    var first: Chart.Point
    var last: Chart.Point
    var lowest: Chart.Point
    var highest: Chart.Point
  }

  let chart: Chart
  let width: Double
  let height: Double
  let lines: [Line]
  let references: [Chart.ReferenceLine]
  /// Points that have no place on the axes.
  let omitted: Int
  let xTicks: AxisTicks
  let yTicks: AxisTicks
  let frame: ChartFrame
  /// Whether names stand at the ends of the lines; otherwise a legend stands above the chart.
  let hasEndLabels: Bool

  /// Nil when no point of any series can be drawn.
  init?(_ chart: Chart, width: Double, height: Double) {
    let lines = chart.series.enumerated().compactMap { Self.line($1, index: $0, in: chart) }
    let drawn = chart.series.map { $0.points.count(where: chart.canDraw) }
    let references = chart.referenceLines.filter { chart.canDraw(y: $0.y) }
    let points = lines.flatMap(\.values).filter(chart.canDraw)
    guard let first = points.first else { return nil }

    var xRange = first.x...first.x
    var yRange = first.y...first.y
    for point in points {
      xRange = min(xRange.lowerBound, point.x)...max(xRange.upperBound, point.x)
      yRange = min(yRange.lowerBound, point.y)...max(yRange.upperBound, point.y)
    }
    for reference in references {
      yRange = min(yRange.lowerBound, reference.y)...max(yRange.upperBound, reference.y)
    }
    let yTicks =
      chart.isLogarithmicY
      ? AxisTicks.logarithmic(covering: yRange, style: chart.yStyle)
      : AxisTicks.linear(covering: yRange, target: 5, style: chart.yStyle)
    let xTicks = AxisTicks.linear(covering: xRange, target: width > 700 ? 8 : 5)

    func textWidth(_ text: String) -> Double {
      LabelPlacement.width(of: text, fontSize: Self.fontSize)
    }
    let left = (yTicks.labels.map(textWidth).max() ?? 0) + 10
    let top = 2 * Self.lineHeight
    let bottom = height - (chart.xLabel.isEmpty ? 24 : 42)
    // Names at the line ends are bold, so they take a little more room than their letters.
    let widest = lines.map { textWidth(Self.endLabel($0, in: chart)) * 1.06 }.max() ?? 0
    let fits =
      widest <= 0.3 * width
      && Double(lines.count) * Self.lineHeight <= bottom - top
    let right = width - (fits ? widest + 16 : 16)

    self.chart = chart
    self.width = width
    self.height = height
    self.lines = lines
    self.references = references
    self.omitted = chart.series.map(\.points.count).reduce(0, +) - drawn.reduce(0, +)
    self.xTicks = xTicks
    self.yTicks = yTicks
    self.hasEndLabels = fits
    self.frame = ChartFrame(
      left: left, right: right, top: top, bottom: bottom,
      xRange: xRange,
      yRange: (yTicks.values.first ?? yRange.lowerBound)...(yTicks.values.last ?? yRange.upperBound),
      isLogarithmicY: chart.isLogarithmicY)
  }

  private static func line(_ series: Chart.Series, index: Int, in chart: Chart) -> Line? {
    let drawable = series.points.filter(chart.canDraw)
    guard
      let first = drawable.first, let last = drawable.last,
      let lowest = drawable.min(by: { $0.y < $1.y }),
      let highest = drawable.max(by: { $0.y < $1.y })
    else { return nil }
    var average: [Chart.Point]?
    if drawable.count > smoothingThreshold {
      average = Curve.smoothed(
        drawable, reach: max(4, drawable.count / 60), isGeometric: chart.isLogarithmicY)
    }
    return Line(
      name: series.name, index: index, isDashed: series.isDashed,
      values: Curve.thinned(series.points, limit: pointLimit, canDraw: chart.canDraw),
      average: average.map { Curve.thinned($0, limit: pointLimit / 2, canDraw: chart.canDraw) },
      first: first, last: average?.last ?? last, lowest: lowest, highest: highest)
  }

  /// "validation 2.05": the name and the last value.
  static func endLabel(_ line: Line, in chart: Chart) -> String {
    let value = NumberText.text(line.last.y, style: chart.yStyle)
    return line.name.isEmpty ? value : line.name + " " + value
  }

  /// Where the labels at the line ends stand, by their middle, in the order of the lines.
  var endLabelPlaces: [Double] {
    LabelPlacement.spread(
      lines.map { frame.y($0.last.y) }, gap: Self.lineHeight,
      within: frame.top...max(frame.bottom - Self.lineHeight / 2, frame.top))
  }

  /// A text box beside a reference line.
  struct ReferenceLabel {
    var text: String
    var isAtRight: Bool
    /// The baseline of the text.
    var baseline: Double
  }

  /// Labels at either end, above or below each reference line: wherever the fewest points and no
  /// other such label lie beneath it.
  var referenceLabels: [ReferenceLabel] {
    let crossed = lines.flatMap(\.values).filter(chart.canDraw).map {
      (x: frame.x($0.x), y: frame.y($0.y))
    }
    var taken: [(x: ClosedRange<Double>, y: ClosedRange<Double>)] = []
    return references.map { reference in
      let level = frame.y(reference.y)
      let text = reference.label + " " + NumberText.text(reference.y, style: chart.yStyle)
      let extent = LabelPlacement.width(of: text, fontSize: Self.fontSize)
      var best = ReferenceLabel(text: text, isAtRight: true, baseline: level - 5)
      var bestCost = Int.max
      var bestBox = (x: frame.left...frame.left, y: level...level)
      for isAtRight in [true, false] {
        for isAbove in [true, false] {
          let baseline = isAbove ? level - 5 : level + Self.fontSize + 2
          let start = isAtRight ? frame.right - extent - 4 : frame.left + 4
          let x = start...(start + extent)
          let y = (baseline - Self.fontSize)...(baseline + 3)
          var cost = crossed.count { x.contains($0.x) && y.contains($0.y) }
          let isInside = y.lowerBound >= frame.top - 6 && y.upperBound <= frame.bottom
          if !isInside { cost += 10_000 }
          if taken.contains(where: { $0.x.overlaps(x) && $0.y.overlaps(y) }) { cost += 100_000 }
          if references.contains(where: { $0.y != reference.y && y.contains(frame.y($0.y)) }) {
            cost += 1_000
          }
          if cost < bestCost {
            best = ReferenceLabel(text: text, isAtRight: isAtRight, baseline: baseline)
            (bestCost, bestBox) = (cost, (x, y))
          }
        }
      }
      taken.append(bestBox)
      return best
    }
  }
}
