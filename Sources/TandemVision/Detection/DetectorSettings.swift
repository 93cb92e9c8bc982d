internal import Foundation

/// How a detector is trained.
public struct DetectorTrainingSettings: Sendable, Equatable, Codable {
  public enum Optimizer: Sendable, Equatable, Codable {
    /// Stochastic gradient descent with momentum, as detectors are published with.
    case momentum(Double = 0.9)
    /// Loshchilov & Hutter 2019.
    case adamW(beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8)
  }

  public enum Schedule: Sendable, Equatable, Codable {
    /// Times `factor` at each of these steps.
    case steps([Int], factor: Double = 0.1)
    /// Half a cosine down to 0 at the last step.
    case cosine
    case constant
  }

  /// Everything that is drawn comes from it.
  public var seed: UInt64
  public var steps: Int
  /// Pictures of a step.
  public var pictures: Int
  public var rate: Double
  public var optimizer: Optimizer
  public var weightDecay: Double
  /// Gradients are scaled down to this norm; 0: they are not.
  public var clip: Double
  /// Steps in which the rate rises from a thousandth.
  public var warmup: Int
  public var schedule: Schedule
  /// Every other picture is mirrored.
  public var flips: Bool

  public init(
    seed: UInt64 = 1, steps: Int, pictures: Int = 2, rate: Double = 0.0025,
    optimizer: Optimizer = .momentum(), weightDecay: Double = 1e-4, clip: Double = 0,
    warmup: Int = 0, schedule: Schedule = .cosine, flips: Bool = true
  ) {
    self.seed = seed
    self.steps = steps
    self.pictures = pictures
    self.rate = rate
    self.optimizer = optimizer
    self.weightDecay = weightDecay
    self.clip = clip
    self.warmup = warmup
    self.schedule = schedule
    self.flips = flips
  }

  /// - Throws: `DetectionError` for numbers that no training can have.
  public func check() throws {
    guard steps >= 1, pictures >= 1, rate > 0, rate.isFinite, weightDecay >= 0, clip >= 0,
      warmup >= 0
    else {
      throw DetectionError(
        "training: needs steps and pictures of at least 1, a rate above 0, and a decay, clip and "
          + "warm-up of at least 0; found \(steps), \(pictures), \(rate), \(weightDecay), \(clip), "
          + "\(warmup)")
    }
  }

  /// The learning rate at a step, from 0.
  public func rate(at step: Int) -> Double {
    let rise = step < warmup ? 1e-3 + (1 - 1e-3) * Double(step) / Double(warmup) : 1
    switch schedule {
    case .steps(let places, let factor):
      return rate * rise * pow(factor, Double(places.count { $0 <= step }))
    case .cosine:
      let place = Double(max(0, step - warmup)) / Double(max(1, steps - warmup))
      return rate * rise * 0.5 * (1 + cos(.pi * min(1, place)))
    case .constant: return rate * rise
    }
  }
}
