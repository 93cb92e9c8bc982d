internal import Foundation
public import TandemCore

extension Recipe.Schedule {
  /// The learning rate's factor at a step, from 0: it rises linearly over the warm-up, then falls
  /// to 0 at `steps` in a line or half a cosine, or stays.
  public func factor(step: Int, of steps: Int) -> Double {
    let warmupSteps = (warmup * Double(steps)).rounded()
    let place = Double(step)
    if place < warmupSteps { return place / max(1, warmupSteps) }
    let rest = max(1, Double(steps) - warmupSteps)
    let progress = min(1, (place - warmupSteps) / rest)
    switch kind {
    case .linear: return 1 - progress
    case .cosine: return 0.5 * (1 + cos(.pi * progress))
    case .constant: return 1
    }
  }
}
