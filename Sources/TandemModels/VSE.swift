// VSE: a visual-semantic embedding, the smallest model of the catalogue (after Faghri et al., "VSE++:
// Improving Visual-Semantic Embeddings with Hard Negatives", BMVC 2018).
//
// Texts and pictures meet in one space: a text is the mean of its words, a picture that of its
// regions, both by one linear layer. Differs from the paper, which reads words by a recurrent network
// and pictures by a convolutional one. A mean of projections is the projection of the mean: rows are
// projected first, so that words and regions can be compared one by one.
//
// Shapes: N text rows, R region rows, S sequences, D width.

public import TandemCore
public import TandemNN
internal import TandemTorch

public struct VSE: VisionLanguageModel {
  public static let name = "vse"
  public static let source = "after Faghri et al. 2018, arXiv:1707.05612"

  public struct Config: Codable, Sendable, Equatable {
    /// Of the vectors that are compared.
    public var width = 1024
    /// Of the table of words.
    public var wordWidth = 300
    public var vocabulary = 30522
    /// Text rows, [CLS] and [SEP] included.
    public var textLength = 64
    public var featureWidth = 2048
    public var mostRegions = 100
    /// Of the projections of words and regions.
    public var dropout = 0.0
    /// Has no effect: there is no attention. It is here for settings that go to every model.
    public var attentionDropout = 0.0
    public init() {}
  }

  public static var presets: [String: Config] {
    var small = Config()
    small.width = 96
    small.wordWidth = 96
    small.textLength = 24
    small.featureWidth = 1280
    var tiny = small
    tiny.width = 32
    tiny.wordWidth = 32
    tiny.textLength = 16
    tiny.featureWidth = 12
    tiny.dropout = 0.1
    return ["base": Config(), "small": small, "tiny": tiny]
  }

  public let config: Config
  let words: Embedding
  let text: Linear
  let picture: Linear
  let textDropout: Dropout
  let pictureDropout: Dropout

  public init(_ config: Config, at path: ParameterPath) throws {
    try Self.check(config)
    let path = path / "vse"
    self.config = config
    words = try Embedding(config.vocabulary, config.wordWidth, at: path / "text" / "embedding")
    text = try Linear(config.wordWidth, config.width, at: path / "text" / "fc")
    picture = try Linear(config.featureWidth, config.width, at: path / "image" / "fc")
    textDropout = Dropout(config.dropout, at: path / "text" / "fc")
    pictureDropout = Dropout(config.dropout, at: path / "image" / "fc")
  }

  private static func check(_ config: Config) throws {
    let check = ConfigCheck()
    try check.need(
      config.width > 0 && config.wordWidth > 0,
      "width and wordWidth must be positive, found \(config.width) and \(config.wordWidth)")
    try check.text(
      vocabulary: config.vocabulary, rows: config.textLength, places: config.textLength)
    try check.regions(featureWidth: config.featureWidth, most: config.mostRegions)
    try check.need(
      (0..<1).contains(config.dropout), "dropout must be in 0..<1, found \(config.dropout)")
  }

  public static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification {
    InputSpecification(
      textLength: config.textLength, classification: specials.classification,
      separator: specials.separator, mask: specials.mask,
      regions: RegionInput(featureWidth: config.featureWidth, most: config.mostRegions))
  }

  public var facts: ModelFacts {
    var facts = ModelFacts(
      name: Self.name, width: config.width, layers: 0, vocabulary: config.vocabulary,
      featureWidth: config.featureWidth, fusesRows: false,
      heads: HeadSpecifications(
        ranking: .similarity,
        answers: AnswerHead.Specification(
          first: "vqa_classifier.0", norm: "vqa_classifier.1", last: "vqa_classifier.3",
          order: .normThenGELU, epsilon: 1e-5)))
    facts.pairWidth = config.width
    return facts
  }

  public static func depth(of parameter: String, _ config: Config) -> Int {
    parameter.hasPrefix("vse.text.embedding.") ? 0 : 1
  }

  /// The vectors of a text without words and of a sequence without a picture are 0. The pooled vector,
  /// for heads on top, is the product of both vectors, and the text's alone without a picture.
  public func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding {
    let device = words.weight.value.device
    let textRows = try PackedRows(batch.textLayout, on: device)
    let text_ND = try textDropout(
      text(words(Tensor(batch.tokens, on: device))).to(.float32), textRows, mode)
    let region_RD = try projectedRegions(batch, mode, on: device)
    var texts = GroupMeans()
    var pictures = GroupMeans()
    for sequence in 0..<batch.sequenceCount {
      texts.append(wordRows(of: sequence, batch))
      pictures.append(batch.visualLayout.rows(of: sequence))
    }
    let text_SE = try texts(text_ND).unitLength()
    let alone = (0..<batch.sequenceCount).map { batch.pictureOfSequence[$0] < 0 ? -1 : $0 }
    let picture = try PictureVectors(pictures(region_RD).unitLength(), alone)
    return Encoding(
      batch: batch, text: text_ND, visual: region_RD,
      pooled_SD: try text_SE * picture.factors_SE,
      pair: PairFeatures(
        text_SE: text_SE, picture_SE: picture.vectors_SE, scale: try .ones([], on: device)))
  }

  /// Text rows that hold words: no [CLS] and no [SEP].
  private func wordRows(of sequence: Int, _ batch: PackedBatch) -> [Int] {
    let separator = Int(batch.specification.separator)
    return batch.textLayout.rows(of: sequence).dropFirst().filter {
      batch.tokens[$0] != separator
    }
  }

  /// What the regions of each sequence's picture became, [R, D]. A hidden one has a feature of zeros.
  private func projectedRegions(
    _ batch: PackedBatch, _ mode: Mode, on device: Device
  ) throws -> Tensor {
    guard batch.unitCount > 0 else { return try .zeros([0, config.width], on: device) }
    let plan = RegionPlan(batch)
    let known = try picture(plan.features(on: device)).to(.float32)
    let region_RD = try plan.rows(
      known, hidden: picture(.zeros([1, config.featureWidth], on: device)).to(.float32))
    return try pictureDropout(
      region_RD, PackedRows(batch.visualLayout, on: device), mode)
  }
}
