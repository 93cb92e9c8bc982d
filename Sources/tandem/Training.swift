import ArgumentParser
import Foundation
import Synchronization
import TandemCore
import TandemRecipes
import TandemTrain

struct RecipeArguments: ParsableArguments {
  @Argument(help: "A recipe that `tandem recipes list` shows, or a .json file.")
  var recipe: String

  @Option(help: "Where it runs: cpu, cuda or cuda:N; short for --set compute.device=….")
  var device: String?
  @Option(
    name: .customLong("set"), help: "Override a setting: key.path=value. May be given often.")
  var assignments: [String] = []

  func resolved() throws -> ResolvedRecipe {
    try RecipeResolver.resolve(
      recipe, set: assignments + (device.map { ["compute.device=\($0)"] } ?? []))
  }
}

struct Pretrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Pre-train a model with a recipe's objectives.",
    discussion: """
      Example:
        tandem pretrain vilt/easy-vqa-demo-pretrain --output runs/pretrained --set steps=200
      """)
  @OptionGroup var recipe: RecipeArguments
  @Option(name: .shortAndLong, help: "The directory of the run; it must not exist.")
  var output: String
  @Option(help: "Start from the best weights of this run.") var from: String?

  func run() throws {
    let resolved = try recipe.resolved()
    try need(.pretrain, resolved.recipe, instead: "finetune \(recipe.recipe)")
    try TrainingSession.start(resolved, output, from)
  }
}

struct Finetune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Fine-tune for a task, from a pre-trained run or from random weights.",
    discussion: """
      Example:
        tandem finetune vilt/easy-vqa-demo --from runs/pretrained --output runs/demo
      """)
  @OptionGroup var recipe: RecipeArguments
  @Option(name: .shortAndLong, help: "The directory of the run; it must not exist.")
  var output: String
  @Option(help: "Start from the best weights of this run.") var from: String?

  func run() throws {
    let resolved = try recipe.resolved()
    try need(.finetune, resolved.recipe, instead: "pretrain \(recipe.recipe)")
    try TrainingSession.start(resolved, output, from)
  }
}

private func need(_ stage: Recipe.Stage, _ recipe: Recipe, instead: String) throws {
  guard recipe.stage == stage else {
    throw SettingsError(
      "\(recipe.name) is a recipe to \(recipe.stage.rawValue): `tandem \(instead)`")
  }
}

struct Resume: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Go on with a run from its last checkpoint, exactly as if it had not stopped.",
    discussion: """
      Example:
        tandem resume runs/demo
      """)
  @Argument(help: ArgumentHelp("The directory of the run.", valueName: "run")) var path: String
  @Option(help: "Refuse unless the run was started with this recipe.") var recipe: String?
  @Option(name: .customLong("set"), help: "Settings of that recipe: key.path=value.")
  var assignments: [String] = []

  func run() throws {
    let expected = try recipe.map { try RecipeResolver.resolve($0, set: assignments) }
    if expected == nil, !assignments.isEmpty {
      throw SettingsError("--set cannot change a run that has begun; start a new one")
    }
    let flag = InterruptFlag()
    let training = try TrainingRun.resume(path, expected: expected) { flag.isRaised }
    try TrainingSession.watch(training, flag)
  }
}

/// How often Ctrl-C was pressed. A signal handler may touch nothing but an atomic.
private let interrupts = Atomic<Int>(0)

/// Raised by Ctrl-C; a second one ends the process at once.
struct InterruptFlag: Sendable {
  init() {
    signal(SIGINT) { _ in
      if interrupts.add(1, ordering: .relaxed).newValue > 1 { _exit(130) }
    }
  }

  var isRaised: Bool { interrupts.load(ordering: .relaxed) > 0 }
}

/// Runs a training to its end and tells people how it goes.
enum TrainingSession {
  static func start(_ resolved: ResolvedRecipe, _ output: String, _ from: String?) throws {
    let flag = InterruptFlag()
    let training = try TrainingRun.start(
      resolved, at: output, from: from, time: timestamp()
    ) { flag.isRaised }
    try watch(training, flag)
  }

  static func watch(_ training: TrainingRun, _ flag: InterruptFlag) throws {
    let console = Console()
    let recipe = training.card.recipe
    let path = training.directory.path
    console.say("\(recipe.name) → \(path)")
    for line in training.plan.lines {
      console.say("  " + line.title.padding(toLength: 9, withPad: " ", startingAt: 0) + line.text)
    }
    if let outcome = training.outcome {
      let end = outcome == .finished ? "finished" : "stopped early"
      console.say("\(path) was \(end) already, at step \(training.stepsDone)")
      return console.next(advice(outcome, recipe, path))
    }
    if training.stepsDone > 0 { console.say("  resumes after step \(training.stepsDone)") }
    let start = ContinuousClock.now
    let outcome = try training.train { event in
      switch event {
      case .step(let line, let remaining):
        console.progress(line.step, of: recipe.steps, status(line, remaining))
      case .evaluation(let line, let isBest):
        let figures = line.metrics.filter { $0.key != "loss" }.sorted { $0.key < $1.key }
          .map { "\($0.key) \(fixed($0.value, 4))" }
        console.say(
          "step \(line.step): validation loss \(fixed(line.loss, 4))  "
            + figures.joined(separator: "  ") + (isBest ? "  (best)" : ""))
      case .checkpoint: break
      case .skipped(let reasons):
        for reason in reasons { console.say("left out: \(reason)") }
      }
    }
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    console.say("\(describe(outcome)) after \(Console.clock(seconds))")
    console.next(advice(outcome, recipe, path))
  }

  private static func status(_ line: MetricsLine, _ remaining: Double) -> String {
    let rate = line.seconds > 0 ? Double(line.examples) / line.seconds : 0
    return "loss \(fixed(line.loss, 4))  \(fixed(rate, 0)) examples/s  "
      + "\(Console.clock(remaining)) left"
  }

  private static func describe(_ outcome: TrainingOutcome) -> String {
    switch outcome {
    case .finished: "done"
    case .stoppedEarly: "stopped early: evaluations no longer improve"
    case .interrupted: "stopped as asked; a checkpoint is written"
    }
  }

  private static func advice(
    _ outcome: TrainingOutcome, _ recipe: Recipe, _ path: String
  ) -> [String] {
    if outcome == .interrupted { return ["tandem resume \(path)"] }
    guard recipe.stage == .finetune else {
      let finetuning = RecipeCatalog.all.first {
        $0.stage == .finetune && $0.model.name == recipe.model.name
          && $0.model.preset == recipe.model.preset
          && ($0.name.hasPrefix(recipe.name) || $0.data.dataset == recipe.data.dataset)
      }
      return [
        finetuning.map {
          "tandem finetune \($0.name) --from \(path) --output \(path)-finetuned"
        },
        "tandem report \(path)",
      ].compactMap { $0 }
    }
    return [
      "tandem evaluate \(path)", "tandem report \(path)",
      recipe.objectives.first?.name == "vqa"
        ? "tandem predict \(path) --image PICTURE --question \"…\"" : "tandem embed \(path) --help",
    ]
  }
}
