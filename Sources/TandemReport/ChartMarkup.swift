/// Charts as figures with inline SVG.
extension Chart {
  /// - Parameters:
  ///   - number: the place among the charts of the page, for unique names.
  ///   - isWide: whether the chart takes the whole width of the page or half of it.
  func html(number: Int, isWide: Bool) -> HTML {
    let shape: HTML = isWide ? "chart wide" : "chart"
    guard let drawing = ChartDrawing(self, width: isWide ? 960 : 464, height: isWide ? 330 : 290)
    else {
      return """
        <figure class="\(shape)"><figcaption>\(title)</figcaption>
        <p class="hint">No point of this chart can be drawn.</p></figure>
        """
    }
    return """
      <figure class="\(shape)">
      <figcaption>\(title)</figcaption>
      \(drawing.hasEndLabels ? nil : drawing.legend)
      <div class="plot">
      \(drawing.svg(number: number))
      <div class="readout" hidden="hidden"></div>
      </div>
      \(drawing.hint)
      </figure>
      """
  }
}

extension ChartDrawing {
  /// The drawing, with a title and a summary in words for readers who cannot see it.
  func svg(number: Int) -> HTML {
    let prefix = "chart-\(number)"
    return """
      <svg viewBox="0 0 \(width) \(height)" role="img" aria-labelledby="\(prefix)-title" \
      aria-describedby="\(prefix)-summary" data-x-label="\(chart.xLabel)" \
      data-style="\(chart.yStyle == .share ? "share" : "plain")">
      <title id="\(prefix)-title">\(chart.title)</title>
      <desc id="\(prefix)-summary">\(summary)</desc>
      \(axes)
      <line class="rule" x1="0" x2="0" y1="\(frame.top)" y2="\(frame.bottom)" visibility="hidden" />
      \(referenceMarks)
      \(lines.reversed().map(curve))
      \(referenceTexts)
      \(hasEndLabels ? endLabels : nil)
      </svg>
      """
  }

  private var summary: String {
    lines.map { line in
      func text(_ point: Chart.Point) -> String {
        NumberText.text(point.y, style: chart.yStyle) + " at "
          + (chart.xLabel.isEmpty ? "" : chart.xLabel + " ")
          + NumberText.significant(point.x, digits: 6)
      }
      let name = line.name.isEmpty ? chart.title : line.name
      return "\(name): from \(text(line.first)) to \(text(line.last)), "
        + "lowest \(text(line.lowest)), highest \(text(line.highest))."
    }.joined(separator: " ")
  }

  // MARK: Axes

  private var axes: HTML {
    let horizontal = zip(yTicks.values, yTicks.labels).map { value, label -> HTML in
      let y = frame.y(value)
      return """
        <line class="grid" x1="\(frame.left)" x2="\(frame.right)" y1="\(y)" y2="\(y)" />\
        <text class="tick" x="\(frame.left - 8)" y="\(y + 4)" text-anchor="end">\(label)</text>
        """
    }
    // The x axis ends with the data, so ticks outside it are left out.
    let vertical = zip(xTicks.values, xTicks.labels).compactMap { value, label -> HTML? in
      let x = frame.x(value)
      guard x >= frame.left - 0.5, x <= frame.right + 0.5 else { return nil }
      return """
        <line class="axis" x1="\(x)" x2="\(x)" y1="\(frame.bottom)" y2="\(frame.bottom + 4)" />\
        <text class="tick" x="\(x)" y="\(frame.bottom + 18)" text-anchor="middle">\(label)</text>
        """
    }
    let unit = chart.isLogarithmicY ? " (logarithmic)" : ""
    return """
      \(horizontal)
      <line class="axis" x1="\(frame.left)" x2="\(frame.right)" y1="\(frame.bottom)" \
      y2="\(frame.bottom)" />
      \(vertical)
      <text class="label" x="0" y="\(Self.fontSize)">\(chart.yLabel + unit)</text>
      <text class="label" x="\((frame.left + frame.right) / 2)" y="\(height - 4)" \
      text-anchor="middle">\(chart.xLabel)</text>
      """
  }

  // MARK: Curves

  private func curve(_ line: Line) -> HTML {
    let main = line.average ?? line.values
    let thin: HTML? =
      line.average == nil
      ? nil
      : """
      <path class="thin" d="\(path(line.values))" />
      """
    let dash: HTML = line.isDashed ? "line dashed" : "line"
    let points = main.filter(chart.canDraw)
    let drawable = line.average == nil && points.count <= Self.dotLimit
    let dots = drawable ? points.map { dot($0) } : []
    let xs = points.map { NumberText.data($0.x) }.joined(separator: " ")
    let ys = points.map { NumberText.data($0.y) }.joined(separator: " ")
    return """
      <g class="\(color(line))">
      \(thin)
      <path class="\(dash)" d="\(path(main))" data-name="\(line.name)" data-x="\(xs)" \
      data-y="\(ys)" />
      \(dots)
      <circle class="hover" r="4" visibility="hidden" />
      </g>
      """
  }

  private func dot(_ point: Chart.Point) -> HTML {
    """
    <circle class="dot" cx="\(frame.x(point.x))" cy="\(frame.y(point.y))" r="2.5" />
    """
  }

  /// The line through the points, with a new beginning after every gap. A point alone between two
  /// gaps is closed on itself, which round line ends show as a dot.
  private func path(_ points: [Chart.Point]) -> String {
    var text = ""
    var runLength = 0
    for point in points {
      guard chart.canDraw(point) else {
        if runLength == 1 { text += "z" }
        runLength = 0
        continue
      }
      text += runLength == 0 ? "M" : "L"
      text += NumberText.coordinate(frame.x(point.x)) + " "
      text += NumberText.coordinate(frame.y(point.y))
      runLength += 1
    }
    return runLength == 1 ? text + "z" : text
  }

  private func color(_ line: Line) -> String {
    "series-\(line.index % Palette.seriesCount)"
  }

  // MARK: Texts

  private var endLabels: HTML {
    let marks = zip(lines, endLabelPlaces).map { line, place -> HTML in
      let (x, y) = (frame.x(line.last.x), frame.y(line.last.y))
      let start = frame.right + 10
      // A hairline leads to a label that had to move, or to a line that ends early.
      let leader: HTML? =
        abs(place - y) < 3 && frame.right - x < 3
        ? nil
        : """
        <path class="leader" d="M\(x + 3) \(y)L\(start - 3) \(place)" />
        """
      let value = NumberText.text(line.last.y, style: chart.yStyle)
      let name: HTML? =
        line.name.isEmpty
        ? nil
        : """
        <tspan class="name">\(line.name)</tspan> 
        """
      return """
        <g class="\(color(line))">\(leader)<text class="end" x="\(start)" y="\(place + 4)">\
        \(name)<tspan class="value">\(value)</tspan></text></g>
        """
    }
    return "\(marks)"
  }

  private var referenceMarks: HTML {
    let marks = references.map { reference -> HTML in
      let y = frame.y(reference.y)
      return """
        <line class="reference" x1="\(frame.left)" x2="\(frame.right)" y1="\(y)" y2="\(y)" />
        """
    }
    return "\(marks)"
  }

  private var referenceTexts: HTML {
    let texts = referenceLabels.map { label -> HTML in
      let anchor = label.isAtRight ? "end" : "start"
      return """
        <text class="note" x="\(label.isAtRight ? frame.right - 4 : frame.left + 4)" \
        y="\(label.baseline)" text-anchor="\(anchor)">\(label.text)</text>
        """
    }
    return "\(texts)"
  }

  /// The names with a stroke of each line, for charts whose names do not fit at the line ends.
  var legend: HTML {
    let items = lines.map { line -> HTML in
      let dash: HTML = line.isDashed ? "line dashed" : "line"
      let value = NumberText.text(line.last.y, style: chart.yStyle)
      return """
        <li class="\(color(line))"><svg width="24" height="8" aria-hidden="true">\
        <path class="\(dash)" d="M1 4L23 4" /></svg>\
        <span class="name">\(line.name)</span> <span class="value">\(value)</span></li>
        """
    }
    return """
      <ul class="legend">\(items)</ul>
      """
  }

  /// What a reader has to know to read the lines, or nothing.
  var hint: HTML? {
    var sentences: [String] = []
    if lines.contains(where: { $0.average != nil }) {
      sentences.append(
        "Thin: single values. Thick: their moving "
          + (chart.isLogarithmicY ? "geometric mean." : "average."))
    }
    if omitted > 0 {
      let reason = chart.isLogarithmicY ? "not finite or not positive" : "not finite"
      sentences.append(
        omitted == 1
          ? "1 point is left out because it is \(reason)."
          : "\(omitted) points are left out because they are \(reason).")
    }
    guard !sentences.isEmpty else { return nil }
    return """
      <p class="hint">\(sentences.joined(separator: " "))</p>
      """
  }
}
