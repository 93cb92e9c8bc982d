// Kernels are measured once on a machine, stored in the run, and kept by whoever goes on with it.

import Foundation
import TandemCore
import Testing

@Suite struct MeasuredKernelTests {
  private func train(_ work: Workspace, _ output: String, cache: String) throws -> Outcome {
    try RunningCommand(
      [
        "pretrain", "pretrain.json", "--output", output, "--set", "compute.linearKernel=measured",
        "--set", "steps=2",
      ], in: work.path, environment: ["XDG_CACHE_HOME": cache]
    ).finish()
  }

  @Test func aSecondRunTakesWhatTheFirstMeasured() throws {
    let work = try Workspace.withData()
    let cache = work.file("cache")
    let first = try train(work, "first", cache: cache)
    #expect(first.code == ExitCode.good, "\(first.errors)")
    let measured = try work.json("cache/tandem/kernels.json")
    let table = try work.json("first/run.json")["environment.kernelTable"]
    let sizes = try #require(table?["entries"]?.array)
    #expect(sizes.count > 3 && measured.object.count == sizes.count)

    let second = try train(work, "second", cache: cache)
    #expect(second.code == ExitCode.good)
    #expect(try work.json("cache/tandem/kernels.json") == measured)
    #expect(try work.json("second/run.json")["environment.kernelTable"] == table)
  }

  @Test func aCacheThatCannotBeUsedStopsNothing() throws {
    let work = try Workspace.withData()
    try work.write("not JSON", to: "cache/tandem/kernels.json")
    #expect(try train(work, "first", cache: work.file("cache")).code == ExitCode.good)
    #expect(try !work.json("cache/tandem/kernels.json").object.isEmpty)
    #expect(try train(work, "second", cache: "/proc/nowhere").code == ExitCode.good)
  }
}
