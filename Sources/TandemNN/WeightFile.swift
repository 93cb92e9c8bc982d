// Files of weights: what is in them is known before any of it is read.

public import TandemTorch

/// A tensor in a file.
public struct StoredTensor: Sendable, Equatable {
  public var name: String
  /// The type of its numbers: "float32", "int64", …
  public var elementType: String
  public var shape: [Int]

  public init(name: String, elementType: String, shape: [Int]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
  }

  public var count: Int { shape.reduce(1, *) }
  /// Whether it can be a weight: counters and places are none.
  public var isFloatingPoint: Bool { elementType.contains("float") }
}

/// Named tensors in one file or several.
public protocol WeightFile: WeightSource {
  /// All of them, those that are no weights too, in the order of their names.
  var tensors: [StoredTensor] { get }
  /// Classes of objects beside them that nobody looks into.
  var foreignClasses: [String] { get }
}

extension WeightFile {
  public var foreignClasses: [String] { [] }
  public var names: [String] { tensors.filter(\.isFloatingPoint).map(\.name) }
  /// Shapes by name.
  public var shapes: [String: [Int]] {
    Dictionary(tensors.map { ($0.name, $0.shape) }) { first, _ in first }
  }
}

/// A safetensors file as a source of weights.
public struct SafeTensorsSource: WeightFile {
  public let file: SafeTensorsFile
  public let tensors: [StoredTensor]

  public init(_ file: SafeTensorsFile) {
    self.file = file
    tensors = file.entries.map { name, entry in
      StoredTensor(name: name, elementType: "\(entry.dtype)", shape: entry.shape)
    }.sorted { $0.name < $1.name }
  }

  public var title: String { file.path }
  public func weight(_ name: String) throws -> Tensor? {
    file.entries[name] == nil ? nil : try file.copy(name)
  }
}
