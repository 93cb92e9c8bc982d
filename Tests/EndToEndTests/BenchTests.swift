// The benchmarks as programs: what they count, not how fast they are.

import TandemCore
import Testing

@Suite struct BenchTests {
  private func rows(_ arguments: String...) throws -> [JSONValue] {
    let work = try Workspace()
    let outcome = try RunningCommand(arguments, in: work.path, environment: [:]).finish()
    #expect(outcome.code == ExitCode.good, "\(outcome.errors)")
    return try outcome.output.split(separator: "\n").map { try parsed(String($0)) }
  }

  /// After its warm-up a step maps no memory and faults no page in. Beside a busy process the
  /// system takes a page back now and then; memory that is mapped anew faults by the hundred.
  @Test func stepsTakeNoNewMemory() throws {
    let rows = try rows("bench", "model", "--preset", "tiny", "--repeats", "9", "--json")
    let steps = rows.filter { $0["name"]?.string == "training step (mlm)" }
    #expect(steps.count == 4 && rows.count == 10)
    for row in rows { #expect(row["mappings"]?.number == 0) }
    for row in steps { #expect(row["pageFaults"]?.number ?? .infinity < 4) }
  }

  @Test func memoryDoesNotGrowWithTheData() throws {
    let rows = try rows(
      "bench", "growth", "--preset", "tiny", "--repeats", "1", "--records", "100000", "--json")
    let steps = rows.filter { $0["axis"] != nil }
    let data = rows.filter { $0["records"] != nil }
    #expect(steps.count == 12 && data.count == 3)
    let held = data.compactMap { $0["megabytes"]?.number }
    // A hundred times the records of the first: 12 MB of text and 4 MB of indices, in files.
    #expect(held.count == 3 && held[2] < held[0] + 6)
    let lengths = steps.filter { $0["axis"]?.string == "length" }
    let memory = lengths.compactMap { $0["megabytes"]?.number }
    #expect(memory.count == 4 && memory[3] > memory[0])
  }

  @Test func loadingIsCounted() throws {
    let row = try #require(
      try rows("bench", "loading", "--preset", "tiny", "--steps", "2", "--json").first)
    func number(_ name: String) throws -> Double { try #require(row[name]?.number) }
    #expect(try number("loadingSeconds") > 0)
    #expect(try number("processorSeconds") >= number("loadingSeconds"))
    #expect(try number("waited") <= number("seconds"))
    #expect(try number("pictureBytes") > 20_000)
  }

  /// Rows are counted per stream, and the two ways to read a step's rate agree.
  @Test func everySystemIsTimedOverAsManyRows() throws {
    let rows = try rows(
      "bench", "systems", "--preset", "tiny", "--rows", "300", "--rounds", "3", "--json")
    #expect(rows.compactMap { $0["system"]?.string }.count == 7)
    let rates = try rows.map { try #require($0["rate"]?.number) }
    for row in rows {
      let count = try #require(row["rows"]?.number)
      let sequences = try #require(row["sequences"]?.number)
      // The nearest number of whole sequences.
      #expect(abs(count - 300) <= count / sequences / 2)
      #expect(try #require(row["least"]?.number) <= (try #require(row["milliseconds"]?.number)))
      #expect(try #require(row["shareOfViLT"]?.number) > 0)
    }
    #expect(rates.allSatisfy { $0 > 0 })
  }

  @Test func aPresetThatASystemLacksIsRefused() throws {
    let work = try Workspace()
    let outcome = try RunningCommand(
      ["bench", "systems", "--preset", "b16"], in: work.path, environment: [:]
    ).finish()
    #expect(outcome.code != ExitCode.good)
    #expect(outcome.errors.contains("has no preset 'b16'"))
  }
}
