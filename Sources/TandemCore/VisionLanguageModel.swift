public import TandemImage
public import TandemNN

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
  /// How a picture file is brought to the size the model reads; nil where it reads regions.
  static func resize(_ config: Config) -> ResizeRule?
  var facts: ModelFacts { get }
  func encode(_ batch: PackedBatch, _ mode: Mode) throws -> Encoding
  /// The depth of a weight, from 0 for embeddings to `facts.layers + 1` for heads: layer-wise
  /// learning rates count from the top.
  static func depth(of parameter: String, _ config: Config) -> Int
}

extension VisionLanguageModel {
  public static func resize(_ config: Config) -> ResizeRule? { nil }
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
  public var name: String
  /// Of text rows.
  public var width: Int
  /// Of patches, regions or cells.
  public var visualWidth: Int
  /// Of the vector of a sequence.
  public var pooledWidth: Int
  public var layers: Int
  public var vocabulary: Int
  /// The side of a patch in pixels; 0 where the model reads none.
  public var patchSize: Int
  /// Of a region's feature; 0 where the model reads none.
  public var featureWidth: Int
  /// Words and the picture's units have met in the layers: each row knows of both.
  public var fusesRows: Bool
  public var heads: HeadSpecifications
  /// Of the vectors of texts and of pictures in one space; 0 where there are none.
  public var pairWidth = 0

  public init(
    name: String, width: Int, visualWidth: Int? = nil, pooledWidth: Int? = nil, layers: Int,
    vocabulary: Int, patchSize: Int = 0, featureWidth: Int = 0, fusesRows: Bool = true,
    heads: HeadSpecifications
  ) {
    self.name = name
    self.width = width
    self.visualWidth = visualWidth ?? width
    self.pooledWidth = pooledWidth ?? width
    self.layers = layers
    self.vocabulary = vocabulary
    self.patchSize = patchSize
    self.featureWidth = featureWidth
    self.fusesRows = fusesRows
    self.heads = heads
  }

  /// A part that an objective cannot do without.
  ///
  /// - Throws: `ParameterError` that says why the objective cannot be had of this model.
  @discardableResult
  public func need<Part>(_ part: Part?, for objective: String, _ reason: String) throws -> Part {
    guard let part else {
      throw ParameterError("objectives.\(objective): impossible with \(name), which \(reason)")
    }
    return part
  }
}
