public import ArgumentParser
import Foundation
public import TandemCore
import TandemRecipes
public import TandemTrain

extension CheckpointFolder.Choice: ExpressibleByArgument {}
extension Split: ExpressibleByArgument {}

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a run on a split and keep the results in the run.",
    discussion: """
      Example:
        tandem evaluate runs/demo --split test
      """)
  @Argument(help: ArgumentHelp("The directory of the run.", valueName: "run")) var path: String
  @Option(help: "train, validation or test.") var split: Split = .test
  @Option(help: "best or last.") var checkpoint: CheckpointFolder.Choice = .best
  @Option(help: "cpu, cuda or cuda:N; without it the run's own, or cpu where there is no GPU.")
  var device: String?
  @Option(help: "The most records; 0 for all.") var limit = 0
  @Flag(help: "Print the results as JSON.") var json = false

  func run() throws {
    let console = Console(isQuiet: json)
    let predictor = try Predictor(path, choice: checkpoint, device: device)
    let start = ContinuousClock.now
    let report = try predictor.evaluate(split, limit: limit) { done, total in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let left = done > 0 ? seconds * Double(total - done) / Double(done) : 0
      console.progress(done, of: total, "records, \(Console.clock(left)) left")
    }
    if json { return printLine(try JSONValue(encoding: report).pretty) }
    console.say(
      "\(report.split.rawValue): \(report.records) records, \(report.checkpoint), "
        + "\(Console.clock(report.seconds))")
    for result in report.results {
      let isShare = (0...1).contains(result.value) && result.low != result.high
      let text =
        isShare
        ? "\(percent(result.value))  (95 %: \(fixed(result.low * 100, 2)) to "
          + "\(fixed(result.high * 100, 2)), \(result.count))"
        : fixed(result.value, 4)
      printLine("\(result.name)  \(text)")
    }
    console.next(["tandem report \(path)"])
  }
}

/// Where a run that reads regions finds those of a picture.
struct PictureStores: ParsableArguments {
  @Option(
    name: .customLong("regions"),
    help: "A store of the pictures' regions, or a folder with a store for each split.")
  var path: String?
  @Option(help: "Whose store to look in, where several splits have pictures of one name.")
  var split: Split?

  var regions: PredictionRegions { PredictionRegions(path: path, split: split) }
}

struct Predict: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Answer a question, fill masked words, or score a text about a picture.",
    discussion: """
      Examples:
        tandem predict runs/demo --image cat.jpg --question "what is it?"
        tandem predict runs/pretrained --image cat.jpg --mask "a [MASK] on a sofa"
        tandem predict runs/pretrained --image cat.jpg --text "a cat on a sofa"
        tandem predict runs/demo --input questions.jsonl --output answers.jsonl
        tandem predict runs/uniter --image cat.jpg --question "what is it?" --regions features
        tandem predict vilt-b32-finetuned-vqa --image cat.jpg --question "how many cats are there?"

      A model of texts alone takes --mask without --image. A run that reads regions finds them in the store of its recipe, or in --regions, which
      `tandem regions extract` makes. A model is what `tandem import` made or a folder of the
      transformers library.
      """)
  @Argument(help: "A run, or a model.") var path: String
  @Option(help: "A JPEG, PNG or WebP file.") var image: String?
  @Option(help: "A question about the picture.") var question: String?
  @Option(help: "A text with [MASK] where words are to be filled.") var mask: String?
  @Option(help: "A text to be scored against the picture.") var text: String?
  @Option(help: "JSON lines with image and question.") var input: String?
  @Option(help: "Where the answers go, a line each, in order; an unfinished file is gone on with.")
  var output: String?
  @Option(help: "best or last.") var checkpoint: CheckpointFolder.Choice = .best
  @Option(help: "cpu, cuda or cuda:N; without it the run's own, or cpu where there is no GPU.")
  var device: String?
  @OptionGroup var stores: PictureStores
  @Flag(help: "Print JSON.") var json = false

  func validate() throws {
    if input != nil {
      guard output != nil, image == nil else {
        throw ValidationError("--input goes with --output, and without --image")
      }
      return
    }
    let asked = [question, mask, text].compactMap { $0 }
    guard asked.count == 1, image != nil || mask != nil else {
      throw ValidationError("needs --image and one of --question, --mask and --text")
    }
  }

  func run() throws {
    let predictor = try Predictor(
      path, choice: checkpoint, device: device,
      regions: stores.regions)
    if let input, let output {
      let console = Console(isQuiet: json)
      try BatchPrediction.run(predictor, input: input, output: output) { done, total in
        console.progress(done, of: total, "answered")
      }
      return console.say("answers are in \(output)")
    }
    if let mask {
      for ranked in try predictor.fill(image: image, text: mask) { show(ranked) }
    }
    guard let image else { return }
    if let question {
      show(try predictor.answers(image: image, question: question))
    } else if let text {
      let probability = try predictor.match(image: image, text: text)
      printLine(
        json
          ? JSONValue.object(["match": .number(probability)]).compact
          : "match  \(percent(probability))")
    }
  }

  private func show(_ ranked: [RankedAnswer]) {
    if json {
      printLine((try? JSONValue(encoding: ranked).compact) ?? "[]")
    } else {
      for answer in ranked {
        printLine(fixed(answer.probability * 100, 2).leftPadded(6) + " %  " + answer.answer)
      }
    }
  }
}

extension String {
  fileprivate func leftPadded(_ width: Int) -> String {
    String(repeating: " ", count: max(0, width - count)) + self
  }
}

struct Embed: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Print the pooled vector of a picture with a text, as JSON.",
    discussion: """
      Example:
        tandem embed runs/pretrained --image cat.jpg --text "a cat"
      """)
  @Argument(help: "A run, or a model.") var path: String
  @Option(help: "A JPEG, PNG or WebP file; none for a model of texts alone.") var image: String?
  @Option(help: "A text.") var text: String = ""
  @Option(help: "best or last.") var checkpoint: CheckpointFolder.Choice = .best
  @Option(help: "cpu, cuda or cuda:N; without it the run's own, or cpu where there is no GPU.")
  var device: String?
  @OptionGroup var stores: PictureStores

  func run() throws {
    let predictor = try Predictor(
      path, choice: checkpoint, device: device, regions: stores.regions)
    let vector = try predictor.embedding(image: image, text: text)
    printLine(try JSONValue(encoding: vector).compact)
  }
}
