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

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a model's forward and training step on this machine.",
    discussion: """
      Example:
        tandem bench --preset b32 --repeats 5
      """)
  @Option(help: "A preset of ViLT.") var preset = "b32"
  @Option(help: "Timed runs of each row, after two that warm up.") var repeats = 5
  @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
  @Flag(help: "Print a JSON line a row.") var json = false

  func validate() throws {
    guard repeats > 0 else { throw ValidationError("--repeats must be at least 1") }
  }

  func run() throws {
    if !json {
      printLine(
        "                                       batch  precision   median ms     GFLOP/s  share")
    }
    try Benchmark.run(preset: preset, repeats: repeats, kernel: .measured, threads: threads) {
      row in
      guard !json else { return printLine(try JSONValue(encoding: row).compact) }
      let name = row.name.padding(toLength: 38, withPad: " ", startingAt: 0)
      let precision = row.precision.rawValue.padding(toLength: 9, withPad: " ", startingAt: 0)
      let time = row.median > 0 ? fixed(row.median, 1) : ""
      printLine(
        "\(name) \(row.batch > 0 ? right("\(row.batch)", 5) : "     ")  \(precision) "
          + "\(right(time, 11)) \(right(fixed(row.rate, 1), 11)) \(right(percent(row.share), 9))")
    }
  }

  private func right(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.count)) + text
  }
}
