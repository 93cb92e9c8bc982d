public import TandemNN
internal import TandemPickle
public import TandemTorch

/// Weights in a file of `torch.save` or a pickle of arrays, read where they lie when they are asked
/// for; nothing in the file is ever called.
public struct PickleWeights: WeightSource {
  public let title: String
  public let names: [String]
  private let arrays: StateDictionary

  /// - Throws: `PickleError` or `FileError`.
  public init(path: String) throws {
    title = path
    arrays = try Self.arrays(path)
    // Counters are no weights.
    names = arrays.filter { $0.array.elementType.isFloatingPoint }.map(\.name)
  }

  /// The names in the file, and their shapes.
  static func arrays(_ path: String) throws -> StateDictionary {
    path.hasSuffix(".pkl")
      ? try PickleFile.open(path).stateDict() : try TorchFile.open(path).stateDict()
  }

  public func weight(_ name: String) throws -> Tensor? {
    guard let array = arrays[name] else { return nil }
    return try Tensor(array.floats(), array.shape)
  }
}
