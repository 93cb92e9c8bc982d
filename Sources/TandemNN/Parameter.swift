public import TandemTorch

/// How a parameter starts.
public enum Initializer: Sendable {
  case zeros
  case ones
  /// Normal with mean 0, the BERT family's 0.02 unless said otherwise.
  case normal(deviation: Double = 0.02)
  case constant(Double)
  /// These numbers, row by row.
  case values([Float])
  /// The weight of a product over all dimensions but the first; its spread is the store's choice.
  case product
}

/// How the weights of products start.
public enum ProductInitialization: String, Codable, Sendable {
  /// Normal with deviation 0.02 whatever the width, as BERT and ViT have it.
  case published
  /// Normal with deviation 1/√inputs: keeps the scale of activations in narrow models too.
  case fanIn
}

/// What the optimiser treats alike.
public struct ParameterGroup: Hashable, Sendable {
  /// Weight decay applies.
  public var decays: Bool
  /// Factor on the learning rate.
  public var multiplier: Double
  /// Never updated, and no gradient is computed.
  public var isFrozen: Bool

  public init(decays: Bool, multiplier: Double = 1, isFrozen: Bool = false) {
    self.decays = decays
    self.multiplier = multiplier
    self.isFrozen = isFrozen
  }
}

/// A weight: its float32 master, and the copy that products use.
public final class Parameter {
  public let name: String
  public let shape: [Int]
  /// Whether weight decay applies unless a rule says otherwise.
  public let decays: Bool
  /// Never learns, whatever its group: no gradient is computed and no update reaches it.
  public let isFixed: Bool
  public internal(set) var group: ParameterGroup
  /// The float32 master: a leaf of the graph, a slice of the flat buffer once sealed.
  public internal(set) var value: Tensor
  public var count: Int { shape.reduce(1, *) }

  /// Whether rows of the master are looked up, beside any product.
  var isTable = false
  unowned let store: ParameterStore
  private var copies: [Bool: (generation: Int, tensor: Tensor)] = [:]
  fileprivate var packed: (generation: Int, tensor: Tensor)?

  init(name: String, value: Tensor, decays: Bool, isFixed: Bool, store: ParameterStore) {
    self.name = name
    self.shape = value.shape
    self.value = value
    self.decays = decays
    self.isFixed = isFixed
    self.store = store
    group = ParameterGroup(decays: decays, isFrozen: isFixed)
  }

  /// The weight in the precision of products: the master itself in float32; in bfloat16 a copy
  /// cast once a step, through which gradients reach the master.
  public func forProducts() throws -> Tensor {
    guard value.shape == shape else {
      throw ParameterError("\(name): was laid out for inference, nothing else can read it now")
    }
    guard store.precision == .bfloat16 else { return value }
    let recording = isRecordingGradients
    if let copy = copies[recording], copy.generation == store.generation { return copy.tensor }
    let copy = try value.to(.bfloat16)
    copies[recording] = (store.generation, copy)
    if isSpare { value = copy }
    return copy
  }
}

extension Parameter {
  /// Whether the master is of no use beside a copy.
  private var isSpare: Bool { !store.keepsMasters && !isTable && !isRecordingGradients }

  /// The weight as a matrix [out, in] in the precision of products, laid out for oneDNN's forward
  /// product of about `rows` rows: made once for as long as the master does not change.
  func prepacked(_ shape: [Int], rows: Int) throws -> Tensor {
    if let packed, packed.generation == store.generation { return packed.tensor }
    guard value.shape == self.shape else {
      throw ParameterError("\(name): was laid out for inference, nothing else can read it now")
    }
    let matrix = try value.detached().to(store.precision.dtype).reshaped(shape)
    let tensor = try matrix.prepacked(rows: rows)
    packed = (store.generation, tensor)
    if isSpare { value = try Tensor.empty([0]) }
    return tensor
  }
}

/// The element type of matrix products. Masters, norms, softmax and losses are always float32.
public enum Precision: String, Codable, Sendable, CaseIterable {
  case float32
  case bfloat16

  var dtype: DType { self == .bfloat16 ? .bfloat16 : .float32 }
}
