// VL-BERT: Pre-training of Generic Visual-Linguistic Representations
// (Su et al., ICLR 2020; jackroos/VL-BERT at 4373674). Names and epsilons are the published ones,
// spelling included.
//
// One stream: [CLS] words [SEP], the whole picture, its regions, [END]. Every row is the sum of a
// word, a look, a place and a type: words look at the whole picture, regions have the word [IMG],
// and all of a picture's rows have one place.
//
// Regions have features that were made before, or a network makes them of pixels and learns along
// ("end-to-end"): then the whole picture's is that of its box, where a store has it the mean of its
// regions, and a hidden region is dark in the pixels, where a store has a learned vector for it.
//
// Differs from the published code: rows are packed, and pictures are never padded; the classifier
// of answers drops nothing. The pair's ranking head is an addition, none was published. Left out
// are the scales that stand for the visual norms where those are off, and the class embedding of
// objects.
//
// Shapes: T packed rows, N text rows, R visual rows, U regions and P pictures that are distinct, X
// features that stand in for others, Q distinct views of whole pictures, O objects (whole pictures
// and regions, sequence after sequence), S sequences with a picture, D width, F feature width, C
// numbers of a box.

public import TandemCore
public import TandemImage
public import TandemNN
package import TandemTorch

public struct VLBERT: VisionLanguageModel {
  public static let name = "vl-bert"
  public static let source = "Su et al. 2020, arXiv:1908.08530"

  public struct Config: Codable, Sendable, Equatable {
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var vocabulary = 30522
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 64
    /// Rows of the table of positions: those of the text, one for the picture, one for [END].
    public var places = 512
    public var featureWidth = 2048
    public var mostRegions = 100
    /// Frequencies for each of a box's four numbers.
    public var frequencies = 256
    /// Of embeddings and layers, and of what objects are projected from.
    public var dropout = 0.1
    public var attentionDropout = 0.1
    /// Of every norm, those of the heads included.
    public var normEpsilon = 1e-12
    /// What the gains of the two visual norms start at: at 0, as published, training begins as plain
    /// BERT.
    public var visualGain = 0.0
    /// Whether [END] looks at the whole picture. It does in the paper (figure 1) and in VOLTA
    /// (Bugliarello et al. 2021); the published code, and so its weights, has it look at nothing.
    public var endCarriesPicture = true
    /// What makes features of pixels; its features are `featureWidth` wide. Stores still give boxes
    /// and classes.
    public var network = PictureNetworkConfig.none
    /// Of the network: places a side that a box's numbers are taken from, whether its last stage
    /// keeps them all, spreading its kernels, and whether hidden regions are dark in the pixels, as
    /// published, or have a learned feature, so that the whole picture gives them away.
    public var pooledSize = 14
    public var dilatesHead = true
    public var masksPixels = true
    public init() {}
  }

  public static var presets: [String: Config] {
    var large = Config().sized(.large)
    large.layers = 24
    var small = Config().sized(.small)
    small.layers = 3
    small.places = 26
    small.featureWidth = 1280
    small.frequencies = 16
    var tiny = Config().sized(.tiny)
    tiny.layers = 2
    tiny.places = 18
    tiny.featureWidth = 12
    tiny.frequencies = 4
    var presets = ["base": Config(), "large": large, "small": small, "tiny": tiny]
    for (name, network, bins) in [
      ("", PictureNetworkConfig.visualGenome, 14), ("large-", .visualGenome, 14),
      ("small-", .small(shorterSide: 160, longerSide: 240), 6),
      ("tiny-", .small(shorterSide: 32, longerSide: 48), 4),
    ] {
      var config = presets[name.isEmpty ? "base" : String(name.dropLast())] ?? Config()
      config.network = network
      config.featureWidth = network.name == "resnet101" ? 2048 : 512
      config.pooledSize = bins
      presets[name + "end-to-end"] = config
    }
    return presets
  }

  /// Rows of the table of types: first text, second text, picture.
  private static let types = 3

  public let config: Config
  let embedding: BERTTextEmbedding
  let coordinates: SinusoidalBoxes
  let objectDropout: Dropout
  let objectProjection: Linear
  /// The words of objects, of hidden regions and of [END], [1, D] each.
  let imageWord: Parameter
  let hiddenWord: Parameter
  let endWord: Parameter
  /// What makes features of pixels; nil where they are read.
  private let network: RegionNetwork?
  /// What shows in a hidden region's stead, [1, F]; nil where its pixels are dark.
  let hiddenAppearance: Parameter?
  /// What words without a picture look at, [1, D].
  let noPicture: Parameter
  let textLookNorm: LayerNorm
  let objectLookNorm: LayerNorm
  let embeddingDropout: Dropout
  let layers: [PostNormLayer]
  let pooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let (width, epsilon) = (config.width, config.normEpsilon)
    let trunk = path / "vlbert"
    let extractor = path / "image_feature_extractor"
    let projection = extractor / "obj_downsample"
    self.config = config
    network =
      config.network.isUsed
      ? try RegionNetwork(
        config.network, bins: config.pooledSize, isDilated: config.dilatesHead, at: extractor)
      : nil
    embedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: config.places, types: Self.types, width: width,
      epsilon: epsilon, norm: "embedding_LayerNorm", at: trunk)
    coordinates = SinusoidalBoxes(frequencies: config.frequencies)
    objectDropout = Dropout(config.dropout, at: projection / 0)
    objectProjection = try Linear(
      coordinates.width + config.featureWidth, width, at: projection / 1)
    imageWord = try path("object_linguistic_embeddings.weight", [1, width])
    hiddenWord = try path("object_mask_word_embedding.weight", [1, width])
    endWord = try trunk("end_embedding.weight", [1, width])
    hiddenAppearance =
      config.hidesByPixels
      ? nil
      : try path("object_mask_visual_embedding.weight", [1, config.featureWidth], .zeros)
    noPicture = try path("aux_text_visual_embedding.weight", [1, width])
    textLookNorm = try Self.lookNorm(config, at: trunk / "visual_ln_text")
    objectLookNorm = try Self.lookNorm(config, at: trunk / "visual_ln_object")
    embeddingDropout = Dropout(config.dropout, at: trunk / "embedding_LayerNorm")
    let shape = TransformerShape(
      width: width, heads: config.heads, feedForward: config.feedForward, epsilon: epsilon,
      dropout: config.dropout, attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try PostNormLayer(shape, at: trunk / "encoder" / "layer" / $0)
    }
    pooler = try Linear(width, width, at: trunk / "pooler" / "dense")
  }

  /// A norm whose gain starts where the config says: claimed first, so that the norm finds it.
  private static func lookNorm(_ config: Config, at path: ParameterPath) throws -> LayerNorm {
    _ = try path("weight", [config.width], .constant(config.visualGain), decay: false)
    return try LayerNorm(config.width, epsilon: config.normEpsilon, at: path.reusing)
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, heads: config.heads,
      feedForward: config.feedForward)
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.places, reserved: 2)
    try check.regions(featureWidth: config.featureWidth, most: config.mostRegions)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try check.need(
      config.frequencies > 0, "frequencies must be positive, found \(config.frequencies)")
    try check.need(
      config.visualGain.isFinite, "visualGain must be a number, found \(config.visualGain)")
    try config.network.check(featureWidth: config.featureWidth)
    try check.need(
      (1...64).contains(config.pooledSize),
      "pooledSize must be 1 to 64, found \(config.pooledSize)")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask, hasAnswerSlot: true, leadingRows: 1,
      trailingRows: 1, trailingRowsWithoutPicture: 1,
      regions: RegionInput(
        featureWidth: config.featureWidth, most: config.mostRegions,
        pixels: config.network.input(masksPixels: config.masksPixels)))
  }

  public static func resize(_ config: Config) -> ResizeRule? { config.network.resize }

  public var facts: ModelFacts {
    let words = "vlbert.mlm_head.predictions"
    let epsilon = config.normEpsilon
    return ModelFacts(
      name: Self.name, width: config.width, layers: config.layers, vocabulary: config.vocabulary,
      featureWidth: config.network.isUsed ? 0 : config.featureWidth,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "\(words).transform.dense", norm: "\(words).transform.LayerNorm",
          decoder: "\(words).decoder.weight", tied: "vlbert.word_embeddings.weight",
          bias: "\(words).bias", epsilon: epsilon),
        matching: MatchingHead.Specification(
          path: "vlbert.relationsip_head.caption_image_relationship"),
        ranking: RankingHead.Specification(path: "rank_output"),
        answers: AnswerHead.Specification(
          first: "final_mlp.0.dense", norm: "final_mlp.0.LayerNorm", last: "final_mlp.2",
          order: .geluThenNorm, epsilon: epsilon, widening: 1, reads: .answerPlace),
        choices: .linear("final_mlp.1"),
        regionClasses: RegionHead.Specification(
          transform: "vlbert.mvrc_head.transform.dense",
          decoder: "vlbert.mvrc_head.region_cls_pred")))
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    LayerDepth(
      layers: "vlbert.encoder.layer.",
      embeddings: [
        "image_feature_extractor.", "object_", "aux_text_visual_embedding.",
        "vlbert.word_embeddings.", "vlbert.position_embeddings.",
        "vlbert.token_type_embeddings.", "vlbert.end_embedding.", "vlbert.embedding_LayerNorm.",
        "vlbert.visual_ln_",
      ], layerCount: config.layers
    )(of: parameter)
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let stream = try JointStream(batch, on: endWord.value.device)
    let x_TD = try stream.run(layers, embedded(stream, mode), mode)
    return Encoding(
      batch: batch, joint: x_TD,
      pooled_SD: try pooler(stream.first(x_TD)).to(.float32).tanh())
  }

  /// What the first layer is given, [T, D].
  package func embedded(_ batch: PackedBatch, _ mode: Mode) throws -> Tensor {
    try embedded(JointStream(batch, on: endWord.value.device), mode)
  }

  private func embedded(_ stream: JointStream, _ mode: Mode) throws -> Tensor {
    let batch = stream.batch
    let device = endWord.value.device
    let plan = try ObjectPlan(batch)
    let objects_OD = plan.boxes.isEmpty ? nil : try representations(plan, batch, mode, on: device)
    let text_ND = try embedding.sum(batch, on: device) + textLooks(objects_OD, plan, batch)
    let visual_RD = try visualRows(objects_OD, plan, on: device)
    let x_TD = try embedding.norm(stream.joined(text_ND, visual_RD))
    return try embeddingDropout(x_TD, stream.rows, mode)
  }

  /// ReLU(W·(box ⊕ appearance) + b) for each object, [O, D].
  private func representations(
    _ plan: ObjectPlan, _ batch: PackedBatch, _ mode: Mode, on device: Device
  ) throws -> Tensor {
    let made = try network?(batch, wholeBoxes: plan.wholeBoxes, mode, on: device)
    let boxes_UPC = try coordinates(plan.allBoxes(on: device))
    var looks_AF = try plan.features(on: device, made: made)
    if plan.hidesAny, let hiddenAppearance {
      looks_AF = try .concatenated([looks_AF, hiddenAppearance.value])
    }
    let boxRows = try Tensor(plan.boxes, on: device)
    let lookRows = try Tensor(plan.appearances, on: device)
    // What is dropped of an object's numbers is its sequence's own, so that then every object needs
    // a product of its own.
    if mode.isTraining && config.dropout > 0 {
      let numbers = try Tensor.concatenated([boxes_UPC.rows(boxRows), looks_AF.rows(lookRows)], 1)
      let rows = try PackedRows(plan.layout, on: device)
      return try objectProjection(objectDropout(numbers, rows, mode)).relu()
    }
    // Otherwise W·(box ⊕ appearance) = W₁·box + W₂·appearance: each distinct box and each distinct
    // appearance is multiplied once, whatever number of sequences shows or hides it.
    let weight = try objectProjection.weight.forProducts()
    let boxPart = try boxes_UPC.to(weight.dtype).linear(
      weight.narrow(1, from: 0, coordinates.width), objectProjection.bias?.forProducts())
    let lookPart = try looks_AF.to(weight.dtype).linear(
      weight.narrow(1, from: coordinates.width, config.featureWidth), nil)
    return try (boxPart.rows(boxRows) + lookPart.rows(lookRows)).relu()
  }

  /// What each text row looks at, [N, D]: the whole picture as its sequence sees it.
  private func textLooks(
    _ objects_OD: Tensor?, _ plan: ObjectPlan, _ batch: PackedBatch
  ) throws -> Tensor {
    let device = endWord.value.device
    var parts: [Tensor] = []
    if let objects_OD {
      parts.append(
        try textLookNorm(objects_OD.rows(Tensor(plan.wholePictures, on: device))))
    }
    if plan.hasTextAlone { parts.append(try textLookNorm(noPicture.value)) }
    let rows = (0..<batch.sequenceCount).flatMap { sequence in
      repeatElement(plan.looksOfText[sequence], count: batch.textLayout.rows(of: sequence).count)
    }
    return try Tensor.concatenated(parts).rows(Tensor(rows, on: device))
  }

  /// Objects and [END] of all sequences before the norm, [R, D].
  private func visualRows(
    _ objects_OD: Tensor?, _ plan: ObjectPlan, on device: Device
  ) throws -> Tensor {
    let words = try Tensor.concatenated([imageWord.value, hiddenWord.value, endWord.value])
    let type_1D = try embedding.types.weight.value.narrow(0, from: Self.types - 1, 1)
    let rows_RD =
      try words.rows(Tensor(plan.words, on: device))
      + embedding.places(Tensor(plan.places, on: device)) + type_1D
    guard let objects_OD else { return rows_RD }
    let nothing = try Tensor.zeros([1, config.width], on: device)
    let looks_OD = try Tensor.concatenated([objectLookNorm(objects_OD), nothing])
    let rows = plan.looks(end: config.endCarriesPicture)
    return try rows_RD + looks_OD.rows(Tensor(rows, on: device))
  }
}

extension VLBERT.Config {
  /// What is hidden is dark in the pixels, and needs nothing in its stead.
  fileprivate var hidesByPixels: Bool { network.isUsed && masksPixels }
}
