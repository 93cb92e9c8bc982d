public import TandemCore
public import TandemNN
internal import TandemTorch

/// One step of training as the trainer reports it.
public enum TrainingEvent: Sendable {
  /// A step is done; `remaining` in seconds.
  case step(MetricsLine, remaining: Double)
  case evaluation(MetricsLine, isBest: Bool)
  case checkpoint(step: Int)
  /// Records that were left out, with what was wrong.
  case skipped([String])
}

/// How training ended.
public enum TrainingOutcome: String, Sendable {
  case finished
  /// No evaluation was better for as long as the recipe's patience.
  case stoppedEarly
  /// Asked to stop; a checkpoint was written.
  case interrupted
}

/// Trains: rate → batch → choice among candidates → encode → losses → backward → clip → update →
/// report, step after step.
public struct Trainer {
  /// What a training run is made of; put together elsewhere.
  public struct Parts {
    public var recipe: Recipe
    public var store: ParameterStore
    public var encode: (PackedBatch, Mode) throws -> Encoding
    public var objectives: [(definition: ObjectiveDefinition, runner: any ObjectiveRunner)]
    /// The next prepared step; nil after the last one.
    public var nextStep: () throws -> PreparedStep?
    /// Seconds waited for data so far.
    public var waited: () -> Double
    /// Losses and metrics on the evaluation split.
    public var evaluate: () throws -> [Metric]
    /// Larger is better; from the metrics of an evaluation.
    public var quality: ([Metric]) -> Double
    public var isInterrupted: () -> Bool

    public init(
      recipe: Recipe, store: ParameterStore,
      encode: @escaping (PackedBatch, Mode) throws -> Encoding,
      objectives: [(definition: ObjectiveDefinition, runner: any ObjectiveRunner)],
      nextStep: @escaping () throws -> PreparedStep?,
      waited: @escaping () -> Double,
      evaluate: @escaping () throws -> [Metric], quality: @escaping ([Metric]) -> Double,
      isInterrupted: @escaping () -> Bool
    ) {
      self.recipe = recipe
      self.store = store
      self.encode = encode
      self.objectives = objectives
      self.nextStep = nextStep
      self.waited = waited
      self.evaluate = evaluate
      self.quality = quality
      self.isInterrupted = isInterrupted
    }
  }

  let parts: Parts
  let optimizer: Optimizer
  let run: RunDirectory
  let log: MetricsLog
  private var state: TrainingState
  /// The step whose numbers have not been read yet.
  private var unread: UnreadStep?
  private var lastRead: ContinuousClock.Instant?

  /// - Parameter checkpoint: where to take up; nil for a new run.
  public init(_ parts: Parts, run: RunDirectory, resuming checkpoint: Checkpoint? = nil) throws {
    self.parts = parts
    self.run = run
    optimizer = try Optimizer(parts.recipe.optimizer, parts.store)
    state = checkpoint?.state ?? TrainingState(step: 0)
    if let checkpoint { try checkpoint.restore(optimizer) }
    // Also without a checkpoint: a run that was killed before its first one starts over.
    try run.truncateMetrics(after: state.step)
    log = try MetricsLog(run, after: state.step)
  }

  public mutating func train(
    _ report: (TrainingEvent) throws -> Void
  ) throws -> TrainingOutcome {
    let recipe = parts.recipe
    while state.outcome(under: recipe) == nil {
      let start = ContinuousClock.now
      let waitedBefore = parts.waited()
      guard let prepared = try parts.nextStep() else { break }
      let material = try prepared.chosen(
        by: parts.objectives, seed: recipe.seed, encode: parts.encode)
      try note(material.skipped, report)
      let rate =
        recipe.optimizer.learningRate * recipe.schedule.factor(step: state.step, of: recipe.steps)
      let (losses, metrics) = try learn(material)
      let norm = try optimizer.gradientNorm()
      try optimizer.update(rate: rate, norm: norm)
      state.step += 1

      var line = MetricsLine(kind: .train, step: state.step, loss: 0, metrics: [:])
      line.rate = rate
      line.examples = material.exampleCount
      line.rows = material.rowCount
      line.waited = parts.waited() - waitedBefore
      let step = try UnreadStep(line, losses: losses, norm: norm, metrics: metrics, began: start)
      // A processor has computed everything by now. A GPU is still at it: the numbers of the step
      // before have arrived, those of this one are read after the next.
      try settle(report)
      unread = step
      let isLast = state.step == recipe.steps
      let isDue = Self.isDue(recipe.checkpoints.every, state.step)
      let evaluates = isLast || Self.isDue(recipe.evaluation.every, state.step)
      let isInterrupted = parts.isInterrupted()
      if parts.store.device == .cpu || isDue || evaluates || isInterrupted { try settle(report) }

      let isBest = evaluates ? try evaluate(report) : nil
      if isInterrupted {
        // Whoever stops before the first evaluation goes on to use what is there now.
        try save(isBest: isBest ?? (state.best == nil), report)
        return .interrupted
      }
      let isOver = state.outcome(under: recipe) != nil
      if isOver || isDue || isBest == true { try save(isBest: isBest ?? false, report) }
    }
    try settle(report)
    return state.outcome(under: recipe) ?? .finished
  }

  private static func isDue(_ every: Int, _ step: Int) -> Bool { every > 0 && step % every == 0 }

  /// Reads the numbers of the step that is unread, checks them and logs them.
  private mutating func settle(_ report: (TrainingEvent) throws -> Void) throws {
    guard let step = unread else { return }
    unread = nil
    let recipe = parts.recipe
    var line = try step.read(after: lastRead)
    lastRead = .now
    guard line.loss.isFinite, line.gradientNorm.isFinite else {
      let first = line.metrics.filter { !$0.value.isFinite }.keys.min()
      throw stopped(
        "step \(line.step): the loss is \(line.loss) and the gradient norm \(line.gradientNorm)"
          + (first.map { "; the first figure that is no number is \($0)" } ?? ""))
    }
    state.elapsed += line.seconds
    line.elapsed = state.elapsed
    try log.write(line)
    let pace = state.elapsed / Double(line.step)
    try report(.step(line, remaining: pace * Double(recipe.steps - line.step)))
  }

  /// All forwards and backwards of a step; the gradients lie in the store afterwards. Nothing here
  /// waits for the device.
  func learn(
    _ material: PreparedStep
  ) throws -> (losses: [Tensor], metrics: [PendingMetric]) {
    try parts.store.clearGradients()
    let mode = Mode(
      isTraining: true,
      seed: RandomStream(seed: parts.recipe.seed).child("dropout").child(UInt64(state.step)).key,
      recomputation: parts.recipe.compute.recomputation)
    var losses: [Tensor] = []
    var metrics: [PendingMetric] = []
    let readsFollower = parts.objectives.contains { $0.definition.readsFollower }
    for microbatch in material.microbatches {
      // The averaged weights change places with the trained ones, so that comes first.
      let follower = try readsFollower ? self.follower(microbatch.batch) : nil
      var encoding = try parts.encode(microbatch.batch, mode)
      encoding.follower = follower
      var total: Tensor?
      for (place, objective) in parts.objectives.enumerated() {
        guard
          let part = try objective.runner.loss(
            encoding, microbatch.sequences, place: place,
            denominator: material.denominators[place])
        else { continue }
        let weighted = try part.total * objective.definition.weight
        total = try total.map { try $0 + weighted } ?? weighted
        metrics += part.metrics
      }
      guard let total else { continue }
      losses.append(try total.detached())
      try total.backward()
      for (place, objective) in parts.objectives.enumerated() {
        try objective.runner.remember(encoding, microbatch.sequences, place: place)
      }
    }
    return (losses, metrics)
  }

  /// What the averaged copy of the weights makes of a batch, without gradients (ALBEF's momentum
  /// encoder).
  private func follower(_ batch: PackedBatch) throws -> PairFeatures? {
    guard parts.recipe.optimizer.averaging > 0 else {
      throw RunError(
        "an objective asks for the averaged copy of the weights; "
          + "--set optimizer.averaging=0.995 keeps one")
    }
    return try withoutGradients {
      try optimizer.withAveragedWeights { try parts.encode(batch, .inference).pair }
    }
  }

  /// Whether this evaluation was the best.
  private mutating func evaluate(_ report: (TrainingEvent) throws -> Void) throws -> Bool {
    let metrics = try optimizer.withAveragedWeights { try parts.evaluate() }
    let loss = metrics.first { $0.name == "loss" }?.value ?? 0
    guard loss.isFinite else {
      throw stopped("step \(state.step): the loss of the evaluation is \(loss)")
    }
    let quality = parts.quality(metrics)
    let isBest = state.best.map { quality > $0 } ?? true
    if isBest {
      state.best = quality
      state.bestStep = state.step
      state.sinceBest = 0
    } else {
      state.sinceBest += 1
    }
    var line = MetricsLine(
      kind: .evaluation, step: state.step, loss: loss,
      metrics: Dictionary(metrics.map { ($0.name, $0.value) }) { first, _ in first })
    line.elapsed = state.elapsed
    try log.write(line)
    try report(.evaluation(line, isBest: isBest))
    return isBest
  }

  private func save(isBest: Bool, _ report: (TrainingEvent) throws -> Void) throws {
    try log.flush()
    try run.checkpoints.write(
      state: state, store: parts.store, optimizer: optimizer, isBest: isBest,
      keep: parts.recipe.checkpoints.keep)
    try report(.checkpoint(step: state.step))
  }

  private mutating func note(
    _ skipped: [String], _ report: (TrainingEvent) throws -> Void
  ) throws {
    // A record that is met again in a later epoch is no other one.
    let new = Set(skipped).subtracting(state.skipped).sorted()
    guard !new.isEmpty else { return }
    state.skipped += new
    try report(.skipped(new))
    let count = state.skipped.count
    guard count <= parts.recipe.data.badRecords else {
      throw DataError(
        "\(new[0])\n\(count) bad record\(count == 1 ? "" : "s") so far, "
          + "data.badRecords allows \(parts.recipe.data.badRecords)")
    }
  }

  private func stopped(_ reason: String) -> RunError {
    let kept = (try? run.checkpoints.index().last).map { "the checkpoint \($0) is whole" }
    return RunError(
      "\(reason): stopped; " + (kept ?? "no checkpoint was written yet")
        + ". A lower optimizer.learningRate, a longer schedule.warmup or optimizer.clip=1 may help"
    )
  }
}
