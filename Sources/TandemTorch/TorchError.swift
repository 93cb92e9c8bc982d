internal import CTorch

/// An operation that libtorch refused, with what it was given.
public struct TorchError: Error, CustomStringConvertible, Equatable {
  public enum Kind: Sendable { case invalid, outOfMemory, internalError }
  public let kind: Kind
  /// The operator or function, for example `aten::add.Tensor`.
  public let operation: String
  /// Shapes of the tensors it was given.
  public let shapes: [[Int]]
  public let message: String

  public init(kind: Kind, operation: String, shapes: [[Int]] = [], message: String) {
    self.kind = kind
    self.operation = operation
    self.shapes = shapes
    self.message = message
  }

  public var description: String {
    let inputs = shapes.map { "\($0)" }.joined(separator: ", ")
    return "\(operation)(\(inputs)): \(message)"
  }
}

/// Turns a status of the C edge into a Swift error; the only place that reads its message.
func check(
  _ status: CTorchStatus, _ operation: String, _ tensors: @autoclosure () -> [Tensor] = []
) throws(TorchError) {
  guard status != .OK else { return }
  let kind: TorchError.Kind =
    switch status {
    case .outOfMemory: .outOfMemory
    case .internal: .internalError
    default: .invalid
    }
  throw TorchError(
    kind: kind, operation: operation, shapes: tensors().map(\.shape),
    message: String(cString: ctorch_last_message()))
}
