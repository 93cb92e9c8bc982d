public import TandemTorch

/// The name under which a module claims its weights: `path / "intermediate" / "dense"`.
public struct ParameterPath {
  public let store: ParameterStore
  public let name: String
  private let reuses: Bool
  private let isFixed: Bool

  public init(_ store: ParameterStore, _ name: String = "") {
    self.init(store, name, reuses: false, isFixed: false)
  }

  private init(_ store: ParameterStore, _ name: String, reuses: Bool, isFixed: Bool) {
    self.store = store
    self.name = name
    self.reuses = reuses
    self.isFixed = isFixed
  }

  /// The same path for parts that several owners have in common, such as the head of two
  /// objectives: the first claim makes the weight, later ones of the same shape are given it.
  public var reusing: ParameterPath {
    ParameterPath(store, name, reuses: true, isFixed: isFixed)
  }

  /// The same path for weights that never learn, such as the first stages of a picture network:
  /// no gradient is computed for them, in whatever groups the store is laid out.
  public var fixed: ParameterPath { ParameterPath(store, name, reuses: reuses, isFixed: true) }

  public static func / (path: ParameterPath, part: String) -> ParameterPath {
    ParameterPath(path.store, path.full(part), reuses: path.reuses, isFixed: path.isFixed)
  }
  public static func / (path: ParameterPath, index: Int) -> ParameterPath { path / "\(index)" }

  /// Claims the weight `part` under this path. Claiming a name twice is an error; a weight that
  /// two places use is asked for with ``shared(_:)``.
  public func callAsFunction(
    _ part: String, _ shape: [Int], _ initializer: Initializer = .normal(), decay: Bool = true
  ) throws -> Parameter {
    if reuses, let known = store[full(part)], known.shape == shape { return known }
    return try store.claim(full(part), shape, initializer, decays: decay, isFixed: isFixed)
  }

  /// A weight that another module has claimed under its full name.
  public func shared(_ fullName: String) throws -> Parameter { try store.shared(fullName) }

  /// Claims a buffer: saved and loaded with the weights, never trained.
  public func buffer(_ part: String, _ initial: @autoclosure () throws -> Tensor) throws -> Tensor {
    try store.claimBuffer(full(part), initial: initial())
  }

  func full(_ part: String) -> String { name.isEmpty ? part : "\(name).\(part)" }
}
