import ArgumentParser
import Foundation
import TandemCore
import TandemNN
import TandemRecipes

struct Report: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a run's report: one HTML file that opens offline.",
    discussion: """
      Example:
        tandem report runs/demo --words circle,red
      """)
  @Argument(help: ArgumentHelp("The directory of the run.", valueName: "run")) var path: String
  @Option(help: "A metrics.jsonl whose evaluations are drawn beside the run's.")
  var baseline: String?
  @Option(help: "Words whose alignment with the patches is shown, between commas.")
  var words: String = ""

  func run() throws {
    let chosen = words.split(separator: ",").map(String.init)
    printLine(try ReportBuilder.write(path, baseline: baseline, words: chosen))
  }
}
