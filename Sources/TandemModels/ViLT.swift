// ViLT: Vision-and-Language Transformer Without Convolution or Region Supervision
// (Kim, Son & Kim, ICML 2021; dandelin/ViLT at 762fd39). Names and epsilons are the published ones.
//
// Differs from the published code: rows are packed, so no patch is ever padding; hidden patches
// take a learned mask row (`maskToken`), which the published masked patch prediction lacked.
//
// Shapes: T packed rows, N text rows, P patches of distinct pictures, D width, G grid side.

public import TandemCore
public import TandemImage
public import TandemNN
internal import TandemTorch

public struct ViLT: VisionLanguageModel {
  public static let name = "vilt"
  public static let source = "Kim et al. 2021, arXiv:2102.03334"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var vocabulary = 30522
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 40
    public var patchSize = 32
    /// Patches down and across in the table of positions.
    public var grid = 12
    /// The shorter side of a picture in pixels; the longer one is at most 1333/800 of it.
    public var shorterSide = 384
    /// What is taken from pixel values in 0...1, per channel, and what they are divided by.
    public var mean: [Float] = [0.5, 0.5, 0.5]
    public var deviation: [Float] = [0.5, 0.5, 0.5]
    /// Rows of the table of modality types: 2, or 3 for two pictures (NLVR2).
    public var modalities = 2
    public var dropout = 0.1
    public var attentionDropout = 0.0
    /// Of the norms of the layers and of the last one: timm's 1e-6, 1e-12 in transformers.
    public var normEpsilon = 1e-6
    /// Claims a row that stands for hidden patches.
    public var maskToken = false
    public init() {}
  }

  public static var presets: [String: Config] {
    var tiny = Config()
    tiny.width = 32
    tiny.layers = 2
    tiny.heads = 4
    tiny.feedForward = 64
    tiny.textLength = 16
    tiny.patchSize = 16
    tiny.grid = 4
    tiny.shorterSide = 64
    var small = Config()
    small.width = 96
    small.layers = 3
    small.heads = 4
    small.feedForward = 384
    small.textLength = 24
    small.patchSize = 8
    small.grid = 8
    small.shorterSide = 64
    small.dropout = 0
    var medium = small
    medium.width = 256
    medium.layers = 6
    medium.heads = 8
    medium.feedForward = 1024
    medium.patchSize = 16
    medium.grid = 8
    medium.shorterSide = 128
    return ["b32": Config(), "tiny": tiny, "small": small, "medium": medium]
  }

  public let config: Config
  let textEmbedding: BERTTextEmbedding
  let picture: PatchEmbedding
  let modalities: Embedding
  let embeddingDropout: Dropout
  let layers: [PreNormLayer]
  let norm: LayerNorm
  let pooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let width = config.width
    let image = path / "transformer"
    self.config = config
    textEmbedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: config.textLength, types: 2, width: width,
      at: path / "text_embeddings")
    picture = try PatchEmbedding(
      width: width, patchSize: config.patchSize, grid: (config.grid, config.grid),
      hidesPatches: config.maskToken, at: image)
    modalities = try Embedding(config.modalities, width, at: path / "token_type_embeddings")
    embeddingDropout = Dropout(config.dropout, at: path / "embeddings")
    let shape = TransformerShape(
      width: width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon,
      dropout: config.dropout, attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try PreNormLayer(shape, at: image / "blocks" / $0)
    }
    norm = try LayerNorm(width, epsilon: config.normEpsilon, at: image / "norm")
    pooler = try Linear(width, width, at: path / "pooler" / "dense")
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, heads: config.heads,
      feedForward: config.feedForward)
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.textLength)
    try check.pixels(
      patchSize: config.patchSize, mean: config.mean, deviation: config.deviation)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try check.need(config.grid > 0, "grid must be positive, found \(config.grid)")
    try check.need(
      config.shorterSide >= config.patchSize,
      "shorterSide \(config.shorterSide) is less than a patch of \(config.patchSize)")
    try check.need(
      config.modalities >= 2, "modalities must be at least 2, found \(config.modalities)")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask, leadingRows: 1,
      patches: PatchInput(
        size: config.patchSize, mean: config.mean, deviation: config.deviation))
  }

  public static func resize(_ config: Config) -> ResizeRule? {
    .vilt(shorter: config.shorterSide, multiple: config.patchSize)
  }

  public var facts: ModelFacts {
    ModelFacts(
      name: Self.name, width: config.width, layers: config.layers, vocabulary: config.vocabulary,
      patchSize: config.patchSize,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "mlm_score.transform.dense", norm: "mlm_score.transform.LayerNorm",
          decoder: "mlm_score.decoder.weight", bias: "mlm_score.bias", epsilon: 1e-12),
        matching: MatchingHead.Specification(path: "itm_score.fc"),
        ranking: RankingHead.Specification(path: "rank_output"),
        answers: AnswerHead.Specification(
          first: "vqa_classifier.0", norm: "vqa_classifier.1", last: "vqa_classifier.3",
          order: .normThenGELU, epsilon: 1e-5),
        statements: .joined(
          AnswerHead.Specification(
            first: "nlvr2_classifier.0", norm: "nlvr2_classifier.1", last: "nlvr2_classifier.3",
            order: .normThenGELU, epsilon: 1e-5, widening: 1))))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    let blocks = "transformer.blocks."
    if parameter.hasPrefix(blocks) {
      let number = parameter.dropFirst(blocks.count).prefix { $0 != "." }
      return 1 + (Int(number) ?? 0)
    }
    let embeddings = [
      "text_embeddings.", "token_type_embeddings.", "transformer.patch_embed.",
      "transformer.cls_token", "transformer.pos_embed", "transformer.mask_token",
    ]
    return embeddings.contains(where: parameter.hasPrefix) ? 0 : config.layers + 1
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let device = picture.device
    let rows = try PackedRows(batch.layout, on: device)
    let attention = try AttentionPlan(
      batch.spans, queryRows: rows.count, keyRows: rows.count, on: device)
    let plan = EmbeddingPlan(batch)
    let order = try Tensor(plan.order, on: device)
    let text_ND = try textEmbedding(batch, on: device)
    let source = try Tensor.concatenated([text_ND] + picture.rows(batch, plan))
    var x_TD = try embeddingDropout(source.rows(order), rows, mode)
    guard plan.modalities.allSatisfy({ $0 < config.modalities }) else {
      throw ParameterError(
        "model.config.modalities: \(config.modalities) rows, two pictures of a statement need 3")
    }
    x_TD = try x_TD + modalities(Tensor(plan.modalities, on: device))
    x_TD = try run(
      layers.map { layer in { try layer($0, rows, attention, mode) } }, x_TD, mode)
    x_TD = try norm(x_TD)
    let first_SD = try x_TD.rows(
      Tensor(Array(batch.layout.offsets.dropLast()), on: device))
    return Encoding(
      batch: batch, joint: x_TD, pooled_SD: try pooler(first_SD).to(.float32).tanh())
  }
}
