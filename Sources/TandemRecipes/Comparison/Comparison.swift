// Trains systems under one budget, data, regions, optimiser and list of seeds, fine-tunes each on the
// same tasks, and says which differences are more than noise.

internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemFiles
internal import TandemNN
internal import TandemTasks
internal import TandemTorch
public import TandemTrain

/// One of those that are compared: a model with its recipe, perhaps changed.
public struct Entrant: Codable, Sendable, Hashable {
  public var name: String
  /// The model, whose recipes are named "MODEL/DATA" and "MODEL/DATA-TASK".
  public var model: String
  /// The objectives that it learns; empty for the recipe's own.
  public var objectives: [String] = []
  /// Changes of its pre-training, `key.path=value`.
  public var settings: [String] = []

  public init(
    _ model: String, name: String? = nil, objectives: [String] = [], settings: [String] = []
  ) {
    self.name = name ?? model
    self.model = model
    self.objectives = objectives
    self.settings = settings
  }
}

/// What a comparison does: everything that is the same for all.
public struct ComparisonPlan: Codable, Sendable, Equatable {
  public var entrants = ["vl-bert", "lxmert", "uniter", "vilt", "visualbert"].map { Entrant($0) }
  /// The data that the recipes are named after.
  public var data = "scenes"
  public var tasks = ["questions", "retrieval"]
  public var seeds: [UInt64] = [1, 2, 3]
  /// Forwards of a batch in pre-training: a system whose step is two of them takes half the steps, so
  /// that all see as many pairs; 0 for the recipes' own steps.
  public var pretrainingPasses = 9000
  /// Steps of fine-tuning on each task; 0 for the recipe's own.
  public var taskSteps: [String: Int] = ["questions": 2000, "retrieval": 400]
  /// Also fine-tune from random weights on these tasks.
  public var tasksWithoutPretraining = ["questions"]
  /// Records of the test split; 0 for all. Retrieval scores every pair of them.
  public var testRecords: [String: Int] = ["questions": 0, "retrieval": 500]
  /// How often in pre-training the objectives' gradients are compared; 0 for never.
  public var gradientComparisons = 0
  /// Threads inside an operator of each run.
  public var threads = 1
  /// Settings for every run, `key.path=value`.
  public var settings: [String] = []
  /// Too few seeds to tell a difference from noise.
  public var isQuick: Bool { seeds.count < 3 }

  public init() {}

  /// One seed and a fraction of the steps: to see that everything runs.
  public static var quick: ComparisonPlan {
    var plan = ComparisonPlan()
    plan.seeds = [1]
    plan.pretrainingPasses = 600
    plan.taskSteps = ["questions": 500, "retrieval": 60]
    plan.testRecords = ["questions": 2000, "retrieval": 100]
    return plan
  }
}

/// One run of a comparison: a system, a seed, and what it trains.
public struct ComparisonArm: Codable, Sendable, Hashable {
  public enum Stage: Codable, Sendable, Hashable {
    case pretraining
    case task(String, isPretrained: Bool)
  }
  /// An entrant's name.
  public var entrant: String
  public var seed: UInt64
  public var stage: Stage

  /// Its folder below the comparison's.
  public var folder: String {
    let name =
      switch stage {
      case .pretraining: "pretrained"
      case .task(let task, true): task
      case .task(let task, false): task + "-from-random"
      }
    return "\(entrant.replacing(" ", with: "-"))/seed-\(seed)/\(name)"
  }
}

/// What came out of a run.
public struct ArmResult: Codable, Sendable, Equatable {
  public var arm: ComparisonArm
  /// The figures of the test split by name; none for pre-training.
  public var figures: [String: Double]
  /// Weights, the word table not counted.
  public var parameters: Int
  /// The median over the run's steps.
  public var secondsPerStep: Double
  /// The most memory that the process held while it trained.
  public var megabytes: Double
  /// Validation: the step and the task's main metric, or the loss of pre-training.
  public var curve: [[Double]]
  /// How the objectives' gradients lay to one another over pre-training.
  public var gradients: [GradientAngle]
}

public enum ComparisonEvent: Sendable {
  case began(ComparisonArm, done: Int, of: Int)
  case training(ComparisonArm, TrainingEvent, steps: Int)
  case ended(ArmResult)
}

/// A comparison in a folder; what is finished there is not done again.
public struct Comparison {
  public let plan: ComparisonPlan
  public let folder: String

  private var planFile: String { folder + "/plan.json" }
  private var resultsFolder: String { folder + "/results" }

  /// - Throws: `SettingsError` for a system without recipes on the data, or a folder that holds
  ///   another plan.
  public init(_ plan: ComparisonPlan, in folder: String) throws {
    self.plan = plan
    self.folder = folder
    guard !plan.entrants.isEmpty, !plan.seeds.isEmpty else {
      throw SettingsError("a comparison needs at least one system and one seed")
    }
    guard Set(plan.entrants.map(\.name)).count == plan.entrants.count,
      Set(plan.seeds).count == plan.seeds.count
    else { throw SettingsError("a system or a seed stands twice in the comparison") }
    for arm in arms { _ = try resolved(arm) }
    let json = try JSONValue(encoding: plan).pretty + "\n"
    if let earlier = FileManager.default.contents(atPath: planFile) {
      guard String(decoding: earlier, as: UTF8.self) == json else {
        throw SettingsError(
          "\(folder) holds another comparison (see plan.json); name another --output")
      }
    } else {
      try FileManager.default.createDirectory(
        atPath: resultsFolder, withIntermediateDirectories: true)
      try AtomicFile.write(utf8: json, to: planFile)
    }
  }

  /// Every run, in the order in which they are done: seed after seed, so that a comparison that is
  /// stopped early has all systems under its first seeds.
  public var arms: [ComparisonArm] {
    plan.seeds.flatMap { seed in
      plan.entrants.flatMap { entrant -> [ComparisonArm] in
        func arm(_ stage: ComparisonArm.Stage) -> ComparisonArm {
          ComparisonArm(entrant: entrant.name, seed: seed, stage: stage)
        }
        return [arm(.pretraining)]
          + plan.tasks.map { arm(.task($0, isPretrained: true)) }
          + plan.tasksWithoutPretraining.map { arm(.task($0, isPretrained: false)) }
      }
    }
  }

  /// The recipe of a run, with the budget that is the same for all.
  public func resolved(_ arm: ComparisonArm) throws -> ResolvedRecipe {
    guard let entrant = plan.entrants.first(where: { $0.name == arm.entrant }) else {
      throw SettingsError("'\(arm.entrant)' takes no part in the comparison")
    }
    var assignments = ["seed=\(arm.seed)", "compute.threads=\(plan.threads)"]
    let steps: Int
    var recipe: Recipe
    switch arm.stage {
    case .pretraining:
      recipe = try RecipeCatalog.find("\(entrant.model)/\(plan.data)")
      recipe.objectives = try kept(entrant, of: recipe)
      steps = Int(Double(plan.pretrainingPasses) / (try forwardsPerStep(recipe)))
      assignments += entrant.settings
    case .task(let task, _):
      recipe = try RecipeCatalog.find("\(entrant.model)/\(plan.data)-\(task)")
      steps = plan.taskSteps[task] ?? 0
    }
    if steps > 0 {
      assignments += ["steps=\(steps)", "evaluation.every=\(max(1, steps / 4))"]
    }
    return try RecipeResolver.resolve(
      JSONValue(encoding: recipe), origin: "recipe", set: assignments + plan.settings)
  }

  /// How many forwards of a batch of the main data a step has; a stream of fewer examples counts for
  /// as much less.
  private func forwardsPerStep(_ recipe: Recipe) throws -> Double {
    guard recipe.mixture.steps == .all else { return 1 }
    let definitions = try recipe.objectives.map {
      try Catalog.definition($0, recipe.mixture.masking)
    }
    let forwards = try Mixture(definitions).passes.reduce(0.0) { sum, pass in
      let name = pass.first.map { definitions[$0].stream } ?? ""
      let examples = recipe.streams.first { $0.name == name }?.examples
      return sum + Double(examples ?? recipe.batch.examples) / Double(recipe.batch.examples)
    }
    return max(1, forwards)
  }

  private func kept(_ entrant: Entrant, of recipe: Recipe) throws -> [Recipe.ObjectiveChoice] {
    guard !entrant.objectives.isEmpty else { return recipe.objectives }
    // One that the recipe lacks comes with its defaults.
    return try entrant.objectives.flatMap { name in
      _ = try Catalog.objective(name)
      let own = recipe.objectives.filter { $0.name == name }
      return own.isEmpty ? [Recipe.ObjectiveChoice(name)] : own
    }
  }

  /// The results so far.
  public func results() throws -> [ArmResult] {
    try arms.compactMap { arm in
      guard let data = FileManager.default.contents(atPath: file(arm)) else { return nil }
      do {
        return try JSONDecoder().decode(ArmResult.self, from: data)
      } catch {
        throw RunError("\(file(arm)): \(JSONValue.explained(error)); delete it to do the run again")
      }
    }
  }

  private func file(_ arm: ComparisonArm) -> String {
    resultsFolder + "/" + arm.folder.replacing("/", with: "_") + ".json"
  }

  /// Does what is not done yet. A run that was cut off goes on from its last checkpoint.
  ///
  /// - Parameter part: which of several processes this is, each of which does every so-many-th
  ///   entrant and seed.
  /// - Returns: false when it was interrupted.
  public func run(
    part: (number: Int, of: Int) = (0, 1), time: String,
    isInterrupted: @escaping @Sendable () -> Bool,
    _ report: (ComparisonEvent) throws -> Void
  ) throws -> Bool {
    let chains = plan.seeds.flatMap { seed in plan.entrants.map { "\($0.name) \(seed)" } }
    let all = arms.filter { arm in
      let chain = chains.firstIndex(of: "\(arm.entrant) \(arm.seed)") ?? 0
      return chain % part.of == part.number
    }
    for (place, arm) in all.enumerated() {
      if FileManager.default.fileExists(atPath: file(arm)) { continue }
      try report(.began(arm, done: place, of: all.count))
      guard let result = try result(of: arm, time, isInterrupted, report) else { return false }
      try AtomicFile.write(
        utf8: JSONValue(encoding: result).pretty + "\n", to: file(arm))
      try report(.ended(result))
    }
    return true
  }

  private func result(
    of arm: ComparisonArm, _ time: String, _ isInterrupted: @escaping @Sendable () -> Bool,
    _ report: (ComparisonEvent) throws -> Void
  ) throws -> ArmResult? {
    let path = "\(folder)/\(arm.folder)"
    let recipe = try resolved(arm)
    let meter = PeakMemory()
    var gradients: [GradientAngle] = []
    do {
      let training = try training(arm, recipe, path, time, isInterrupted)
      let probe = try probe(arm, training.assembly)
      let every = max(1, recipe.recipe.steps / max(1, plan.gradientComparisons))
      let outcome = try training.train { event in
        if let probe, case .step(let line, _) = event, line.step % every == 0 || line.step == 1 {
          gradients += try probe.angles(afterStep: line.step)
        }
        try report(.training(arm, event, steps: recipe.recipe.steps))
      }
      guard outcome != .interrupted else { return nil }
    }
    let lines = try RunDirectory.open(path).metrics()
    let seconds = lines.filter { $0.kind == .train }.map(\.seconds).sorted()
    let predictor = try Predictor(path)
    var figures: [String: Double] = [:]
    if case .task(let task, _) = arm.stage {
      let found = try predictor.evaluate(
        .test, limit: plan.testRecords[task] ?? 0, progress: { _, _ in })
      for figure in found.results { figures[figure.name] = figure.value }
    }
    let table = predictor.assembly.store.parameters.filter {
      $0.shape.first == predictor.assembly.model.facts.vocabulary && $0.shape.count == 2
    }
    return ArmResult(
      arm: arm, figures: figures,
      parameters: predictor.assembly.store.parameterCount
        - table.reduce(0) { $0 + $1.count },
      secondsPerStep: seconds.isEmpty ? 0 : seconds[seconds.count / 2],
      megabytes: meter.megabytes(), curve: curve(lines, recipe.recipe, arm.stage),
      gradients: gradients)
  }

  private func probe(_ arm: ComparisonArm, _ assembly: Assembly) throws -> GradientProbe? {
    guard arm.stage == .pretraining, plan.gradientComparisons > 0, assembly.objectives.count > 1
    else { return nil }
    return try GradientProbe(assembly)
  }

  private func training(
    _ arm: ComparisonArm, _ recipe: ResolvedRecipe, _ path: String, _ time: String,
    _ isInterrupted: @escaping @Sendable () -> Bool
  ) throws -> TrainingRun {
    if FileManager.default.fileExists(atPath: path) {
      return try TrainingRun.resume(path, expected: recipe, isInterrupted: isInterrupted)
    }
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    var initial: String?
    if case .task(_, isPretrained: true) = arm.stage {
      var first = arm
      first.stage = .pretraining
      initial = "\(folder)/\(first.folder)"
    }
    return try TrainingRun.start(
      recipe, at: path, from: initial, time: time, isInterrupted: isInterrupted)
  }

  private func curve(
    _ lines: [MetricsLine], _ recipe: Recipe, _ stage: ComparisonArm.Stage
  ) -> [[Double]] {
    // Some objectives of pre-training answer too, but what is compared there is the loss.
    let metric =
      stage == .pretraining
      ? nil
      : recipe.objectives.lazy.compactMap { choice in
        (try? Catalog.objective(choice.name) as? any DownstreamTask.Type)?.mainMetric
      }.first
    return lines.filter { $0.kind == .evaluation }.map { line in
      [Double(line.step), metric.flatMap { line.metrics[$0] } ?? line.loss]
    }
  }
}

/// The most memory that this process has held since it was made.
struct PeakMemory {
  /// Starts anew; where the system does not allow that, the peak is the process's own.
  init() { try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8) }

  func megabytes() -> Double { Process.megabytes("VmHWM") }
}
