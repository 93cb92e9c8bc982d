// BERT: Pre-training of Deep Bidirectional Transformers (Devlin et al., NAACL 2019): texts alone, and
// what most of the models here start from. Names are those of the transformers library.
//
// Differs from the published code: rows are packed.
//
// Shapes: T packed rows, D width, S sequences.

public import TandemCore
public import TandemNN
internal import TandemTorch

public struct BERT: VisionLanguageModel {
  public static let name = "bert"
  public static let source = "Devlin et al. 2019, arXiv:1810.04805"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var vocabulary = 30522
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 512
    /// Rows of the table of places.
    public var places = 512
    public var types = 2
    public var dropout = 0.1
    public var attentionDropout = 0.1
    public var normEpsilon = 1e-12
    /// Whether the pooled vector is a layer's of the first row, or the first row itself.
    public var hasPooler = true
    public init() {}
  }

  public static var presets: [String: Config] {
    var large = Config().sized(.large)
    large.layers = 24
    var mini = Config()
    mini.width = 384
    mini.layers = 6
    mini.feedForward = 1536
    var tiny = Config().sized(.tiny)
    tiny.layers = 2
    tiny.places = 16
    return ["base": Config(), "large": large, "mini": mini, "tiny": tiny]
  }

  public let config: Config
  let embedding: BERTTextEmbedding
  let embeddingDropout: Dropout
  let layers: [PostNormLayer]
  let pooler: Linear?

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let bert = path / "bert"
    self.config = config
    embedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: config.places, types: config.types,
      width: config.width, epsilon: config.normEpsilon, at: bert / "embeddings")
    embeddingDropout = Dropout(config.dropout, at: bert / "embeddings")
    let shape = TransformerShape(
      width: config.width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon, dropout: config.dropout,
      attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try PostNormLayer(shape, at: bert / "encoder" / "layer" / $0)
    }
    pooler =
      config.hasPooler
      ? try Linear(config.width, config.width, at: bert / "pooler" / "dense") : nil
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, heads: config.heads,
      feedForward: config.feedForward)
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.places)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try check.need(config.types > 0, "types must be positive, found \(config.types)")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask)
  }

  /// The head of neighbouring sentences stands where matching does: class 0 is "is next".
  public var facts: ModelFacts {
    ModelFacts(
      name: Self.name, width: config.width, layers: config.layers,
      vocabulary: config.vocabulary,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder.weight",
          tied: "bert.embeddings.word_embeddings.weight", bias: "cls.predictions.bias",
          epsilon: config.normEpsilon),
        matching: MatchingHead.Specification(path: "cls.seq_relationship", matchClass: 0)))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    LayerDepth(
      layers: "bert.encoder.layer.", embeddings: ["bert.embeddings."], layerCount: config.layers
    )(of: parameter)
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let device = embedding.words.weight.value.device
    let stream = try JointStream(batch, on: device)
    let embedded_TD = try embeddingDropout(
      stream.joined(embedding(batch, on: device), nil), stream.rows, mode)
    let x_TD = try stream.run(layers, embedded_TD, mode)
    let first_SD = try stream.first(x_TD)
    return Encoding(
      batch: batch, joint: x_TD,
      pooled_SD: try pooler.map { try $0(first_SD).to(.float32).tanh() } ?? first_SD)
  }
}
