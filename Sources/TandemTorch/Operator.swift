internal import CTorch

/// One operator of libtorch, looked up once by its schema name and called through the dispatcher.
public final class Operator: Sendable {
  public let name: String
  public let overload: String
  private let handle: Result<Handle, TorchError>

  private struct Handle: @unchecked Sendable { let raw: CTorchOperator }

  /// A missing operator is reported at the first call, with its name.
  public init(_ name: String, _ overload: String = "") {
    self.name = name
    self.overload = overload
    handle = Result { () throws(TorchError) in
      var found = CTorchOperator(pointer: nil)
      try check(ctorch_operator_find(name, overload, &found), Self.title(name, overload))
      return Handle(raw: found)
    }
  }

  public var title: String { Self.title(name, overload) }

  private static func title(_ name: String, _ overload: String) -> String {
    overload.isEmpty ? name : "\(name).\(overload)"
  }

  /// The schema as this libtorch declares it.
  public func schema() throws -> String {
    let raw = try handle.get().raw
    return try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 8192) { buffer in
      guard let start = buffer.baseAddress else { return "" }
      try check(ctorch_operator_schema(raw, start, 8192), title)
      return String(cString: start)
    }
  }

  /// Calls it and returns every tensor among its results; lists are flattened.
  func results(_ arguments: [Argument], most: Int = 4) throws(TorchError) -> [Tensor?] {
    let raw = try handle.get().raw
    defer { withExtendedLifetime(arguments) {} }
    var integers: [Int] = []
    var failure: CTorchStatus = .OK
    let made = withUnsafeTemporaryAllocation(of: CTorchValue.self, capacity: arguments.count) {
      values -> [Tensor?] in
      for (index, argument) in arguments.enumerated() {
        values.initializeElement(at: index, to: argument.value(lists: &integers))
      }
      return withUnsafeTemporaryAllocation(of: CTorchTensor.self, capacity: most) { results in
        guard let start = results.baseAddress else { return [] }
        var count = 0
        failure = ctorch_operator_call(
          raw, values.baseAddress, arguments.count, integers, start, most, &count)
        guard failure == .OK else { return [] }
        return (0..<count).map { results[$0].pointer == nil ? nil : Tensor(owning: results[$0]) }
      }
    }
    try check(failure, title, arguments.flatMap(\.tensors))
    return made
  }

  /// Calls it for its first tensor.
  @discardableResult
  func callAsFunction(_ arguments: Argument...) throws(TorchError) -> Tensor {
    guard let first = try results(arguments).first, let tensor = first else {
      throw TorchError(
        kind: .internalError, operation: title, shapes: arguments.flatMap(\.tensors).map(\.shape),
        message: "returned no tensor")
    }
    return tensor
  }
}

/// One argument of an operator call.
enum Argument {
  case none
  case tensor(Tensor)
  case int(Int)
  case real(Double)
  case bool(Bool)
  case ints([Int])
  case bools([Bool])
  case tensors([Tensor])
  case optionalTensors([Tensor?])
  case string(StaticString)
  case dtype(DType)
  case device(Device)

  static func optional(_ tensor: Tensor?) -> Argument { tensor.map { .tensor($0) } ?? .none }

  var tensors: [Tensor] {
    switch self {
    case .tensor(let tensor): [tensor]
    case .tensors(let list): list
    case .optionalTensors(let list): list.compactMap { $0 }
    default: []
    }
  }

  func value(lists: inout [Int]) -> CTorchValue {
    var value = CTorchValue()
    func list(_ kind: CTorchKind, _ items: [Int]) {
      value.kind = kind
      value.integer = lists.count
      value.count = items.count
      lists += items
    }
    switch self {
    case .none:
      value.kind = .none
    case .tensor(let tensor):
      value.kind = .tensor
      value.pointer = UnsafeRawPointer(tensor.handle.pointer)
    case .int(let integer):
      value.kind = .integer
      value.integer = integer
    case .real(let real):
      value.kind = .real
      value.real = real
    case .bool(let flag):
      value.kind = .boolean
      value.integer = flag ? 1 : 0
    case .ints(let items):
      list(.integers, items)
    case .bools(let items):
      list(.booleans, items.map { $0 ? 1 : 0 })
    case .tensors(let items):
      list(.tensors, items.map { Int(bitPattern: $0.handle.pointer) })
    case .optionalTensors(let items):
      list(.optionalTensors, items.map { Int(bitPattern: $0?.handle.pointer) })
    case .string(let text):
      value.kind = .string
      value.pointer = UnsafeRawPointer(text.utf8Start)
      value.count = text.utf8CodeUnitCount
    case .dtype(let dtype):
      value.kind = .integer
      value.integer = Int(dtype.rawValue)
    case .device(let device):
      value.kind = .device
      value.integer = device.type
      value.count = device.index
    }
    return value
  }
}
