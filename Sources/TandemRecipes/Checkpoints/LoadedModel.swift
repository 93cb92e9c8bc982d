// A model with its weights, and the heads that they are there for.

public import TandemCore
internal import TandemModels
public import TandemNN
public import TandemTorch

public final class LoadedModel {
  public let files: ModelFiles
  public let store: ParameterStore
  public let model: any VisionLanguageModel
  public let input: InputSpecification
  public let heads: LoadedHeads
  public let report: ImportReport

  /// - Parameters:
  ///   - device: where it will run.
  ///   - allowed: patterns (`*` for anything) of weights that may be missing and are drawn then.
  /// - Throws: `ParameterError` for weights that are missing or of another shape.
  public init(
    _ files: ModelFiles, precision: Precision = .float32, device: Device = .cpu,
    allowingMissing allowed: [String] = []
  ) throws {
    self.files = files
    try Self.checkVocabulary(files)
    store = ParameterStore(
      seed: 1, precision: precision, kernels: device == .cpu ? .oneDNN : .plain, device: device,
      keepsMasters: precision == .float32, source: files.weights)
    let built = try Self.build(ModelCatalog.find(files.model), files, store)
    model = built.model
    input = built.input
    heads = try LoadedHeads(
      files.heads ?? Self.heads(of: files, model.facts), model.facts, files.weights.shapes,
      at: store.root)
    if let file = files.answersFile, files.answers.count != heads.answerCount {
      throw DataError(
        "\(file): \(files.answers.count) answers, the head has rows for \(heads.answerCount)")
    }
    report = ImportReport(files, store, store.loadReport())
    try report.check(allowingMissing: allowed)
  }

  /// More tokens than rows would read past the table's end.
  private static func checkVocabulary(_ files: ModelFiles) throws {
    guard files.vocabulary != nil, case .integer(let rows)? = files.config["vocabulary"]
    else { return }
    let reader = try files.textReader()
    guard reader.count <= rows else {
      throw DataError("\(reader.path): \(reader.count) tokens, the model has rows for \(rows)")
    }
  }

  private static func build<M: VisionLanguageModel>(
    _ type: M.Type, _ files: ModelFiles, _ store: ParameterStore
  ) throws -> (model: any VisionLanguageModel, input: InputSpecification) {
    let config: M.Config
    do {
      config = try files.config.decoded(M.Config.self)
    } catch let error as DecodingError {
      throw DataError("\(files.path): \(JSONValue.explained(error))")
    }
    // Inputs come with their special tokens: which they are does not matter here.
    let specials = SpecialTokens(
      classification: 0, separator: 0, mask: 0, vocabularyCount: 0, reserved: [])
    return (try M(config, at: store.root), M.input(config, specials))
  }

  private static func heads(of files: ModelFiles, _ facts: ModelFacts) -> HeadSpecifications {
    guard files.form == .transformers, let adapter = AdapterCatalog.find(model: files.model) else {
      return facts.heads
    }
    return adapter.heads(facts.heads, files.architecture)
  }
}

/// The heads of a model that weights are there for.
public struct LoadedHeads {
  public private(set) var specifications = HeadSpecifications()
  public let vocabulary: VocabularyHead?
  public let matching: MatchingHead?
  public let ranking: RankingHead?
  public let answers: AnswerHead?
  public let statements: StatementHead?
  public let choices: AnswerHead?
  public let regionFeatures: RegionHead?
  public let regionClasses: RegionHead?
  public let regionAttributes: RegionHead?
  /// Rows of the head of answers.
  public let answerCount: Int

  /// - Parameter shapes: of the weights that there are.
  init(
    _ known: HeadSpecifications, _ facts: ModelFacts, _ shapes: [String: [Int]],
    at root: ParameterPath
  ) throws {
    func rows(_ path: String) -> Int? { path.isEmpty ? nil : shapes[path + ".weight"]?.first }
    /// The specification, where one of its weights is there.
    func held<S>(_ specification: S?, _ paths: (S) -> [String]) -> S? {
      specification.flatMap { paths($0).contains { rows($0) != nil } ? $0 : nil }
    }
    func region(_ specification: RegionHead.Specification?) -> RegionHead.Specification? {
      held(specification) { $0.tied.isEmpty ? [$0.decoder] : [$0.transform] }
    }
    func regionHead(_ specification: RegionHead.Specification?) throws -> RegionHead? {
      try specification.map {
        try RegionHead(
          $0, outputs: $0.tied.isEmpty ? rows($0.decoder) ?? 1 : facts.featureWidth, facts,
          at: root)
      }
    }
    specifications.vocabulary = held(known.vocabulary) { [$0.transform] }
    specifications.matching = held(known.matching) { [$0.path] }
    specifications.ranking =
      known.ranking == .similarity ? known.ranking : held(known.ranking) { [$0.path] }
    specifications.answers = held(known.answers) { [$0.last] }
    specifications.choices = held(known.choices) { [$0.last] }
    specifications.statements = held(known.statements) { $0.paths }
    specifications.regionFeatures = region(known.regionFeatures)
    specifications.regionClasses = region(known.regionClasses)
    specifications.regionAttributes = region(known.regionAttributes)
    vocabulary = try specifications.vocabulary.map { try VocabularyHead($0, facts, at: root) }
    matching = try specifications.matching.map { try MatchingHead($0, facts, at: root) }
    ranking = try specifications.ranking.map { try RankingHead($0, facts, at: root) }
    answerCount = specifications.answers.flatMap { rows($0.last) } ?? 0
    answers = try specifications.answers.map { [answerCount] in
      try AnswerHead($0, classes: answerCount, facts, at: root)
    }
    choices = try specifications.choices.map {
      try AnswerHead($0, classes: rows($0.last) ?? 1, facts, at: root)
    }
    statements = try specifications.statements.map { try StatementHead($0, facts, at: root) }
    regionFeatures = try regionHead(specifications.regionFeatures)
    regionClasses = try regionHead(specifications.regionClasses)
    regionAttributes = try regionHead(specifications.regionAttributes)
  }
}
