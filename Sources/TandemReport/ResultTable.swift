/// The table of results: numbers, intervals on a common scale, and what they are compared with.
extension RunReport {
  var resultsHTML: HTML? {
    guard !results.isEmpty else { return nil }
    let scale = IntervalScale(results)
    let hasBaselines = results.contains { !$0.baselines.isEmpty }
    let rows = results.map { row($0, scale: scale, hasBaselines: hasBaselines) }
    let scaleHead: HTML? = scale.map { scale in
      """
      <th class="graphic" scope="col" aria-label="On a common scale">\(scale.head)</th>
      """
    }
    let baselineHead: HTML? =
      !hasBaselines
      ? nil
      : """
      <th class="baselines" scope="col">Compared with</th>
      """
    return """
      <div class="scroll">
      <table class="results">
      <thead><tr><th scope="col">Measure</th><th class="number" scope="col">Value</th>\
      \(scaleHead)\(baselineHead)</tr></thead>
      <tbody>
      \(rows)
      </tbody>
      </table>
      </div>
      \(key(hasScale: scale != nil, hasBaselines: hasBaselines))
      """
  }

  private func row(_ result: Result, scale: IntervalScale?, hasBaselines: Bool) -> HTML {
    let count: HTML? = result.count.map { count in
      """
      <span class="count">\(NumberText.fixed(Double(count), decimals: 0)) examples</span>
      """
    }
    let range: HTML? = result.interval.map { interval in
      """
      <span class="range">\(NumberText.text(interval, style: result.style))</span>
      """
    }
    let graphic: HTML? = scale.map { scale in
      """
      <td class="graphic">\(scale.row(result))</td>
      """
    }
    let baselines = result.baselines.enumerated().map { index, baseline -> HTML in
      let difference = NumberText.difference(result.value - baseline.value, style: result.style)
      return """
        <li><svg viewBox="-6 -6 12 12" aria-hidden="true">\(IntervalScale.mark(index))</svg>\
        <span>\(baseline.name)</span> \
        <span>\(NumberText.text(baseline.value, style: result.style))</span> \
        <span class="difference" title="difference">\(difference)</span></li>
        """
    }
    let comparison: HTML? =
      !hasBaselines
      ? nil
      : """
      <td class="baselines"><ul>\(baselines)</ul></td>
      """
    return """
      <tr><th scope="row">\(result.name)\(count)</th>\
      <td class="number value">\(NumberText.text(result.value, style: result.style))\(range)</td>\
      \(graphic)\(comparison)</tr>
      """
  }

  /// How to read the table.
  private func key(hasScale: Bool, hasBaselines: Bool) -> HTML? {
    let hasIntervals = results.contains { $0.interval != nil }
    var entries: [HTML] = []
    if hasScale {
      entries.append(
        hasIntervals
          ? """
          <span><svg viewBox="-14 -6 28 12" aria-hidden="true">\
          <path class="whisker" d="M-12 0H12M-12 -5V5M12 -5V5" />\
          <circle class="measured" r="4" /></svg>value with its 95% interval</span>
          """
          : """
          <span><svg viewBox="-14 -6 28 12" aria-hidden="true"><circle class="measured" r="4" />\
          </svg>value</span>
          """)
    } else if hasIntervals {
      entries.append("<span>Beneath a value: its 95% interval.</span>")
    }
    if hasBaselines {
      entries.append("<span>+ and −: difference from the comparison; of shares, in points</span>")
    }
    guard !entries.isEmpty else { return nil }
    return """
      <p class="key hint">\(entries)</p>
      """
  }
}

/// The scale that all shares in the table are drawn on. Other numbers have no common scale.
struct IntervalScale {
  private let ticks: AxisTicks

  /// Nil when no result is a share that can be drawn.
  init?(_ results: [RunReport.Result]) {
    let numbers = results.filter { $0.style == .share && $0.value.isFinite }.flatMap { result in
      [result.value, result.interval?.lowerBound, result.interval?.upperBound].compactMap { $0 }
        + result.baselines.map(\.value)
    }.filter { $0.magnitude < 1e6 }
    guard let low = numbers.min(), let high = numbers.max() else { return nil }
    ticks = AxisTicks.linear(covering: low...high, target: 4, style: .share)
  }

  /// The place of a value in percent of the width, with room for half a label at both ends.
  private func place(_ value: Double) -> String {
    let low = ticks.values.first ?? 0
    let high = ticks.values.last ?? 1
    let share = high > low ? (value - low) / (high - low) : 0.5
    return NumberText.coordinate(6 + 88 * min(max(share, 0), 1)) + "%"
  }

  var head: HTML {
    let texts = zip(ticks.values, ticks.labels).map { value, label -> HTML in
      """
      <svg x="\(place(value))" y="100%" overflow="visible"><text class="tick-text" y="-10" \
      text-anchor="middle">\(label)</text></svg>
      """
    }
    return """
      <svg class="scale" aria-hidden="true">\(texts)</svg>
      """
  }

  func row(_ result: RunReport.Result) -> HTML {
    let lines = ticks.values.map { value -> HTML in
      """
      <line class="tick-line" x1="\(place(value))" x2="\(place(value))" y1="0" y2="100%" />
      """
    }
    guard result.style == .share, result.value.isFinite else {
      return """
        <svg class="scale" aria-hidden="true"></svg>
        """
    }
    let whisker: HTML? = result.interval.map { interval in
      let (low, high) = (place(interval.lowerBound), place(interval.upperBound))
      return """
        <line class="whisker" x1="\(low)" x2="\(high)" y1="50%" y2="50%" />\
        <svg x="\(low)" y="50%" overflow="visible"><path class="whisker" d="M0 -6V6" /></svg>\
        <svg x="\(high)" y="50%" overflow="visible"><path class="whisker" d="M0 -6V6" /></svg>
        """
    }
    // Comparisons stand beneath the value, so that near ones do not hide each other.
    let baselines = result.baselines.enumerated().filter { $0.element.value.isFinite }.map {
      index, baseline -> HTML in
      """
      <svg x="\(place(baseline.value))" y="50%" overflow="visible">\
      <g transform="translate(0 9)">\(Self.mark(index))</g></svg>
      """
    }
    let lift = baselines.isEmpty ? 0 : -8
    return """
      <svg class="scale" role="img" aria-label="\(spoken(result))">\(lines)\(baselines)\
      <g transform="translate(0 \(lift))">\(whisker)\
      <circle class="measured" cx="\(place(result.value))" cy="50%" r="4" /></g></svg>
      """
  }

  /// The mark of a comparison: a bar, a diamond, a square, in turn.
  static func mark(_ index: Int) -> HTML {
    switch index % 3 {
    case 0:
      """
      <path class="baseline" d="M0 -5V5" />
      """
    case 1:
      """
      <path class="baseline" d="M0 -4.5L4.5 0L0 4.5L-4.5 0z" />
      """
    default:
      """
      <path class="baseline" d="M-3.5 -3.5H3.5V3.5H-3.5z" />
      """
    }
  }

  private func spoken(_ result: RunReport.Result) -> String {
    var parts = [NumberText.percent(result.value)]
    if let interval = result.interval {
      parts.append("95% interval " + NumberText.text(interval, style: .share))
    }
    parts += result.baselines.map { $0.name + " " + NumberText.percent($0.value) }
    return parts.joined(separator: ", ")
  }
}
