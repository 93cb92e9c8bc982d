public import TandemTorch

/// A mistake in how weights are claimed, loaded or laid out.
public struct ParameterError: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// Where weights come from when they are not drawn: a checkpoint, after an adapter has renamed.
public protocol WeightSource {
  /// A name for messages, usually the file's path.
  var title: String { get }
  var names: [String] { get }
  /// A tensor of its own under a name; nil when there is none.
  func weight(_ name: String) throws -> Tensor?
  /// The same for a weight of a known shape: a source that can bring what it has to that shape does.
  func weight(_ name: String, shape: [Int]) throws -> Tensor?
}

extension WeightSource {
  public func weight(_ name: String, shape: [Int]) throws -> Tensor? { try weight(name) }
}

/// All weights of a model and its heads, by name.
///
/// Modules claim weights by path; the store draws them from a seeded stream (one per name, so that
/// adding a module moves no other's weights) or reads them from a source. `seal` lays masters and
/// gradients out in flat buffers, one stretch a group, which the optimiser works on.
public final class ParameterStore {
  public let precision: Precision
  /// Which kernels serve; may be chosen once the model has claimed its layers.
  public var kernels: KernelTable
  /// The sizes of the linear layers, each once, in the order they were claimed.
  public private(set) var linearShapes: [LinearShape] = []
  public let device: Device
  /// Whether masters stay once products have copies of their own: not where nothing learns.
  public let keepsMasters: Bool
  public let productInitialization: ProductInitialization
  /// In the order they were claimed.
  public private(set) var parameters: [Parameter] = []
  public private(set) var buffers: [String: Tensor] = [:]
  public private(set) var groups: [FlatGroup] = []
  /// Counts updates of the masters: copies in another precision are remade when it moves.
  public private(set) var generation = 0

  private var byName: [String: Parameter] = [:]
  private let random: RandomStream
  private var source: (any WeightSource)?
  private var report: LoadReport?
  private var missing: [String] = []
  private var misshapen: [String] = []
  private var isSealed = false

  public init(
    seed: UInt64, precision: Precision = .float32, kernels: KernelTable = .plain,
    device: Device = .cpu, keepsMasters: Bool = true,
    productInitialization: ProductInitialization = .published,
    source: (any WeightSource)? = nil
  ) {
    self.productInitialization = productInitialization
    random = RandomStream(seed: seed).child("parameters")
    self.precision = precision
    self.kernels = kernels
    self.device = device
    self.keepsMasters = keepsMasters
    self.source = source
  }

  public var root: ParameterPath { ParameterPath(self) }

  public subscript(_ name: String) -> Parameter? { byName[name] }

  /// Numbers of weights, buffers not counted.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

  /// To be called after the masters have changed.
  public func mastersChanged() { generation += 1 }

  func note(_ shape: LinearShape) {
    if !linearShapes.contains(shape) { linearShapes.append(shape) }
  }

  func claim(
    _ name: String, _ shape: [Int], _ initializer: Initializer, decays: Bool, isFixed: Bool
  ) throws -> Parameter {
    guard !isSealed else { throw ParameterError("'\(name)' is claimed after the store was sealed") }
    guard byName[name] == nil, buffers[name] == nil else {
      throw ParameterError("'\(name)' is claimed twice; ask for it with path.shared")
    }
    try checkSize(name, shape)
    let value = try loaded(name, shape) ?? drawn(name, shape, initializer)
    let parameter = Parameter(
      name: name, value: try value.to(device), decays: decays, isFixed: isFixed, store: self)
    try parameter.value.setRequiresGradient(!isFixed)
    parameters.append(parameter)
    byName[name] = parameter
    return parameter
  }

  func shared(_ name: String) throws -> Parameter {
    guard let parameter = byName[name] else {
      throw ParameterError("'\(name)' is asked for before any module has claimed it")
    }
    return parameter
  }

  func claimBuffer(_ name: String, initial: Tensor) throws -> Tensor {
    guard byName[name] == nil, buffers[name] == nil else {
      throw ParameterError("the buffer '\(name)' is claimed twice")
    }
    let tensor = try (loaded(name, initial.shape) ?? initial).to(device)
    buffers[name] = tensor
    return tensor
  }

  /// A setting with some zeros too many must end in a message, not with the machine's memory.
  private func checkSize(_ name: String, _ shape: [Int]) throws {
    let mostNumbers = Int(Int32.max)
    var count = 1
    for side in shape {
      let (product, overflows) = count.multipliedReportingOverflow(by: side)
      guard side >= 0, !overflows, product <= mostNumbers else {
        throw ParameterError(
          "'\(name)' of shape \(shape) has more than \(mostNumbers) numbers: look at the settings")
      }
      count = product
    }
    let mostMissing = 4096
    guard missing.count < mostMissing else {
      throw ParameterError(
        "more than \(mostMissing) weights are missing, from '\(missing[0])' to '\(name)': look at the "
          + "settings")
    }
  }

  private func loaded(_ name: String, _ shape: [Int]) throws -> Tensor? {
    guard let source else { return nil }
    guard let tensor = try source.weight(name, shape: shape) else {
      missing.append(name)
      return nil
    }
    guard tensor.shape == shape else {
      misshapen.append("\(name): expected \(shape), found \(tensor.shape)")
      return nil
    }
    return try tensor.to(.float32)
  }

  private func drawn(_ name: String, _ shape: [Int], _ initializer: Initializer) throws -> Tensor {
    switch initializer {
    case .zeros: return try Tensor.zeros(shape)
    case .ones: return try Tensor.ones(shape)
    case .constant(let value): return try Tensor.full(shape, value)
    case .values(let values):
      guard values.count == shape.reduce(1, *) else {
        throw ParameterError("'\(name)': \(values.count) numbers for the shape \(shape)")
      }
      return try Tensor(values, shape)
    case .product:
      let inputs = max(1, shape.dropFirst().reduce(1, *))
      let deviation =
        productInitialization == .published ? 0.02 : 1 / Double(inputs).squareRoot()
      return try drawn(name, shape, .normal(deviation: deviation))
    case .normal(let deviation):
      var stream = random.child(name)
      let count = shape.reduce(1, *)
      let values = [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
        for index in 0..<count {
          buffer.initializeElement(at: index, to: Float(stream.normal() * deviation))
        }
        initialized = count
      }
      return try Tensor(values, shape)
    }
  }

  // MARK: loading

  /// What the source had and had not, after all modules have claimed; the source is let go.
  public func loadReport() -> LoadReport {
    if let report { return report }
    guard let source else { return LoadReport(source: "", missing: [], unused: [], misshapen: []) }
    let unused = source.names.filter { byName[$0] == nil && buffers[$0] == nil }
    let found = LoadReport(
      source: source.title, missing: missing, unused: unused.sorted(), misshapen: misshapen)
    report = found
    self.source = nil
    return found
  }

  // MARK: flat buffers

  /// Lays masters and gradients out flat, one stretch a group, and makes the masters slices. Fixed
  /// weights are frozen whatever their group says.
  public func seal(_ group: (Parameter) -> ParameterGroup) throws {
    guard !isSealed else { throw ParameterError("the store is sealed already") }
    isSealed = true
    var members: [ParameterGroup: [Parameter]] = [:]
    var order: [ParameterGroup] = []
    for parameter in parameters {
      parameter.group = group(parameter)
      if parameter.isFixed { parameter.group.isFrozen = true }
      if members[parameter.group] == nil { order.append(parameter.group) }
      members[parameter.group, default: []].append(parameter)
    }
    try withoutGradients {
      groups = try order.map { try FlatGroup($0, members[$0] ?? [], on: device) }
    }
    mastersChanged()
  }

  /// Sets every gradient to 0.
  public func clearGradients() throws {
    try withoutGradients {
      for group in groups { try group.gradients?.fillZero() }
    }
  }

  /// The weights and buffers by name, for a checkpoint.
  public func tensors() -> [String: Tensor] {
    var all = buffers
    for parameter in parameters { all[parameter.name] = parameter.value }
    return all
  }
}

/// The sizes of a linear layer.
public struct LinearShape: Hashable, Sendable {
  public let input: Int
  public let output: Int

  public init(input: Int, output: Int) {
    self.input = input
    self.output = output
  }
}

/// What a load found: nothing is passed over in silence.
public struct LoadReport: Sendable, Equatable {
  public let source: String
  /// Claimed by the model, absent from the source: drawn afresh.
  public let missing: [String]
  /// In the source, claimed by nobody.
  public let unused: [String]
  public let misshapen: [String]

  /// Refuses a load that is not whole.
  ///
  /// - Parameter optional: true for names that may be missing or unused, such as heads.
  public func check(optional: (String) -> Bool = { _ in false }) throws {
    let absent = missing.filter { !optional($0) }
    let extra = unused.filter { !optional($0) }
    guard absent.isEmpty, extra.isEmpty, misshapen.isEmpty else {
      var lines = ["\(source) does not hold this model's weights:"]
      func list(_ title: String, _ names: [String]) {
        guard !names.isEmpty else { return }
        let more = names.count > 5 ? " and \(names.count - 5) more" : ""
        lines.append("  \(title): \(names.prefix(5).joined(separator: ", "))\(more)")
      }
      list("missing", absent)
      list("not of this model", extra)
      list("of another shape", misshapen)
      throw ParameterError(lines.joined(separator: "\n"))
    }
  }
}
