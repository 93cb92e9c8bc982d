public import TandemCore
public import TandemNN
public import TandemTorch

/// AdamW, BERT's Adam and SGD with momentum over the flat buffers of a store.
public final class Optimizer {
  /// The moments of one group, flat like its weights.
  private struct State {
    let group: FlatGroup
    let gradients: Tensor
    let first: Tensor
    let second: Tensor
    let average: Tensor?
  }

  public let settings: Recipe.Optimizer
  /// Steps taken.
  public private(set) var step = 0
  /// The same on the device, where the fused kernel reads it: float32, one element.
  private let stepCount: Tensor
  private let store: ParameterStore
  private let states: [State]

  /// The store must be sealed.
  public init(_ settings: Recipe.Optimizer, _ store: ParameterStore) throws {
    self.settings = settings
    self.store = store
    stepCount = try Tensor.zeros([], on: store.device)
    states = try withoutGradients {
      try store.groups.compactMap { group in
        guard let gradients = group.gradients else { return nil }
        return State(
          group: group, gradients: gradients, first: try gradients.zerosLike(),
          second: try settings.kind == .sgd ? Tensor.zeros([0]) : gradients.zerosLike(),
          average: try settings.averaging > 0 ? group.values.clone() : nil)
      }
    }
  }

  /// The Euclidean norm of all gradients together: float32, one element, on the device.
  public func gradientNorm() throws -> Tensor {
    try withoutGradients {
      guard !states.isEmpty else { return try Tensor.zeros([], on: store.device) }
      return try Tensor.stacked(states.map { try $0.gradients.norm() }).norm()
    }
  }

  /// Updates every master from its gradient.
  ///
  /// - Parameters:
  ///   - rate: the learning rate of this step, before each group's multiplier.
  ///   - norm: what ``gradientNorm()`` gave: gradients are scaled down where it is over the limit,
  ///     on the way into the update.
  public func update(rate: Double, norm: Tensor) throws {
    step += 1
    try withoutGradients {
      try stepCount.fill(Double(step))
      let excess = try excess(norm)
      for state in states {
        let decay = state.group.group.decays ? settings.weightDecay : 0
        try update(
          state, rate: rate * state.group.group.multiplier, decay: decay, excess: excess)
        if let average = state.average {
          try average.interpolate(towards: state.group.values, by: 1 - settings.averaging)
        }
      }
    }
    store.mastersChanged()
  }

  /// What gradients are divided by to keep their norm within the limit; nil without one.
  private func excess(_ norm: Tensor) throws -> Tensor? {
    guard settings.clip > 0 else { return nil }
    return try ((norm + 1e-6) / settings.clip).clamped(from: 1, to: .infinity)
  }

  private func update(_ state: State, rate: Double, decay: Double, excess: Tensor?) throws {
    let weights = state.group.values
    if settings.kind != .adamW, let excess {
      try state.gradients.multiply(by: excess.reciprocal())
    }
    switch settings.kind {
    case .adamW:
      try Tensor.fusedAdamW(
        parameters: weights, gradients: state.gradients, first: state.first,
        second: state.second, stepCount: stepCount, learningRate: rate,
        betas: (settings.beta1, settings.beta2), decay: decay, epsilon: settings.epsilon,
        gradientScale: excess)
    case .bertAdam:
      try state.first.interpolate(towards: state.gradients, by: 1 - settings.beta1)
      try state.second.multiply(by: settings.beta2)
      try state.second.addProduct(state.gradients, state.gradients, scale: 1 - settings.beta2)
      let update = try state.first / (state.second.sqrt() + settings.epsilon)
      if decay > 0 { try update.add(weights, scale: decay) }
      try weights.add(update, scale: -rate)
    case .sgd:
      if decay > 0 { try state.gradients.add(weights, scale: decay) }
      // As elsewhere, the first step's momentum is the gradient itself.
      try state.first.multiply(by: step == 1 ? 0 : settings.momentum)
      try state.first.add(state.gradients)
      let direction = state.first
      if settings.nesterov {
        try state.gradients.add(direction, scale: settings.momentum)
        try weights.add(state.gradients, scale: -rate)
      } else {
        try weights.add(direction, scale: -rate)
      }
    }
  }

  // MARK: the averaged copy

  /// Runs `body` with the averaged weights in place of the trained ones, where there are such.
  public func withAveragedWeights<Result>(_ body: () throws -> Result) throws -> Result {
    guard settings.averaging > 0 else { return try body() }
    try exchangeWithAverage()
    let result = Swift.Result { try body() }
    try exchangeWithAverage()
    return try result.get()
  }

  private func exchangeWithAverage() throws {
    try withoutGradients {
      for state in states {
        guard let average = state.average else { continue }
        let trained = try state.group.values.clone()
        try state.group.values.copy(from: average)
        try average.copy(from: trained)
      }
    }
    store.mastersChanged()
  }

  // MARK: checkpoints

  /// The moments by name, and the trained weights' averages.
  public func tensors() throws -> [String: Tensor] {
    var all: [String: Tensor] = [:]
    for state in states {
      all.merge(try state.group.named(state.first, prefix: "first.")) { $1 }
      if settings.kind != .sgd {
        all.merge(try state.group.named(state.second, prefix: "second.")) { $1 }
      }
      if let average = state.average {
        all.merge(try state.group.named(average, prefix: "average.")) { $1 }
      }
    }
    return all
  }

  /// Takes up where the tensors of a checkpoint left off.
  public func restore(step: Int, from tensor: (String) throws -> Tensor) throws {
    self.step = step
    try withoutGradients {
      for (name, slice) in try tensors() { try slice.copy(from: tensor(name)) }
    }
  }
}
