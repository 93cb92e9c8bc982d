// What is known of a model somebody has before any of its weights is read: its family, its settings,
// and what its weights are called here.

internal import Foundation
public import TandemCore
internal import TandemModels
public import TandemNN
internal import TandemTrain

/// A folder of transformers, a file of an original repository, a model or a run of ours.
public struct ModelFiles {
  /// Whose form it has.
  public enum Form: String, Codable, Sendable {
    case transformers, original, tandem
  }

  public let path: String
  public let form: Form
  /// The name of the model here.
  public let model: String
  /// The class of transformers that wrote it; empty for none.
  public let architecture: String
  /// All settings of the model.
  public private(set) var config: JSONValue
  /// Its heads where the folder names them; nil for those that its weights are found for.
  public let heads: HeadSpecifications?
  /// The answers that a head's rows stand for; empty where nobody says.
  public private(set) var answers: [String]
  /// Where somebody wrote them down; nil for what stands with the weights.
  private(set) var answersFile: String?
  /// The vocabulary; nil where there is none beside the weights.
  private(set) var vocabulary: VocabularyText?
  public private(set) var isLowercased: Bool
  /// Under this library's names.
  public let weights: any WeightFile
  /// Names in the file of what is no weight.
  public let ignored: [String]
  /// Weights that the file holds twice.
  public let tied: [String]

  /// - Parameters:
  ///   - family: what it is, for one who knows better than its files say.
  ///   - settings: `key=value` of the model's settings, where the files do not say them or say them
  ///     wrong: how many heads attention has stands in no weight.
  /// - Throws: `DataError` for an unknown family with those that there are; what is wrong with the
  ///   files otherwise.
  public static func open(
    _ path: String, family: String? = nil, settings: [String] = []
  ) throws -> ModelFiles {
    var files = try found(path, family)
    var config = LayeredSettings(files.config, origin: "the files")
    for setting in settings { try config.set(setting) }
    files.config = config.value
    return files
  }

  /// Whether something is a model rather than a run of ours: a file of weights, or a folder that says
  /// what model it holds.
  static func isModel(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else { return false }
    return !isFolder.boolValue
      || [ModelFolder.cardName, "config.json"].contains {
        FileManager.default.fileExists(atPath: "\(path)/\($0)")
      }
  }

  /// Says what no file of an original repository says.
  ///
  /// - Parameters:
  ///   - vocabulary: a file, a token a line or CLIP's list of merges.
  ///   - answers: a file, the answer of each row of the head a line.
  public mutating func supply(vocabulary: String?, answers: String?) throws {
    if let vocabulary {
      let text = try VocabularyText(contentsOfFile: vocabulary)
      self.vocabulary = text
      isLowercased = text.isLowercased
    }
    if let answers {
      self.answers = try VocabularyText(contentsOfFile: answers).content
        .split(whereSeparator: \.isNewline).map(String.init)
      answersFile = answers
    }
  }

  /// - Throws: `SettingsError` where there is no vocabulary.
  package func textReader() throws -> TextReader {
    guard let vocabulary else {
      throw SettingsError(
        "\(path) has no vocabulary beside it: tandem import \(path) --vocabulary vocab.txt --output …"
      )
    }
    return try TextReader(
      content: vocabulary.content, path: vocabulary.path, lowercased: isLowercased)
  }

  private static func found(_ path: String, _ family: String?) throws -> ModelFiles {
    let path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    func exists(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(path)/\(name)")
    }
    if exists("run.json") { return try run(path) }
    if exists(ModelFolder.cardName) { return try ModelFolder.open(path) }
    if exists("config.json") { return try transformers(path, family) }
    return try original(path, family)
  }

  /// The names that `--family` takes.
  public static var families: [String] { AdapterCatalog.all.map { $0.modelName } }

  private static func adapter(named family: String) throws -> any FamilyAdapter.Type {
    guard let adapter = AdapterCatalog.find(model: family) else {
      throw SettingsError(
        "there is no family '\(family)'; known: \(families.joined(separator: ", "))")
    }
    return adapter
  }

  // MARK: folders of transformers

  private static func transformers(_ path: String, _ family: String?) throws -> ModelFiles {
    let json = try HuggingFaceConfig(contentsOfFile: path + "/config.json")
    let known = AdapterCatalog.find(modelType: json.modelType)
    guard let adapter = try family.map(Self.adapter) ?? known, !adapter.modelType.isEmpty else {
      let types = AdapterCatalog.all.map { $0.modelType }.filter { !$0.isEmpty }
      throw DataError(
        "\(json.path): model_type '\(json.modelType)' is of no known family; known: "
          + types.joined(separator: ", "))
    }
    return try transformers(adapter, json, path)
  }

  private static func transformers<A: FamilyAdapter>(
    _ adapter: A.Type, _ json: HuggingFaceConfig, _ path: String
  ) throws -> ModelFiles {
    let file = try WeightFiles.open(path)
    let isBase = !A.basePrefix.isEmpty && !file.tensors.contains { $0.name.hasPrefix(A.basePrefix) }
    let config = try A.config(json, file.shapes)
    let renamed = try RenamedWeights(
      file, A.huggingFaceNames(json.architecture, isBase: isBase))
    return ModelFiles(
      path: path, form: .transformers, model: A.modelName, architecture: json.architecture,
      config: try withNormalisation(JSONValue(encoding: config), path), heads: nil,
      answers: json.labels, vocabulary: try .ofTransformers(path),
      isLowercased: lowercases(path), weights: renamed, ignored: renamed.ignored,
      tied: renamed.tied)
  }

  /// The settings with the mean and the deviation that the folder's pictures are read with.
  private static func withNormalisation(_ config: JSONValue, _ path: String) throws -> JSONValue {
    // Of a processor of texts and pictures, transformers 5 writes the pictures' part into one file.
    let forms = [("preprocessor_config.json", ""), ("processor_config.json", "image_processor")]
    guard case .object(var fields) = config,
      let (name, key) = forms.first(where: { name, _ in
        FileManager.default.fileExists(atPath: "\(path)/\(name)")
      })
    else { return config }
    let file = "\(path)/\(name)"
    let json = try JSONValue(contentsOfFile: file)
    guard let processor = key.isEmpty ? json : json[key] else { return config }
    for (ours, theirs) in [("mean", "image_mean"), ("deviation", "image_std")] {
      guard fields[ours] != nil, let numbers = processor[theirs] else { continue }
      guard case .array(let channels) = numbers, channels.count == 3 else {
        throw DataError("\(file): \(theirs): expected three numbers, found \(numbers.compact)")
      }
      fields[ours] = numbers
    }
    return .object(fields)
  }

  /// What the tokeniser's settings say; BERT's default where they say nothing.
  private static func lowercases(_ path: String) -> Bool {
    let file = path + "/tokenizer_config.json"
    guard case .bool(let flag)? = (try? JSONValue(contentsOfFile: file))?["do_lower_case"] else {
      return true
    }
    return flag
  }

  // MARK: files of original repositories

  private static func original(_ path: String, _ family: String?) throws -> ModelFiles {
    let file = try WeightFiles.open(path)
    let found = AdapterCatalog.find(names: file.tensors.map(\.name))
    guard let adapter = try family.map(Self.adapter) ?? found else {
      throw DataError(
        "\(path): its names are of no known family (\(families.joined(separator: ", "))); it begins "
          + file.tensors.prefix(3).map(\.name).joined(separator: ", "))
    }
    return try original(adapter, file, path)
  }

  private static func original<A: FamilyAdapter>(
    _ adapter: A.Type, _ file: any WeightFile, _ path: String
  ) throws -> ModelFiles {
    let renamed = try RenamedWeights(file, A.originalNames)
    return ModelFiles(
      path: path, form: .original, model: A.modelName, architecture: "",
      config: try JSONValue(encoding: A.config(Shapes(renamed))), heads: nil, answers: [],
      vocabulary: nil, isLowercased: A.modelName != "uniter", weights: renamed,
      ignored: renamed.ignored, tied: renamed.tied)
  }

  // MARK: runs of ours

  private static func run(_ path: String) throws -> ModelFiles {
    let directory = try RunDirectory.open(path)
    let recipe = try directory.card().recipe
    let file = SafeTensorsSource(try directory.checkpoints.open(.best).weights())
    return ModelFiles(
      path: path, form: .tandem, model: recipe.model.name, architecture: "",
      config: try wholeConfig(
        ModelCatalog.find(recipe.model.name), recipe.model.preset, recipe.model.config),
      heads: nil, answers: recipe.answers,
      vocabulary: try VocabularyText(contentsOfFile: directory.vocabularyFile),
      isLowercased: recipe.data.lowercased, weights: file, ignored: [], tied: [])
  }

  private static func wholeConfig<M: VisionLanguageModel>(
    _ type: M.Type, _ preset: String, _ json: JSONValue
  ) throws -> JSONValue {
    guard let base = M.presets[preset] ?? M.presets.values.first else {
      throw SettingsError("\(M.name) has no presets")
    }
    return try JSONValue(encoding: base).overlaid(with: json)
  }
}

extension HuggingFaceConfig {
  /// What its rows of answers stand for, in order; empty for names that transformers has made up.
  fileprivate var labels: [String] {
    guard case .object(let names)? = json["id2label"] else { return [] }
    let labels = (0..<names.count).compactMap { place -> String? in
      if case .string(let name)? = names["\(place)"] { name } else { nil }
    }
    let isMadeUp = labels.enumerated().allSatisfy { $1 == "LABEL_\($0)" }
    return labels.count == names.count && !isMadeUp ? labels : []
  }
}

extension Recipe {
  /// The answers that its head of questions has rows for.
  fileprivate var answers: [String] {
    for choice in objectives {
      guard case .array(let items)? = choice.options["answers"] else { continue }
      return items.compactMap { if case .string(let text) = $0 { text } else { nil } }
    }
    return []
  }
}
