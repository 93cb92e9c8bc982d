// The way from nothing to answers, one command after the other.

import Foundation
import TandemCore
import TandemTorch
import Testing

@Suite struct WorkflowTests {
  @Test func pretrainingLearnsItsObjectivesAndLeavesARun() throws {
    let work = try Workspace.trained()
    let lines = try work.lines("pretrained/metrics.jsonl").map { try parsed($0) }
    #expect(
      lines.filter { $0["kind"] == "train" }.map { $0["step"]?.number } == [1, 2, 3, 4, 5, 6])
    #expect(lines.filter { $0["kind"] == "evaluation" }.map { $0["step"]?.number } == [6])
    for line in lines {
      let metrics = line["metrics"]?.object ?? [:]
      for name in ["mlm.loss", "mlm.accuracy", "itm.loss", "itm.accuracy", "wpa.loss"] {
        // Metrics' own names hold dots, so the path syntax cannot reach them.
        #expect(metrics[name]?.number?.isFinite == true, "\(name) is missing in \(line.compact)")
      }
    }
    // The warm-up's first step has the rate 0, the rate then falls to one fifth of its peak.
    let rates = lines.prefix(6).compactMap { $0["rate"]?.number }
    #expect(rates.first == 0)
    #expect(rates.dropFirst() == rates.dropFirst().sorted { $0 > $1 }[...])

    let card = try work.json("pretrained/run.json")
    #expect(card["recipe.steps"] == 6)
    #expect(card["recipe.model.config.width"] == 32)
    #expect(card["initializedFrom"] == "")
    #expect(try work.text("pretrained/vocabulary.txt") == work.text("vocabulary.txt"))
  }

  @Test func finetuningTakesTheTrunkAndNamesWhereItCameFrom() throws {
    let work = try Workspace.trained()
    try work.write(Recipes.finetuning, to: "still.json")
    // With the rate 0 nothing moves, so what was taken can be compared.
    try work.succeed(
      "finetune", "still.json", "--from", "pretrained", "--output", "still",
      "--set", "optimizer.learningRate=0", "--set", "steps=1")
    let before = try SafeTensorsFile(
      path: work.file(work.lastCheckpoint("pretrained")) + "/weights.safetensors")
    let after = try SafeTensorsFile(
      path: work.file(work.lastCheckpoint("still")) + "/weights.safetensors")
    let shared = Set(before.entries.keys).intersection(after.entries.keys)
    #expect(shared.count > 30)
    for name in shared {
      #expect(try before.tensor(name).floats() == after.tensor(name).floats(), "\(name)")
    }
    #expect(try work.json("answers/run.json")["initializedFrom"] == "pretrained")
    let answers = try work.json("answers/run.json")["recipe.objectives.0.options.answers"]
    #expect(answers == ["blue", "green", "red"])
  }

  @Test(arguments: ["colour", "pixels"]) func hiddenPatchesCanBeLearned(kind: String) throws {
    let work = try Workspace.withData()
    let recipe = Recipes.recipe(
      stage: "pretrain", table: "captions",
      objectives: [["name": "mpp", "options": ["kind": .string(kind), "probability": 0.5]]])
    try work.write(recipe, to: "patches.json")
    try work.succeed(
      "pretrain", "patches.json", "--output", "run", "--set", "model.config.maskToken=true",
      "--set", "steps=30", "--set", "optimizer.learningRate=0.003")
    let losses = try work.lines("run/metrics.jsonl").map { try parsed($0) }
      .compactMap { $0["metrics"]?.object["mpp.loss"]?.number }
    #expect(losses.count == 31)
    let start = losses[..<5].reduce(0, +) / 5
    let end = losses[25..<30].reduce(0, +) / 5
    #expect(end < 0.9 * start, "from \(start) to \(end)")
    let weights = try SafeTensorsFile(
      path: work.file(work.lastCheckpoint("run")) + "/weights.safetensors")
    #expect(weights.entries["transformer.mask_token"]?.shape == [1, 32])
  }

  @Test func evaluationCountsWhatPredictionAnswers() throws {
    let work = try Workspace.trained()
    let report = try parsed(work.succeed("evaluate", "answers", "--json").output)
    #expect(report["split"] == "test")
    #expect(report["records"] == 4)
    let accuracy = try #require(report["results.0.value"]?.number)
    let low = try #require(report["results.0.low"]?.number)
    let high = try #require(report["results.0.high"]?.number)
    #expect(low <= accuracy && accuracy <= high && 0 <= low && high <= 1)
    #expect(try parsed(work.text("answers/results.json")) == report)

    let predictions = try work.lines("answers/predictions-test.jsonl").map { try parsed($0) }
    let truths = (16..<20).map { Scene($0).shape }
    #expect(predictions.map { $0["answers.0"]?.string } == truths)
    let right = zip(predictions, truths).filter { $0["ranked.0.answer"]?.string == $1 }.count
    #expect(accuracy == Double(right) / 4)
    // A question asked alone gets the answer that it got among others.
    let alone = try parsed(
      work.succeed(
        "predict", "answers", "--image", Workspace.picture, "--question", Workspace.question,
        "--json"
      ).output)
    for (one, other) in zip(alone.array, predictions[0]["ranked"]?.array ?? []) {
      #expect(one["answer"] == other["answer"])
      let difference = (one["probability"]?.number ?? 0) - (other["probability"]?.number ?? 1)
      #expect(abs(difference) < 1e-5)
    }
  }

  @Test func evaluationSpeaksToPeopleToo() throws {
    let work = try Workspace.trained()
    let outcome = try work.succeed("evaluate", "answers", "--split", "validation", "--limit", "2")
    #expect(outcome.output.contains("vqa.accuracy"))
    #expect(outcome.output.contains("%"))
    #expect(outcome.errors.contains("validation: 2 records"))
    let losses = try parsed(work.succeed("evaluate", "pretrained", "--json").output)
    let names = losses["results"]?.array.compactMap { $0["name"]?.string } ?? []
    #expect(names.contains("mlm.accuracy") && names.contains("itm.loss"))
  }

  @Test func embeddingIsAVectorOfTheModelsWidth() throws {
    let work = try Workspace.trained()
    func vector(_ picture: String, _ text: String) throws -> [Double] {
      try parsed(
        work.succeed("embed", "pretrained", "--image", picture, "--text", text).output
      ).array.compactMap(\.number)
    }
    let one = try vector(Workspace.picture, "a red square")
    // A pooled vector is a hyperbolic tangent's output.
    #expect(one.count == 32 && one.allSatisfy { abs($0) <= 1 })
    #expect(try vector(Workspace.picture, "a red square") == one)
    #expect(try vector("questions/pictures/17.png", "a red square") != one)
    #expect(try vector(Workspace.picture, "a blue square") != one)
  }

  @Test func reportIsOnePageThatOpensOffline() throws {
    let work = try Workspace.trained()
    try work.succeed("evaluate", "answers")
    try work.succeed("report", "answers")
    try #require(work.exists("answers/report.html"))
    let page = try work.text("answers/report.html")
    #expect(page.lowercased().hasPrefix("<!doctype html>"))
    for outside in ["src=\"http", "href=\"http", "@import", "url(http"] {
      #expect(!page.contains(outside), "\(outside)")
    }
    #expect(page.contains("vqa.accuracy") && page.contains("tiny/finetune"))
  }

  @Test func dataCanBeListedAndChecked() throws {
    let work = try Workspace.withData()
    let list = try work.succeed("data", "list").output
    #expect(list.contains("table") && list.contains("easy-vqa"))
    let check = try work.succeed("data", "check", "table", "--root", "questions")
    #expect(
      check.lines == [
        "train: 12 records, 12 pictures, 12 with answers",
        "validation: 4 records, 4 pictures, 4 with answers",
        "test: 4 records, 4 pictures, 4 with answers",
      ])
  }

  @Test func versionIsGivenAsJSON() throws {
    let work = try Workspace()
    let version = try parsed(work.succeed("version", "--json").output)
    #expect(version["tandem"]?.string?.split(separator: ".").count == 3)
    #expect(version["libtorch"]?.string?.hasPrefix("2.") == true)
    #expect(version["cpu"]?.string?.isEmpty == false)
    let line = try work.succeed("version").output
    #expect(line.contains(version["tandem"]?.string ?? "?"))
  }
}
