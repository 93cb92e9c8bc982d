// ViT: An Image is Worth 16x16 Words (Dosovitskiy et al., ICLR 2021): pictures alone, and what ViLT
// starts from. Names are those of the timm library below `transformer`, as ViLT has them.
//
// Differs from the published model: pictures of any grid go, their places resized as ViLT resizes
// them; the pooler is that of the transformers library.
//
// Shapes: T packed rows, D width, S sequences.

public import TandemCore
public import TandemImage
public import TandemNN
internal import TandemTorch

public struct ViT: VisionLanguageModel {
  public static let name = "vit"
  public static let source = "Dosovitskiy et al. 2021, arXiv:2010.11929"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var patchSize = 16
    /// Patches down and across in the table of places.
    public var gridHeight = 14
    public var gridWidth = 14
    /// What is taken from pixel values in 0...1, per channel, and what they are divided by.
    public var mean: [Float] = [0.5, 0.5, 0.5]
    public var deviation: [Float] = [0.5, 0.5, 0.5]
    public var dropout = 0.0
    public var attentionDropout = 0.0
    /// 1e-6 in timm, 1e-12 in transformers.
    public var normEpsilon = 1e-6
    /// Whether the pooled vector is a layer's of the class row, or the class row itself, as where
    /// pictures are sorted into classes.
    public var hasPooler = true
    public init() {}
  }

  public static var presets: [String: Config] {
    var b32 = Config()
    b32.patchSize = 32
    b32.gridHeight = 12
    b32.gridWidth = 12
    var tiny = Config()
    tiny.width = 32
    tiny.layers = 2
    tiny.heads = 4
    tiny.feedForward = 64
    tiny.gridHeight = 4
    tiny.gridWidth = 4
    return ["b16": Config(), "b32": b32, "tiny": tiny]
  }

  public let config: Config
  let picture: PatchEmbedding
  let embeddingDropout: Dropout
  let layers: [PreNormLayer]
  let norm: LayerNorm
  let pooler: Linear?

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let image = path / "transformer"
    self.config = config
    picture = try PatchEmbedding(
      width: config.width, patchSize: config.patchSize,
      grid: (config.gridHeight, config.gridWidth), hidesPatches: false, at: image)
    embeddingDropout = Dropout(config.dropout, at: path / "embeddings")
    let shape = TransformerShape(
      width: config.width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon, dropout: config.dropout,
      attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map { try PreNormLayer(shape, at: image / "blocks" / $0) }
    norm = try LayerNorm(config.width, epsilon: config.normEpsilon, at: image / "norm")
    pooler =
      config.hasPooler
      ? try Linear(config.width, config.width, at: path / "pooler" / "dense") : nil
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, heads: config.heads,
      feedForward: config.feedForward)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try check.pixels(
      patchSize: config.patchSize, mean: config.mean, deviation: config.deviation)
    try check.need(
      config.gridHeight > 0 && config.gridWidth > 0,
      "gridHeight and gridWidth must be positive, found \(config.gridHeight) and "
        + "\(config.gridWidth)")
  }

  /// Sequences of this model have no text rows.
  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: 0, classification: specials.classification, separator: specials.separator,
      mask: specials.mask, leadingRows: 1,
      patches: PatchInput(
        size: config.patchSize, mean: config.mean, deviation: config.deviation))
  }

  public static func resize(_ config: Config) -> ResizeRule? {
    .square(side: config.patchSize * config.gridWidth)
  }

  public var facts: ModelFacts {
    ModelFacts(
      name: Self.name, width: config.width, layers: config.layers, vocabulary: 0,
      patchSize: config.patchSize,
      heads: HeadSpecifications(answers: .linear("head")))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    LayerDepth(
      layers: "transformer.blocks.",
      embeddings: ["transformer.patch_embed.", "transformer.cls_token", "transformer.pos_embed"],
      layerCount: config.layers
    )(of: parameter)
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let device = picture.device
    let rows = try PackedRows(batch.layout, on: device)
    let attention = try AttentionPlan(
      batch.spans, queryRows: rows.count, keyRows: rows.count, on: device)
    let plan = EmbeddingPlan(batch)
    let source = try picture.rows(batch, plan)
    guard !source.isEmpty else {
      throw ParameterError("\(Self.name) reads pictures, and none came")
    }
    var x_TD = try embeddingDropout(
      Tensor.concatenated(source).rows(Tensor(plan.order, on: device)), rows, mode)
    x_TD = try norm(
      run(layers.map { layer in { try layer($0, rows, attention, mode) } }, x_TD, mode))
    let first_SD = try x_TD.rows(Tensor(Array(batch.layout.offsets.dropLast()), on: device))
    return Encoding(
      batch: batch, joint: x_TD,
      pooled_SD: try pooler.map { try $0(first_SD).to(.float32).tanh() } ?? first_SD)
  }
}
