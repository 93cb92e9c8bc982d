// Settings that do not fit: unknown names with the nearest known one, impossible values.

import Foundation
import TandemCore
import Testing

@Suite struct BadSettingsTests {
  /// An assignment, and what the message must say.
  struct Flaw: CustomTestStringConvertible, Sendable {
    let assignment: String
    let parts: [String]
    var testDescription: String { assignment }

    init(_ assignment: String, _ parts: String...) {
      self.assignment = assignment
      self.parts = parts
    }
  }

  @Test(arguments: [
    Flaw("optimizer.learningrate=0.1", "optimizer.learningRate", "nearest"),
    Flaw("stepz=3", "'stepz'", "'steps'"),
    Flaw("model.config.with=64", "model.config.with", "width"),
    Flaw("objectives.0.options.probabilty=0.2", "'objectives.0.options.probability'"),
    Flaw("objectives.7.weight=2", "objectives.7", "0 to 2"),
    Flaw("data.dataset=tabel", "'tabel'", "'table'"),
    Flaw("model.name=vlit", "'vlit'", "'vilt'"),
    Flaw("model.preset=tinny", "'tinny'", "'tiny'"),
    Flaw("steps=0", "steps", "at least 1"),
    Flaw("steps=-3", "steps", "at least 1"),
    Flaw("steps=many", "steps"),
    Flaw("batch.examples=0", "batch.examples"),
    Flaw("schedule.warmup=2", "schedule.warmup"),
    Flaw("optimizer.averaging=1", "optimizer.averaging"),
    Flaw("optimizer.kind=adam", "optimizer.kind"),
    Flaw("compute.device=tpu", "compute.device", "tpu"),
    Flaw("model.config.vocabulary=20", "model.config.vocabulary", "20"),
    Flaw("steps", "key.path=value"),
  ])
  func aSettingThatDoesNotFit(flaw: Flaw) throws {
    let work = try Workspace.withData()
    try work.fail(
      ["pretrain", "pretrain.json", "--output", "run", "--set", flaw.assignment],
      code: ExitCode.usage, saying: flaw.parts)
    #expect(!work.exists("run"))
  }

  @Test(arguments: [
    Flaw("model.config.heads=5", "heads"), Flaw("model.config.width=0", "model.config"),
    Flaw("model.config.layers=-1", "model.config"),
    Flaw("model.config.textLength=2", "model.config"),
    Flaw("model.config.dropout=1.5", "model.config"),
  ])
  func aModelThatCannotBe(flaw: Flaw) throws {
    let work = try Workspace.withData()
    try work.fail(
      ["pretrain", "pretrain.json", "--output", "run", "--set", flaw.assignment],
      code: ExitCode.badData, saying: flaw.parts)
    #expect(!work.exists("run"))
  }

  @Test(arguments: ["9223372036854775808", "18446744073709551615", "-1", "one"])
  func aSeedThatWouldComeBackAsAnother(_ seed: String) throws {
    let work = try Workspace.withData()
    try work.fail(
      ["pretrain", "pretrain.json", "--output", "run", "--set", "seed=\(seed)"],
      code: ExitCode.usage, saying: ["seed"])
    #expect(!work.exists("run"))
  }

  @Test func anUnknownRecipeOrObjective() throws {
    let work = try Workspace.withData()
    try work.fail(
      ["finetune", "vilt/easy-vqa-dem", "--output", "run"], code: ExitCode.usage,
      saying: ["'vilt/easy-vqa-dem'", "'vilt/easy-vqa-demo'"])
    try work.fail(
      ["recipes", "show", "nowhere.json"], code: ExitCode.usage, saying: ["nowhere.json"])
    let recipe = Recipes.recipe(
      stage: "pretrain", table: "captions", objectives: [["name": "mml"]])
    try work.write(recipe, to: "other.json")
    try work.fail(
      ["pretrain", "other.json", "--output", "run"], code: ExitCode.usage,
      saying: ["'mml'", "'mlm'"])
    try work.write("{\"steps\": ", to: "broken.json")
    try work.fail(
      ["pretrain", "broken.json", "--output", "run"], code: ExitCode.usage,
      saying: ["broken.json", "JSON"])
    try work.fail(
      ["data", "fetch", "easy-vqq"], code: ExitCode.usage, saying: ["easy-vqq", "'easy-vqa'"])
    try work.fail(
      ["data", "check", "tabel"], code: ExitCode.usage, saying: ["'tabel'", "'table'"])
  }

  @Test func aRecipeOfTheOtherStage() throws {
    let work = try Workspace.withData()
    try work.fail(
      ["pretrain", "finetune.json", "--output", "run"], code: ExitCode.usage,
      saying: ["tandem finetune finetune.json"])
    try work.fail(
      ["finetune", "pretrain.json", "--output", "run"], code: ExitCode.usage,
      saying: ["tandem pretrain pretrain.json"])
  }

  @Test func anOutputThatIsNotEmpty() throws {
    let work = try Workspace.trained()
    try work.fail(
      ["pretrain", "pretrain.json", "--output", "pretrained"], code: ExitCode.workFailed,
      saying: ["pretrained is not empty", "--output", "tandem resume pretrained"])
    try work.write("mine", to: "notes")
    try work.fail(
      ["pretrain", "pretrain.json", "--output", "notes"], code: ExitCode.workFailed,
      saying: ["notes"])
  }

  @Test func resumingUnderAnotherRecipe() throws {
    let work = try Workspace.trained()
    var other = Recipes.pretraining.object
    other["steps"] = 9
    try work.write(.object(other), to: "other.json")
    try work.fail(
      ["resume", "pretrained", "--recipe", "other.json"], code: ExitCode.workFailed,
      saying: ["another recipe", "steps: the run has 6, not 9"])
    try work.fail(
      ["resume", "pretrained", "--recipe", "pretrain.json", "--set", "seed=2"],
      code: ExitCode.workFailed, saying: ["seed: the run has 1, not 2"])
  }

  @Test func aFolderThatIsNoRun() throws {
    let work = try Workspace.trained()
    for arguments in [
      ["resume", "questions"], ["evaluate", "questions"], ["report", "questions"],
      ["embed", "questions", "--image", Workspace.picture],
    ] {
      try work.fail(
        arguments, code: ExitCode.workFailed, saying: ["questions is no run", "run.json"])
    }
    try work.fail(
      ["finetune", "finetune.json", "--output", "run", "--from", "questions"],
      code: ExitCode.badData, saying: ["questions", "holds no weights", "a run"])
    // A card of a later version, whose meaning this one cannot know.
    let card = try work.text("answers/run.json")
    try work.write(
      card.replacing("\"formatVersion\" : 1", with: "\"formatVersion\" : 99"),
      to: "answers/run.json")
    try work.fail(
      ["evaluate", "answers"], code: ExitCode.workFailed,
      saying: ["answers/run.json", "99", "newer"])
    try work.write(String(card.prefix(200)), to: "answers/run.json")
    try work.fail(["evaluate", "answers"], code: ExitCode.workFailed, saying: ["answers/run.json"])
  }

  @Test func askingARunForWhatItDidNotLearn() throws {
    let work = try Workspace.trained()
    let picture = ["--image", Workspace.picture]
    try work.fail(
      ["predict", "pretrained", "--question", Workspace.question] + picture,
      code: ExitCode.workFailed, saying: ["pretrained", "questions", "mlm, itm, wpa"])
    try work.fail(
      ["predict", "answers", "--mask", "a [MASK] square"] + picture, code: ExitCode.workFailed,
      saying: ["answers", "masked words", "vqa"])
    try work.fail(
      ["predict", "pretrained", "--mask", "a red square"] + picture, code: ExitCode.badData,
      saying: ["no [MASK]", "a red square"])
  }

  @Test func aLearningRateThatIsFarTooLarge() throws {
    let work = try Workspace.withData()
    // The first step of the warm-up has the rate 0: its checkpoint is good, and stays the best.
    let outcome = try work.tandem(
      "finetune", "finetune.json", "--output", "run", "--set", "optimizer.learningRate=1e30",
      "--set", "schedule.warmup=0.5", "--set", "checkpoints.every=1")
    #expect(outcome.code == ExitCode.workFailed)
    for part in ["step 3", "stopped", "step-0000000", "is whole", "optimizer.learningRate"] {
      #expect(outcome.errors.contains(part), "'\(part)' is not in \(outcome.errors)")
    }
    let ranked = try parsed(
      work.succeed(
        "predict", "run", "--image", Workspace.picture, "--question", Workspace.question, "--json"
      ).output
    ).array
    #expect(ranked.count == 3)
    #expect(ranked.allSatisfy { $0["probability"]?.number?.isFinite == true })
    #expect(work.lines("run/metrics.jsonl").count == 2)
  }

  @Test func alossThatIsNotFiniteOnlyAtTheEnd() throws {
    let work = try Workspace.withData()
    let outcome = try work.tandem(
      "finetune", "finetune.json", "--output", "run", "--set", "optimizer.learningRate=1e30",
      "--set", "schedule.warmup=0.5", "--set", "steps=2", "--set", "checkpoints.every=1")
    #expect(outcome.code == ExitCode.workFailed)
    for part in ["step 2", "stopped", "step-00000001", "optimizer.learningRate"] {
      #expect(outcome.errors.contains(part), "'\(part)' is not in \(outcome.errors)")
    }
  }
}
