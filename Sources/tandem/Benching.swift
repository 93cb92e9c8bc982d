import ArgumentParser
import Foundation
import TandemCore
import TandemNN
import TandemRecipes

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Time a model's forward and training step on this machine.",
    discussion: """
      Example:
        tandem bench --preset b32 --repeats 5
      """,
    subcommands: [Model.self, Worker.self], defaultSubcommand: Model.self)
}

extension Bench {
  struct Model: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Time a preset of ViLT with random weights.",
      discussion: """
        Example:
          tandem bench model --preset b32 --repeats 5
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

  struct Worker: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Run one case of the comparison each time a line \"go\" comes in.",
      discussion: """
        Example (Benchmarks/compare.py is what talks to it):
          tandem bench worker --case mlm --batch 8 --precision float32 \\
            --work Benchmarks/work --threads 2 --check check.json
        """,
      shouldDisplay: false)
    @Option(
      name: .customLong("case"), help: "inference, mlm, pretrain, layers, decode or wordpiece.")
    var name: String
    @Option(help: "Sequences of a run.") var batch: Int
    @Option(help: "float32 or bfloat16.") var precision: String
    @Option(help: "cpu, cuda or cuda:N.") var device = "cpu"
    @Option(help: "The folder that Benchmarks/prepare.py wrote.") var work: String
    @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
    @Option(help: "The file for what the case computes.") var check: String

    func run() throws {
      guard let precision = Precision(rawValue: precision) else {
        throw SettingsError("--precision: expected float32 or bfloat16, found '\(precision)'")
      }
      let worker = try ComparisonWorker(
        case: name, batch: batch, precision: precision, device: device, folder: work,
        threads: threads)
      try worker.serve(checkFile: check, read: { readLine() }, write: { printLine($0) })
    }
  }
}
