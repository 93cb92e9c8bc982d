import Foundation
import TandemReport
import Testing

@Suite struct AxisTicksTests {
  static let ranges: [ClosedRange<Double>] = [
    0...1, 0.3...0.7, -3...17, 0...12000, 1.17...8.9, 1e-6...9e-5, 99.9...100.1, -1e9...1e9,
    0.1...0.3, 1e-140...3e-140, -1e140...1e140, 1_000_000...1_000_001,
  ]

  @Test(arguments: ranges, [3, 5, 8])
  func linearTicksAreNiceAndCover(range: ClosedRange<Double>, target: Int) throws {
    let ticks = AxisTicks.linear(covering: range, target: target)
    let values = ticks.values
    #expect(ticks.labels.count == values.count)
    #expect(Set(ticks.labels).count == values.count, "labels must differ: \(ticks.labels)")
    #expect(values.count >= 2 && values.count <= target + 3)
    let step = (try #require(values.last) - values[0]) / Double(values.count - 1)
    #expect(values[0] <= range.lowerBound + step * 1e-6)
    #expect(values[values.count - 1] >= range.upperBound - step * 1e-6)
    // No whole step is wasted at either end.
    #expect(values[1] > range.lowerBound)
    #expect(values[values.count - 2] < range.upperBound)
    let mantissa = step / pow(10, log10(step * (1 + 1e-9)).rounded(.down))
    #expect([1, 2, 2.5, 5].contains { abs($0 - mantissa) < 1e-6 }, "step \(step)")
    for value in values {
      #expect(abs((value / step).rounded() - value / step) < 1e-6)
    }
  }

  @Test func linearTicksAreTheNearestDoubles() {
    #expect(AxisTicks.linear(covering: 0...0.5, target: 5).values == [0, 0.1, 0.2, 0.3, 0.4, 0.5])
    #expect(AxisTicks.linear(covering: 0...12000, target: 5).labels.last == "12,500")
    #expect(
      AxisTicks.linear(covering: 0...1, target: 4, style: .share).labels
        == ["0%", "25%", "50%", "75%", "100%"])
    #expect(
      AxisTicks.linear(covering: 0...1e-4, target: 5).labels
        == ["0", "2e-5", "4e-5", "6e-5", "8e-5", "1e-4"])
    #expect(
      AxisTicks.logarithmic(covering: 1e-6...1e-3).labels == ["1e-6", "1e-5", "1e-4", "1e-3"])
    #expect(AxisTicks.logarithmic(covering: 0.01...10).labels == ["0.01", "0.1", "1", "10"])
    #expect(AxisTicks.linear(covering: -1...1, target: 4).labels.first == "−1.0")
  }

  @Test(arguments: [0.0, 3, -0.02, 1e9, 1e-300])
  func aSingleValueLiesBetweenTicks(value: Double) throws {
    let values = AxisTicks.linear(covering: value...value, target: 5).values
    #expect(try #require(values.first) < value)
    #expect(try #require(values.last) > value)
    #expect(values.count <= 8)
  }

  @Test(arguments: [
    1.0...1000, 0.3...40, 2e-5...1e-3, 3...3, 1...1, 1e-30...1e30, 4...6, 0.99...101, 7e-8...2e9,
  ])
  func logarithmicTicksAreNiceAndCover(range: ClosedRange<Double>) throws {
    let ticks = AxisTicks.logarithmic(covering: range)
    #expect(try #require(ticks.values.first) <= range.lowerBound * (1 + 1e-8))
    #expect(try #require(ticks.values.last) >= range.upperBound * (1 - 1e-8))
    #expect((2...9).contains(ticks.values.count))
    #expect(ticks.values == ticks.values.sorted())
    for value in ticks.values {
      let mantissa = value / pow(10, log10(value * (1 + 1e-9)).rounded(.down))
      #expect([1, 2, 5].contains { abs($0 - mantissa) < 1e-6 })
    }
  }
}

@Suite struct CurveTests {
  private func drawable(_ point: Chart.Point) -> Bool { point.x.isFinite && point.y.isFinite }

  @Test func thinningKeepsExtremesEndsAndOrder() throws {
    var noise = Noise(state: 3)
    var points = (0..<50_000).map { Chart.Point(x: Double($0), y: noise.next()) }
    points[31_415].y = 90
    points[27_182].y = -70
    let thinned = Curve.thinned(points, limit: 800, canDraw: drawable)
    #expect(thinned.count <= 800)
    #expect(thinned.count > 700)
    #expect(thinned.first == points.first)
    #expect(thinned.last == points.last)
    #expect(thinned.contains(points[31_415]))
    #expect(thinned.contains(points[27_182]))
    #expect(thinned.map(\.x) == thinned.map(\.x).sorted())
    let known = Set(points.map(\.y))
    #expect(thinned.allSatisfy { known.contains($0.y) })
  }

  @Test func thinningLeavesShortSeriesAlone() {
    let points = (0..<800).map { Chart.Point(x: Double($0), y: 1) }
    #expect(Curve.thinned(points, limit: 800, canDraw: drawable) == points)
  }

  @Test func thinningKeepsLongGaps() {
    let points = (0..<8000).map { index in
      Chart.Point(x: Double(index), y: (3000..<5000).contains(index) ? .nan : Double(index % 7))
    }
    let thinned = Curve.thinned(points, limit: 800, canDraw: drawable)
    #expect(thinned.count(where: drawable) <= 800)
    #expect(thinned.contains { $0.y.isNaN })
    #expect(!thinned.contains { (3000..<5000).contains($0.x) && drawable($0) })
  }

  /// An even window leaves a straight line as it is; a constant stays constant to its end.
  @Test func averagingKeepsLinesAndConstants() {
    let line = (0..<300).map { Chart.Point(x: Double($0), y: 2 * Double($0) - 5) }
    let average = Curve.smoothed(line, reach: 10)
    #expect(zip(line, average).dropLast(10).allSatisfy { abs($0.y - $1.y) < 1e-9 })
    #expect(zip(line, average).allSatisfy { $0.x == $1.x })
    let constant = line.map { Chart.Point(x: $0.x, y: 0.5) }
    #expect(Curve.smoothed(constant, reach: 10) == constant)
    // The last value is the mean of the last eleven.
    #expect(abs((average.last?.y ?? 0) - (2 * 294 - 5)) < 1e-9)
    #expect(Curve.smoothed([], reach: 3).isEmpty)
  }

  /// The geometric mean leaves an exponential as it is, as the arithmetic mean leaves a line.
  @Test func geometricAveragingKeepsExponentials() {
    let curve = (0..<300).map { Chart.Point(x: Double($0), y: 7 * exp(-0.03 * Double($0))) }
    let average = Curve.smoothed(curve, reach: 10, isGeometric: true)
    #expect(zip(curve, average).dropLast(10).allSatisfy { abs($1.y / $0.y - 1) < 1e-9 })
  }

  @Test func averagingCalmsNoise() {
    var noise = Noise(state: 11)
    let points = (0..<2000).map { Chart.Point(x: Double($0), y: noise.next()) }
    func variance(_ values: [Double]) -> Double {
      let mean = values.reduce(0, +) / Double(values.count)
      return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)
    }
    let average = Curve.smoothed(points, reach: 25).dropFirst(25).dropLast(25).map(\.y)
    #expect(variance(average) < 2 * variance(points.map(\.y)) / 51)
  }
}

@Suite struct LabelPlacementTests {
  @Test func labelsKeepTheirPlacesWhenTheyFit() {
    #expect(LabelPlacement.spread([80, 10, 40], gap: 15, within: 0...100) == [80, 10, 40])
  }

  @Test func labelsMoveAsLittleAsPossible() {
    #expect(LabelPlacement.spread([50, 50], gap: 10, within: 0...100) == [45, 55])
    #expect(LabelPlacement.spread([99, 100, 98], gap: 10, within: 0...100) == [90, 100, 80])
    #expect(LabelPlacement.spread([0, 1], gap: 10, within: 0...100) == [0, 10])
  }

  @Test func labelsNeverOverlap() {
    var noise = Noise(state: 5)
    for count in 1...10 {
      for _ in 0..<50 {
        let wishes = (0..<count).map { _ in 50 + 40 * noise.next() }
        let places = LabelPlacement.spread(wishes, gap: 10, within: 0...100)
        let sorted = places.sorted()
        #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $1 - $0 > 10 - 1e-9 })
        #expect(sorted.allSatisfy { $0 > -1e-9 && $0 < 100 + 1e-9 })
        let order = wishes.indices.sorted { wishes[$0] < wishes[$1] }
        #expect(order.map { places[$0] } == sorted)
      }
    }
  }
}

@Suite struct ChartTests {
  private func page(_ charts: [Chart]) -> PageReader {
    PageReader(RunReport(title: "t", curves: charts).html())
  }

  private func chart(_ points: [(x: Double, y: Double)], isLogarithmicY: Bool = false) -> Chart {
    Chart(
      title: "c", xLabel: "step", yLabel: "loss", series: [.init("s", points: points)],
      isLogarithmicY: isLogarithmicY)
  }

  private func paths(_ reader: PageReader) -> [String] {
    reader.elements.filter { $0.name == "path" && $0.attributes["data-x"] != nil }
      .compactMap { $0.attributes["d"] }
  }

  /// All numbers in the geometry are plain decimals within the drawing.
  private func checkGeometry(_ reader: PageReader) throws {
    let keys = ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r"]
    for (name, attributes) in reader.elements {
      for key in keys {
        guard let text = attributes[key] else { continue }
        let value = try #require(Double(text), "\(name) \(key)=\(text)")
        #expect(value >= -1 && value <= 961)
      }
      guard name == "path", let data = attributes["d"] else { continue }
      #expect(data.allSatisfy { "MLzVH0123456789.- ".contains($0) }, "\(data)")
    }
  }

  @Test(arguments: [false, true])
  func valuesThatAreNotFiniteLeaveGaps(isLogarithmicY: Bool) throws {
    let bad: [Double] = [.nan, .infinity, -.infinity, 1e200]
    var points = (0..<20).map { (x: Double($0), y: Double($0) + 1) }
    points += bad.map { (x: 21, y: $0) } + bad.map { (x: $0, y: 3) }
    points += [(22, 4), (23, .nan), (24, 5), (25, 6)]
    let reader = page([chart(points, isLogarithmicY: isLogarithmicY)])
    #expect(reader.problem == nil)
    try checkGeometry(reader)
    let path = try #require(paths(reader).first)
    #expect(path.count { $0 == "M" } == 3)
    #expect(path.count { $0 == "z" } == 1)
    #expect(path.count { $0 == "M" || $0 == "L" } == 23)
    #expect(reader.text.contains("9 points are left out"))
  }

  @Test func aLogarithmicAxisLeavesOutWhatIsNotPositive() throws {
    let reader = page([chart([(0, 1), (1, 0), (2, -3), (3, 100)], isLogarithmicY: true)])
    try checkGeometry(reader)
    #expect(reader.text.contains("2 points are left out because they are not finite or not"))
  }

  @Test func chartsWithoutPointsSaySo() throws {
    let reader = page([
      chart([]), chart([(0, .nan)]), chart([(0, -1)], isLogarithmicY: true),
      Chart(title: "c", xLabel: "", yLabel: "", series: []),
    ])
    #expect(reader.problem == nil)
    #expect(reader.count("svg") == 0)
    #expect(reader.text.components(separatedBy: "No point of this chart").count == 5)
  }

  @Test(arguments: [
    [(x: 0.0, y: 0.0)], [(x: 5, y: -2), (x: 5, y: 3)], [(x: 0, y: 1e149), (x: 1, y: -1e149)],
    [(x: 0, y: 7), (x: 1e-12, y: 7)], [(x: -1e149, y: 1e-149), (x: 1e149, y: 2e-149)],
  ])
  func extremeRangesStayWithinTheDrawing(points: [(x: Double, y: Double)]) throws {
    try checkGeometry(page([chart(points)]))
    try checkGeometry(page([chart(points.map { ($0.x, abs($0.y)) }, isLogarithmicY: true)]))
  }

  /// Equal steps up are equal steps in the drawing, and on a logarithmic axis equal factors are.
  @Test func axesAreStraight() throws {
    for (points, isLogarithmicY) in [
      ([(x: 0.0, y: 0.0), (x: 1, y: 10), (x: 2, y: 20)], false),
      ([(x: 0, y: 1), (x: 1, y: 10), (x: 2, y: 100)], true),
    ] {
      let reader = page([chart(points, isLogarithmicY: isLogarithmicY)])
      let numbers = try #require(paths(reader).first)
        .split { "ML ".contains($0) }.compactMap { Double($0) }
      #expect(numbers.count == 6)
      #expect(numbers[0] < numbers[2] && numbers[2] < numbers[4])
      #expect(numbers[1] > numbers[3] && numbers[3] > numbers[5])
      #expect(abs((numbers[2] - numbers[0]) - (numbers[4] - numbers[2])) < 0.021)
      #expect(abs((numbers[3] - numbers[1]) - (numbers[5] - numbers[3])) < 0.021)
    }
  }

  /// The read-out finds as many values as there are places in the path.
  @Test func readOutsMatchThePaths() throws {
    let reader = PageReader(try ExampleRun.report().html())
    let curves = reader.elements.filter { $0.attributes["data-x"] != nil }
    #expect(curves.count == 11)
    for curve in curves {
      let count = try #require(curve.attributes["d"]).count { $0 == "M" || $0 == "L" }
      #expect(curve.attributes["data-x"]?.split(separator: " ").count == count)
      #expect(curve.attributes["data-y"]?.split(separator: " ").count == count)
      #expect(count <= 800)
    }
  }

  @Test func onlyLongSeriesAreAveraged() {
    for (count, isAveraged) in [(200, false), (201, true)] {
      let reader = page([chart((0..<count).map { (Double($0), Double($0 % 3)) })])
      #expect(reader.attributes("class", of: "path").contains("thin") == isAveraged)
    }
  }

  @Test func manySeriesGetALegend() throws {
    let series = (0..<30).map { Chart.Series("s\($0)", points: [(0, 1), (1, Double($0))]) }
    let reader = page([Chart(title: "c", xLabel: "x", yLabel: "y", series: series)])
    #expect(reader.attributes("class", of: "ul").contains("legend"))
    #expect(!reader.attributes("class", of: "text").contains("end"))
    try checkGeometry(reader)
  }
}
