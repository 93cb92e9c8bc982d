// A run that version 0.1.0 wrote (Tests/Fixtures/make_run.sh): every later version opens it and
// gives the answers that it gave.

import Foundation
import TandemCore
import TandemTorch
import Testing

@Suite struct FixtureRunTests {
  /// How far probabilities may lie apart on another processor or another libtorch.
  private static let tolerance = 1e-4
  private static let folder = "Tests/Fixtures/run-v1"

  /// A copy of the fixture under its own relative path: its recipe names its data by that.
  private static func copy() throws -> Workspace {
    let work = try Workspace()
    try FileManager.default.createDirectory(
      atPath: work.file("Tests/Fixtures"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: PackageFolder.fixture("run-v1"), toPath: work.file(folder))
    return work
  }

  /// Where a run was trained on a GPU and there is none, the processor answers; asked for by name, a
  /// GPU has to be there.
  @Test(.enabled(if: !Device.isCUDAAvailable, "is about machines without a GPU"))
  func aRunOfAGPUOpensWithoutOne() throws {
    let work = try Self.copy()
    let card = "\(Self.folder)/run/run.json"
    let text = try work.text(card)
    let changed = text.replacingOccurrences(
      of: "\"device\" : \"cpu\"", with: "\"device\" : \"cuda\"")
    #expect(changed != text)
    try work.write(changed, to: card)
    try work.succeed(
      "predict", "\(Self.folder)/run", "--input", "\(Self.folder)/data/test.jsonl", "--output",
      "answers.jsonl")
    let found = try work.lines("answers.jsonl").map { try parsed($0)["ranked.0.answer"] }
    let truths = try work.lines("\(Self.folder)/data/test.jsonl").map { try parsed($0)["answer"] }
    #expect(found == truths)
    try work.fail(
      [
        "predict", "\(Self.folder)/run", "--input", "\(Self.folder)/data/test.jsonl", "--output",
        "more.jsonl", "--device", "cuda",
      ], code: ExitCode.usage, saying: ["no GPU"])
  }

  @Test(arguments: ["best", "last"]) func itGivesTheAnswersItGave(checkpoint: String) throws {
    let work = try Self.copy()
    try work.succeed(
      "predict", "\(Self.folder)/run", "--input", "\(Self.folder)/data/test.jsonl", "--output",
      "answers.jsonl", "--checkpoint", checkpoint)
    let found = try work.lines("answers.jsonl").map { try parsed($0) }
    let stored = try work.lines("\(Self.folder)/answers.jsonl").map { try parsed($0) }
    let truths = try work.lines("\(Self.folder)/data/test.jsonl").map { try parsed($0)["answer"] }
    #expect(found.count == 6 && stored.count == 6)
    #expect(found.map { $0["ranked.0.answer"] } == truths)
    guard checkpoint == "best" else { return }
    for (one, other) in zip(found, stored) {
      #expect(one["image"] == other["image"])
      for (mine, theirs) in zip(one["ranked"]?.array ?? [], other["ranked"]?.array ?? []) {
        #expect(mine["answer"] == theirs["answer"])
        let difference = (mine["probability"]?.number ?? 0) - (theirs["probability"]?.number ?? 1)
        #expect(abs(difference) < Self.tolerance, "\(mine.compact), stored \(theirs.compact)")
      }
    }
  }

  @Test func itCanBeEvaluatedResumedAndStartedFrom() throws {
    let work = try Self.copy()
    let run = "\(Self.folder)/run"
    let report = try parsed(work.succeed("evaluate", run, "--json").output)
    #expect(report["results.0.value"]?.number == 1)
    #expect(try work.succeed("resume", run).errors.contains("was finished already, at step 80"))
    let card = try work.text("\(run)/run.json")
    try work.write(
      card.replacingOccurrences(of: "\"steps\" : 80", with: "\"steps\" : 82"),
      to: "\(run)/run.json")
    #expect(try work.succeed("resume", run).errors.contains("resumes after step 80"))
    #expect(try work.text("\(run)/checkpoints/index.json").contains("step-00000082"))
    try work.succeed(
      "finetune", "\(Self.folder)/recipe.json", "--from", run, "--output", "next", "--set",
      "steps=2")
  }

  @Test func itIsSmall() throws {
    let work = try Self.copy()
    let bytes = try work.contents().keys.reduce(0) { try $0 + work.bytes($1).count }
    #expect(bytes < 200_000)
  }
}
