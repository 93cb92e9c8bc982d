// A full disk, and no network: what the machine around may do to a run.

import Foundation
import TandemCore
import Testing

/// What this machine allows; each costs a process to find out.
enum Allowed {
  static let emptyNetwork = succeeds(["unshare", "-n", "true"])
  static let mounting: Bool = {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("tandem-mount-\(UUID().uuidString)").path
    guard succeeds(["mkdir", folder]) else { return false }
    defer { _ = succeeds(["rmdir", folder]) }
    return succeeds(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder])
      && succeeds(["umount", folder])
  }()
}

@Suite struct SurroundingsTests {
  @Test(.enabled(if: Allowed.mounting, "mounting a small disk is not allowed here"))
  func aDiskThatIsFull() throws {
    let work = try Workspace.withData()
    try #require(succeeds(["mkdir", work.file("disk")]))
    try #require(
      succeeds(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", work.file("disk")]))
    defer { _ = succeeds(["umount", work.file("disk")]) }
    let outcome = try work.tandem(
      "finetune", "finetune.json", "--output", "disk/run", "--set", "checkpoints.every=1", "--set",
      "checkpoints.keep=100", "--set", "steps=50")
    #expect([ExitCode.inputOutput, ExitCode.workFailed].contains(outcome.code))
    #expect(outcome.errors.contains("No space left"), "\(outcome.errors)")
    #expect(outcome.errors.contains("disk/run"), "\(outcome.errors)")

    // No half of a checkpoint is left, and the last whole one opens.
    let names = try FileManager.default.contentsOfDirectory(
      atPath: work.file("disk/run/checkpoints"))
    #expect(names.allSatisfy { !$0.contains("partial") }, "\(names)")
    let index = try work.json("disk/run/checkpoints/index.json")
    #expect(names.filter { $0.hasPrefix("step-") }.max() == index["last"]?.string)
    try work.succeed(
      "predict", "disk/run", "--checkpoint", "last", "--image", Workspace.picture, "--question",
      Workspace.question)

    // With space made, the run goes on to its end.
    let oldest = names.filter { $0.hasPrefix("step-") }.sorted().dropLast()
    for name in oldest {
      try FileManager.default.removeItem(atPath: work.file("disk/run/checkpoints/\(name)"))
    }
    try #require(
      succeeds(["mount", "-o", "remount,size=64m", work.file("disk")]))
    try work.succeed("resume", "disk/run")
    #expect(work.exists("disk/run/checkpoints/step-00000050"))
  }

  @Test(.enabled(if: Allowed.emptyNetwork, "an empty network is not allowed here"))
  func aMachineWithoutNetwork() throws {
    let work = try Workspace.trained()
    let ask = [
      "predict", "answers", "--image", Workspace.picture, "--question", Workspace.question,
      "--json",
    ]
    let joined = try work.start(ask).finish()
    let alone = try work.start(ask, wrapper: ["unshare", "-n"]).finish()
    #expect(alone.code == ExitCode.good)
    #expect(!joined.output.isEmpty && alone.output == joined.output)
    let training = try work.start(
      ["finetune", "finetune.json", "--from", "pretrained", "--output", "alone"],
      wrapper: ["unshare", "-n"]
    ).finish()
    #expect(training.code == ExitCode.good)
    let weights = "checkpoints/step-00000006/weights.safetensors"
    #expect(try work.bytes("alone/\(weights)") == work.bytes("answers/\(weights)"))
  }

  @Test func aFolderThatMayNotBeWritten() throws {
    let work = try Workspace.trained()
    try work.fail(
      ["pretrain", "pretrain.json", "--output", "/proc/tandem-run"], code: ExitCode.workFailed,
      saying: ["/proc/tandem-run"])
    try work.fail(
      [
        "predict", "answers", "--input", "questions/test.jsonl", "--output", "nowhere/out.jsonl",
      ], code: ExitCode.inputOutput, saying: ["nowhere/out.jsonl"])
  }

  @Test func openMPThreadsWaitBrieflyUnlessToldOtherwise() throws {
    // Without the setting the command starts itself again with it, arguments and all.
    let work = try Workspace.trained()
    let outcome = try RunningCommand(
      ["embed", "pretrained", "--image", Workspace.picture, "--text", "a  red 'square'"],
      in: work.path, environment: ["GOMP_SPINCOUNT": ""]
    ).finish()
    #expect(outcome.code == ExitCode.good)
    let direct = try work.succeed(
      "embed", "pretrained", "--image", Workspace.picture, "--text", "a  red 'square'")
    #expect(outcome.output == direct.output)
  }
}
