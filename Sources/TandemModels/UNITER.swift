// UNITER: UNiversal Image-TExt Representation Learning
// (Chen et al., ECCV 2020; ChenRocks/UNITER at 1dbfa62). Names and epsilons are the published ones.
//
// One stream: words as in BERT, then regions, each the normalised sum of two normalised projections
// (its feature, its box) and the second row of BERT's table of types. Regions have no place.
//
// Differs from the published code: rows are packed, so nothing is padded or gathered together; each
// distinct region is projected once a batch, whatever number of sequences shows it.
//
// Shapes: T packed rows, N text rows, R region rows, U regions of distinct pictures, X features that
// stand in for others, S sequences, D width, F feature width.

public import TandemCore
public import TandemNN
package import TandemTorch

public struct UNITER: VisionLanguageModel {
  public static let name = "uniter"
  public static let source = "Chen et al. 2020, arXiv:1909.11740"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    /// Of bert-base-cased.
    public var vocabulary = 28996
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 60
    /// Rows of the table of positions.
    public var places = 512
    /// Rows of the table of types: words have row 0 (a second text row 1), regions row 1, those of a
    /// statement's second picture row 2. Files for NLVR2 hold 3 rows and those for VCR 4, where
    /// answers have row 2 and rationales row 3.
    public var types = 2
    public var featureWidth = 2048
    public var mostRegions = 100
    public var dropout = 0.1
    public var attentionDropout = 0.1
    /// Of every norm, those of the heads included.
    public var normEpsilon = 1e-12
    public init() {}
  }

  public static var presets: [String: Config] {
    var large = Config().sized(.large)
    large.layers = 24
    var small = Config().sized(.small)
    small.layers = 3
    small.places = 24
    small.featureWidth = 1280
    var tiny = Config().sized(.tiny)
    tiny.layers = 2
    tiny.places = 16
    tiny.featureWidth = 12
    return ["base": Config(), "large": large, "small": small, "tiny": tiny]
  }

  public let config: Config
  let textEmbedding: BERTTextEmbedding
  let appearance: Linear
  let appearanceNorm: LayerNorm
  let geometry: Linear
  let geometryNorm: LayerNorm
  let regionNorm: LayerNorm
  let maskRows: Parameter
  let embeddingDropout: Dropout
  let layers: [PostNormLayer]
  let pooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let (width, epsilon) = (config.width, config.normEpsilon)
    let trunk = path / "uniter"
    let image = trunk / "img_embeddings"
    self.config = config
    textEmbedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: config.places, types: config.types, width: width,
      epsilon: epsilon, at: trunk / "embeddings")
    appearance = try Linear(config.featureWidth, width, at: image / "img_linear")
    appearanceNorm = try LayerNorm(width, epsilon: epsilon, at: image / "img_layer_norm")
    geometry = try Linear(7, width, at: image / "pos_linear")
    geometryNorm = try LayerNorm(width, epsilon: epsilon, at: image / "pos_layer_norm")
    regionNorm = try LayerNorm(width, epsilon: epsilon, at: image / "LayerNorm")
    maskRows = try image("mask_embedding.weight", [2, config.featureWidth])
    embeddingDropout = Dropout(config.dropout, at: trunk / "embeddings")
    let shape = TransformerShape(
      width: width, heads: config.heads, feedForward: config.feedForward, epsilon: epsilon,
      dropout: config.dropout, attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try PostNormLayer(shape, at: trunk / "encoder" / "layer" / $0)
    }
    pooler = try Linear(width, width, at: trunk / "pooler" / "dense")
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, heads: config.heads,
      feedForward: config.feedForward)
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.places)
    try check.regions(featureWidth: config.featureWidth, most: config.mostRegions)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try check.need(
      config.types >= 2, "types must be at least 2, words and regions; found \(config.types)")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask,
      regions: RegionInput(featureWidth: config.featureWidth, most: config.mostRegions))
  }

  public var facts: ModelFacts {
    let epsilon = config.normEpsilon
    return ModelFacts(
      name: Self.name, width: config.width, layers: config.layers, vocabulary: config.vocabulary,
      featureWidth: config.featureWidth,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder.weight",
          tied: "uniter.embeddings.word_embeddings.weight", bias: "cls.predictions.bias",
          epsilon: epsilon),
        matching: MatchingHead.Specification(path: "itm_output"),
        ranking: RankingHead.Specification(path: "rank_output"),
        answers: AnswerHead.Specification(
          first: "vqa_output.0", norm: "vqa_output.2", last: "vqa_output.3",
          order: .geluThenNorm, epsilon: epsilon),
        statements: .paired(
          PairedAttention.Specification(
            first: "attn1", second: "attn2", joint: "fc.0", pool: "attn_pool.fc.0",
            last: "nlvr2_output", heads: config.heads, dropout: config.dropout,
            attentionDropout: config.attentionDropout)),
        choices: AnswerHead.Specification(
          first: "vcr_output.0", norm: "vcr_output.2", last: "vcr_output.3",
          order: .reluThenNorm, epsilon: epsilon),
        regionFeatures: RegionHead.Specification(
          transform: "feat_regress.net.0", norm: "feat_regress.net.2",
          tied: "uniter.img_embeddings.img_linear.weight", bias: "feat_regress.bias",
          epsilon: epsilon),
        regionClasses: RegionHead.Specification(
          transform: "region_classifier.net.0", norm: "region_classifier.net.2",
          decoder: "region_classifier.net.3", epsilon: epsilon)))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    LayerDepth(
      layers: "uniter.encoder.layer.",
      embeddings: ["uniter.embeddings.", "uniter.img_embeddings."], layerCount: config.layers
    )(of: parameter)
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let stream = try JointStream(batch, on: maskRows.value.device)
    let x_TD = try stream.run(layers, embedded(stream, mode), mode)
    return Encoding(
      batch: batch, joint: x_TD,
      pooled_SD: try pooler(stream.first(x_TD)).to(.float32).tanh())
  }

  /// What the first layer is given, [T, D].
  package func embedded(_ batch: PackedBatch, _ mode: Mode) throws -> Tensor {
    try embedded(JointStream(batch, on: maskRows.value.device), mode)
  }

  private func embedded(_ stream: JointStream, _ mode: Mode) throws -> Tensor {
    let device = maskRows.value.device
    let text_ND = try textEmbedding(stream.batch, on: device)
    let regions_RD = stream.batch.unitCount > 0 ? try regionRows(stream.batch, on: device) : nil
    return try embeddingDropout(stream.joined(text_ND, regions_RD), stream.rows, mode)
  }

  /// The rows of all regions, sequence after sequence, [R, D].
  private func regionRows(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    let plan = RegionPlan(batch)
    let known_UXD = try appearanceNorm(appearance(plan.features(on: device)))
    // A hidden region's feature is 0 plus the second mask row. The first one, which regions in
    // sight would be given, counts as 0 whatever the file holds: it is never read.
    let looks_RD = try plan.rows(
      known_UXD,
      hidden: appearanceNorm(appearance(maskRows.value.narrow(0, from: 1, 1))))
    let boxes_UD = try geometryNorm(geometry(Self.geometry(plan.boxes(on: device))))
    return try regionNorm(
      looks_RD + boxes_UD.rows(plan.boxRows(on: device)) + typeRows(batch, on: device))
  }

  /// The type of each region row, [R, D], or of all of them, [1, D].
  private func typeRows(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    let types = textEmbedding.types
    guard let most = batch.pictureOrders.max(), most > 0 else {
      return try types.weight.value.narrow(0, from: 1, 1)
    }
    guard 1 + most < config.types else {
      throw ParameterError(
        "model.config.types: \(config.types) rows, two pictures of a statement need 3")
    }
    let rows = (0..<batch.sequenceCount).flatMap { sequence in
      repeatElement(
        1 + batch.pictureOrders[sequence],
        count: batch.unitRowsInVisualStream(of: sequence).count)
    }
    return try types(Tensor(rows, on: device))
  }

  /// Corners, width, height and area over the picture's, [U, 7], of boxes [U, 4].
  private static func geometry(_ boxes_U4: Tensor) throws -> Tensor {
    let extent_U2 = try boxes_U4.narrow(1, from: 2, 2) - boxes_U4.narrow(1, from: 0, 2)
    let area_U1 = try extent_U2.narrow(1, from: 0, 1) * extent_U2.narrow(1, from: 1, 1)
    return try .concatenated([boxes_U4, extent_U2, area_U1], 1)
  }
}
