import ArgumentParser
import Foundation
import TandemCore
import TandemRecipes

struct Ablate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Switch a recipe's objectives on and off, and see whether they pull together.",
    discussion: """
      Examples:
        tandem ablate uniter/scenes --over objectives --output runs/ablation
        tandem ablate vl-bert/scenes --over objectives --add itm --wrong 0,0.3 --output runs/noise
        tandem ablate uniter/scenes --over switches --output runs/switches

      objectives: pre-trains with all objectives, with each left out and with each alone, on clean captions and
      on captions of which some are wrong, and fine-tunes each on questions. The cosine between the
      objectives' gradients is taken over pre-training.
      switches: pre-trains with one switch of the recipe turned at a time: words and regions hidden
      together or never, whole words or pieces, alignment; and variants of your own. Stopped at any moment, the same command
      goes on. The tables are comparison.md, the page comparison.html.
      """)
  @Argument(help: "A recipe of pre-training that `tandem recipes list` shows.") var recipe: String
  @Option(help: "What is switched.") var over = AblationAxis.objectives
  @Option(help: "Objectives to add to the recipe's own, between commas.") var add = ""
  @Option(help: "Shares of wrong captions, between commas.") var wrong = "0,0.1,0.3,0.5"
  @Option(help: "A variant beside the switches, 'NAME: key.path=value'. May be given often.")
  var variant: [String] = []
  @Option(help: "Seeds, between commas.") var seeds = "1,2,3"
  @Option(help: "Forwards of a batch in pre-training, shared by the objectives that are on.")
  var passes = 4000
  @Option(help: "Steps of fine-tuning on questions.") var taskSteps = 2000
  @Option(help: "How often the gradients are compared.") var comparisons = 10
  @Option(
    name: .customLong("set"), help: "A setting for every run: key.path=value. May be given often.")
  var assignments: [String] = []
  @Option(name: .shortAndLong, help: "The folder to make or to go on with.") var output: String
  @Option(help: "Runs at a time, each with its share of the cores.")
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  @Flag(help: "Print the results as JSON.") var json = false
  @Option(help: .hidden) var part: String?

  func run() throws {
    var plan =
      switch over {
      case .objectives:
        try Ablation.plan(
          of: recipe, adding: Lists.words(add), wrongTexts: Lists.numbers(wrong, "--wrong"))
      case .switches: try Ablation.plan(ofSwitchesIn: recipe, variants: variant)
      }
    plan.seeds = try Lists.seeds(seeds)
    plan.pretrainingPasses = passes
    plan.taskSteps = ["questions": taskSteps]
    plan.gradientComparisons = over == .objectives ? comparisons : 0
    plan.settings = assignments
    try ComparisonSession.run(
      plan, at: output, title: "Ablation of \(recipe)", part: part, jobs: jobs, json: json)
  }
}

enum AblationAxis: String, ExpressibleByArgument, CaseIterable { case objectives, switches }

/// Lists between commas.
enum Lists {
  static func words(_ text: String) -> [String] {
    text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
  }

  static func seeds(_ text: String) throws -> [UInt64] {
    try words(text).map {
      guard let seed = UInt64($0) else {
        throw ValidationError("--seeds: '\($0)' is no whole number")
      }
      return seed
    }
  }

  static func numbers(_ text: String, _ option: String) throws -> [Double] {
    try words(text).map {
      guard let number = Double($0), number.isFinite else {
        throw ValidationError("\(option): '\($0)' is no number")
      }
      return number
    }
  }
}
