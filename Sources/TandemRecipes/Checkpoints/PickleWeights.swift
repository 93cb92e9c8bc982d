public import TandemNN
internal import TandemPickle
public import TandemTorch

/// Weights in a file of `torch.save` or a pickle of arrays, read where they lie when they are asked
/// for; nothing in the file is ever called.
public struct PickleWeights: WeightFile {
  public let title: String
  public let tensors: [StoredTensor]
  public let foreignClasses: [String]
  private let arrays: StateDictionary

  /// - Throws: `PickleError` or `FileError`.
  public init(path: String) throws {
    title = path
    if path.hasSuffix(".pkl") {
      arrays = try PickleFile.open(path).stateDict()
      foreignClasses = []
    } else {
      let file = try TorchFile.open(path)
      try file.refuseCalls()
      arrays = try file.stateDict()
      foreignClasses = file.foreignClasses.map(\.description)
    }
    tensors = arrays.map {
      StoredTensor(
        name: $0.name, elementType: $0.array.elementType.rawValue, shape: $0.array.shape)
    }.sorted { $0.name < $1.name }
  }

  public func weight(_ name: String) throws -> Tensor? {
    guard let array = arrays[name] else { return nil }
    return try Tensor(array.floats(), array.shape)
  }
}
