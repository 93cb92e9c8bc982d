internal import Foundation
public import TandemNN
public import TandemTorch

/// A detector in a folder: `detector.json`, `weights.safetensors`, and of a training also
/// `training.json` and `moments.safetensors`.
public struct DetectorCheckpoint {
  public let config: DetectorConfig
  public let settings: DetectorTrainingSettings
  /// How many steps had been done.
  public let step: Int
  public let weights: any WeightSource
  let moments: SafeTensorsFile

  private struct Training: Codable {
    var settings: DetectorTrainingSettings
    var step: Int
  }

  /// - Throws: `DetectionError` for a folder that lacks a file or has one that cannot be read.
  public init(_ folder: String) throws {
    config = try Self.read(DetectorConfig.self, folder + "/detector.json")
    let training = try Self.read(Training.self, folder + "/training.json")
    settings = training.settings
    step = training.step
    weights = try DetectorFile(folder + "/weights.safetensors")
    moments = try SafeTensorsFile(path: folder + "/moments.safetensors")
  }

  /// A detector to be used, from a folder that a training wrote.
  public static func detector(
    _ folder: String, device: Device = .cpu
  ) throws -> (detector: FasterRCNN, store: ParameterStore) {
    let config = try read(DetectorConfig.self, folder + "/detector.json")
    let store = ParameterStore(
      seed: 0, device: device, source: try DetectorFile(folder + "/weights.safetensors"))
    let detector = try FasterRCNN(config, at: store.root)
    try store.loadReport().check()
    return (detector, store)
  }

  static func write(
    _ folder: String, config: DetectorConfig, settings: DetectorTrainingSettings, step: Int,
    weights: [String: Tensor], moments: [String: Tensor]
  ) throws {
    let manager = FileManager.default
    let aside = folder + ".partial"
    let before = folder + ".before"
    for stale in [aside, before] where manager.fileExists(atPath: stale) {
      try manager.removeItem(atPath: stale)
    }
    try manager.createDirectory(atPath: aside, withIntermediateDirectories: true)
    try SafeTensors.write(weights, to: aside + "/weights.safetensors")
    try SafeTensors.write(moments, to: aside + "/moments.safetensors")
    try encode(config, to: aside + "/detector.json")
    try encode(Training(settings: settings, step: step), to: aside + "/training.json")
    if manager.fileExists(atPath: folder) { try manager.moveItem(atPath: folder, toPath: before) }
    try manager.moveItem(atPath: aside, toPath: folder)
    if manager.fileExists(atPath: before) { try manager.removeItem(atPath: before) }
  }

  private static func encode(_ value: some Encodable, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
    try encoder.encode(value).write(to: URL(fileURLWithPath: path))
  }

  private static func read<Value: Decodable>(_ type: Value.Type, _ path: String) throws -> Value {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DetectionError(
        "\(path): cannot be read; a folder that a training of a detector wrote is expected")
    }
    do {
      return try JSONDecoder().decode(type, from: data)
    } catch {
      throw DetectionError("\(path): \(error)")
    }
  }
}

/// A safetensors file as a source of weights.
public struct DetectorFile: WeightSource {
  private let file: SafeTensorsFile

  public init(_ path: String) throws { file = try SafeTensorsFile(path: path) }

  public var title: String { file.path }
  public var names: [String] { Array(file.entries.keys) }

  /// The tensors by name, for ``DetectorAdapter/mapping(_:_:)``.
  public var tensors: [ForeignTensor] {
    file.entries.map { ForeignTensor(name: $0, dtype: $1.dtype, shape: $1.shape) }
  }

  public func weight(_ name: String) throws -> Tensor? {
    file.entries[name] == nil ? nil : try file.copy(name)
  }
}
