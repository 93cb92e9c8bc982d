// A run that was stopped, in whatever way, and gone on with is the run that was never stopped: the
// same figures to the last digit, the same weights byte for byte. Dropout and averaging are on.

import Foundation
import TandemCore
import Testing

@Suite struct ResumeTests {
  private static let steps = 120
  private static let settings = [
    "steps=\(steps)", "batch.examples=8", "checkpoints.every=4", "evaluation.every=8",
    "model.config.dropout=0.2",
    "model.config.attentionDropout=0.1", "optimizer.averaging=0.9", "optimizer.clip=1",
  ]

  private static func arguments(_ output: String, _ more: [String] = []) -> [String] {
    ["pretrain", "pretrain.json", "--output", output]
      + (settings + more).flatMap { ["--set", $0] }
  }

  @Test func aKilledRunGoesOnAsIfNothingHadHappened() throws {
    let work = try Workspace.withData()
    try whole(in: work)
    try stop(work, SIGKILL, code: -SIGKILL) {
      work.exists("part/checkpoints/index.json") && work.lines("part/metrics.jsonl").count >= 6
    }
    let outcome = try work.succeed("resume", "part")
    #expect(outcome.errors.contains("resumes after step"))
    try expectSame(work)
  }

  @Test func aRunKilledBeforeItsFirstCheckpointStartsOver() throws {
    let work = try Workspace.withData()
    try whole(in: work, ["checkpoints.every=0", "evaluation.every=0"])
    try stop(work, SIGKILL, code: -SIGKILL, ["checkpoints.every=0", "evaluation.every=0"]) {
      work.lines("part/metrics.jsonl").count >= 3
    }
    #expect(!work.exists("part/checkpoints/index.json"))
    try work.succeed("resume", "part")
    try expectSame(work)
  }

  @Test func anInterruptedRunSavesItselfAndGoesOn() throws {
    let work = try Workspace.withData()
    try whole(in: work)
    let outcome = try stop(work, SIGINT, code: ExitCode.good) {
      work.lines("part/metrics.jsonl").count >= 2
    }
    #expect(outcome.errors.contains("stopped as asked; a checkpoint is written"))
    #expect(outcome.errors.contains("tandem resume part"))
    #expect(work.exists("part/checkpoints/index.json"))
    try work.succeed("resume", "part")
    try expectSame(work)
  }

  @Test func aRunStoppedManyTimesIsStillTheSame() throws {
    let work = try Workspace.withData()
    try whole(in: work)
    try stop(work, SIGKILL, code: -SIGKILL) { work.exists("part/checkpoints/index.json") }
    for _ in 0..<2 {
      let before = work.lines("part/metrics.jsonl").count
      let resumed = try work.start(["resume", "part"])
      _ = resumed.waits { work.lines("part/metrics.jsonl").count > before + 1 }
      resumed.send(SIGINT)
      #expect(try resumed.finish().code == ExitCode.good)
    }
    try work.succeed("resume", "part")
    try expectSame(work)
  }

  @Test func resumingAFinishedRunChangesNothing() throws {
    let work = try Workspace.trained()
    let before = try work.contents()
    let outcome = try work.succeed("resume", "answers", "--recipe", "finetune.json")
    #expect(outcome.errors.contains("was finished already"))
    #expect(try work.contents() == before)
  }

  private func whole(in work: Workspace, _ more: [String] = []) throws {
    let outcome = try work.start(Self.arguments("whole", more)).finish()
    try #require(outcome.code == ExitCode.good, "\(outcome.errors)")
  }

  /// Starts the run `part`, sends it `signal` when `condition` holds, and makes sure that it was
  /// stopped on its way.
  @discardableResult
  private func stop(
    _ work: Workspace, _ signal: Int32, code: Int32, _ more: [String] = [],
    when condition: () -> Bool
  ) throws -> Outcome {
    let running = try work.start(Self.arguments("part", more))
    let wasRunning = running.waits(until: condition)
    running.send(signal)
    let outcome = try running.finish()
    #expect(outcome.code == code, "\(outcome.errors)")
    let done = figures(work, "part").count
    try #require(wasRunning && done < figures(work, "whole").count, "the run was too fast")
    return outcome
  }

  private func expectSame(_ work: Workspace) throws {
    let expected = figures(work, "whole")
    let found = figures(work, "part")
    try #require(found.count == expected.count)
    for (one, other) in zip(found, expected) { #expect(one == other) }
    let target = String(format: "checkpoints/step-%08d", Self.steps)
    for name in ["weights", "averaged", "optimizer"] {
      let file = "\(target)/\(name).safetensors"
      #expect(try work.bytes("part/\(file)") == work.bytes("whole/\(file)"), "\(file)")
    }
    #expect(
      try work.json("part/checkpoints/index.json") == work.json("whole/checkpoints/index.json"))
  }

  /// What the metrics say, digit for digit, without the times.
  private func figures(_ work: Workspace, _ run: String) -> [String] {
    work.lines("\(run)/metrics.jsonl").compactMap { line in
      guard let value = JSONValue(parsing: line) else { return nil }
      let timeless = value.object.filter { !["seconds", "waited", "elapsed"].contains($0.key) }
      return JSONValue.object(timeless).compact
    }
  }
}
