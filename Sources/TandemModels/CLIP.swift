// CLIP: Learning Transferable Visual Models From Natural Language Supervision (Radford et al., ICML
// 2021; openai/CLIP), its transformer form. Names and epsilons are the published ones.
//
// Texts and pictures are encoded apart and compared by the cosine of their vectors. Differs from the
// published code: rows are packed, so no text is padded; pictures are squeezed to a square, not
// cropped; a picture that several texts use is encoded once, unless dropout (ours, 0 where published)
// tells its copies apart. Ours as well: the pooled vector, the product of both vectors, for heads on
// top; of a text without a picture it is the text's vector.
//
// The text feature stands at a text's last row: with a byte-level vocabulary [CLS] and [SEP] are
// <|startoftext|> and <|endoftext|>.
//
// Shapes: N text rows, R picture rows, P encoded pictures, S sequences, D width, E width of vectors,
// G patches of a picture.

public import TandemCore
public import TandemImage
public import TandemNN
internal import TandemTorch

public struct CLIP: VisionLanguageModel {
  public static let name = "clip"
  public static let source = "Radford et al. 2021, arXiv:2103.00020"

  public struct Config: Codable, Sendable, Equatable {
    /// Of the pictures' transformer.
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    /// Of the texts' transformer.
    public var textWidth = 512
    public var textLayers = 12
    public var textHeads = 8
    public var textFeedForward = 2048
    /// Of the vectors that are compared.
    public var embedding = 512
    public var vocabulary = 49408
    /// The id that ends a text given as ids, where that is not its greatest one, as was published.
    public var endToken: Int?
    /// Text rows, the start and the end of text included.
    public var textLength = 77
    public var patchSize = 32
    /// The side of a picture in pixels; the table of positions fits no other.
    public var imageSize = 224
    /// What is taken from pixel values in 0...1, per channel, and what they are divided by.
    public var mean: [Float] = [0.48145466, 0.4578275, 0.40821073]
    public var deviation: [Float] = [0.26862954, 0.26130258, 0.27577711]
    public var dropout = 0.0
    public var attentionDropout = 0.0
    public var normEpsilon = 1e-5
    public init() {}

    /// Patches down and across.
    var grid: Int { imageSize / max(patchSize, 1) }
  }

  public static var presets: [String: Config] {
    var b16 = Config()
    b16.patchSize = 16
    var l14 = Config()
    l14.width = 1024
    l14.layers = 24
    l14.heads = 16
    l14.feedForward = 4096
    l14.textWidth = 768
    l14.textHeads = 12
    l14.textFeedForward = 3072
    l14.embedding = 768
    l14.patchSize = 14
    var small = Config()
    small.width = 96
    small.layers = 3
    small.heads = 4
    small.feedForward = 384
    small.textWidth = 96
    small.textLayers = 3
    small.textHeads = 4
    small.textFeedForward = 384
    small.embedding = 96
    small.vocabulary = 30522
    small.textLength = 24
    small.patchSize = 8
    small.imageSize = 64
    var tiny = small
    tiny.width = 32
    tiny.layers = 2
    tiny.feedForward = 64
    tiny.textWidth = 32
    tiny.textLayers = 2
    tiny.textFeedForward = 64
    tiny.embedding = 32
    tiny.textLength = 16
    tiny.patchSize = 16
    tiny.dropout = 0.1
    return ["base": Config(), "b16": b16, "l14": l14, "small": small, "tiny": tiny]
  }

  public let config: Config
  let patches: Linear
  let classEmbedding: Parameter
  let positions: Parameter
  let normBefore: LayerNorm
  let layers: [QuickGELULayer]
  let normAfter: LayerNorm
  let projection: Parameter
  let words: Embedding
  let textPositions: Parameter
  let textLayers: [QuickGELULayer]
  let textNorm: LayerNorm
  let textProjection: Parameter
  let logitScale: Parameter

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let (width, textWidth) = (config.width, config.textWidth)
    let visual = path / "visual"
    self.config = config
    patches = Linear(
      weight: try (visual / "conv1")(
        "weight", [width, 3, config.patchSize, config.patchSize], .product),
      bias: nil)
    let spread = 1 / Double(width).squareRoot()
    classEmbedding = try visual("class_embedding", [width], .normal(deviation: spread))
    positions = try visual(
      "positional_embedding", [1 + config.grid * config.grid, width], .normal(deviation: spread))
    normBefore = try LayerNorm(width, epsilon: config.normEpsilon, at: visual / "ln_pre")
    let shape = TransformerShape(
      width: width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon, dropout: config.dropout,
      attentionDropout: config.attentionDropout)
    layers = try (0..<config.layers).map {
      try QuickGELULayer(shape, at: visual / "transformer" / "resblocks" / $0)
    }
    normAfter = try LayerNorm(width, epsilon: config.normEpsilon, at: visual / "ln_post")
    projection = try visual("proj", [width, config.embedding], .normal(deviation: spread))
    words = try Embedding(config.vocabulary, textWidth, at: path / "token_embedding")
    textPositions = try path(
      "positional_embedding", [config.textLength, textWidth], .normal(deviation: 0.01))
    var textShape = shape
    textShape.width = textWidth
    textShape.heads = config.textHeads
    textShape.feedForward = config.textFeedForward
    textLayers = try (0..<config.textLayers).map {
      try QuickGELULayer(textShape, at: path / "transformer" / "resblocks" / $0)
    }
    textNorm = try LayerNorm(textWidth, epsilon: config.normEpsilon, at: path / "ln_final")
    textProjection = try path(
      "text_projection", [textWidth, config.embedding],
      .normal(deviation: 1 / Double(textWidth).squareRoot()))
    logitScale = try path("logit_scale", [], .constant(Self.firstLogScale), decay: false)
  }

  /// ln(1/0.07).
  private static let firstLogScale = 2.659260036932778
  /// ln 100: similarities are never multiplied by more.
  private static let mostLogScale = 4.605170185988092

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.stream(
      width: config.width, layers: config.layers, heads: config.heads,
      feedForward: config.feedForward)
    try check.depth(config.textLayers, titled: "textLayers")
    try check.need(
      config.textWidth > 0 && config.textLayers > 0 && config.textFeedForward > 0
        && config.embedding > 0,
      "textWidth, textLayers, textFeedForward and embedding must be positive, found "
        + "\(config.textWidth), \(config.textLayers), \(config.textFeedForward) and "
        + "\(config.embedding)")
    try check.need(
      config.textHeads > 0 && config.textWidth % config.textHeads == 0,
      "textWidth \(config.textWidth) is not a multiple of textHeads \(config.textHeads)")
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.textLength)
    try check.pixels(
      patchSize: config.patchSize, mean: config.mean, deviation: config.deviation)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
    try check.need(
      config.imageSize >= config.patchSize && config.imageSize % config.patchSize == 0,
      "imageSize \(config.imageSize) is not a multiple of patchSize \(config.patchSize)")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask, leadingRows: 1,
      patches: PatchInput(
        size: config.patchSize, mean: config.mean, deviation: config.deviation))
  }

  public static func resize(_ config: Config) -> ResizeRule? { .square(side: config.imageSize) }

  public var facts: ModelFacts {
    var facts = ModelFacts(
      name: Self.name, width: config.textWidth, visualWidth: config.width,
      pooledWidth: config.embedding, layers: Self.depths(config), vocabulary: config.vocabulary,
      patchSize: config.patchSize, fusesRows: false,
      heads: HeadSpecifications(
        ranking: .similarity,
        answers: AnswerHead.Specification(
          first: "vqa_classifier.0", norm: "vqa_classifier.1", last: "vqa_classifier.3",
          order: .normThenGELU, epsilon: 1e-5)))
    facts.pairWidth = config.embedding
    return facts
  }

  private static func depths(_ config: Config) -> Int { max(config.layers, config.textLayers) }

  /// The last layers of both transformers are equally deep.
  public static func depth(of parameter: String, _ config: Config) -> Int {
    let most = depths(config)
    for (blocks, count) in [
      ("visual.transformer.resblocks.", config.layers),
      ("transformer.resblocks.", config.textLayers),
    ] where parameter.hasPrefix(blocks) {
      let number = Int(parameter.dropFirst(blocks.count).prefix { $0 != "." }) ?? 0
      return most - count + 1 + number
    }
    let embeddings = [
      "token_embedding.", "positional_embedding", "visual.conv1.", "visual.class_embedding",
      "visual.positional_embedding", "visual.ln_pre.",
    ]
    return embeddings.contains(where: parameter.hasPrefix) ? 0 : most + 1
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let text_ND = try encodedTexts(batch, mode)
    let pictures = try encodedPictures(batch, mode)
    let ends = try Tensor(batch.textEnds, on: text_ND.device)
    let text_SE = try text_ND.rows(ends).matmul(textProjection.value).unitLength()
    let picture = try PictureVectors(pictures.vectors_PE, pictures.ofSequence)
    return Encoding(
      batch: batch, text: text_ND, visual: pictures.rows_RD,
      pooled_SD: try text_SE * picture.factors_SE,
      pair: PairFeatures(text_SE: text_SE, picture_SE: picture.vectors_SE, scale: try scale()))
  }

  /// Each row sees the rows before it; normalised states [N, D].
  private func encodedTexts(_ batch: PackedBatch, _ mode: Mode) throws -> Tensor {
    let device = textPositions.value.device
    let rows = try PackedRows(batch.textLayout, on: device)
    let spans = AttentionSpans.prefixCausal(
      batch.textLayout, prefixes: Array(repeating: 0, count: batch.sequenceCount))
    let plan = try AttentionPlan(
      spans, queryRows: rows.count, keyRows: rows.count, on: device)
    let embedded_ND =
      try words(Tensor(batch.tokens, on: device))
      + textPositions.value.rows(Tensor(batch.textPlaces, on: device))
    return try textNorm(
      run(
        textLayers.map { layer in { try layer($0, rows, plan, mode) } }, embedded_ND, mode))
  }

  /// What became of the pictures: states of the rows of each sequence's picture [R, D], before the
  /// last norm, which is of the class row alone; vectors [P, E]; and each sequence's among them.
  private struct EncodedPictures {
    var rows_RD: Tensor
    var vectors_PE: Tensor
    var ofSequence: [Int]
  }

  private func encodedPictures(_ batch: PackedBatch, _ mode: Mode) throws -> EncodedPictures {
    let device = positions.value.device
    try check(batch)
    guard batch.unitCount > 0 else {
      return EncodedPictures(
        rows_RD: try .zeros([0, config.width], on: device),
        vectors_PE: try .zeros([0, config.embedding], on: device),
        ofSequence: batch.pictureOfSequence)
    }
    let shown = ShownPictures(
      batch, sharing: !mode.isTraining || (config.dropout == 0 && config.attentionDropout == 0))
    let rows = try PackedRows(shown.layout, on: device)
    let plan = try AttentionPlan(
      .full(shown.layout), queryRows: rows.count, keyRows: rows.count, on: device)
    let embedded = try embeddedPictures(batch, on: device)
      .rows(Tensor(shown.embeddedRows, on: device))
    let x_TD = try run(
      layers.map { layer in { try layer($0, rows, plan, mode) } }, normBefore(embedded), mode)
    let classRows = try Tensor(Array(shown.layout.offsets.dropLast()), on: device)
    return EncodedPictures(
      rows_RD: shown.rowsOfSequences == Array(0..<shown.layout.rowCount)
        ? x_TD : try x_TD.rows(Tensor(shown.rowsOfSequences, on: device)),
      vectors_PE: try normAfter(x_TD.rows(classRows)).matmul(projection.value).unitLength(),
      ofSequence: shown.ofSequence)
  }

  private func check(_ batch: PackedBatch) throws {
    guard batch.hidden.allSatisfy(\.isEmpty) else {
      throw ParameterError("hidden patches: impossible with \(Self.name), which has no mask row")
    }
    let needed = PatchGrid(height: config.grid, width: config.grid)
    for picture in batch.pictures where picture.grid != needed {
      throw DataError(
        "a picture of \(picture.grid.height)×\(picture.grid.width) patches: model.config.imageSize="
          + "\(config.imageSize) has a table of positions for \(needed.height)×\(needed.width); "
          + "resize pictures to \(config.imageSize)×\(config.imageSize) pixels")
    }
  }

  /// The class row, then the patches of all distinct pictures, each with its position.
  private func embeddedPictures(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    let (width, count) = (config.width, config.grid * config.grid)
    let pixels = 3 * config.patchSize * config.patchSize
    let class_1D =
      try classEmbedding.value.view([1, width]) + positions.value.narrow(0, from: 0, 1)
    let content = try patches(batch.patches.tensor([batch.unitCount, pixels], on: device))
      .reshaped([-1, count, width])
    let placed = try content + positions.value.narrow(0, from: 1, count)
    return try Tensor.concatenated([class_1D, placed.reshaped([-1, width])])
  }

  /// What similarities are multiplied by: exp of the learned logarithm, at most 100. The clip is
  /// passed over by the gradient, so that a scale that has grown too far can shrink again.
  private func scale() throws -> Tensor {
    let value = logitScale.value
    let excess = try withoutGradients {
      try value.detached() - value.minimum(Tensor.full([], Self.mostLogScale, on: value.device))
    }
    return try (value - excess).exp()
  }
}

/// Which pictures are encoded, and where their rows lie.
private struct ShownPictures {
  let layout: PackedLayout
  /// For each row its row among the class row and the patches of all distinct pictures.
  private(set) var embeddedRows: [Int] = []
  /// For each sequence its picture among the encoded ones; −1 for none.
  private(set) var ofSequence: [Int]
  /// For each sequence with a picture its rows.
  private(set) var rowsOfSequences: [Int] = []

  /// - Parameter sharing: each distinct picture is encoded once; else once for each sequence.
  init(_ batch: PackedBatch, sharing: Bool) {
    let pictureOfSequence = batch.pictureOfSequence
    let withPicture = pictureOfSequence.indices.filter { pictureOfSequence[$0] >= 0 }
    let shown: [Int]
    let keys: [UInt64]
    if sharing {
      shown = Array(batch.pictures.indices)
      // Nothing is dropped where pictures are shared.
      keys = shown.map(UInt64.init)
      ofSequence = pictureOfSequence
    } else {
      shown = withPicture.map { pictureOfSequence[$0] }
      keys = withPicture.map { batch.visualLayout.sequenceKeys[$0] }
      ofSequence = Array(repeating: -1, count: pictureOfSequence.count)
      for (place, sequence) in withPicture.enumerated() { ofSequence[sequence] = place }
    }
    layout = PackedLayout(
      lengths: shown.map { 1 + batch.pictures[$0].unitCount }, sequenceKeys: keys)
    for picture in shown.map({ batch.pictures[$0] }) {
      embeddedRows.append(0)
      embeddedRows += 1 + picture.firstUnit..<1 + picture.firstUnit + picture.unitCount
    }
    for sequence in withPicture { rowsOfSequences += layout.rows(of: ofSequence[sequence]) }
  }
}
