public import TandemNN
internal import TandemPickle
public import TandemTorch

/// Weights in a file of `torch.save` or a pickle of arrays, read where they lie when they are asked
/// for; nothing in the file is ever called.
public struct PickleWeights: WeightSource {
  public let title: String
  private let arrays: StateDictionary
  /// The file's name of each weight, by the name it is asked for.
  private let places: [String: String]

  /// - Parameter rename: what a weight of the file is called here; nil leaves it out.
  /// - Throws: `PickleError` or `FileError`; `ParameterError` when two weights get one name.
  public init(path: String, rename: (String) -> String? = { $0 }) throws {
    title = path
    arrays = try Self.arrays(path)
    var places: [String: String] = [:]
    for (name, array) in arrays where array.elementType.isFloatingPoint {
      guard let own = rename(name) else { continue }
      if let other = places.updateValue(name, forKey: own) {
        throw ParameterError("\(path): '\(other)' and '\(name)' would both be '\(own)'")
      }
    }
    self.places = places
  }

  /// The names in the file, and their shapes.
  static func arrays(_ path: String) throws -> StateDictionary {
    path.hasSuffix(".pkl")
      ? try PickleFile.open(path).stateDict() : try TorchFile.open(path).stateDict()
  }

  public var names: [String] { Array(places.keys) }

  public func weight(_ name: String) throws -> Tensor? {
    guard let place = places[name], let array = arrays[place] else { return nil }
    return try Tensor(array.floats(), array.shape)
  }
}
