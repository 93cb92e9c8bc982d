// All that is said of one scene, as one line of JSON.

public import Foundation

/// What is said of one scene.
public struct SceneTexts: Codable, Sendable, Equatable {
  /// The number of the scene.
  public var scene: Int
  public var captions: [Caption]
  public var regions: [RegionDescription]
  public var graph: SceneGraph
  public var questions: [SceneQuestion]
  public var expressions: [ReferringExpression]
  public var choices: [ReasonedChoice]

  /// One line of JSON without the line's end, keys in alphabetical order.
  public func jsonLine() throws -> Data {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return try encoder.encode(self)
  }

  /// Reads what `jsonLine` wrote.
  public init(jsonLine: Data) throws { self = try JSONDecoder().decode(Self.self, from: jsonLine) }

  public init(
    scene: Int, captions: [Caption], regions: [RegionDescription], graph: SceneGraph,
    questions: [SceneQuestion], expressions: [ReferringExpression], choices: [ReasonedChoice]
  ) {
    self.scene = scene
    self.captions = captions
    self.regions = regions
    self.graph = graph
    self.questions = questions
    self.expressions = expressions
    self.choices = choices
  }
}

/// Writes the texts of scenes, one scene at a time.
public struct SceneTextWriter: Sendable {
  /// How much is said, and how.
  public struct Options: Codable, Sendable, Equatable {
    public var captions = 5
    /// Region descriptions an object.
    public var regions = 2
    public var questions = 6
    /// Referring expressions a scene, each of another object.
    public var expressions = 3
    public var choices = 1
    /// How often captions, regions and expressions call a class by a synonym.
    public var synonymRate = 0.15
    public var annotators = AnnotatorRates()

    public init() {}
  }

  public let lexicon: Lexicon
  public let options: Options
  /// With synonyms.
  let wording: Wording
  /// Without: a question must not be missed for its words.
  let plainWording: Wording

  public init(_ lexicon: Lexicon, _ options: Options = Options()) {
    self.lexicon = lexicon
    self.options = options
    wording = Wording(lexicon: lexicon, synonymRate: options.synonymRate)
    plainWording = Wording(lexicon: lexicon)
  }

  /// Everything that is said of one scene.
  ///
  /// - Parameter pool: other scenes of the same split; without any, questions are less balanced
  ///   and reasoned choices may lack distractors.
  public func texts(
    of facts: SceneFacts, among pool: ScenePool, using rng: inout some RandomNumberGenerator
  ) -> SceneTexts {
    var random = TextRandom(from: &rng)
    return SceneTexts(
      scene: facts.scene.id,
      captions: captions(facts, options.captions, &random),
      regions: regions(facts, options.regions, &random),
      graph: SceneGraph(facts),
      questions: questions(facts, pool, options.questions, &random),
      expressions: expressions(facts, options.expressions, &random),
      choices: choices(facts, pool, options.choices, &random))
  }
}
