/// Which layers keep no intermediate values and are run again in the backward pass.
public enum Recomputation: String, Codable, Sendable, CaseIterable {
  case none
  case layer
  case everySecondLayer

  public func covers(layer: Int) -> Bool {
    switch self {
    case .none: false
    case .layer: true
    case .everySecondLayer: layer % 2 == 1
    }
  }
}

/// How a model is run: passed in, never ambient.
public struct Mode: Sendable {
  /// Dropout is on.
  public var isTraining: Bool
  /// The seed of this step's dropout.
  public var seed: UInt64
  public var recomputation: Recomputation

  public init(isTraining: Bool, seed: UInt64 = 0, recomputation: Recomputation = .none) {
    self.isTraining = isTraining
    self.seed = seed
    self.recomputation = recomputation
  }

  public static let inference = Mode(isTraining: false)
}
