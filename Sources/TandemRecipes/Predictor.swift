// A trained run or an imported model that answers: the same code serves the command line, the evaluation
// and, later, a server.

internal import Foundation
public import TandemCore
internal import TandemData
internal import TandemImage
internal import TandemNN
internal import TandemObjectives
internal import TandemTasks
internal import TandemText
internal import TandemTorch
public import TandemTrain

/// A run or a model opened for prediction. Not `Sendable`: it stays on one thread.
public final class Predictor {
  public let path: String
  public let assembly: Assembly
  /// Names the weights: "best (step 1000)".
  public let checkpointTitle: String
  /// nil for a model that no run of ours trained.
  let run: RunDirectory?
  private let regions: PredictionRegions
  private var stores: PredictionStores?

  /// Opens a run's best or last weights, or a model: what `tandem import` made, or a folder of
  /// transformers.
  ///
  /// - Parameters:
  ///   - choice: which of a run's weights; a model has one set.
  ///   - device: where it runs; nil is where the run ran, or the processor without a GPU.
  ///   - regions: where regions of pictures are found that somebody asks about.
  public init(
    _ path: String, choice: CheckpointFolder.Choice = .best, device: String? = nil,
    regions: PredictionRegions = PredictionRegions()
  ) throws {
    self.path = path
    self.regions = regions
    if ModelFiles.isModel(path) {
      run = nil
      assembly = try Self.assembly(ofModel: path, device)
      checkpointTitle = "published weights"
    } else {
      let run = try RunDirectory.open(path)
      let checkpoint = try run.checkpoints.open(choice)
      self.run = run
      assembly = try Self.assembly(of: run, checkpoint, device)
      checkpointTitle = "\(choice.rawValue) (step \(checkpoint.state.step))"
    }
  }

  private static func assembly(
    of run: RunDirectory, _ checkpoint: Checkpoint, _ device: String?
  ) throws -> Assembly {
    let card = try run.card()
    var recipe = card.recipe
    recipe.compute.recomputation = .none
    let trainedOn = recipe.compute.device
    recipe.compute.device =
      device ?? (Device.isCUDAAvailable || trainedOn == "cpu" ? trainedOn : "cpu")
    // A run's kernels were chosen for where it ran.
    let kernels =
      recipe.compute.device == trainedOn
      ? card.environment.kernels : recipe.compute.device == "cpu" ? .oneDNN : .plain
    try TorchRuntime.configure(threads: card.environment.threads)
    let assembly = try Assembly(
      recipe, vocabularyFile: run.vocabularyFile, source: SafeTensorsSource(checkpoint.weights()),
      kernels: kernels, learns: false)
    assembly.scaling = try RegionSummary(of: run)?.scaling
    try assembly.store.loadReport().check()
    return assembly
  }

  private static func assembly(ofModel path: String, _ device: String?) throws -> Assembly {
    _ = try Runtime.configure(threads: 0)
    let device = try Device(named: device ?? "cpu")
    return try Assembly(LoadedModel(ModelFiles.open(path), device: device))
  }

  /// An example from a picture file and a text; without a picture for a model that reads none.
  public func example(image: String?, text: String) throws -> Example {
    let name = assembly.recipe.model.name
    let readsPictures = assembly.resize != nil || assembly.input.regions != nil
    guard readsPictures == (image != nil) else {
      throw SettingsError(
        readsPictures
          ? "--image: \(name) reads a picture with the text"
          : "--image: \(name) reads texts alone; leave it out")
    }
    var stream = RandomStream(seed: 0)
    let record = Record(id: image ?? "", pictures: image.map { [$0] } ?? [], texts: [text])
    let builder = try assembly.builder(
      OneRecord(record: record),
      regions: image.flatMap { try regionStores().source(ofPicture: $0) }, training: false)
    return try builder.example(at: 0, using: &stream)
  }

  private func regionStores() throws -> PredictionStores {
    if let stores { return stores }
    let opened = try PredictionStores(assembly, regions)
    stores = opened
    return opened
  }

  func encoding(_ sequences: [InputSequence]) throws -> Encoding {
    try withoutGradients {
      try assembly.encode(PackedBatch(sequences, assembly.input), .inference)
    }
  }

  private func runner<O: Objective>(_ type: O.Type, need: String) throws -> O {
    guard let runner = assembly.objective(O.self) else {
      let known = assembly.recipe.objectives.map(\.name).joined(separator: ", ")
      throw RunError(
        "\(path) has no head for \(need): "
          + (known.isEmpty
            ? "it has none" : "it \(run == nil ? "has heads for" : "learned") \(known)"))
    }
    return runner
  }

  // MARK: answers

  /// Answers to a question about a picture, most probable first.
  public func answers(image: String, question: String) throws -> [RankedAnswer] {
    try answers([try example(image: image, text: question)])[0]
  }

  public func answers(_ examples: [Example]) throws -> [[RankedAnswer]] {
    let task = try runner(VisualQuestionAnswering.self, need: "questions")
    let options = VisualQuestionAnswering.Options()
    let sequences = try examples.map { try VisualQuestionAnswering.query($0, options) }
    return try withoutGradients {
      try task.predict(encoding(sequences)).map { prediction in
        prediction.ranked.map { RankedAnswer(answer: $0.answer, probability: $0.probability) }
      }
    }
  }

  /// How probable it is that a text belongs to a picture.
  public func match(image: String, text: String) throws -> Double {
    let sequence = try ImageTextMatching.query(
      example(image: image, text: text), ImageTextMatching.defaults)
    if let task = assembly.objective(ImageTextMatching.self) {
      return try withoutGradients { try task.predict(encoding([sequence]))[0].probability }
    }
    let task = try runner(Retrieval.self, need: "matching")
    return try withoutGradients { try task.predict(encoding([sequence]))[0].score }
  }

  /// For each [MASK] of the text the most probable words.
  public func fill(image: String?, text: String, most: Int = 5) throws -> [[RankedAnswer]] {
    let objective = try runner(MaskedLanguageModeling.self, need: "masked words")
    let example = try example(image: image, text: text)
    let ids = example.texts.first?.ids ?? []
    let places = ids.indices.filter { ids[$0] == assembly.specials.mask }
    guard !places.isEmpty else {
      throw DataError("the text has no [MASK]: \"\(text)\"")
    }
    return try withoutGradients {
      let encoding = try encoding([InputSequence(text: Array(ids), picture: example.pictures.first)]
      )
      return try objective.words(encoding, pieces: places, most: most).map { ranked in
        ranked.map {
          RankedAnswer(
            answer: assembly.texts.tokenizer.token(of: Int32($0.token)) ?? "",
            probability: $0.probability)
        }
      }
    }
  }

  /// The pooled vector of a picture and a text, [P].
  public func embedding(image: String?, text: String) throws -> [Float] {
    let example = try example(image: image, text: text)
    let sequence = InputSequence(
      text: example.texts.first.map { Array($0.ids) } ?? [], picture: example.pictures.first)
    return try withoutGradients { try encoding([sequence]).pooled_SD.floats() }
  }

  /// Which patches each word was moved onto by optimal transport: one map a word.
  public func alignment(image: String, text: String) throws -> WordPatchMap {
    let example = try example(image: image, text: text)
    guard let words = example.texts.first, let picture = example.pictures.first, !words.isEmpty
    else { throw DataError("an alignment needs a picture and at least one word") }
    // The published pictures use a sharper transport than training does.
    var transport = OptimalTransport()
    transport.beta = 0.1
    transport.iterations = 1000
    let grid = assembly.input.grid(picture)
    let plan_1NM = try withoutGradients {
      try transport.plan(
        encoding([InputSequence(text: Array(words.ids), picture: picture)]), 0)
    }
    let values = try plan_1NM.floats()
    let pieces = words.count
    let maps = words.wordRanges().map { range in
      WordPatchMap.Word(
        text: assembly.texts.tokenizer.decode(Array(words.ids[range])),
        weights: (0..<grid.count).map { patch in
          range.reduce(Float(0)) { $0 + values[patch * pieces + $1] }
        })
    }
    return WordPatchMap(gridWidth: grid.width, gridHeight: grid.height, words: maps)
  }
}

/// For each word of a text, how much of it lies on each patch of a picture.
public struct WordPatchMap: Sendable {
  public struct Word: Sendable {
    public let text: String
    /// In raster order.
    public let weights: [Float]
  }
  public let gridWidth: Int
  public let gridHeight: Int
  public let words: [Word]
}

/// A data set of one record, for pictures that belong to none.
struct OneRecord: Dataset {
  static let name = "one"
  static let summary = "a single record"
  let record: Record

  init(record: Record) { self.record = record }
  init(root: String, split: Split) throws { throw DataError("a single record has no folder") }
  var count: Int { 1 }
  func record(at index: Int) throws -> Record { record }
}
