internal import Foundation
internal import TandemCore
internal import TandemFiles
public import TandemNN
public import TandemTorch
internal import TandemTrain
public import TandemVision

/// What a trained detector is: its network, its words, and how it was trained.
public struct DetectorCard: Codable, Sendable, Equatable {
  public static let currentFormat = 1

  public var formatVersion = DetectorCard.currentFormat
  public var config: DetectorConfig
  /// The class of label 1, 2, …
  public var classNames: [String]
  /// The word of attribute 1, 2, …; empty without an attribute head.
  public var attributeNames: [String]
  public var training: DetectorTraining.Settings
  public var annotations: String
  /// Where the backbone's weights came from; empty for random ones.
  public var weights: String

  public init(
    config: DetectorConfig, classNames: [String], attributeNames: [String],
    training: DetectorTraining.Settings, annotations: String, weights: String
  ) {
    self.config = config
    self.classNames = classNames
    self.attributeNames = attributeNames
    self.training = training
    self.annotations = annotations
    self.weights = weights
  }

  /// A detector may be older than its attributes.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    formatVersion = try fields.decode(Int.self, forKey: .formatVersion)
    config = try fields.decode(DetectorConfig.self, forKey: .config)
    classNames = try fields.decode([String].self, forKey: .classNames)
    attributeNames = try fields.decodeIfPresent([String].self, forKey: .attributeNames) ?? []
    training = try fields.decode(DetectorTraining.Settings.self, forKey: .training)
    annotations = try fields.decode(String.self, forKey: .annotations)
    weights = try fields.decode(String.self, forKey: .weights)
  }
}

/// The folder of a detector that `tandem regions train` makes.
public struct DetectorFolder: Sendable {
  public let path: String

  public init(path: String) { self.path = path }

  public var cardFile: String { path + "/detector.json" }
  public var metricsFile: String { path + "/metrics.jsonl" }
  public var resultsFile: String { path + "/results.json" }
  public var checkpoint: String { path + "/checkpoint" }
  var weightsFile: String { checkpoint + "/weights.safetensors" }
  /// The average of the weights over training, which detects.
  var averagedFile: String { checkpoint + "/averaged.safetensors" }
  var optimizerFile: String { checkpoint + "/optimizer.safetensors" }
  var stateFile: String { checkpoint + "/state.json" }

  public var exists: Bool { FileManager.default.fileExists(atPath: cardFile) }

  public func card() throws -> DetectorCard {
    guard let data = FileManager.default.contents(atPath: cardFile) else {
      throw RunError("\(path) is no detector: it has no detector.json")
    }
    struct Version: Decodable { let formatVersion: Int }
    do {
      let version = try JSONDecoder().decode(Version.self, from: data).formatVersion
      guard version <= DetectorCard.currentFormat else {
        throw RunError(
          "\(cardFile): format \(version) is newer than this tandem's \(DetectorCard.currentFormat)"
        )
      }
      return try JSONDecoder().decode(DetectorCard.self, from: data)
    } catch let error as DecodingError {
      throw RunError("\(cardFile): \(JSONValue.explained(error))")
    }
  }

  func write(_ card: DetectorCard) throws {
    try AtomicFile.write(utf8: JSONValue(encoding: card).pretty + "\n", to: cardFile)
  }
}

/// A detector with its weights and words.
public final class LoadedDetector {
  public let network: FasterRCNN
  /// What products are computed in.
  public let precision: Precision
  public let classNames: [String]?
  public let attributeNames: [String]?
  /// Where it came from.
  public let title: String

  init(
    _ network: FasterRCNN, precision: Precision, classNames: [String]?,
    attributeNames: [String]?, title: String
  ) {
    self.network = network
    self.precision = precision
    self.classNames = classNames
    self.attributeNames = attributeNames
    self.title = title
  }

  /// Opens a folder of `tandem regions train`, or a file of torchvision's or Detectron2's.
  ///
  /// - Parameters:
  ///   - names: files with the names of classes and of attributes, a line each, for detectors that
  ///     do not carry them.
  /// - Throws: `RunError`, `PickleError` or `ParameterError` that says what does not fit;
  ///   `DataError` for lists of another length.
  public static func open(
    _ path: String, names: (classes: String?, attributes: String?) = (nil, nil),
    precision: Precision = .float32, device: Device = .cpu
  ) throws -> LoadedDetector {
    let folder = DetectorFolder(path: path)
    guard !folder.exists else {
      let card = try folder.card()
      let store = ParameterStore(
        seed: 0, precision: precision, device: device,
        source: SafeTensorsSource(try SafeTensorsFile(path: folder.averagedFile)))
      let network = try FasterRCNN(card.config, at: store.root)
      try store.loadReport().check()
      return LoadedDetector(
        network, precision: precision, classNames: card.classNames,
        attributeNames: card.attributeNames.isEmpty ? nil : card.attributeNames, title: path)
    }
    let (network, config) = try foreign(path, precision: precision, device: device)
    return LoadedDetector(
      network, precision: precision,
      classNames: try names.classes.map { try lines($0, config.classes, "classes") },
      attributeNames: try names.attributes.map { try lines($0, config.attributes, "attributes") },
      title: path)
  }

  private static func lines(_ path: String, _ count: Int, _ what: String) throws -> [String] {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DataError(file: path, "no such file")
    }
    let names = String(decoding: data, as: UTF8.self).split(separator: "\n").map {
      $0.trimmingCharacters(in: .whitespaces)
    }
    guard names.count == count else {
      throw DataError(
        file: path, "expected the names of \(count) \(what), a line each, found \(names.count)")
    }
    return names
  }
}
