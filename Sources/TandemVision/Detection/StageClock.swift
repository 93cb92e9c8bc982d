/// Adds up the seconds that the stages of a detector take, where somebody wants to know.
public final class StageClock {
  public enum Stage: String, Sendable, CaseIterable, Codable {
    case preparation, backbone, proposals, heads, suppression, description
  }

  public private(set) var seconds: [Stage: Double] = [:]

  public init() {}

  public func reset() { seconds = [:] }

  fileprivate func add(_ stage: Stage, _ time: Duration) {
    seconds[stage, default: 0] += time / .seconds(1)
  }
}

extension StageClock? {
  /// Runs `body`, on the clock of `stage` where there is one.
  func time<Result>(_ stage: StageClock.Stage, _ body: () throws -> Result) rethrows -> Result {
    guard let clock = self else { return try body() }
    let start = ContinuousClock.now
    defer { clock.add(stage, ContinuousClock.now - start) }
    return try body()
  }
}
