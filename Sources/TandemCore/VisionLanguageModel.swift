public import TandemImage
public import TandemNN
public import TandemTorch

/// A transformer that reads texts and pictures together.
public protocol VisionLanguageModel: SendableMetatype {
  associatedtype Config: Codable & Sendable & Equatable
  /// Its name in recipes and checkpoints.
  static var name: String { get }
  /// The publication.
  static var source: String { get }
  static var presets: [String: Config] { get }

  /// Claims every weight of the trunk under `path`; throws for a config that makes no sense.
  init(_ config: Config, at path: ParameterPath) throws
  var config: Config { get }
  /// What the packer must know.
  static func input(_ config: Config, _ specials: SpecialTokens) -> InputSpecification
  /// How a picture file is brought to the size the model reads.
  static func resize(_ config: Config) -> ResizeRule
  var facts: ModelFacts { get }
  func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding
  /// The depth of a weight, from 0 for embeddings to `facts.layers + 1` for heads: layer-wise
  /// learning rates count from the top.
  static func depth(of parameter: String, _ config: Config) -> Int
}

/// The ids of a vocabulary that objectives and models name.
public struct SpecialTokens: Sendable, Equatable, Codable {
  public var classification: Int32
  public var separator: Int32
  public var mask: Int32
  public var vocabularyCount: Int
  /// Ids that random replacement must not draw: special and unused tokens.
  public var reserved: Set<Int32>

  public init(
    classification: Int32, separator: Int32, mask: Int32, vocabularyCount: Int,
    reserved: Set<Int32>
  ) {
    self.classification = classification
    self.separator = separator
    self.mask = mask
    self.vocabularyCount = vocabularyCount
    self.reserved = reserved
  }
}

/// What heads and objectives must know of a model.
public struct ModelFacts: Sendable, Equatable {
  public var width: Int
  public var layers: Int
  public var vocabulary: Int
  public var patchSize: Int
  public var heads: HeadSpecifications

  public init(
    width: Int, layers: Int, vocabulary: Int, patchSize: Int, heads: HeadSpecifications
  ) {
    self.width = width
    self.layers = layers
    self.vocabulary = vocabulary
    self.patchSize = patchSize
    self.heads = heads
  }
}

/// What the last layer says of each row. Shapes: T rows, S sequences, D width.
public struct Encoding {
  public let batch: PackedBatch
  /// All rows, in the order of `batch.layout`.
  public let rows_TD: Tensor
  /// One vector a sequence.
  public let pooled_SD: Tensor

  public init(batch: PackedBatch, rows_TD: Tensor, pooled_SD: Tensor) {
    self.batch = batch
    self.rows_TD = rows_TD
    self.pooled_SD = pooled_SD
  }

  /// The pooled vectors of some sequences, [N, D].
  public func pooled(_ sequences: [Int]) throws -> Tensor {
    try pooled_SD.rows(Tensor(sequences, on: pooled_SD.device))
  }

  /// Some rows, [N, D].
  public func rows(_ rows: [Int]) throws -> Tensor {
    try rows_TD.rows(Tensor(rows, on: rows_TD.device))
  }
}
