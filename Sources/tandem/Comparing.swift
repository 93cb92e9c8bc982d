import ArgumentParser
import Foundation
import TandemCore
import TandemRecipes
import TandemReport
import TandemTrain

struct Compare: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train systems under one budget, data and seeds, and tell differences from noise.",
    discussion: """
      Examples:
        tandem compare --quick --output runs/quick
        tandem compare --output runs/compare
        tandem compare --systems uniter,vilt --seeds 1,2,3,4,5 --output runs/two

      Every run lies in the output folder as if it had been started by itself. Stopped at any
      moment, the same command goes on. The table is comparison.md, the page comparison.html.
      """)
  @Option(help: "Models with recipes on the data, between commas.")
  var systems = ComparisonPlan().entrants.map(\.model).joined(separator: ",")
  @Option(help: "The data that the recipes are named after.") var data = ComparisonPlan().data
  @Option(help: "Tasks to fine-tune on, between commas.")
  var tasks = ComparisonPlan().tasks.joined(separator: ",")
  @Option(help: "Seeds, between commas; three or more tell differences from noise.")
  var seeds: String?
  @Option(help: "Forwards of a batch in pre-training; a step of some systems has several.")
  var passes: Int?
  @Option(help: "Steps of fine-tuning on questions.") var taskSteps: Int?
  @Flag(help: "One seed and a fraction of the steps: about ten minutes on two cores.")
  var quick = false
  @Option(
    name: .customLong("set"), help: "A setting for every run: key.path=value. May be given often.")
  var assignments: [String] = []
  @Option(name: .shortAndLong, help: "The folder to make or to go on with.") var output: String
  @Option(help: "Runs at a time, each with its share of the cores.")
  var jobs = ProcessInfo.processInfo.activeProcessorCount
  @Flag(help: "Print the results as JSON.") var json = false
  @Option(help: .hidden) var part: String?

  func run() throws {
    var plan = quick ? ComparisonPlan.quick : ComparisonPlan()
    plan.entrants = Lists.words(systems).map { Entrant($0) }
    plan.data = data
    plan.tasks = Lists.words(tasks)
    plan.tasksWithoutPretraining = plan.tasksWithoutPretraining.filter(plan.tasks.contains)
    if let seeds { plan.seeds = try Lists.seeds(seeds) }
    if let passes { plan.pretrainingPasses = passes }
    if let taskSteps { plan.taskSteps["questions"] = taskSteps }
    plan.settings = assignments
    try ComparisonSession.run(
      plan, at: output, title: "Comparison on \(data)", part: part, jobs: jobs, json: json)
  }
}

/// Runs a comparison to its end, alone or as several processes, and tells people how it goes.
enum ComparisonSession {
  static func run(
    _ plan: ComparisonPlan, at output: String, title: String, part: String?, jobs: Int, json: Bool
  ) throws {
    var plan = plan
    plan.threads = max(1, ProcessInfo.processInfo.activeProcessorCount / max(1, jobs))
    let comparison = try Comparison(plan, in: output)
    let console = Console()
    let flag = InterruptFlag()
    if part == nil {
      console.say("\(comparison.arms.count) runs → \(output), \(jobs) at a time")
    }
    let isDone: Bool
    if part == nil, jobs > 1 {
      isDone = try Workers.run(jobs) && !flag.isRaised
    } else {
      isDone = try comparison.run(
        part: parsed(part), time: timestamp(), isInterrupted: { flag.isRaised }
      ) { show($0, console) }
    }
    guard part == nil else { return }
    guard isDone else {
      console.say("stopped")
      return console.next(["the same command goes on"])
    }
    let summary = ComparisonSummary(plan, try comparison.results())
    try summary.write(to: output, title: title)
    printLine(json ? try JSONValue(encoding: comparison.results()).pretty : summary.markdown)
    console.next(["open \(output)/comparison.html"])
  }

  /// "1/2" → (1, 2)
  private static func parsed(_ part: String?) throws -> (number: Int, of: Int) {
    guard let part else { return (0, 1) }
    let numbers = part.split(separator: "/").compactMap { Int($0) }
    guard numbers.count == 2, numbers[1] > 0, (0..<numbers[1]).contains(numbers[0]) else {
      throw ValidationError("--part: expected NUMBER/COUNT, found '\(part)'")
    }
    return (numbers[0], numbers[1])
  }

  private static func show(_ event: ComparisonEvent, _ console: Console) {
    switch event {
    case .began(let arm, let done, let count):
      console.say("\(done + 1)/\(count)  \(arm.folder)")
    case .training(_, .step(let line, let remaining), let steps):
      console.progress(
        line.step, of: steps,
        "loss \(fixed(line.loss, 4))  \(Console.clock(remaining)) left of this run")
    case .training(_, .skipped(let reasons), _):
      for reason in reasons { console.say("left out: \(reason)") }
    case .training: break
    case .ended(let result):
      let figures = result.figures.sorted { $0.key < $1.key }
        .map { "\($0.key) \(fixed($0.value, 4))" }
      console.say(
        "  \(fixed(1000 * result.secondsPerStep, 0)) ms a step  "
          + figures.joined(separator: "  "))
    }
  }
}

/// Children that each do a part of what this command was asked for.
enum Workers {
  /// - Returns: whether all of them ended well.
  static func run(_ count: Int) throws -> Bool {
    let executable = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let children = try (0..<count).map { number in
      let child = Process()
      child.executableURL = URL(filePath: executable)
      child.arguments =
        Array(CommandLine.arguments.dropFirst()) + ["--part", "\(number)/\(count)"]
      child.standardOutput = FileHandle.nullDevice
      try child.run()
      return child
    }
    for child in children { child.waitUntilExit() }
    return children.allSatisfy { $0.terminationStatus == 0 }
  }
}
