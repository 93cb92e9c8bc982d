// Every system of the field from the command line on a tiny world: pre-training with its objectives,
// fine-tuning, evaluation; comparisons and ablations; what does not fit is refused before training.

import Foundation
import TandemCore
import TandemRegions
import Testing

@Suite struct SystemsTests {
  static let systems = [
    "vilt", "vl-bert", "lxmert", "uniter", "visualbert", "vilbert", "pixel-bert", "clip", "vse",
  ]

  /// The tiny world where recipes for Scenes look for their data, with random regions.
  private func workspace(width: Int = 12, regions: String = "regions") throws -> Workspace {
    let work = try Workspace.withData()
    // VisualBERT reads two captions of a picture.
    for split in ["train", "validation", "test"] {
      let captions = try work.text("captions/\(split).jsonl")
      let others = captions.replacingOccurrences(of: "\"caption\":\"", with: "\"caption\":\"the ")
      try work.write(captions + others, to: "captions/\(split).jsonl")
    }
    // The recipes want an answer nine times.
    let questions = try work.text("questions/train.jsonl")
    try work.write(questions + questions + questions, to: "questions/train.jsonl")
    let manager = FileManager.default
    try manager.createDirectory(atPath: work.file("root"), withIntermediateDirectories: true)
    try manager.createSymbolicLink(
      atPath: work.file("root/scenes"), withDestinationPath: work.path)
    try store(work.file(regions), width: width)
    return work
  }

  private func store(
    _ path: String, width: Int, names: [String] = ["red", "green", "blue", "ground"]
  ) throws {
    let writer = try FeatureStoreWriter(
      path: path,
      header: FeatureStoreHeader(
        featureType: .float32, featureWidth: width, classCount: 5,
        fields: [
          .imageSize, .boxes, .features, .objectIDs, .objectConfidences, .attributeIDs,
          .attributeConfidences, .classProbabilities,
        ], classNames: names, attributeNames: ["small", "large"]))
    for picture in 0..<20 {
      let count = 2 + picture % 3
      var probabilities: [Float] = []
      for region in 0..<count {
        var row: [Float] = [0.1, 0.1, 0.1, 0.1, 0.1]
        row[1 + (picture + region) % 4] = 0.6
        probabilities += row
      }
      var boxes: [Float] = []
      var objects: [Int32] = []
      var attributes: [Int32] = []
      for region in 0..<count {
        boxes += [Float(4 * region), 2, Float(4 * region + 14), 16]
        objects.append(Int32((picture + region) % 4))
        attributes.append(Int32(region % 2))
      }
      var features: [Float] = []
      for place in 0..<count * width { features.append(Float((place * 7 + picture) % 11) / 11) }
      var record = RegionRecord(
        id: "\(picture)", width: 32, height: 32, boxes: boxes, features: features,
        featureWidth: width)
      record.objectIDs = objects
      record.objectConfidences = [Float](repeating: 0.6, count: count)
      record.attributeIDs = attributes
      record.attributeConfidences = [Float](repeating: 0.5, count: count)
      record.classProbabilities = probabilities
      record.classCount = 5
      try writer.write(record)
    }
    try writer.finish()
    writer.close()
  }

  /// What brings a recipe for Scenes down to the tiny world.
  private static let settings = [
    "model.preset=tiny", "model.config.vocabulary=\(Words.vocabulary.count)", "data.root=root",
    "data.vocabulary=vocabulary.txt", "data.regions=regions", "batch.examples=4", "steps=2",
    "evaluation.every=0", "compute.threads=1", "compute.linearKernel=plain",
  ]

  private static func set(_ assignments: [String]) -> [String] {
    assignments.flatMap { ["--set", $0] }
  }

  private static func settings(_ system: String) -> [String] {
    // A model that reads pixels has no store to be checked.
    settings.filter { !["vilt", "clip"].contains(system) || !$0.hasPrefix("data.regions") }
      + (["vilt", "clip"].contains(system) ? ["data.regions="] : [])
  }

  @Test(arguments: systems) func learnsAnswersAndFinds(_ system: String) throws {
    let work = try workspace()
    let set = Self.set(Self.settings(system))
    try work.good(["pretrain", "\(system)/scenes", "--output", "pre"] + set)
    let lines = work.lines("pre/metrics.jsonl")
    #expect(lines.count == 3)
    let objectives = try #require(try work.json("pre/run.json")["recipe.objectives"])
    guard case .array(let choices) = objectives else { return }
    for choice in choices {
      guard case .string(let name)? = choice["name"] else { continue }
      // A step with one pass may have left it out, but the evaluation looks at all; of four
      // pictures perhaps no region is drawn.
      guard !["mrc", "mrfr"].contains(name) else { continue }
      #expect(lines[2].contains("\"\(name)."), "\(name)")
    }
    try work.good(
      ["finetune", "\(system)/scenes-questions", "--from", "pre", "--output", "vqa"] + set)
    // Priors come from the training split: its three shapes are as frequent as they are there.
    let priors = try #require(try work.json("vqa/run.json")["recipe.objectives.0.options.priors"])
    guard case .array(let shares) = priors else {
      Issue.record("priors are no list: \(priors)")
      return
    }
    #expect(abs(shares.compactMap(\.number).reduce(0, +) - 1) < 1e-6)
    let evaluated = try work.succeed("evaluate", "vqa", "--json")
    #expect(evaluated.output.contains("vqa.accuracy"))
    try work.good(
      ["finetune", "\(system)/scenes-retrieval", "--from", "pre", "--output", "found"] + set)
    #expect(try work.succeed("evaluate", "found", "--json").output.contains("R@1"))
    // A picture of the store is described by it.
    let answer = try work.succeed(
      "predict", "vqa", "--image", "questions/pictures/16.png", "--question",
      "what colour is the square")
    #expect(Words.colours.contains { answer.output.contains($0) }, "\(answer.output)")
  }

  /// VL-BERT over pixels with a store's boxes and classes, whose features are of any width, and
  /// Pixel-BERT over pixels without a store.
  @Test(arguments: ["vl-bert", "pixel-bert"]) func networksLearnAlong(_ system: String) throws {
    let work = try workspace(width: 7)
    let hasStore = system == "vl-bert"
    let set = Self.set(
      Self.settings.filter { !$0.hasPrefix("model.preset") }
        + ["model.preset=tiny-end-to-end", "data.mirrors=true"]
        + (hasStore
          ? [] : ["data.regions=", "data.sampledRegions=3", "model.config.cellPooling=1"]))
    try work.good(["pretrain", "\(system)/scenes", "--output", "pre"] + set)
    #expect(work.lines("pre/metrics.jsonl").count == 3)
    try work.good(
      ["finetune", "\(system)/scenes-questions", "--from", "pre", "--output", "vqa"] + set)
    let evaluated = try work.succeed("evaluate", "vqa", "--json")
    #expect(evaluated.output.contains("vqa.accuracy"))
    let answer = try work.succeed(
      "predict", "vqa", "--image", "questions/pictures/16.png", "--question",
      "what colour is the square")
    #expect(Words.colours.contains { answer.output.contains($0) }, "\(answer.output)")

    try work.fail(
      ["pretrain", "\(system)/scenes", "--output", "other"] + set
        + Self.set(["model.config.network.name=resnet11"]), code: ExitCode.badData,
      saying: ["resnet11", "resnet10"])
    guard hasStore else { return }
    try work.fail(
      ["pretrain", "vl-bert/scenes", "--output", "other"] + set
        + Self.set(["data.augmentations=2"]), code: ExitCode.usage,
      saying: ["data.augmentations"])
  }

  @Test func systemsAreCompared() throws {
    let work = try workspace()
    let command =
      [
        "compare", "--systems", "uniter,vse", "--seeds", "1,2,3", "--passes", "2", "--task-steps",
        "2", "--jobs", "2", "--output", "compared",
      ]
      + Self.set(
        Self.settings.filter { !$0.hasPrefix("steps") && !$0.hasPrefix("compute.threads") })
    let first = try work.finished(command)
    #expect(first.code == ExitCode.good, "\(first.errors)")
    for part in ["uniter", "vse", "±", "none", "without pre-training"] {
      #expect(first.output.contains(part), "\(part): \(first.output)")
    }
    #expect(try work.text("compared/comparison.html").contains("<table"))
    #expect(work.exists("compared/uniter/seed-3/questions-from-random/run.json"))
    // Nothing is done again, and the table is the same.
    let before = try work.bytes("compared/uniter/seed-1/pretrained/metrics.jsonl")
    #expect(try work.finished(command).output == first.output)
    #expect(try work.bytes("compared/uniter/seed-1/pretrained/metrics.jsonl") == before)
    try work.fail(
      ["compare", "--systems", "uniter", "--output", "compared"], code: ExitCode.usage,
      saying: ["another comparison"])
    try work.fail(
      ["compare", "--systems", "unitre", "--output", "other"], code: ExitCode.usage,
      saying: ["unitre/scenes", "uniter/scenes"])
  }

  @Test func objectivesAreSwitched() throws {
    let work = try workspace()
    let outcome = try work.finished(
      [
        "ablate", "visualbert/scenes", "--wrong", "0,0.5", "--seeds", "1", "--passes", "2",
        "--task-steps", "2", "--comparisons", "1", "--jobs", "1", "--output", "ablated",
      ]
        + Self.set(
          Self.settings.filter { !$0.hasPrefix("steps") && !$0.hasPrefix("compute.threads") }))
    #expect(outcome.code == ExitCode.good, "\(outcome.errors)")
    for part in ["all", "without mlm", "without itm, 50 % wrong", "mlm–itm", "Gradients"] {
      #expect(outcome.output.contains(part), "\(part): \(outcome.output)")
    }
    try work.fail(
      ["ablate", "clip/scenes", "--output", "x"], code: ExitCode.usage,
      saying: ["nothing to switch"])
  }

  /// Pairs that cannot be, and regions that do not fit, before the first step.
  @Test(arguments: [
    (["pretrain", "clip/scenes"], ["objectives=[{\"name\":\"mlm\"}]"], "clip", "head for words"),
    (["pretrain", "vilt/scenes"], ["objectives=[{\"name\":\"mrfr\"}]"], "vilt", "region"),
    (["pretrain", "clip/scenes"], ["objectives=[{\"name\":\"wpa\"}]"], "clip", "never meet"),
    (["pretrain", "uniter/scenes"], ["objectives=[{\"name\":\"itc\"}]"], "uniter", "together"),
    (
      ["pretrain", "visualbert/scenes"], ["objectives=[{\"name\":\"labels\"}]"], "visualbert",
      "attributes"
    ),
    (["pretrain", "uniter/scenes"], ["data.regions="], "mrc", "data.regions"),
    (["pretrain", "uniter/scenes"], ["model.config.featureWidth=2048"], "2048", "12"),
    (["pretrain", "uniter/scenes"], ["objectives.0.stream=texts"], "texts", "stream"),
    (
      ["pretrain", "visualbert/scenes"],
      [
        "mixture.steps=one", "objectives.0.ratio=0", "objectives.1.ratio=0",
        "objectives.2.ratio=0",
        "mixture.masking=conditional",
      ],
      "ratios", "sum to nothing"
    ),
  ])
  func whatDoesNotFit(
    _ command: [String], _ changes: [String], _ part: String, _ other: String
  ) throws {
    let work = try workspace()
    let system = String(command[1].prefix { $0 != "/" })
    let outcome = try work.finished(
      command + ["--output", "run"] + Self.set(Self.settings(system) + changes))
    #expect(outcome.code == ExitCode.usage || outcome.code == ExitCode.badData, "\(outcome.errors)")
    #expect(
      outcome.errors.contains(part) && outcome.errors.contains(other), "\(outcome.errors)")
    #expect(!work.exists("run"))
  }

  @Test func anotherDetectorsClassesAreRefused() throws {
    let work = try workspace()
    let set = Self.set(Self.settings("uniter"))
    try work.good(["pretrain", "uniter/scenes", "--output", "pre"] + set)
    try store(work.file("other"), width: 12, names: ["cat", "dog", "cow", "hen"])
    try work.fail(
      ["finetune", "uniter/scenes-questions", "--from", "pre", "--output", "vqa"] + set
        + Self.set(["data.regions=other"]),
      code: ExitCode.usage, saying: ["another list of classes", "pre"])
    // Nor do features as they are fit weights that know scaled ones; the scaling goes along.
    try work.fail(
      ["finetune", "uniter/scenes-questions", "--from", "pre", "--output", "vqa"] + set
        + Self.set(["data.standardizesFeatures=false"]),
      code: ExitCode.usage, saying: ["data.standardizesFeatures", "pre"])
    try work.good(
      ["finetune", "uniter/scenes-questions", "--from", "pre", "--output", "vqa"] + set)
    let scaling = try #require(try work.json("pre/regions.json")["scaling"])
    #expect(try work.json("vqa/regions.json")["scaling"] == scaling)
  }

  /// Each split has a picture "16": whose is meant must be said, or another's regions would answer.
  @Test func regionsOfAnotherSplitDoNotAnswer() throws {
    let work = try workspace()
    let set = Self.set(Self.settings("uniter"))
    try work.good(["finetune", "uniter/scenes-questions", "--output", "vqa"] + set)
    try FileManager.default.createDirectory(
      atPath: work.file("split"), withIntermediateDirectories: true)
    try store(work.file("split/train"), width: 12)
    try store(work.file("split/test"), width: 12)
    let ask = [
      "predict", "vqa", "--image", "questions/pictures/16.png", "--question", "what colour",
    ]
    try work.fail(
      ask + ["--regions", "split"], code: ExitCode.usage, saying: ["train, test", "--split"])
    let own = try work.finished(ask)
    #expect(own.code == ExitCode.good, "\(own.errors)")
    #expect(
      try work.finished(ask + ["--regions", "split", "--split", "train"]).output == own.output)
    try work.fail(
      ask + ["--regions", "nowhere"], code: ExitCode.badData, saying: ["nowhere: no such store"])
  }

  /// Texts alone beside pairs, through the same layers.
  @Test func textsAloneAreLearnedBesidePairs() throws {
    let work = try workspace()
    for split in ["train", "validation", "test"] {
      try work.write("the square is red\na ground of blue\n", to: "\(split).txt")
    }
    try work.write(RecipeText.vlbertWithTexts(Words.vocabulary.count), to: "texts.json")
    try work.good(["pretrain", "texts.json", "--output", "run"])
    let lines = work.lines("run/metrics.jsonl")
    #expect(lines.count == 3)
    // The two of one name are told apart.
    #expect(lines[2].contains("\"mlm.loss\"") && lines[2].contains("\"mlm@texts.loss\""))
  }
}

enum RecipeText {
  static func vlbertWithTexts(_ vocabulary: Int) -> String {
    """
    {"name": "texts", "stage": "pretrain", "steps": 2,
     "model": {"name": "vl-bert", "preset": "tiny", "config": {"vocabulary": \(vocabulary)}},
     "data": {"dataset": "scenes-captions", "root": "root", "vocabulary": "vocabulary.txt",
              "regions": "regions"},
     "objectives": [
       {"name": "mlm", "options": {"probability": 0.5}},
       {"name": "mrc", "options": {"loss": "crossEntropy"}},
       {"name": "mlm", "stream": "texts", "options": {"probability": 0.5}}],
     "mixture": {"masking": "joint"},
     "streams": [{"name": "texts", "dataset": "text", "root": ".", "reads": "texts", "examples": 4}],
     "batch": {"examples": 4}, "compute": {"threads": 1, "linearKernel": "plain"}}
    """
  }
}
