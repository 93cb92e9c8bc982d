import ArgumentParser
import TandemCore
import TandemRecipes

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a run's report: one HTML file that opens offline.",
    discussion: """
      Example:
        tandem report runs/demo
      """)
  @Argument(help: ArgumentHelp("The directory of the run.", valueName: "run")) var path: String

  func run() throws {}
}

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a model's forward and training step on this machine.",
    discussion: """
      Example:
        tandem bench --preset b32
      """)

  func run() throws {}
}
