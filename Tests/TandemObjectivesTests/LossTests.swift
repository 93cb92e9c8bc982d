import TandemCore
import TandemModels
import TandemNN
import TandemObjectives
import TandemTasks
import TandemTorch
import Testing
import TestSupport

/// Sequences of one objective, encoded by a tiny model.
struct Judged<O: Objective> {
  let objective: O
  let store: ParameterStore
  let encoding: Encoding
  let targets: [Placed<O.Target>]
  let prepared: [PreparedSequence<O.Target>]

  static func config() throws -> ViLT.Config {
    var config = try #require(ViLT.presets["tiny"])
    config.vocabulary = Toy.specials.vocabularyCount
    config.maskToken = true
    return config
  }

  static func prepared(_ options: O.Options, seed: UInt64 = 3) throws
    -> [PreparedSequence<O.Target>]
  {
    let input = ViLT.input(try config(), Toy.specials)
    return try (0..<6).flatMap { position in
      // Pixels for the model, and regions for objectives that ask about them.
      let key = UInt64(10 + position)
      let picture = Picture(
        key: key, image: try Toy.picture(64, 32 + 16 * (position % 3), key: key).image,
        regions: Toy.regions(5, width: 6, key: key))
      let example = try Toy.example(
        position, "playing red star above blue circles", picture)
      let context = try Toy.context(
        input, position: position, pair: UInt64(position / 2),
        other: Toy.picture(32, 32, key: 99))
      var stream = RandomStream(seed: seed).child(UInt64(position))
      return try O.prepare(example, options, context, using: &stream)
    }
  }

  init(_ type: O.Type, _ options: O.Options) throws {
    store = ParameterStore(seed: 2)
    let config = try Self.config()
    let model = try ViLT(config, at: store.root)
    objective = try O(options, model.facts, at: store.root)
    prepared = try Self.prepared(options)
    let batch = try PackedBatch(
      prepared.map(\.sequence), ViLT.input(config, Toy.specials))
    encoding = try model.encode(batch, .inference)
    targets = prepared.enumerated().map { Placed(sequence: $0, target: $1.target) }
  }

  var denominator: Double { prepared.reduce(0) { $0 + O.weight(of: $1.target) } }
}

@Suite struct LossTests {
  @Test(arguments: [MaskedPatchPrediction.Kind.colour, .pixels])
  func maskedPatches(_ kind: MaskedPatchPrediction.Kind) throws {
    var options = MaskedPatchPrediction.Options()
    options.kind = kind
    let judged = try Judged(MaskedPatchPrediction.self, options)
    let report = try judged.objective.loss(
      judged.encoding, judged.targets, denominator: judged.denominator)
    let loss = try report.total.item()
    // An untrained head says little: about ln 256 for classes, about the spread of the pixels.
    #expect(kind == .colour ? abs(loss - 5.545) < 0.5 : (0.1 < loss && loss < 2))
    let metric = report.metrics[0]
    #expect(abs(try metric.sum.item() / metric.count - loss) < Tolerance.output * loss)
    try report.total.backward()
    for parameter in judged.store.parameters where parameter.name.hasPrefix("mpp_score.") {
      #expect(try largest(#require(try parameter.value.gradient())) > 0, "\(parameter.name)")
    }
    #expect(try largest(#require(try judged.store["transformer.mask_token"]?.value.gradient())) > 0)
  }

  /// A loss is a sum over the denominator: half the targets, twice the denominator.
  @Test func lossesAreSums() throws {
    func check<O: Objective>(_ type: O.Type) throws {
      let judged = try Judged(type, O.defaults)
      let whole = try judged.objective.loss(judged.encoding, judged.targets, denominator: 4)
      let parts = try [0, 1].map { half in
        try judged.objective.loss(
          judged.encoding, judged.targets.filter { $0.sequence % 2 == half }, denominator: 8)
      }
      let sum = try parts[0].total.item() + parts[1].total.item()
      #expect(abs(2 * sum - (try whole.total.item())) < 1e-5 * max(1, abs(sum)), "\(O.name)")
      #expect(abs(sum) > 1e-6)
    }
    // Those that ask about regions or couple pairs have tests of their own.
    try check(MaskedLanguageModeling.self)
    try check(ImageTextMatching.self)
    try check(WordPatchAlignment.self)
    try check(MaskedPatchPrediction.self)
  }

  /// True pairs count their distance, false ones its negative.
  @Test func alignmentIsSigned() throws {
    let judged = try Judged(WordPatchAlignment.self, .init())
    #expect(judged.targets.count { $0.target.isMatch } == 3)
    let distances = try OptimalTransport().distances(
      judged.encoding, judged.targets.map(\.sequence)
    ).floats().map(Double.init)
    let expected = zip(distances, judged.targets).reduce(0.0) {
      $0 + ($1.1.target.isMatch ? $1.0 : -$1.0)
    }
    let report = try judged.objective.loss(judged.encoding, judged.targets, denominator: 6)
    #expect(abs(try report.total.item() - expected / 6) < Tolerance.rounding)
    let metrics = Dictionary(uniqueKeysWithValues: report.metrics.map { ($0.name, $0) })
    let truth = try #require(metrics["wpa.trueDistance"])
    let fake = try #require(metrics["wpa.falseDistance"])
    #expect(truth.count == 3 && fake.count == 3)
    #expect(abs(try truth.sum.item() - fake.sum.item() - expected) < Tolerance.output)
    #expect(distances.allSatisfy { $0 > 0 && $0 < 2 })
  }

  /// With a zero classifier both classes are equal: the loss is ln 2 for each pair.
  @Test func matchingStartsAtChance() throws {
    let judged = try Judged(ImageTextMatching.self, .init())
    try withoutGradients { try judged.store["itm_score.fc.weight"]?.value.fillZero() }
    let report = try judged.objective.loss(judged.encoding, judged.targets, denominator: 6)
    #expect(abs(try report.total.item() - 0.693147180559945) < Tolerance.rounding)
    let predictions = try judged.objective.predict(judged.encoding)
    #expect(predictions.allSatisfy { abs($0.probability - 0.5) < Tolerance.rounding })
  }

  @Test func maskedWordsAreRanked() throws {
    let judged = try Judged(MaskedLanguageModeling.self, .init())
    let ranked = try judged.objective.words(judged.encoding, pieces: [0, 3], most: 5)
    #expect(ranked.count == 2)
    for row in ranked {
      #expect(row.count == 5)
      #expect(zip(row, row.dropFirst()).allSatisfy { $0.probability >= $1.probability })
      #expect(Set(row.map(\.token)).count == 5)
      #expect(row.reduce(0) { $0 + $1.probability } < 1)
    }
    #expect(ranked[0].map(\.probability) != ranked[1].map(\.probability))
  }
}

/// For everything that can be learned.
@Suite struct ObjectiveCatalogTests {
  static let all: [any Objective.Type] =
    ObjectiveCatalog.all + TaskCatalog.all.map { $0 as any Objective.Type }

  @Test func namesDiffer() {
    #expect(Set(Self.all.map { $0.name }).count == Self.all.count)
    for type in Self.all { #expect(!type.summary.isEmpty) }
  }

  @Test(arguments: all.indices) func preparationFollowsTheSeed(_ index: Int) throws {
    func seen<O: Objective>(_ type: O.Type, _ seed: UInt64) throws -> [String] {
      var options = O.defaults
      if var vqa = options as? VisualQuestionAnswering.Options {
        vqa.answers = ["blue", "red"]
        options = try #require(vqa as? O.Options)
      }
      if var classes = options as? MaskedRegionClasses.Options {
        classes.classes = 5
        options = try #require(classes as? O.Options)
      }
      if var labels = options as? RegionLabels.Options {
        labels.objects = 4
        options = try #require(labels as? O.Options)
      }
      if var questions = options as? ImageQuestionAnswering.Options {
        questions.answers = ["blue", "red"]
        options = try #require(questions as? O.Options)
      }
      return try Judged<O>.prepared(options, seed: seed).map { item in
        let sequence = item.sequence
        return "\(sequence.text) \(sequence.hidden) \(sequence.picture?.key ?? 0) "
          + "\(item.target) \(item.group)"
      }
    }
    let type = Self.all[index]
    let first = try seen(type, 3)
    #expect(!first.isEmpty)
    #expect(try seen(type, 3) == first)
  }

  @Test(arguments: all.indices) func optionsSurviveJSON(_ index: Int) throws {
    func check<O: Objective>(_ type: O.Type) throws {
      let json = try JSONValue(encoding: O.defaults)
      #expect(try json.decoded(O.Options.self) == O.defaults)
      let text = try #require(JSONValue(parsing: json.compact))
      #expect(try text.decoded(O.Options.self) == O.defaults)
      let definition = try ObjectiveDefinition(type, weight: 0.5, options: .object([:]))
      #expect(definition.name == O.name)
      #expect(try definition.options.decoded(O.Options.self) == O.defaults)
      let wrong = JSONValue.object(["noSuchOption": .integer(1)])
      let found = message { _ = try ObjectiveDefinition(type, weight: 1, options: wrong) }
      #expect(found?.contains("noSuchOption") == true)
    }
    try check(Self.all[index])
  }
}
