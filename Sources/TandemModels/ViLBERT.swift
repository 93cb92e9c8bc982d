// ViLBERT: Pretraining Task-Agnostic Visiolinguistic Representations for Vision-and-Language Tasks
// (Lu et al., NeurIPS 2019; facebookresearch/vilbert-multi-task). Names and epsilons are the
// published ones.
//
// A stream of texts and one of regions, of different widths, meet in co-attention layers. The first
// visual row is the mean feature of the whole picture. Differs from the published code: rows are
// packed, so no region is padding; a region that shows another's feature counts with that one in the
// mean; a text without a picture passes the co-attention unchanged, and its pooled vector is the
// text's alone. The published files hold `biOutput.q_dense1` and `q_dense2`, which nothing reads.
//
// Shapes: N text rows, R visual rows, U regions of distinct pictures, X features that stand in for
// others, S sequences, D text width, E visual width, C width of co-attention, F width of features.

public import TandemCore
public import TandemNN
package import TandemTorch

public struct ViLBERT: VisionLanguageModel {
  public static let name = "vilbert"
  public static let source = "Lu et al. 2019, arXiv:1908.02265"

  public struct Config: Codable, Sendable, Equatable {
    /// Of the text stream.
    public var width = 768
    public var layers = 12
    public var heads = 12
    public var feedForward = 3072
    public var visualWidth = 1024
    public var visualLayers = 6
    public var visualHeads = 8
    public var visualFeedForward = 1024
    /// Of co-attention and of the pooled vector.
    public var connectionWidth = 1024
    public var connectionHeads = 8
    /// For each co-attention layer the text layer and the visual layer that it comes before.
    public var textConnections = [6, 7, 8, 9, 10, 11]
    public var visualConnections = [0, 1, 2, 3, 4, 5]
    public var vocabulary = 30522
    /// Rows of BERT's table of positions.
    public var positions = 512
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 36
    public var featureWidth = 2048
    /// Regions of a picture, its mean not counted.
    public var mostRegions = 100
    public var dropout = 0.1
    public var attentionDropout = 0.1
    public var normEpsilon = 1e-12
    /// In the mean of a picture, regions that overlap a hidden one leave the number that the sum is
    /// divided by, but not the sum: so the published code has it (vilbert-multi-task's data reader),
    /// which makes the mean too long. Off, it is the mean of all regions that are not hidden.
    public var overlapLeavesDivisor = false
    /// The intersection over union, in pixels, above which two regions overlap.
    public var overlapLimit = 0.4
    public init() {}
  }

  public static var presets: [String: Config] {
    var small = Config().sized(.small)
    small.layers = 3
    small.visualWidth = 96
    small.visualLayers = 1
    small.visualHeads = 4
    small.visualFeedForward = 96
    small.connectionWidth = 96
    small.connectionHeads = 4
    small.textConnections = [2]
    small.visualConnections = [0]
    small.positions = 24
    small.featureWidth = 1280
    var tiny = small.sized(.tiny)
    tiny.layers = 2
    tiny.visualWidth = 24
    tiny.visualFeedForward = 32
    tiny.connectionWidth = 16
    tiny.textConnections = [1]
    tiny.positions = 16
    tiny.featureWidth = 12
    tiny.dropout = 0.1
    return ["base": Config(), "small": small, "tiny": tiny]
  }

  public let config: Config
  let textEmbedding: BERTTextEmbedding
  let looks: Linear
  let places: Linear
  let visualNorm: LayerNorm
  let textDropout: Dropout
  let visualDropout: Dropout
  let textLayers: [PostNormLayer]
  let visualLayers: [PostNormLayer]
  let connections: [CoAttentionLayer]
  let textPooler: Linear
  let visualPooler: Linear

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let path = path / "bert"
    let (encoder, visual) = (path / "encoder", path / "v_embeddings")
    self.config = config
    textEmbedding = try BERTTextEmbedding(
      vocabulary: config.vocabulary, places: config.positions, types: 2, width: config.width,
      epsilon: config.normEpsilon, at: path / "embeddings")
    looks = try Linear(config.featureWidth, config.visualWidth, at: visual / "image_embeddings")
    places = try Linear(5, config.visualWidth, at: visual / "image_location_embeddings")
    visualNorm = try LayerNorm(
      config.visualWidth, epsilon: config.normEpsilon, at: visual / "LayerNorm")
    textDropout = Dropout(config.dropout, at: path / "embeddings")
    visualDropout = Dropout(config.dropout, at: visual)
    let textShape = TransformerShape(
      width: config.width, heads: config.heads, feedForward: config.feedForward,
      epsilon: config.normEpsilon, dropout: config.dropout,
      attentionDropout: config.attentionDropout)
    var visualShape = textShape
    visualShape.width = config.visualWidth
    visualShape.heads = config.visualHeads
    visualShape.feedForward = config.visualFeedForward
    textLayers = try (0..<config.layers).map {
      try PostNormLayer(textShape, at: encoder / "layer" / $0)
    }
    visualLayers = try (0..<config.visualLayers).map { [visualShape] in
      try PostNormLayer(visualShape, at: encoder / "v_layer" / $0)
    }
    connections = try config.textConnections.indices.map { [visualShape] in
      try CoAttentionLayer(
        text: textShape, visual: visualShape, width: config.connectionWidth,
        heads: config.connectionHeads, attentionDropout: config.attentionDropout,
        at: encoder / "c_layer" / $0)
    }
    textPooler = try Linear(config.width, config.connectionWidth, at: path / "t_pooler" / "dense")
    visualPooler = try Linear(
      config.visualWidth, config.connectionWidth, at: path / "v_pooler" / "dense")
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    for (width, count, names) in [
      (config.width, config.heads, ("width", "heads")),
      (config.visualWidth, config.visualHeads, ("visualWidth", "visualHeads")),
      (config.connectionWidth, config.connectionHeads, ("connectionWidth", "connectionHeads")),
    ] {
      try check.need(
        width > 0 && count > 0 && width % count == 0,
        "\(names.0) \(width) is not a multiple of \(names.1) \(count)")
    }
    try check.need(
      config.feedForward > 0 && config.visualFeedForward > 0,
      "feedForward and visualFeedForward must be positive, found \(config.feedForward) and "
        + "\(config.visualFeedForward)")
    try check.depth(config.layers, titled: "layers")
    try check.depth(config.visualLayers, titled: "visualLayers")
    try check.need(
      config.textConnections.count == config.visualConnections.count,
      "textConnections and visualConnections need as many numbers each, found "
        + "\(config.textConnections) and \(config.visualConnections)")
    for (connections, most, name) in [
      (config.textConnections, config.layers, "textConnections"),
      (config.visualConnections, config.visualLayers, "visualConnections"),
    ] {
      try check.need(
        connections == connections.sorted() && connections.allSatisfy { (0...most).contains($0) },
        "\(name) \(connections) must rise and be in 0...\(most), the number of layers")
    }
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.positions,
      titled: "positions")
    try check.regions(featureWidth: config.featureWidth, most: config.mostRegions)
    try check.rates(
      dropout: config.dropout, attentionDropout: config.attentionDropout,
      normEpsilon: config.normEpsilon)
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask, leadingRows: 1,
      regions: RegionInput(featureWidth: config.featureWidth, most: config.mostRegions))
  }

  public var facts: ModelFacts {
    ModelFacts(
      name: Self.name, width: config.width, visualWidth: config.visualWidth,
      pooledWidth: config.connectionWidth, layers: config.layers, vocabulary: config.vocabulary,
      featureWidth: config.featureWidth,
      heads: HeadSpecifications(
        vocabulary: VocabularyHead.Specification(
          transform: "cls.predictions.transform.dense",
          norm: "cls.predictions.transform.LayerNorm", decoder: "cls.predictions.decoder.weight",
          tied: "bert.embeddings.word_embeddings.weight", bias: "cls.predictions.bias",
          epsilon: config.normEpsilon),
        matching: MatchingHead.Specification(path: "cls.bi_seq_relationship", matchClass: 0),
        ranking: RankingHead.Specification(path: "vil_logit"),
        answers: AnswerHead.Specification(
          first: "vil_prediction.logit_fc.0", norm: "vil_prediction.logit_fc.2",
          last: "vil_prediction.logit_fc.3", order: .geluThenNorm, epsilon: config.normEpsilon),
        regionClasses: RegionHead.Specification(
          transform: "cls.imagePredictions.transform.dense",
          norm: "cls.imagePredictions.transform.LayerNorm",
          decoder: "cls.imagePredictions.decoder", epsilon: config.normEpsilon)))
  }

  /// Text layers count; visual and co-attention layers are as deep as the text layers beside them.
  public static func depth(of parameter: String, _ config: Config) -> Int {
    func number(after prefix: String) -> Int? {
      guard parameter.hasPrefix(prefix) else { return nil }
      return Int(parameter.dropFirst(prefix.count).prefix { $0 != "." })
    }
    func bounded(_ depth: Int) -> Int { max(1, min(depth, config.layers)) }
    if let layer = number(after: "bert.encoder.layer.") { return 1 + layer }
    if let connection = number(after: "bert.encoder.c_layer."),
      config.textConnections.indices.contains(connection)
    {
      return bounded(1 + config.textConnections[connection])
    }
    if let layer = number(after: "bert.encoder.v_layer.") {
      let next = config.visualConnections.firstIndex { $0 > layer }
      return bounded(next.map { config.textConnections[$0] } ?? config.layers)
    }
    let embeddings = ["bert.embeddings.", "bert.v_embeddings."]
    return embeddings.contains(where: parameter.hasPrefix) ? 0 : config.layers + 1
  }

  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let device = looks.weight.value.device
    let streams = try TwoStreams(batch, on: device)
    var states = TwoStreams.States(
      text_ND: try textDropout(textEmbedding(batch, on: device), streams.text.rows, mode))
    if batch.unitCount > 0 {
      states.visual_RE = try visualDropout(
        embeddedPictures(batch, on: device), streams.visual.rows, mode)
    }
    let last = try run(states, streams, mode)
    return Encoding(
      batch: batch, text: last.text_ND,
      visual: try last.visual_RE ?? Tensor.zeros([0, config.visualWidth], on: device),
      pooled_SD: try pooled(batch, last, streams, on: device))
  }

  // MARK: layers

  /// Layers of one stream each up to where they meet, then the layer where they do.
  private func run(
    _ embedded: TwoStreams.States, _ streams: TwoStreams, _ mode: Mode
  ) throws -> TwoStreams.States {
    var states = embedded
    var count = 0
    func advance(
      _ layer: @escaping (TwoStreams.States) throws -> TwoStreams.States
    ) throws {
      states = try states.run(recomputing: mode.recomputation.covers(layer: count), layer)
      count += 1
    }
    func single(_ layers: ArraySlice<PostNormLayer>, _ visual: ArraySlice<PostNormLayer>) throws {
      for layer in layers {
        states.text_ND = try kept(states.text_ND, count, mode) {
          try layer($0, streams.text.rows, streams.text.attention, mode)
        }
        count += 1
      }
      for layer in visual {
        states.visual_RE = try states.visual_RE.map {
          try kept($0, count, mode) {
            try layer($0, streams.visual.rows, streams.visual.attention, mode)
          }
        }
        count += 1
      }
    }
    var (text, visual) = (0, 0)
    for (place, connection) in connections.enumerated() {
      let (nextText, nextVisual) = (config.textConnections[place], config.visualConnections[place])
      try single(textLayers[text..<nextText], visualLayers[visual..<nextVisual])
      try advance { try connection($0, streams, mode) }
      (text, visual) = (nextText, nextVisual)
    }
    try single(textLayers[text...], visualLayers[visual...])
    return states
  }

  /// A layer of one stream, keeping or recomputing its intermediate values.
  private func kept(
    _ x: Tensor, _ count: Int, _ mode: Mode, _ layer: @escaping (Tensor) throws -> Tensor
  ) throws -> Tensor {
    let recomputes = mode.recomputation.covers(layer: count) && isRecordingGradients
    return try recomputes ? recomputed(x, layer) : layer(x)
  }

  /// relu of the text's first row times relu of the picture's, [S, C].
  private func pooled(
    _ batch: PackedBatch, _ last: TwoStreams.States, _ streams: TwoStreams, on device: Device
  ) throws -> Tensor {
    let text_SC = try textPooler(streams.first(last.text_ND)).to(.float32).relu()
    guard let last_RE = last.visual_RE else { return text_SC }
    let withPicture = (0..<batch.sequenceCount).filter { batch.pictureOfSequence[$0] >= 0 }
    let pictures = try Tensor(withPicture.map { batch.visualLayout.offsets[$0] }, on: device)
    let picture_PC = try visualPooler(last_RE.rows(pictures)).to(.float32).relu()
    var places = [Int](repeating: -1, count: batch.sequenceCount)
    for (place, sequence) in withPicture.enumerated() { places[sequence] = place }
    return try text_SC * PictureVectors(picture_PC, places).factors_SE
  }

  // MARK: regions

  /// The mean row and the regions of each sequence's picture, normalised, [R, E].
  private func embeddedPictures(_ batch: PackedBatch, on device: Device) throws -> Tensor {
    let plan = RegionPlan(batch)
    let features_UXF = try plan.features(on: device)
    let hidden_1F = try Tensor.zeros([1, config.featureWidth], on: device)
    let mean_SF = try means(batch, plan, features_UXF)
    let table = try looks(Tensor.concatenated([features_UXF, hidden_1F, mean_SF]))
    let placeTable = try places(locations(plan, on: device))
    let known = features_UXF.size(0)
    var (content, place): ([Int], [Int]) = ([], [])
    var start = 0
    for sequence in 0..<batch.sequenceCount where batch.pictureOfSequence[sequence] >= 0 {
      let count = batch.unitRowsInVisualStream(of: sequence).count
      content.append(known + 1 + sequence)
      content += plan.contents[start..<start + count].map {
        $0 < batch.unitCount ? $0 : $0 == batch.unitCount ? known : $0 - 1
      }
      place.append(batch.unitCount)
      place += plan.regions[start..<start + count]
      start += count
    }
    return try visualNorm(
      table.rows(Tensor(content, on: device)).to(.float32)
        + placeTable.rows(Tensor(place, on: device)))
  }

  /// x1, y1, x2, y2 and the area of each region of the distinct pictures, over the picture's size,
  /// then those of a whole picture, [U + 1, 5].
  private func locations(_ plan: RegionPlan, on device: Device) throws -> Tensor {
    let box_U4 = try plan.boxes(on: device)
    let size_U2 = try box_U4.narrow(1, from: 2, 2) - box_U4.narrow(1, from: 0, 2)
    let area_U1 = try size_U2.narrow(1, from: 0, 1) * size_U2.narrow(1, from: 1, 1)
    let whole_15 = try Tensor([0, 0, 1, 1, 1] as [Float], [1, 5], on: device)
    return try Tensor.concatenated([Tensor.concatenated([box_U4, area_U1], 1), whole_15])
  }

  /// The mean feature of each sequence's picture as the model sees it, [S, F]; 0 without a picture.
  package func pictureMeans(_ batch: PackedBatch) throws -> Tensor {
    let plan = RegionPlan(batch)
    return try means(batch, plan, plan.features(on: looks.weight.value.device))
  }

  private func means(
    _ batch: PackedBatch, _ plan: RegionPlan, _ features_UXF: Tensor
  ) throws -> Tensor {
    let boxes = try config.overlapLeavesDivisor ? batch.boxes.values() : []
    var means = GroupMeans()
    var start = 0
    for sequence in 0..<batch.sequenceCount {
      let count = batch.unitRowsInVisualStream(of: sequence).count
      // What stands in for others follows the regions: the hidden row between them is none of these.
      let seen = plan.contents[start..<start + count].filter { $0 != batch.unitCount }
      let divisor =
        config.overlapLeavesDivisor && count > 0
        ? clearRegions(of: sequence, batch, boxes) : seen.count
      means.append(seen.map { $0 < batch.unitCount ? $0 : $0 - 1 }, divisor: divisor)
      start += count
    }
    return try means(features_UXF)
  }

  /// How many regions of a sequence overlap no hidden one; a hidden one overlaps itself.
  private func clearRegions(of sequence: Int, _ batch: PackedBatch, _ boxes: [Float]) -> Int {
    let picture = batch.pictures[batch.pictureOfSequence[sequence]]
    let (width, height) = (Double(picture.width), Double(picture.height))
    let pixels = (0..<picture.unitCount).map { unit in
      let box = boxes[(picture.firstUnit + unit) * 4..<(picture.firstUnit + unit + 1) * 4]
      return zip(box, [width, height, width, height]).map { Double($0) * $1 }
    }
    return pixels.count { box in
      !batch.hidden[sequence].contains { Self.overlap(box, pixels[$0]) > config.overlapLimit }
    }
  }

  /// The intersection over union of boxes in pixels, whose last row and column count: so the detection
  /// code of that time has it.
  private static func overlap(_ a: [Double], _ b: [Double]) -> Double {
    func area(_ box: [Double]) -> Double { (box[2] - box[0] + 1) * (box[3] - box[1] + 1) }
    let width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    let height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    guard width > 0, height > 0 else { return 0 }
    return width * height / (area(a) + area(b) - width * height)
  }
}
