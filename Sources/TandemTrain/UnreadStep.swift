internal import TandemCore
internal import TandemTorch

/// A step that is done as far as the host is concerned: its losses, its gradient norm and its
/// metrics are on their way from the device.
struct UnreadStep {
  private let line: MetricsLine
  private let lossCount: Int
  private let metrics: [(name: String, count: Double)]
  private let readout: Readout
  private let began: ContinuousClock.Instant

  /// - Parameters:
  ///   - losses: of the step's microbatches; they add up.
  ///   - norm: of all gradients.
  init(
    _ line: MetricsLine, losses: [Tensor], norm: Tensor, metrics: [PendingMetric],
    began: ContinuousClock.Instant
  ) throws {
    self.line = line
    self.began = began
    lossCount = losses.count
    self.metrics = metrics.map { ($0.name, $0.count) }
    readout = try Readout(losses + [norm] + metrics.map(\.sum))
  }

  /// The whole line, once the numbers are here.
  ///
  /// - Parameter previous: when the step before was read: steps overlap on a GPU, and no second is
  ///   to count twice.
  func read(after previous: ContinuousClock.Instant?) throws -> MetricsLine {
    let values = try readout.values()
    var sums: [String: Metric] = [:]
    for (metric, sum) in zip(metrics, values.dropFirst(lossCount + 1)) {
      let known = sums[metric.name]
      sums[metric.name] = Metric(
        metric.name, sum: (known?.sum ?? 0) + sum, count: (known?.count ?? 0) + metric.count)
    }
    var line = line
    line.loss = values.prefix(lossCount).reduce(0, +)
    line.gradientNorm = values[lossCount]
    line.metrics = sums.mapValues(\.value)
    line.seconds = (ContinuousClock.now - Swift.max(began, previous ?? began)) / .seconds(1)
    return line
  }
}
