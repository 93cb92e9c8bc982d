// LXMERT: Learning Cross-Modality Encoder Representations from Transformers (Tan & Bansal, EMNLP
// 2019; airsplay/lxmert at 0db1182). Names and epsilons are the published ones.
//
// Differs from the published code: rows are packed, so any number of regions goes, and a text needs
// no picture; rows 0 of the text tables learn unless `paddingRowsLearn` is off.
//
// Shapes: N text rows, R region rows, U regions of distinct pictures, X features that stand in for
// others, D width, F feature width, S sequences.

public import TandemCore
public import TandemNN
package import TandemTorch

public struct LXMERT: VisionLanguageModel {
  public static let name = "lxmert"
  public static let source = "Tan & Bansal 2019, arXiv:1908.07490"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    /// Layers of the text alone, of the regions alone, and of both.
    public var languageLayers = 9
    public var objectLayers = 5
    public var crossLayers = 5
    public var heads = 12
    public var feedForward = 3072
    public var vocabulary = 30522
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 20
    /// Rows of the table of places, BERT's 512; `textLength` where that is more.
    public var places = 512
    public var featureWidth = 2048
    public var mostRegions = 36
    public var dropout = 0.1
    public var attentionDropout = 0.1
    public var normEpsilon = 1e-12
    /// Whether rows 0 of the tables of words, places and types learn from being looked up. The
    /// published code takes them for padding, so that place 0 ([CLS]) and type 0 (nearly every
    /// word) stay as they were drawn: a mistake (src/lxrt/modeling.py, BertEmbeddings), here only
    /// with `false`.
    public var paddingRowsLearn = true
    public init() {}
  }

  public static var presets: [String: Config] {
    var tiny = Config().sized(.tiny)
    tiny.languageLayers = 2
    tiny.objectLayers = 1
    tiny.crossLayers = 2
    tiny.places = 16
    tiny.featureWidth = 12
    // 620,640 weights beside the table of words: 223,680 of the two layers that see one kind of
    // rows, 261,120 of the one that crosses them, 123,840 of the regions' embedding.
    var small = Config().sized(.small)
    small.languageLayers = 1
    small.objectLayers = 1
    small.crossLayers = 1
    small.places = 24
    small.featureWidth = 1280
    return ["base": Config(), "tiny": tiny, "small": small]
  }

  public let config: Config
  let textEmbedding: BERTTextEmbedding
  let textDropout: Dropout
  let features: Linear
  let featureNorm: LayerNorm
  let boxes: Linear
  let boxNorm: LayerNorm
  let visualDropout: Dropout
  let languageLayers: [PostNormLayer]
  let objectLayers: [PostNormLayer]
  let crossLayers: [LXMERTCrossLayer]
  let pooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let width = config.width
    let epsilon = config.normEpsilon
    let bert = path / "bert"
    self.config = config
    textEmbedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: max(config.places, config.textLength), types: 2,
      width: width, epsilon: epsilon, at: bert / "embeddings")
    textDropout = Dropout(config.dropout, at: bert / "embeddings")
    let visual = bert / "encoder" / "visn_fc"
    features = try Linear(config.featureWidth, width, at: visual / "visn_fc")
    featureNorm = try LayerNorm(width, epsilon: epsilon, at: visual / "visn_layer_norm")
    boxes = try Linear(4, width, at: visual / "box_fc")
    boxNorm = try LayerNorm(width, epsilon: epsilon, at: visual / "box_layer_norm")
    visualDropout = Dropout(config.dropout, at: visual)
    let shape = TransformerShape(
      width: width, heads: config.heads, feedForward: config.feedForward, epsilon: epsilon,
      dropout: config.dropout, attentionDropout: config.attentionDropout)
    func layers<Layer>(
      _ name: String, _ count: Int, _ make: (TransformerShape, ParameterPath) throws -> Layer
    ) throws -> [Layer] {
      try (0..<count).map { try make(shape, bert / "encoder" / name / $0) }
    }
    languageLayers = try layers("layer", config.languageLayers, PostNormLayer.init)
    objectLayers = try layers("r_layers", config.objectLayers, PostNormLayer.init)
    crossLayers = try layers("x_layers", config.crossLayers, LXMERTCrossLayer.init)
    pooler = try Linear(width, width, at: bert / "pooler" / "dense")
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.languageLayers, heads: config.heads,
      feedForward: config.feedForward, titled: "languageLayers")
    try check.depth(config.objectLayers, titled: "objectLayers")
    try check.depth(config.crossLayers, titled: "crossLayers")
    try check.need(
      config.crossLayers > 0, "crossLayers must be positive, found \(config.crossLayers)")
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength,
      places: max(config.places, config.textLength))
    try check.regions(featureWidth: config.featureWidth, most: config.mostRegions)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask,
      regions: RegionInput(featureWidth: config.featureWidth, most: config.mostRegions))
  }

  /// Three heads of regions share the layer before their decoders. For ranking none is published:
  /// `rank_output` is this library's.
  public var facts: ModelFacts {
    func regions(_ decoder: String) -> RegionHead.Specification {
      RegionHead.Specification(
        transform: "obj_predict_head.transform.dense",
        norm: "obj_predict_head.transform.LayerNorm",
        decoder: "obj_predict_head.decoder_dict.\(decoder)", epsilon: config.normEpsilon,
        hasBackground: false)
    }
    return ModelFacts(
      name: Self.name, width: config.width, layers: Self.longestPath(config),
      vocabulary: config.vocabulary, featureWidth: config.featureWidth,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder.weight",
          tied: "bert.embeddings.word_embeddings.weight", bias: "cls.predictions.bias",
          epsilon: config.normEpsilon),
        matching: MatchingHead.Specification(path: "cls.seq_relationship"),
        ranking: RankingHead.Specification(path: "rank_output"),
        answers: AnswerHead.Specification(
          first: "answer_head.logit_fc.0", norm: "answer_head.logit_fc.2",
          last: "answer_head.logit_fc.3", order: .geluThenNorm, epsilon: config.normEpsilon),
        statements: .joined(
          AnswerHead.Specification(
            first: "logit_fc.0", norm: "logit_fc.2", last: "logit_fc.3", order: .geluThenNorm,
            epsilon: config.normEpsilon, widening: 1)),
        regionFeatures: regions("feat"), regionClasses: regions("obj"),
        regionAttributes: regions("attr")))
  }

  /// Layers that a row of the deeper stream goes through.
  private static func longestPath(_ config: Config) -> Int {
    max(config.languageLayers, config.objectLayers) + config.crossLayers
  }

  /// The layers of the shorter stream count from where the streams meet: as deep as the layers of
  /// the other one beside them.
  public static func depth(of parameter: String, _ config: Config) -> Int {
    let meeting = max(config.languageLayers, config.objectLayers)
    let stacks = [
      ("bert.encoder.layer.", meeting - config.languageLayers),
      ("bert.encoder.r_layers.", meeting - config.objectLayers),
      ("bert.encoder.x_layers.", meeting),
    ]
    for (prefix, below) in stacks where parameter.hasPrefix(prefix) {
      let number = parameter.dropFirst(prefix.count).prefix { $0 != "." }
      return 1 + below + (Int(number) ?? 0)
    }
    let embeddings = ["bert.embeddings.", "bert.encoder.visn_fc."]
    return embeddings.contains(where: parameter.hasPrefix) ? 0 : longestPath(config) + 1
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let streams = try TwoStreams(batch, on: device)
    var states = try embedded(batch, streams, mode)
    states.text_ND = try run(
      languageLayers.map { layer in
        { try layer($0, streams.text.rows, streams.text.attention, mode) }
      }, states.text_ND, mode)
    states.visual_RE = try states.visual_RE.map {
      try run(
        objectLayers.map { layer in
          { try layer($0, streams.visual.rows, streams.visual.attention, mode) }
        }, $0, mode)
    }
    for (place, layer) in crossLayers.enumerated() {
      states = try states.run(recomputing: mode.recomputation.covers(layer: place)) {
        try layer($0, streams, mode)
      }
    }
    let first_SD = try streams.first(states.text_ND)
    return Encoding(
      batch: batch, text: states.text_ND,
      visual: try states.visual_RE ?? Tensor.zeros([0, config.width], on: device),
      pooled_SD: try pooler(first_SD).to(.float32).tanh())
  }

  /// What the first layers of the two streams get, [N, D] and [R, D].
  package func embedded(
    _ batch: PackedBatch, _ mode: Mode
  ) throws -> (text_ND: Tensor, visual_RD: Tensor?) {
    let states = try embedded(batch, TwoStreams(batch, on: device), mode)
    return (states.text_ND, states.visual_RE)
  }

  private var device: Device { pooler.weight.value.device }

  private func embedded(
    _ batch: PackedBatch, _ streams: TwoStreams, _ mode: Mode
  ) throws -> TwoStreams.States {
    let text_ND = try textDropout(textRows(batch), streams.text.rows, mode)
    guard batch.unitCount > 0 else { return TwoStreams.States(text_ND: text_ND) }
    let visual_RD = try visualDropout(regionRows(batch), streams.visual.rows, mode)
    return TwoStreams.States(text_ND: text_ND, visual_RE: visual_RD)
  }

  private func textRows(_ batch: PackedBatch) throws -> Tensor {
    guard !config.paddingRowsLearn else { return try textEmbedding(batch, on: device) }
    let words_ND = try withoutPadding(textEmbedding.words, batch.tokens)
    let places_ND = try withoutPadding(textEmbedding.places, batch.textPlaces)
    let types_ND = try withoutPadding(textEmbedding.types, batch.tokenTypes)
    return try textEmbedding.norm(words_ND + places_ND + types_ND)
  }

  /// Rows of a table, [N, D], of which row 0 gets no gradient.
  private func withoutPadding(_ table: Embedding, _ rows: [Int]) throws -> Tensor {
    let indices = try Tensor(rows, on: device)
    let rows_ND = try table(indices)
    guard rows.contains(0) else { return rows_ND }
    return try indices.unsqueezed(1).isGreater(than: 0).select(rows_ND, else: rows_ND.detached())
  }

  /// The average of two norms, of what a region looks like and of where it lies, [R, D]. Hidden
  /// regions have the feature 0, so that the projection's bias alone stands for them.
  private func regionRows(_ batch: PackedBatch) throws -> Tensor {
    let plan = RegionPlan(batch)
    let content_UXD = try featureNorm(features(plan.features(on: device)))
    let content_RD = try plan.rows(
      content_UXD,
      hidden: featureNorm(features(Tensor.zeros([1, config.featureWidth], on: device))))
    let box_UD = try boxNorm(boxes(plan.boxes(on: device)))
    return try (content_RD + box_UD.rows(plan.boxRows(on: device))) * 0.5
  }
}

/// Each stream asks the other with the one attention they share, then itself; a feed-forward each.
struct LXMERTCrossLayer {
  let across: PostNormAttention
  let textAttention: PostNormAttention
  let visualAttention: PostNormAttention
  let textForward: PostNormFeedForward
  let visualForward: PostNormFeedForward

  init(_ shape: TransformerShape, at path: ParameterPath) throws {
    across = try PostNormAttention(
      shape, at: path / "visual_attention" / "att", output: path / "visual_attention" / "output")
    textAttention = try PostNormAttention(
      shape, at: path / "lang_self_att" / "self", output: path / "lang_self_att" / "output")
    visualAttention = try PostNormAttention(
      shape, at: path / "visn_self_att" / "self", output: path / "visn_self_att" / "output")
    textForward = try PostNormFeedForward(
      shape, at: path / "lang_inter", output: path / "lang_output")
    visualForward = try PostNormFeedForward(
      shape, at: path / "visn_inter", output: path / "visn_output")
  }

  /// Both streams read what the layer was given, neither what the other has become.
  func callAsFunction(
    _ given: TwoStreams.States, _ streams: TwoStreams, _ mode: Mode
  ) throws -> TwoStreams.States {
    let text = streams.text
    let visual = streams.visual
    var text_ND = try across(
      given.text_ND, keys: streams.keys(for: given), text.rows, streams.textToVisual, mode)
    text_ND = try textAttention(text_ND, keys: text_ND, text.rows, text.attention, mode)
    text_ND = try textForward(text_ND, text.rows, mode)
    let visual_RD = try given.visual_RE.map { given_RD in
      var visual_RD = try across(
        given_RD, keys: given.text_ND, visual.rows, streams.visualToText, mode)
      visual_RD = try visualAttention(
        visual_RD, keys: visual_RD, visual.rows, visual.attention, mode)
      return try visualForward(visual_RD, visual.rows, mode)
    }
    return TwoStreams.States(text_ND: text_ND, visual_RE: visual_RD)
  }
}
