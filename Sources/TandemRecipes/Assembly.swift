// Puts a recipe's parts together: weights, model, heads, tokeniser, data.

public import TandemCore
public import TandemData
public import TandemImage
internal import TandemModels
internal import TandemRegions
public import TandemNN
internal import TandemText
public import TandemTorch

/// A recipe with its model built and its data at hand.
public final class Assembly {
  public let recipe: Recipe
  public let store: ParameterStore
  public let model: any VisionLanguageModel
  public let texts: TextReader
  public let input: InputSpecification
  /// nil where the model reads no pixels.
  public let resize: ResizeRule?
  /// What features of regions go through; set before any are read.
  package var scaling: FeatureScaling?
  public let objectives: [(definition: ObjectiveDefinition, runner: any ObjectiveRunner)]

  /// - Parameters:
  ///   - vocabularyFile: in place of the recipe's, for a finished run that carries its own.
  ///   - source: where weights come from; nil draws them.
  ///   - kernels: which kernels serve; may be chosen later, in the store.
  ///   - learns: whether the weights will ever change.
  public init(
    _ recipe: Recipe, vocabularyFile: String? = nil, source: (any WeightSource)? = nil,
    kernels: KernelTable = .plain, learns: Bool = true
  ) throws {
    let device = try Device(named: recipe.compute.device)
    self.recipe = recipe
    texts = try TextReader(
      contentsOfFile: vocabularyFile ?? recipe.data.vocabulary,
      lowercased: recipe.data.lowercased)
    store = ParameterStore(
      seed: recipe.seed, precision: recipe.compute.precision, kernels: kernels,
      device: device, keepsMasters: learns, productInitialization: recipe.model.initialization,
      source: source)
    model = try Self.build(
      ModelCatalog.find(recipe.model.name), recipe.model.preset, recipe.model.config, store)
    (input, resize) = Self.reading(model, texts.specials)
    var titles = ObjectiveTitles()
    objectives = try recipe.objectives.map { [model, store, texts] choice in
      var definition = try Catalog.definition(choice, recipe.mixture.masking)
      definition.title = titles.next(choice)
      if definition.part == .masks, choice.name == "mlm", texts.specials.mask < 0 {
        throw SettingsError(
          "objectives.mlm: \(texts.path) has no [MASK]; data.vocabulary=…/vocab.txt has one")
      }
      return (definition, try definition.built(model.facts, at: store.root))
    }
    if model.facts.vocabulary < texts.count {
      throw SettingsError(
        "model.config.vocabulary: the model has \(model.facts.vocabulary) rows, the vocabulary "
          + "\(vocabularyFile ?? recipe.data.vocabulary) has \(texts.count) tokens")
    }
  }

  /// A model that no recipe of ours trained, with the objectives that it has heads for: it can be asked
  /// what a run can be asked.
  ///
  /// - Throws: `SettingsError` where it has no vocabulary.
  init(_ loaded: LoadedModel) throws {
    texts = try loaded.files.textReader()
    recipe = Recipe(asking: loaded, specials: texts.specials)
    store = loaded.store
    model = loaded.model
    (input, resize) = Self.reading(loaded.model, texts.specials)
    var facts = loaded.model.facts
    facts.heads = loaded.heads.specifications
    objectives = try recipe.objectives.map { [facts, store] choice in
      let definition = try Catalog.definition(choice)
      return (definition, try definition.built(facts, at: store.root.reusing))
    }
  }

  private static func reading<M: VisionLanguageModel>(
    _ model: M, _ specials: SpecialTokens
  ) -> (InputSpecification, ResizeRule?) {
    (M.input(model.config, specials), M.resize(model.config))
  }

  private static func build<M: VisionLanguageModel>(
    _ type: M.Type, _ preset: String, _ json: JSONValue, _ store: ParameterStore
  ) throws -> any VisionLanguageModel {
    let config: M.Config
    do {
      // A run may be older than a setting of its model: that one has the preset's value.
      guard let base = M.presets[preset] ?? M.presets.values.first else {
        throw SettingsError("\(M.name) has no presets")
      }
      config = try JSONValue(encoding: base).overlaid(with: json).decoded(M.Config.self)
    } catch let error as DecodingError {
      throw SettingsError("model.config: \(JSONValue.explained(error))")
    }
    return try M(config, at: store.root)
  }

  public var specials: SpecialTokens { texts.specials }

  /// The depth of a weight for layer-wise learning rates.
  private func depth(of parameter: String) -> Int {
    func depth<M: VisionLanguageModel>(_ model: M) -> Int {
      M.depth(of: parameter, model.config)
    }
    return depth(model)
  }

  /// Whether a weight is a head's: claimed by an objective, not by the model.
  public func isHead(_ name: String) -> Bool {
    let heads = model.facts.heads
    let paths = heads.paths + ["mpp_score", "transformer.mask_token"]
    return paths.contains { name == $0 || name.hasPrefix($0 + ".") }
  }

  /// Lays the weights out for training, in the groups that the recipe's optimiser names.
  public func sealForTraining() throws {
    let optimizer = recipe.optimizer
    let top = model.facts.layers + 1
    try store.seal { parameter in
      let isHead = self.isHead(parameter.name)
      let depth = isHead ? top : self.depth(of: parameter.name)
      var multiplier = 1.0
      for _ in depth..<top { multiplier *= optimizer.layerDecay }
      if isHead { multiplier *= optimizer.headMultiplier }
      return ParameterGroup(
        decays: parameter.decays, multiplier: multiplier,
        isFrozen: optimizer.frozen.contains { parameter.name.hasPrefix($0) })
    }
  }

  /// Examples of a split as this recipe reads them; augmented only where it is trained on.
  ///
  /// - Parameters:
  ///   - regions: where regions come from, for a model that reads them.
  public func builder(
    _ dataset: any Dataset, regions: RegionSource? = nil, training: Bool,
    reads: Recipe.Stream.Reads = .pairs
  ) throws -> ExampleBuilder {
    let data = recipe.data
    var reading = PictureReading(resize: resize, regions: regions)
    reading.mostRegions = input.regions?.most ?? .max
    reading.cells = input.regions?.cells
    if let pixels = input.regions?.pixels { reading.filter = pixels.filter }
    reading.sampledRegions = training ? data.sampledRegions : 0
    reading.mirrors = training && data.mirrors
    if training, data.augmentations > 0 {
      guard resize == nil || regions == nil else {
        throw SettingsError(
          "data.augmentations: the boxes of \(data.regions) do not move along with changed "
            + "pixels; 0 for \(recipe.model.name) with a network over pixels, data.mirrors works")
      }
      reading.augmentation = try RandAugment(
        count: data.augmentations, magnitude: data.augmentationStrength)
    }
    reading.scaledDecode = data.scaledDecode
    reading.cacheBytes = data.cacheMegabytes << 20
    return ExampleBuilder(
      dataset: dataset, tokenizer: texts.tokenizer, reading: reading, textPieces: input.textPieces,
      joinsAnswers: data.joinsAnswers, reads: reads)
  }

  /// The regions of a split's pictures; nil for a model that reads pixels alone.
  ///
  /// - Parameter path: a store, or a folder with a store for each split; nil for the recipe's.
  /// - Throws: `SettingsError` where the recipe names none, or where their features are of another
  ///   width than the model reads.
  public func regionSource(_ split: Split, at path: String? = nil) throws -> RegionSource? {
    guard let needed = input.regions, needed.cells == nil else { return nil }
    let path = path ?? recipe.data.regions
    guard !path.isEmpty else {
      throw SettingsError(
        "data.regions: \(recipe.model.name) reads regions; name a feature store "
          + "(`tandem regions extract` makes one)")
    }
    let source = try RegionSource(path: path, split: split, scaling: scaling)
    let width = source.store.header.featureWidth
    // Where the model makes features itself, the store's boxes and classes are read.
    guard recipe.data.standardizesFeatures == (scaling != nil) || needed.pixels != nil else {
      throw SettingsError(
        "data.standardizesFeatures: the features' mean and deviation are not at hand")
    }
    guard needed.pixels != nil || width == needed.featureWidth else {
      throw SettingsError(
        "model.config.featureWidth: the model reads features of width \(needed.featureWidth), "
          + "\(source.store.path) has \(width); --set model.config.featureWidth=\(width)")
    }
    return source
  }

  public func dataset(_ split: Split) throws -> any Dataset {
    try DatasetCatalog.open(recipe.data.dataset, root: recipe.data.root, split: split)
  }

  /// Prepared steps of a split.
  public func loader(_ split: Split, training: Bool, limit: Int = 0) throws -> StepLoader {
    let seed = RandomStream(seed: recipe.seed).child(training ? "training" : "evaluation").key
    var definitions = objectives.map(\.definition)
    // An evaluation looks at everything, whatever a step of training learns.
    if !training { for place in definitions.indices { definitions[place].epochs = (0, 0) } }
    let main = try stream(nil, split, training: training, limit: limit, seed: seed)
    let others = try recipe.streams.map {
      try stream($0, split, training: training, limit: limit, seed: seed)
    }
    return try StepLoader(
      streams: [main] + others,
      mixture: Mixture(definitions, learnsOnePass: training && recipe.mixture.steps == .one),
      input: input, specials: specials, rowBudget: recipe.batch.rows, seed: seed,
      isPinned: store.device != .cpu)
  }

  /// The main data, or those of another stream.
  private func stream(
    _ choice: Recipe.Stream?, _ split: Split, training: Bool, limit: Int, seed: UInt64
  ) throws -> ExampleStream {
    var dataset =
      try choice.map {
        try DatasetCatalog.open(
          $0.dataset, root: $0.root.isEmpty ? recipe.data.root : $0.root, split: split)
      } ?? self.dataset(split)
    if training, choice == nil, recipe.data.wrongTexts > 0 {
      dataset = WrongTexts(dataset, share: recipe.data.wrongTexts, seed: recipe.seed)
    }
    // An evaluation of some records takes the same ones each time, drawn from all of them.
    let isPart = limit > 0 && limit < dataset.count
    let reads = choice?.reads ?? .pairs
    return try ExampleStream(
      name: choice?.name ?? "",
      builder: builder(
        dataset, regions: reads == .texts ? nil : regionSource(split), training: training,
        reads: reads),
      order: SampleOrder(
        count: dataset.count,
        seed: choice.map { RandomStream(seed: seed).child($0.name).key } ?? seed,
        isShuffled: training || isPart),
      examplesPerStep: choice?.examples ?? recipe.batch.examples,
      badRecords: recipe.data.badRecords,
      readsSecondText: objectives.contains {
        $0.definition.stream == choice?.name ?? "" && $0.definition.readsSecondText
      })
  }

  /// The objective of a type, where the recipe has one.
  func objective<O: Objective>(_ type: O.Type) -> O? {
    objectives.lazy.compactMap { $0.runner.typed(O.self) }.first
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    try model.encode(batch, mode)
  }

  /// The metrics of a prepared step.
  func metrics(_ step: PreparedStep) throws -> [Metric] {
    try withoutGradients {
      var pending: [PendingMetric] = []
      let step = try step.chosen(by: objectives, seed: recipe.seed, encode: encode)
      for microbatch in step.microbatches {
        let encoding = try encode(microbatch.batch, .inference)
        for (place, objective) in objectives.enumerated() {
          let report = try objective.runner.loss(
            encoding, microbatch.sequences, place: place, denominator: 1)
          pending += report?.metrics ?? []
        }
      }
      let sums = try Readout(pending.map(\.sum)).values()
      return zip(pending, sums).map { Metric($0.name, sum: $1, count: $0.count) }
    }
  }
}

/// Tells objectives of one name apart: "mlm", "mlm@questions" on a stream, "mlm#2".
private struct ObjectiveTitles {
  private var counts: [String: Int] = [:]

  mutating func next(_ choice: Recipe.ObjectiveChoice) -> String {
    let title = choice.stream.isEmpty ? choice.name : "\(choice.name)@\(choice.stream)"
    counts[title, default: 0] += 1
    let number = counts[title] ?? 1
    return number == 1 ? title : "\(title)#\(number)"
  }
}
