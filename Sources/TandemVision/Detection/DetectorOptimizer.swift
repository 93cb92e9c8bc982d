internal import TandemNN
internal import TandemTorch

/// Updates the flat masters of a store from their gradients.
final class DetectorOptimizer {
  private let settings: DetectorTrainingSettings
  private let store: ParameterStore
  /// Momentum, or the two moments of AdamW, of each group that learns.
  private let states: [(group: FlatGroup, gradients: Tensor, moments: [Tensor])]

  init(_ settings: DetectorTrainingSettings, _ store: ParameterStore) throws {
    self.settings = settings
    self.store = store
    states = try withoutGradients {
      try store.groups.compactMap { group in
        guard let gradients = group.gradients else { return nil }
        let count = if case .momentum = settings.optimizer { 1 } else { 2 }
        return (group, gradients, try (0..<count).map { _ in try group.values.zerosLike() })
      }
    }
  }

  /// The norm of all gradients.
  func gradientNorm() throws -> Double {
    try withoutGradients {
      guard !states.isEmpty else { return 0 }
      return try Tensor.stacked(states.map { try $0.gradients.norm() }).norm().item()
    }
  }

  /// - Parameter step: from 0.
  func update(step: Int, norm: Double) throws {
    let rate = settings.rate(at: step)
    let excess = settings.clip > 0 && norm > settings.clip ? norm / settings.clip : 1
    try withoutGradients {
      for state in states {
        if excess > 1 { try state.gradients.multiply(by: 1 / excess) }
        let values = state.group.values
        let decay = state.group.group.decays ? settings.weightDecay : 0
        let rate = rate * state.group.group.multiplier
        switch settings.optimizer {
        case .momentum(let momentum):
          if decay > 0 { try state.gradients.add(values, scale: decay) }
          try state.moments[0].multiply(by: momentum)
          try state.moments[0].add(state.gradients)
          try values.add(state.moments[0], scale: -rate)
        case .adamW(let beta1, let beta2, let epsilon):
          try Tensor.fusedAdamW(
            parameters: values, gradients: state.gradients, first: state.moments[0],
            second: state.moments[1],
            stepCount: Tensor.full([], Double(step + 1), on: store.device), learningRate: rate,
            betas: (beta1, beta2), decay: decay, epsilon: epsilon)
        }
      }
    }
    store.mastersChanged()
  }

  /// The moments by name, for a checkpoint.
  func tensors() throws -> [String: Tensor] {
    var all: [String: Tensor] = [:]
    for state in states {
      for (place, moment) in state.moments.enumerated() {
        all.merge(try state.group.named(moment, prefix: "moment\(place).")) { $1 }
      }
    }
    return all
  }

  /// Takes over the moments of a checkpoint.
  func restore(_ tensor: (String) throws -> Tensor) throws {
    try withoutGradients {
      for (name, slice) in try tensors() {
        let kept = try tensor(name)
        guard kept.shape == slice.shape else {
          throw DetectionError(
            "the checkpoint's '\(name)' has the shape \(kept.shape), expected \(slice.shape)")
        }
        try slice.copy(from: kept)
      }
    }
  }
}
