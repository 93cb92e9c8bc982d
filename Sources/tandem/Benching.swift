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
    subcommands: [Model.self, Systems.self, Growth.self, Loading.self, Regions.self, Worker.self],
    defaultSubcommand: Model.self)
}

/// `text` at the right end of `width` places.
private func right(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}

extension Bench {
  struct Growth: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show how time and memory grow with lengths, batches, depths and data sets.",
      discussion: """
        Steps of masked words of a ViLT, and the same with every layer run again in the backward \
        pass; then data sets of ten times as many records each, read as training reads them. \
        Memory of steps is what lies in tensors, of data what the process holds beside files.

        Example:
          tandem bench growth --preset b32 --precision bfloat16
        """)
    @Option(help: "A preset of ViLT.") var preset = "b32"
    @Option(help: "float32 or bfloat16.") var precision = Precision.float32
    @Option(help: "Timed runs of each row, after two that warm up.") var repeats = 3
    @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
    @Option(help: "The most records; 0 leaves the data sets out.") var records = 1_000_000
    @Flag(help: "Print a JSON line a row.") var json = false

    func validate() throws {
      guard repeats > 0 else { throw ValidationError("--repeats must be at least 1") }
    }

    func run() throws {
      // Data first: what the steps' memory keeps is not to count there.
      if records > 0 { try data() }
      if !json {
        printLine("\none training step                  ms       MB    recomputed: ms       MB")
      }
      try GrowthBenchmark.run(
        preset: preset, precision: precision, repeats: repeats, threads: threads
      ) { row in
        guard !json else { return printLine(try JSONValue(encoding: row).compact) }
        let units: [GrowthRow.Axis: String] = [
          .length: "rows a sequence", .batch: "sequences", .depth: "layers",
        ]
        printLine(
          right("\(row.value)", 5) + " "
            + (units[row.axis] ?? "").padding(toLength: 20, withPad: " ", startingAt: 0)
            + right(fixed(row.milliseconds, 1), 11) + right(fixed(row.megabytes, 0), 9)
            + right(fixed(row.recomputedMilliseconds, 1), 18)
            + right(fixed(row.recomputedMegabytes, 0), 9))
      }
    }

    private func data() throws {
      if !json {
        printLine("records    file, MB    open, s    examples/s    memory, MB")
      }
      try GrowthBenchmark.runData(most: records) { row in
        guard !json else { return printLine(try JSONValue(encoding: row).compact) }
        printLine(
          right("\(row.records)", 7) + right(fixed(row.fileMegabytes, 1), 12)
            + right(fixed(row.openSeconds, 2), 11) + right(fixed(row.examplesPerSecond, 0), 14)
            + right(fixed(row.megabytes, 0), 14))
      }
    }
  }

  struct Loading: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what loading costs while a ViLT is pre-trained from JPEG files.",
      discussion: """
        Masked words, matching and alignment on 32 pairs a step: pictures of 640×480, decoded and \
        resized anew each time by one loader thread.

        Example:
          tandem bench loading --precision bfloat16 --steps 3
        """)
    @Option(help: "A preset of ViLT.") var preset = "b32"
    @Option(help: "float32 or bfloat16.") var precision = Precision.float32
    @Option(help: "Counted steps, after one that warms up.") var steps = 3
    @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
    @Flag(help: "Print one JSON object.") var json = false

    func validate() throws {
      guard steps > 0 else { throw ValidationError("--steps must be at least 1") }
    }

    func run() throws {
      let console = Console(isQuiet: json)
      let found = try LoadingBenchmark.run(
        preset: preset, precision: precision, steps: steps, threads: threads
      ) { console.say("step \($0) of \(steps + 1)") }
      guard !json else { return printLine(try JSONValue(encoding: found).compact) }
      printLine(
        "\(found.examplesPerStep) pairs a step, JPEG files of \(found.pictureBytes / 1000) kB\n"
          + "a step takes \(fixed(found.seconds, 2)) s and waits for data "
          + "\(fixed(1000 * found.waited, 1)) ms: \(percent(found.waitingShare))\n"
          + "of \(fixed(found.processorSeconds, 2)) s of processors loading takes "
          + "\(fixed(found.loadingSeconds, 3)) s: \(percent(found.loadingShare))")
    }
  }

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
  }

  struct Systems: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Time a training step of each system at its published size.",
      discussion: """
        Masked words, dropout included, over about as many rows a step; each system in turn with \
        ViLT. Weights are random.

        Example:
          tandem bench systems --rows 640 --rounds 5
        """)
    @Option(help: "Systems, between commas.")
    var systems = SystemsBenchmark.all.joined(separator: ",")
    @Option(help: "A preset that each has; base is ViLT's b32.")
    var preset = SystemsBenchmark.publishedSize
    @Option(help: "Rows of a step, text and picture.") var rows = 1280
    @Option(help: "float32 or bfloat16.") var precision = Precision.float32
    @Option(help: "Timed steps of each, after two that warm up.") var rounds = 5
    @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
    @Flag(help: "Print a JSON line a system.") var json = false

    func validate() throws {
      guard rounds > 0, rows > 0 else {
        throw ValidationError("--rounds and --rows must be at least 1")
      }
    }

    func run() throws {
      if !json {
        printLine("system        sequences   rows   median ms   GFLOP/s   of ViLT's rate")
      }
      try SystemsBenchmark.run(
        Lists.words(systems), preset: preset, rows: rows, precision: precision, rounds: rounds,
        threads: threads
      ) { row in
        guard !json else { return printLine(try JSONValue(encoding: row).compact) }
        printLine(
          row.system.padding(toLength: 12, withPad: " ", startingAt: 0)
            + right("\(row.sequences)", 11) + right("\(row.rows)", 7)
            + right(fixed(row.milliseconds, 1), 12) + right(fixed(row.rate, 1), 10)
            + right(percent(row.shareOfViLT), 17))
      }
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
    @Option(help: "float32 or bfloat16.") var precision: Precision
    @Option(help: "cpu, cuda or cuda:N.") var device = "cpu"
    @Option(help: "The folder that Benchmarks/prepare.py wrote.") var work: String
    @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
    @Option(help: "The file for what the case computes.") var check: String

    func run() throws {
      let worker = try ComparisonWorker(
        case: name, batch: batch, precision: precision, device: device, folder: work,
        threads: threads)
      try worker.serve(checkFile: check, read: { readLine() }, write: { printLine($0) })
    }
  }
}

extension Bench {
  struct Regions: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Time a Visual Genome detector's stages on a picture of 1000 × 600.",
      discussion: """
        Random weights and pictures; then suppression alone: 1600 classes of 1000 boxes each.

        Example:
          tandem bench regions --repeats 5
        """)
    @Option(help: "Timed runs, after one that warms up.") var repeats = 5
    @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
    @Option(help: "float32 or bfloat16.") var precision = Precision.float32
    @Flag(help: "ResNet-101 instead of ResNet-50.") var deep = false

    func validate() throws {
      guard repeats > 0 else { throw ValidationError("--repeats must be at least 1") }
    }

    func run() throws {
      let found = try RegionBenchmark.extraction(
        isDeep: deep, precision: precision, repeats: repeats, threads: threads)
      printLine(
        "ResNet-\(deep ? 101 : 50) C4, 1000 × 600: \(fixed(found.secondsPerPicture, 3)) s a picture, "
          + "\(found.proposals) proposals")
      for (stage, share) in found.shares.sorted(by: { $0.value > $1.value }) {
        printLine("  \(right(percent(share), 8))  \(stage)")
      }
      let alone = try RegionBenchmark.suppression(repeats: repeats, threads: threads)
      printLine(
        "suppression of \(alone.classes) classes × \(alone.boxes) boxes "
          + "(\(alone.candidates) above 0.05): \(fixed(alone.milliseconds, 2)) ms")
    }
  }
}
