// Pixel-BERT: Aligning Image Pixels with Text by Deep Multi-Modal Transformers (Huang et al. 2020).
//
// A picture is the cells of a feature map, each a linear layer of its feature plus one vector that
// all cells share: no position and no norm. The map is that of a network in the model, which learns
// along ("end-to-end"), or was stored before. The paper's random choice of cells in pre-training is
// the data reader's (`data.sampledRegions`). Differs from the paper: the network's norms are fixed,
// and one optimiser serves all. No code was published; names are BERT's (Devlin et al. 2019).
//
// Shapes: N text rows, R cell rows, D width.

public import TandemCore
public import TandemImage
public import TandemNN
internal import TandemTorch

public struct PixelBERT: VisionLanguageModel {
  public static let name = "pixel-bert"
  public static let source = "Huang et al. 2020, arXiv:2004.00849"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var vocabulary = 30522
    /// Rows of BERT's table of positions.
    public var positions = 512
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 40
    public var featureWidth = 2048
    /// The most cells of a picture that are read from a store; of a network's, all are read. In
    /// pre-training the paper draws 100.
    public var mostRegions = 100
    public var dropout = 0.1
    public var attentionDropout = 0.1
    public var normEpsilon = 1e-12
    /// What makes features of pixels; its features are `featureWidth` wide.
    public var network = PictureNetworkConfig.none
    /// Places of the network's last map a side of one cell, which takes their largest numbers.
    public var cellPooling = 2
    public init() {}
  }

  public static var presets: [String: Config] {
    var small = Config().sized(.small)
    small.layers = 3
    small.positions = 24
    small.featureWidth = 1280
    var tiny = small.sized(.tiny)
    tiny.layers = 2
    tiny.positions = 16
    tiny.featureWidth = 12
    tiny.dropout = 0.1
    var published = Config()
    published.network.name = "resnet50"
    published.network.frozenStages = 0
    var smallNetwork = small
    smallNetwork.network = .small(shorterSide: 160, longerSide: 240)
    smallNetwork.featureWidth = 512
    smallNetwork.cellPooling = 1
    var tinyNetwork = tiny
    tinyNetwork.network = .small(shorterSide: 64, longerSide: 160)
    tinyNetwork.featureWidth = 512
    return [
      "base": Config(), "small": small, "tiny": tiny, "end-to-end": published,
      "small-end-to-end": smallNetwork, "tiny-end-to-end": tinyNetwork,
    ]
  }

  public let config: Config
  let textEmbedding: BERTTextEmbedding
  /// What makes features of pixels; nil where they are read.
  private let network: CellNetwork?
  let projection: Linear
  let cellType: Parameter
  let embeddingDropout: Dropout
  let layers: [PostNormLayer]
  let pooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let path = path / "pixelbert"
    self.config = config
    textEmbedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: config.positions, types: 2, width: config.width,
      epsilon: config.normEpsilon, at: path / "embeddings")
    let visual = path / "visual_embeddings"
    network =
      config.network.isUsed
      ? try CellNetwork(config.network, pooling: config.cellPooling, at: visual) : nil
    projection = try Linear(config.featureWidth, config.width, at: visual / "projection")
    cellType = try visual("type", [1, config.width])
    embeddingDropout = Dropout(config.dropout, at: path / "embeddings")
    let shape = TransformerShape(
      width: config.width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon, dropout: config.dropout,
      attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try PostNormLayer(shape, at: path / "encoder" / "layer" / $0)
    }
    pooler = try Linear(config.width, config.width, at: path / "pooler" / "dense")
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, least: 0, heads: config.heads,
      feedForward: config.feedForward)
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.positions,
      titled: "positions")
    try check.regions(featureWidth: config.featureWidth, most: config.mostRegions)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try config.network.check(featureWidth: config.featureWidth)
    try check.need(
      (1...64).contains(config.cellPooling),
      "cellPooling must be 1 to 64, found \(config.cellPooling)")
    let least = CellInput(stride: CellNetwork.stride, pooling: config.cellPooling).leastSide
    try check.need(
      !config.network.isUsed || config.network.shorterSide >= least,
      "network.shorterSide \(config.network.shorterSide) is less than a cell; with cellPooling "
        + "\(config.cellPooling) it must be \(least) or more")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    let cells = CellInput(stride: CellNetwork.stride, pooling: config.cellPooling)
    return InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask,
      regions: RegionInput(
        featureWidth: config.featureWidth,
        most: config.network.isUsed ? .max : config.mostRegions,
        pixels: config.network.input(cells: cells)))
  }

  public static func resize(_ config: Config) -> ResizeRule? { config.network.resize }

  /// The heads of ranking and answers are ours, with UNITER's names and layers.
  public var facts: ModelFacts {
    ModelFacts(
      name: Self.name, width: config.width, layers: config.layers, vocabulary: config.vocabulary,
      featureWidth: config.network.isUsed ? 0 : config.featureWidth,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder.weight",
          tied: "pixelbert.embeddings.word_embeddings.weight", bias: "cls.predictions.bias",
          epsilon: config.normEpsilon),
        matching: MatchingHead.Specification(path: "cls.seq_relationship"),
        ranking: RankingHead.Specification(path: "rank_output"),
        answers: AnswerHead.Specification(
          first: "vqa_output.0", norm: "vqa_output.2", last: "vqa_output.3",
          order: .geluThenNorm, epsilon: config.normEpsilon)))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    let blocks = "pixelbert.encoder.layer."
    if parameter.hasPrefix(blocks) {
      return 1 + (Int(parameter.dropFirst(blocks.count).prefix { $0 != "." }) ?? 0)
    }
    let embeddings = ["pixelbert.embeddings.", "pixelbert.visual_embeddings."]
    return embeddings.contains(where: parameter.hasPrefix) ? 0 : config.layers + 1
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let device = cellType.value.device
    let stream = try JointStream(batch, on: device)
    var x_TD = try stream.joined(
      textEmbedding(batch, on: device), cells(batch, mode, on: device))
    x_TD = try stream.run(layers, embeddingDropout(x_TD, stream.rows, mode), mode)
    let pooled_SD = try pooler(stream.first(x_TD)).to(.float32).tanh()
    return Encoding(batch: batch, joint: x_TD, pooled_SD: pooled_SD)
  }

  /// The cells of each sequence's picture, [R, D]; nil without pictures. A hidden one has a feature of
  /// zeros.
  private func cells(
    _ batch: PackedBatch, _ mode: Mode, on device: Device
  ) throws -> Tensor? {
    guard batch.unitCount > 0 else { return nil }
    let plan = RegionPlan(batch)
    func embedded(_ features: Tensor) throws -> Tensor {
      try projection(features).to(.float32) + cellType.value
    }
    return try plan.rows(
      embedded(plan.features(on: device, made: network?(batch, mode, on: device))),
      hidden: embedded(.zeros([1, config.featureWidth], on: device)))
  }
}
