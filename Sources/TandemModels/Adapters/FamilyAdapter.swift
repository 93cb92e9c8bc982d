// How the checkpoints of a family are published: as folders of the transformers library, as files of
// the original repository, or both.

public import TandemCore
public import TandemNN

/// One family's published forms.
public protocol FamilyAdapter: SendableMetatype {
  associatedtype Model: VisionLanguageModel
  /// `model_type` of its config.json; empty where transformers has no such model.
  static var modelType: String { get }
  /// Names that all files of the original repository hold and no other family's do, behind `module.`.
  static var marks: [String] { get }

  // MARK: folders of transformers

  /// - Parameter shapes: of the file's tensors, by their names.
  /// - Throws: `DataError` for a setting that this library's model does not have.
  static func config(_ json: HuggingFaceConfig, _ shapes: [String: [Int]]) throws -> Model.Config
  /// - Parameters:
  ///   - architecture: the class that wrote the file.
  ///   - isBase: its names begin below the model's own.
  static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable
  /// Begins the names of a file that has heads.
  static var basePrefix: String { get }
  /// What the class reads out of the model where that is not what the model says itself.
  static func heads(_ heads: HeadSpecifications, _ architecture: String) -> HeadSpecifications
  /// The class that holds these heads, or most of them.
  static func exported(_ config: Model.Config, _ heads: HeadSpecifications) throws
    -> HuggingFaceExport
  /// What transformers calls a head's output.
  static func field(_ head: HeadKind, _ architecture: String) -> String

  // MARK: files of the original repository

  static var originalNames: NameTable { get }
  /// The published settings, with the file's own sizes.
  ///
  /// - Parameter shapes: under this library's names.
  static func config(_ shapes: Shapes) throws -> Model.Config
}

extension FamilyAdapter {
  public static var modelType: String { "" }
  public static var marks: [String] { [] }
  public static var basePrefix: String { "" }

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> Model.Config { throw SettingsError("\(Model.name): transformers has no such model") }
  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    NameTable()
  }
  public static func heads(
    _ heads: HeadSpecifications, _ architecture: String
  ) -> HeadSpecifications { heads }
  public static func exported(
    _ config: Model.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    throw SettingsError(
      "\(Model.name): transformers has no such model; its own format is what others read")
  }

  public static func field(_ head: HeadKind, _ architecture: String) -> String {
    switch head {
    case .vocabulary:
      architecture.hasSuffix("ForMaskedLM") || architecture.hasSuffix("LMHeadModel")
        ? "logits" : "prediction_logits"
    case .matching:
      architecture.hasSuffix("ForNextSentencePrediction") ? "logits" : "seq_relationship_logits"
    case .answers, .ranking, .statements, .choices: "logits"
    }
  }

  public static var originalNames: NameTable { NameTable() }
  public static func config(_ shapes: Shapes) throws -> Model.Config {
    throw SettingsError("\(Model.name): only folders of transformers are known")
  }
}

/// A head with an output of its own in transformers.
public enum HeadKind: Sendable { case vocabulary, matching, answers, ranking, statements, choices }

/// How a model goes into a folder of transformers.
public struct HuggingFaceExport {
  /// The class that reads it.
  public var architecture: String
  /// Of its config.json, beside the class and the type.
  public var fields: [String: JSONValue]
  /// Beginnings of our names that the class has no place for.
  public var leftOut: [String]
  /// What says how many answers there are, where the class has a name of its own for it.
  public var classesField = ""
}

/// A config.json of transformers.
public struct HuggingFaceConfig: Sendable {
  public let path: String
  public let json: JSONValue

  public init(contentsOfFile path: String) throws {
    self.path = path
    do {
      json = try JSONValue(contentsOfFile: path)
    } catch let error as SettingsError {
      throw DataError("\(error)")
    }
  }

  init(path: String, json: JSONValue) {
    self.path = path
    self.json = json
  }

  public var modelType: String { text("model_type") }
  /// The class that wrote the folder; empty where it does not say.
  public var architecture: String { text("architectures.0") }

  /// Empty where there is none.
  private func text(_ key: String) -> String {
    if case .string(let text)? = json[key] { text } else { "" }
  }

  /// A part with settings of its own.
  func part(_ key: String) -> HuggingFaceConfig {
    HuggingFaceConfig(path: "\(path): \(key)", json: json[key] ?? .object([:]))
  }

  func integer(_ key: String, or standard: Int? = nil) throws -> Int {
    switch json[key] {
    case .integer(let value)?:
      guard (0...Int(Int32.max)).contains(value) else {
        throw DataError("\(path): \(key): \(value) is no size")
      }
      return value
    case nil, .null?:
      if let standard { return standard }
      throw DataError("\(path): \(key) is missing")
    case let other?:
      throw DataError("\(path): \(key): expected a whole number, found \(other.compact)")
    }
  }

  func number(_ key: String, or standard: Double) throws -> Double {
    switch json[key] {
    case .integer(let value)?: return Double(value)
    case .number(let value)?: return value
    case nil, .null?: return standard
    case let other?:
      throw DataError("\(path): \(key): expected a number, found \(other.compact)")
    }
  }

  /// Two numbers for down and across, or one for both.
  func pair(_ key: String) throws -> (height: Int, width: Int) {
    if case .array(let sides)? = json[key], sides.count == 2,
      case (.integer(let height), .integer(let width)) = (sides[0], sides[1])
    {
      return (height, width)
    }
    let side = try integer(key)
    return (side, side)
  }

  /// Refuses a setting that this library's model has in one way only.
  func need(_ key: String, _ expected: JSONValue, or standard: JSONValue? = nil) throws {
    let found = json[key] ?? .null
    guard found != expected, !(found == .null && (standard ?? expected) == expected) else { return }
    throw DataError(
      "\(path): \(key): only \(expected.compact) is known here, found \(found.compact)")
  }

  /// Refuses the approximations of GELU.
  func needGELU(_ key: String = "hidden_act") throws { try need(key, .string("gelu")) }
}

/// The shapes of a file's weights under our names: what settings are read from where no config says
/// them.
public struct Shapes {
  let title: String
  let byName: [String: [Int]]

  public init(_ file: some WeightFile) {
    title = file.title
    byName = file.shapes
  }

  /// The length of one side of a weight.
  func side(_ place: Int, of name: String) throws -> Int {
    guard let shape = byName[name], place < shape.count else {
      throw ParameterError("\(title): has no '\(name)' to read sizes from")
    }
    return shape[place]
  }

  /// How many layers there are: one more than the greatest number behind the prefix.
  func layers(_ prefix: String) -> Int {
    byName.keys.reduce(0) { most, name in
      guard name.hasPrefix(prefix) else { return most }
      let number = Int(name.dropFirst(prefix.count).prefix { $0 != "." })
      return max(most, (number ?? -1) + 1)
    }
  }

  func has(_ name: String) -> Bool { byName[name] != nil }
}
