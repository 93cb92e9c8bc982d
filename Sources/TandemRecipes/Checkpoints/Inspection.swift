internal import TandemModels
internal import TandemNN

/// What is in a file of weights, and whose it may be.
public struct Inspection: Codable, Sendable {
  public struct Entry: Codable, Sendable {
    public var name: String
    public var elementType: String
    public var shape: [Int]
  }

  public let path: String
  public let tensors: [Entry]
  /// Of all that can be weights.
  public let numbers: Int
  /// Empty for none that is known.
  public let family: String

  public init(_ path: String) throws {
    let file = try WeightFiles.open(path)
    self.path = path
    tensors = file.tensors.map {
      Entry(name: $0.name, elementType: $0.elementType, shape: $0.shape)
    }
    numbers = file.tensors.filter(\.isFloatingPoint).reduce(0) { $0 + $1.count }
    let named = AdapterCatalog.find(names: file.tensors.map(\.name))?.modelName
    family = (try? ModelFiles.open(path).model) ?? named ?? ""
  }
}
