internal import TandemCore
internal import TandemData
internal import TandemRegions
internal import TandemTasks

/// Fills what a recipe leaves to its data: answer vocabularies, and how many classes regions have.
enum OptionFilling {
  /// - Throws: `DataError` or `SettingsError` where the data cannot say.
  static func fill(_ recipe: inout Recipe) throws {
    try fillVocabulary(&recipe)
    for place in recipe.objectives.indices {
      switch recipe.objectives[place].name {
      case "vqa", "iqa": try fillAnswers(&recipe, place)
      case "mrc": try fillClasses(&recipe, place) { ["classes": $0.classCount] }
      case "labels":
        try fillClasses(&recipe, place) {
          ["objects": max(0, $0.classCount - 1), "attributes": $0.attributeNames?.count ?? 0]
        }
      default: break
      }
    }
  }

  /// A model whose vocabulary is 0 has as many rows as the vocabulary has tokens.
  private static func fillVocabulary(_ recipe: inout Recipe) throws {
    guard case .object(var config) = recipe.model.config, config["vocabulary"] == .integer(0)
    else { return }
    let texts = try TextReader(
      contentsOfFile: recipe.data.vocabulary, lowercased: recipe.data.lowercased)
    config["vocabulary"] = .integer(texts.count)
    recipe.model.config = .object(config)
  }

  private static func fillAnswers(_ recipe: inout Recipe, _ place: Int) throws {
    let choice = recipe.objectives[place]
    var answers: [String] = []
    if case .array(let known)? = choice.options["answers"] {
      answers = known.compactMap { if case .string(let answer) = $0 { answer } else { nil } }
    }
    var priors = 0
    if case .array(let known)? = choice.options["priors"] { priors = known.count }
    let needsPriors = choice.options["startsAtPriors"] == .bool(true) && priors == 0
    guard answers.isEmpty || needsPriors else { return }
    var minimum = 1
    if case .integer(let count)? = choice.options["minimumCount"] { minimum = count }
    let stream = recipe.streams.first { $0.name == choice.stream }
    let dataset = try DatasetCatalog.open(
      stream?.dataset ?? recipe.data.dataset,
      root: stream.map { $0.root.isEmpty ? recipe.data.root : $0.root } ?? recipe.data.root,
      split: .train)
    let badRecords = recipe.data.badRecords
    if answers.isEmpty {
      answers = try AnswerVocabulary.build(
        dataset, minimumCount: minimum, badRecords: badRecords)
      set(["answers": .array(answers.map { .string($0) })], &recipe, place)
    }
    if needsPriors {
      let shares = try AnswerVocabulary.priors(of: answers, dataset, badRecords: badRecords) {
        VisualQuestionAnswering.score($0, of: $1)
      }
      set(["priors": .array(shares.map { .number($0) })], &recipe, place)
    }
  }

  /// Counts that the store of regions knows; those that the recipe names stay.
  private static func fillClasses(
    _ recipe: inout Recipe, _ place: Int, _ counts: (FeatureStoreHeader) -> [String: Int]
  ) throws {
    guard !recipe.data.regions.isEmpty else {
      throw SettingsError(
        "data.regions: objectives.\(place) (\(recipe.objectives[place].name)) asks about regions; "
          + "name a feature store (`tandem regions extract` makes one)")
    }
    let header = try RegionSource(path: recipe.data.regions, split: .train).store.header
    let options = recipe.objectives[place].options
    let missing = counts(header).filter { options[$0.key] == nil || options[$0.key] == .integer(0) }
    set(missing.mapValues { .integer($0) }, &recipe, place)
  }

  private static func set(
    _ values: [String: JSONValue], _ recipe: inout Recipe, _ place: Int
  ) {
    guard case .object(let fields) = recipe.objectives[place].options else { return }
    recipe.objectives[place].options = .object(fields.merging(values) { _, new in new })
  }
}
