// VisualBERT: A Simple and Performant Baseline for Vision and Language (Li, Yatskar, Yin, Hsieh &
// Chang 2019; uclanlp/visualbert). Names are those of the transformers library, epsilons the
// published ones.
//
// Differs from the published code: rows are packed; regions can be hidden (the paper masks none).
//
// Shapes: N text rows, R region rows, U regions of distinct pictures, X features that stand in for
// others, T rows of the one stream, A pairs of a region row and a text row that names it, D width.

public import TandemCore
public import TandemNN
package import TandemTorch

public struct VisualBERT: VisionLanguageModel {
  public static let name = "visualbert"
  public static let source = "Li et al. 2019, arXiv:1908.03557"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var vocabulary = 30522
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 128
    /// Rows of the two tables of places, BERT's 512; `textLength` where that is more.
    public var places = 512
    public var featureWidth = 2048
    public var mostRegions = 100
    /// The row of the regions' table of types: 1 as in VOLTA and in the examples of transformers,
    /// 0 where the published code is told nothing.
    public var visualType = 1
    public var dropout = 0.1
    public var attentionDropout = 0.1
    public var normEpsilon = 1e-12
    public init() {}
  }

  public static var presets: [String: Config] {
    var tiny = Config().sized(.tiny)
    tiny.layers = 2
    tiny.places = 16
    tiny.featureWidth = 12
    // 472,992 weights beside the table of words: 335,520 of the layers, 122,976 of the regions'
    // projection.
    var small = Config().sized(.small)
    small.layers = 3
    small.places = 24
    small.featureWidth = 1280
    return ["base": Config(), "tiny": tiny, "small": small]
  }

  public let config: Config
  let textEmbedding: BERTTextEmbedding
  let visualTypes: Embedding
  let visualPlaces: Embedding
  let features: Linear
  let embeddingDropout: Dropout
  let layers: [PostNormLayer]
  let pooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let width = config.width
    let bert = path / "visual_bert"
    let embeddings = bert / "embeddings"
    let places = max(config.places, config.textLength)
    self.config = config
    textEmbedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: places, types: 2, width: width,
      epsilon: config.normEpsilon, at: embeddings)
    visualTypes = try Embedding(2, width, at: embeddings / "visual_token_type_embeddings")
    visualPlaces = try Embedding(places, width, at: embeddings / "visual_position_embeddings")
    features = try Linear(config.featureWidth, width, at: embeddings / "visual_projection")
    embeddingDropout = Dropout(config.dropout, at: embeddings)
    let shape = TransformerShape(
      width: width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon, dropout: config.dropout,
      attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try PostNormLayer(shape, at: bert / "encoder" / "layer" / $0)
    }
    pooler = try Linear(width, width, at: bert / "pooler" / "dense")
  }

  private static func check(_ config: Config) throws {
    func need(_ condition: Bool, _ message: String) throws {
      guard condition else { throw ParameterError("model.config: \(message)") }
    }
    try need(
      config.width > 0 && config.feedForward > 0 && config.vocabulary > 0,
      "width, feedForward and vocabulary must be positive, found \(config.width), "
        + "\(config.feedForward) and \(config.vocabulary)")
    try need(
      config.heads > 0 && config.width % config.heads == 0,
      "width \(config.width) is not a multiple of heads \(config.heads)")
    try need(config.layers > 0, "layers must be positive, found \(config.layers)")
    try need(config.textLength > 4, "textLength \(config.textLength) leaves no room for words")
    try need(
      config.featureWidth > 0 && config.mostRegions > 0,
      "featureWidth and mostRegions must be positive, found \(config.featureWidth) and "
        + "\(config.mostRegions)")
    try need(
      (0...1).contains(config.visualType), "visualType must be 0 or 1, found \(config.visualType)")
    try need(
      (0..<1).contains(config.dropout) && (0..<1).contains(config.attentionDropout),
      "dropout and attentionDropout must be in 0..<1, found \(config.dropout) and "
        + "\(config.attentionDropout)")
    try need(config.normEpsilon > 0, "normEpsilon must be positive, found \(config.normEpsilon)")
  }

  /// Questions are followed by [MASK] [SEP]: the published VQA reads the row before the last one,
  /// which is that [MASK].
  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask, hasAnswerSlot: true,
      regions: RegionInput(featureWidth: config.featureWidth, most: config.mostRegions))
  }

  /// Words and matching are the published heads. Those of regions are VOLTA's (Bugliarello et al.
  /// 2021, arXiv:2011.15124), with its names, so that models can be compared: the paper's model
  /// predicts no regions. `rank_output` and the answers' two layers are this library's: published
  /// answers come from one linear layer.
  public var facts: ModelFacts {
    func regions(_ decoder: String) -> RegionHead.Specification {
      RegionHead.Specification(
        transform: "cls.imagePredictions.transform.dense",
        norm: "cls.imagePredictions.transform.LayerNorm",
        decoder: "cls.imagePredictions.decoder_dict.\(decoder)", epsilon: config.normEpsilon)
    }
    return ModelFacts(
      name: Self.name, width: config.width, layers: config.layers,
      vocabulary: config.vocabulary, featureWidth: config.featureWidth,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder.weight",
          tied: "visual_bert.embeddings.word_embeddings.weight", bias: "cls.predictions.bias",
          epsilon: config.normEpsilon),
        matching: MatchingHead.Specification(path: "cls.seq_relationship"),
        ranking: RankingHead.Specification(path: "rank_output"),
        answers: AnswerHead.Specification(
          first: "vqa_classifier.0", norm: "vqa_classifier.1", last: "vqa_classifier.3",
          order: .normThenGELU, epsilon: config.normEpsilon, reads: .answerPlace),
        regionFeatures: regions("1"), regionClasses: regions("0")))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    let layers = "visual_bert.encoder.layer."
    if parameter.hasPrefix(layers) {
      let number = parameter.dropFirst(layers.count).prefix { $0 != "." }
      return 1 + (Int(number) ?? 0)
    }
    return parameter.hasPrefix("visual_bert.embeddings.") ? 0 : config.layers + 1
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let stream = try JointStream(batch, on: device)
    let x_TD = try stream.run(layers, embedded(batch, stream, mode), mode)
    return Encoding(
      batch: batch, joint: x_TD,
      pooled_SD: try pooler(stream.first(x_TD)).to(.float32).tanh())
  }

  /// What the first layer gets, [T, D].
  package func embedded(_ batch: PackedBatch, _ mode: Mode) throws -> Tensor {
    try embedded(batch, JointStream(batch, on: device), mode)
  }

  private var device: Device { pooler.weight.value.device }

  private func embedded(
    _ batch: PackedBatch, _ stream: JointStream, _ mode: Mode
  ) throws -> Tensor {
    let text_ND = try textEmbedding.sum(batch, on: device)
    let visual_RD = try batch.unitCount > 0 ? regionRows(batch) : nil
    return try embeddingDropout(
      textEmbedding.norm(stream.joined(text_ND, visual_RD)), stream.rows, mode)
  }

  /// Feature, type and place of each region, [R, D]. All share place 0; one that words are known to
  /// name has the mean of their places in the text as well. Hidden regions have the feature 0.
  private func regionRows(_ batch: PackedBatch) throws -> Tensor {
    let plan = RegionPlan(batch)
    let content_RD = try plan.rows(
      features(plan.features(on: device)),
      hidden: features(Tensor.zeros([1, config.featureWidth], on: device)))
    let place_1D = try visualPlaces.weight.value.narrow(0, from: 0, 1)
    let visual_RD = try content_RD + (typeRows(batch) + place_1D)
    let names = try RegionNames(batch)
    guard !names.textPlaces.isEmpty else { return visual_RD }
    let named_AD = try textEmbedding.places(Tensor(names.textPlaces, on: device))
    let share_A1 = try Tensor(names.shares, on: device).unsqueezed(1)
    return try visual_RD.addingRows(
      named_AD * share_A1, at: Tensor(names.regionRows, on: device))
  }

  /// The type of each region, [R, D], or of all of them, [1, D].
  private func typeRows(_ batch: PackedBatch) throws -> Tensor {
    guard batch.unitTypes.contains(where: { !$0.isEmpty }) else {
      return try visualTypes.weight.value.narrow(0, from: config.visualType, 1)
    }
    let types = (0..<batch.sequenceCount).flatMap { sequence in
      let given = batch.unitTypes[sequence]
      let count = batch.unitRowsInVisualStream(of: sequence).count
      return given.isEmpty ? Array(repeating: config.visualType, count: count) : given
    }
    return try visualTypes(Tensor(types, on: device))
  }
}

/// Which places of the text name which regions, pair after pair.
private struct RegionNames {
  /// For each pair the region's row among all visual rows.
  var regionRows: [Int] = []
  /// For each pair the place in its text.
  var textPlaces: [Int] = []
  /// For each pair one over the number of pairs of its region.
  var shares: [Float] = []

  /// - Throws: `DataError` for an alignment of another picture or another text.
  init(_ batch: PackedBatch) throws {
    for (sequence, alignment) in batch.alignments.enumerated() where !alignment.isEmpty {
      let regions = batch.unitRowsInVisualStream(of: sequence)
      let text = batch.textLayout.rows(of: sequence)
      guard alignment.count == regions.count else {
        throw DataError(
          "an alignment names \(alignment.count) regions, the picture has \(regions.count)")
      }
      for (region, places) in zip(regions, alignment) {
        for place in places {
          guard place >= 0 && place < text.count else {
            throw DataError(
              "an alignment names row \(place) of a text of \(text.count) rows: rows count from "
                + "[CLS], which is 0")
          }
          regionRows.append(region)
          textPlaces.append(place)
          shares.append(1 / Float(places.count))
        }
      }
    }
  }
}
