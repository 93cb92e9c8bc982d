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
  let patches: Linear
  let classToken: Parameter
  let positions: Parameter
  let modalities: Embedding
  let maskToken: Parameter?
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
    let projection = image / "patch_embed" / "proj"
    patches = Linear(
      weight: try projection(
        "weight", [width, 3, config.patchSize, config.patchSize], .product),
      bias: try projection("bias", [width], .zeros, decay: false))
    classToken = try image("cls_token", [1, 1, width], .normal(), decay: true)
    positions = try image("pos_embed", [1, 1 + config.grid * config.grid, width], .normal())
    modalities = try Embedding(config.modalities, width, at: path / "token_type_embeddings")
    maskToken = config.maskToken ? try image("mask_token", [1, width]) : nil
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
    func need(_ condition: Bool, _ message: String) throws {
      guard condition else { throw ParameterError("model.config: \(message)") }
    }
    try need(
      config.heads > 0 && config.width % config.heads == 0,
      "width \(config.width) is not a multiple of heads \(config.heads)")
    try need(
      config.width > 0 && config.feedForward > 0 && config.vocabulary > 0,
      "width, feedForward and vocabulary must be positive")
    try need(
      (0..<1).contains(config.dropout) && (0..<1).contains(config.attentionDropout),
      "dropout and attentionDropout must be in 0..<1, found \(config.dropout) and "
        + "\(config.attentionDropout)")
    try need(config.layers > 0 && config.patchSize > 0 && config.grid > 0, "sizes must be positive")
    try need(
      config.mean.count == 3 && config.deviation.count == 3
        && config.deviation.allSatisfy { $0 > 0 },
      "mean and deviation need three numbers each, deviations above 0")
    try need(config.textLength > 2, "textLength \(config.textLength) leaves no room for words")
    try need(
      config.shorterSide >= config.patchSize,
      "shorterSide \(config.shorterSide) is less than a patch of \(config.patchSize)")
    try need(config.modalities >= 2, "modalities must be at least 2, found \(config.modalities)")
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
    let device = positions.value.device
    let rows = try PackedRows(batch.layout, on: device)
    let attention = try AttentionPlan(
      batch.spans, queryRows: rows.count, keyRows: rows.count, on: device)
    let plan = EmbeddingPlan(batch)
    let order = try Tensor(plan.order, on: device)
    let text_ND = try textEmbedding(batch, on: device)
    let source = try Tensor.concatenated([text_ND] + pictureRows(batch, plan, on: device))
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

  /// The class token's row, the patches' rows [P, D], and a row for each hidden patch.
  private func pictureRows(
    _ batch: PackedBatch, _ plan: EmbeddingPlan, on device: Device
  ) throws -> [Tensor] {
    guard batch.unitCount > 0 else { return [] }
    let width = config.width
    let pixels = 3 * config.patchSize * config.patchSize
    let table_LD = try positions.value.view([1 + config.grid * config.grid, width])
    let class_1D = try classToken.value.view([1, width]) + table_LD.narrow(0, from: 0, 1)
    let tables = try plan.grids.map { try spatialPositions($0, table_LD) }
    let position_PD = try Tensor.concatenated(tables).rows(
      Tensor(plan.patchPositions, on: device))
    let content_PD = try patches(
      batch.patches.tensor([batch.unitCount, pixels], on: device))
    var parts = [class_1D, try content_PD + position_PD]
    if !plan.hidden.isEmpty {
      guard let maskToken else {
        throw ParameterError("hidden patches need a model with model.config.maskToken=true")
      }
      parts.append(try position_PD.rows(Tensor(plan.hidden, on: device)) + maskToken.value)
    }
    return parts
  }

  /// The table of positions resized to one grid, [height·width, D]: corners stay corners.
  private func spatialPositions(_ grid: PatchGrid, _ table_LD: Tensor) throws -> Tensor {
    let side = config.grid
    let square_LD = try table_LD.narrow(0, from: 1, side * side)
    if grid == PatchGrid(height: side, width: side) { return square_LD }
    return try square_LD.transposed(0, 1).reshaped([1, config.width, side, side])
      .upsampledBilinear(height: grid.height, width: grid.width)
      .reshaped([config.width, grid.count]).transposed(0, 1)
  }
}

/// Where each row of the packed order comes from: rows of [texts; class token; patches; hidden].
struct EmbeddingPlan {
  /// For each packed row, its row among the embedded ones.
  var order: [Int] = []
  /// For each packed row 0 for text, 1 for a picture, 2 for a statement's second one.
  var modalities: [Int] = []
  /// Distinct grids, and for each patch its row among their tables laid end to end.
  var grids: [PatchGrid] = []
  var patchPositions: [Int] = []
  /// For each hidden patch of a sequence, its patch.
  var hidden: [Int] = []

  init(_ batch: PackedBatch) {
    order.reserveCapacity(batch.layout.rowCount)
    modalities.reserveCapacity(batch.layout.rowCount)
    let firstPatchRow = batch.tokens.count + 1
    let firstHiddenRow = firstPatchRow + batch.unitCount
    for sequence in 0..<batch.sequenceCount {
      let tokens = batch.textLayout.rows(of: sequence)
      order += tokens
      modalities += repeatElement(0, count: tokens.count)
      guard batch.pictureOfSequence[sequence] >= 0 else { continue }
      let picture = batch.pictures[batch.pictureOfSequence[sequence]]
      order.append(batch.tokens.count)
      let start = order.count
      let firstRow = firstPatchRow + picture.firstUnit
      order += firstRow..<firstRow + picture.grid.count
      modalities += repeatElement(
        1 + batch.pictureOrders[sequence], count: 1 + picture.grid.count)
      for patch in batch.hidden[sequence] {
        order[start + patch] = firstHiddenRow + hidden.count
        hidden.append(picture.firstUnit + patch)
      }
    }
    var firstRows: [PatchGrid: Int] = [:]
    var next = 0
    for picture in batch.pictures {
      if firstRows[picture.grid] == nil {
        firstRows[picture.grid] = next
        grids.append(picture.grid)
        next += picture.grid.count
      }
      let first = firstRows[picture.grid] ?? 0
      patchPositions += first..<(first + picture.grid.count)
    }
  }
}
