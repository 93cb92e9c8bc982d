/// Curves over a common axis, such as losses over training steps.
///
/// Points that cannot be drawn (not finite, or not positive on a logarithmic axis) leave a gap and
/// are counted beneath the chart. A series of more than 200 points is drawn as a thin line with its
/// moving average over it; one of more than 800 is thinned so that every peak stays.
public struct Chart: Sendable, Equatable {
  public struct Point: Sendable, Equatable {
    public var x: Double
    public var y: Double

    public init(x: Double, y: Double) {
      self.x = x
      self.y = y
    }
  }

  public struct Series: Sendable, Equatable {
    public var name: String
    /// In the order they are joined by the line.
    public var points: [Point]
    public var isDashed: Bool

    public init(_ name: String, points: [Point], isDashed: Bool = false) {
      self.name = name
      self.points = points
      self.isDashed = isDashed
    }

    public init(_ name: String, points: [(x: Double, y: Double)], isDashed: Bool = false) {
      self.init(name, points: points.map { Point(x: $0.x, y: $0.y) }, isDashed: isDashed)
    }
  }

  /// A level to compare with, drawn as a horizontal line: chance, a published number.
  public struct ReferenceLine: Sendable, Equatable {
    public var label: String
    public var y: Double

    public init(_ label: String, y: Double) {
      self.label = label
      self.y = y
    }
  }

  public var title: String
  public var xLabel: String
  public var yLabel: String
  public var series: [Series]
  public var referenceLines: [ReferenceLine]
  public var isLogarithmicY: Bool
  public var yStyle: RunReport.NumberStyle

  public init(
    title: String, xLabel: String, yLabel: String, series: [Series],
    referenceLines: [ReferenceLine] = [], isLogarithmicY: Bool = false,
    yStyle: RunReport.NumberStyle = .plain
  ) {
    self.title = title
    self.xLabel = xLabel
    self.yLabel = yLabel
    self.series = series
    self.referenceLines = referenceLines
    self.isLogarithmicY = isLogarithmicY
    self.yStyle = yStyle
  }

  /// Whether a point has a place on the axes.
  ///
  /// Magnitudes beyond 1e150 are refused too: their differences would overflow.
  package func canDraw(_ point: Point) -> Bool {
    point.x.magnitude < 1e150 && canDraw(y: point.y)
  }

  package func canDraw(y: Double) -> Bool {
    y.magnitude < 1e150 && (!isLogarithmicY || y > 1e-150)
  }
}
