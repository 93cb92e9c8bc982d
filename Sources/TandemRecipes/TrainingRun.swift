// Starts, resumes and watches over training: a recipe in, a run directory out.

internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemFiles
internal import TandemText
internal import TandemNN
internal import TandemTorch
public import TandemTrain

/// A training run, ready to go.
public final class TrainingRun {
  public let directory: RunDirectory
  public let assembly: Assembly
  public let card: RunCard
  /// What the run is about to do, for people to read before the first step.
  public let plan: RunPlan
  private let loaders: RunLoaders
  private let checkpoint: Checkpoint?
  private let isInterrupted: @Sendable () -> Bool

  /// A new run in a new directory.
  ///
  /// - Parameters:
  ///   - initial: what it starts from: a run's best weights, an imported or a published model, BERT
  ///     or ViT below it; heads may differ.
  ///   - time: when it starts, for the record.
  public static func start(
    _ resolved: ResolvedRecipe, at output: String, from initial: String? = nil, time: String,
    isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) throws -> TrainingRun {
    var recipe = resolved.recipe
    let runtime = try Runtime.configure(threads: recipe.compute.threads)
    try OptionFilling.fill(&recipe)
    let start = try initial.map { try StartingPoint($0, for: recipe) }
    let assembly = try Assembly(recipe, source: start)
    if let start {
      try assembly.store.loadReport().check { assembly.isHead($0) || start.isNew($0) }
    }
    let regions = try RegionSummary(recipe, after: start?.run)
    assembly.scaling = regions?.scaling
    let loaders = try RunLoaders(assembly)
    let kernels = try KernelMeasurement.of(
      assembly.store, recipe.compute.linearKernel, rows: recipe.batch.rows,
      cache: KernelCache(path: KernelCache.defaultPath, threads: runtime.threads))
    assembly.store.kernels = kernels.table
    let card = RunCard(
      recipe: recipe, origins: resolved.origins, initializedFrom: initial ?? "",
      environment: runtime.environment(started: time, kernels: kernels.table))
    let plan = try RunPlan(
      assembly, card, loaders, after: 0, rate: kernels.rate, changes: start?.changes ?? [])
    let directory = try RunDirectory.create(at: output)
    try AtomicFile.write(utf8: assembly.texts.content, to: directory.vocabularyFile)
    try regions?.write(to: directory)
    try directory.write(card)
    return TrainingRun(
      directory: directory, assembly: assembly, card: card, plan: plan, loaders: loaders,
      checkpoint: nil, isInterrupted: isInterrupted)
  }

  /// Goes on with a run from its last checkpoint, with the threads and the kernel it had.
  ///
  /// - Parameter expected: a recipe that the run must have; another one is refused.
  public static func resume(
    _ path: String, expected: ResolvedRecipe? = nil,
    isInterrupted: @escaping @Sendable () -> Bool = { false }
  ) throws -> TrainingRun {
    let directory = try RunDirectory.open(path)
    let card = try directory.card()
    if let expected {
      var asked = expected.recipe
      try OptionFilling.fill(&asked)
      try checkSame(card.recipe, asked, path)
    }
    let checkpoint = try? directory.checkpoints.open(.last)
    if checkpoint == nil, (try? directory.checkpoints.index()) != nil {
      _ = try directory.checkpoints.open(.last)
    }
    try Runtime.restore(card.environment)
    let source: (any WeightSource)? =
      if let checkpoint {
        SafeTensorsSource(try checkpoint.trainedWeights())
      } else if card.initializedFrom.isEmpty {
        nil
      } else {
        try StartingPoint(card.initializedFrom, for: card.recipe)
      }
    let assembly = try Assembly(
      card.recipe, vocabularyFile: directory.vocabularyFile, source: source,
      kernels: card.environment.kernels)
    try assembly.store.loadReport().check(
      optional: checkpoint == nil ? assembly.isHead : { _ in false })
    assembly.scaling = try RegionSummary(of: directory)?.scaling
    let loaders = try RunLoaders(assembly)
    return TrainingRun(
      directory: directory, assembly: assembly, card: card,
      plan: try RunPlan(assembly, card, loaders, after: checkpoint?.state.step ?? 0, rate: 0),
      loaders: loaders, checkpoint: checkpoint, isInterrupted: isInterrupted)
  }

  private init(
    directory: RunDirectory, assembly: Assembly, card: RunCard, plan: RunPlan,
    loaders: RunLoaders, checkpoint: Checkpoint?, isInterrupted: @escaping @Sendable () -> Bool
  ) {
    self.directory = directory
    self.assembly = assembly
    self.card = card
    self.plan = plan
    self.loaders = loaders
    self.checkpoint = checkpoint
    self.isInterrupted = isInterrupted
  }

  /// Steps that are done already.
  public var stepsDone: Int { checkpoint?.state.step ?? 0 }

  /// How the run ended, if it is over: then there is nothing to train.
  public var outcome: TrainingOutcome? { checkpoint?.state.outcome(under: card.recipe) }

  public func train(_ report: (TrainingEvent) throws -> Void) throws -> TrainingOutcome {
    let recipe = assembly.recipe
    if let outcome { return outcome }
    try assembly.sealForTraining()
    let steps = loaders.training.prefetching(
      stepsDone..<recipe.steps, workers: max(1, recipe.data.loaderThreads))
    defer { steps.cancel() }
    let quality = try self.quality()
    var trainer = try Trainer(
      Trainer.Parts(
        recipe: recipe, store: assembly.store, encode: assembly.encode,
        objectives: assembly.objectives, nextStep: steps.next,
        waited: { steps.waited },
        evaluate: { [assembly, loaders] in
          try Evaluation.losses(assembly, loaders.evaluation, limit: recipe.evaluation.records)
            .metrics
        },
        quality: quality, isInterrupted: isInterrupted),
      run: directory, resuming: checkpoint)
    return try trainer.train(report)
  }

  /// The main metric of a task, or the loss turned round.
  private func quality() throws -> ([Metric]) -> Double {
    let names = try assembly.recipe.objectives.compactMap { choice in
      try (Catalog.objective(choice.name) as? any DownstreamTask.Type)?.mainMetric
    }
    let isTask = assembly.recipe.stage == .finetune
    return { metrics in
      for name in names where isTask {
        if let metric = metrics.first(where: { $0.name == name }) { return metric.value }
      }
      return -(metrics.first { $0.name == "loss" }?.value ?? 0)
    }
  }

  private static func checkSame(_ found: Recipe, _ asked: Recipe, _ path: String) throws {
    let differences = try RecipeDifference.between(found, asked)
      .filter { !$0.path.hasSuffix("options.answers") && !$0.path.contains("options.answers.") }
    guard differences.isEmpty else {
      let list = differences.prefix(5).map {
        "  \($0.path): the run has \($0.left), not \($0.right)"
      }
      throw RunError(
        "\(path) was started with another recipe:\n" + list.joined(separator: "\n")
          + "\nresume it without naming a recipe, or start a new run with another --output")
    }
  }
}

/// The prepared steps that a run learns from and those that it is measured on.
struct RunLoaders {
  let training: StepLoader
  let evaluation: StepLoader

  init(_ assembly: Assembly) throws {
    let evaluation = assembly.recipe.evaluation
    training = try assembly.loader(.train, training: true)
    self.evaluation = try assembly.loader(
      evaluation.split, training: false, limit: evaluation.records)
  }
}
