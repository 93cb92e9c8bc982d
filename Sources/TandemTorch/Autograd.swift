internal import CTorch

/// Runs `body` without recording a graph. The scope is synchronous: the mode belongs to the thread.
public func withoutGradients<Result>(_ body: () throws -> Result) rethrows -> Result {
  try withGradientMode(false, body)
}

/// Whether this thread records a graph now.
public var isRecordingGradients: Bool { ctorch_grad_mode() }

/// Runs `body` with recording on or off, and restores the mode.
public func withGradientMode<Result>(
  _ enabled: Bool, _ body: () throws -> Result
) rethrows -> Result {
  let before = ctorch_grad_mode()
  ctorch_set_grad_mode(enabled)
  defer { ctorch_set_grad_mode(before) }
  return try body()
}

private let detachOperator = Operator("aten::detach")

extension Tensor {
  /// Marks a leaf whose gradient `backward` is to find.
  public func setRequiresGradient(_ value: Bool) throws {
    try check(ctorch_tensor_set_requires_grad(handle, value), "requiresGradient", [self])
  }
  public var requiresGradient: Bool { ctorch_tensor_requires_grad(handle) }

  /// The accumulated gradient of a leaf; nil before the first backward.
  public func gradient() throws -> Tensor? {
    var result = CTorchTensor(pointer: nil)
    try check(ctorch_tensor_grad(handle, &result), "gradient", [self])
    return result.pointer == nil ? nil : Tensor(owning: result)
  }

  /// Makes gradients accumulate into `buffer`, of this tensor's shape.
  public func setGradient(_ buffer: Tensor) throws {
    try check(ctorch_tensor_set_grad(handle, buffer.handle), "setGradient", [self, buffer])
  }

  public func detached() throws -> Tensor { try detachOperator(.tensor(self)) }

  /// Adds the gradients of this scalar to every leaf it depends on.
  public func backward() throws { try Self.backward([self], [try Tensor.ones(shape, dtype)]) }

  /// Adds the gradients of several roots, given the gradient of each.
  public static func backward(_ roots: [Tensor], _ gradients: [Tensor]) throws {
    guard roots.count == gradients.count else {
      throw TorchError(
        kind: .invalid, operation: "backward", shapes: roots.map(\.shape),
        message: "\(roots.count) roots and \(gradients.count) gradients given")
    }
    defer { withExtendedLifetime((roots, gradients)) {} }
    try check(
      ctorch_backward(roots.map(\.handle), gradients.map(\.handle), roots.count), "backward",
      roots)
  }

  /// The gradients of this scalar with respect to `inputs`; nil where it does not depend on one.
  public func gradients(of inputs: [Tensor]) throws -> [Tensor?] {
    var results = [CTorchTensor](repeating: CTorchTensor(pointer: nil), count: inputs.count)
    try check(
      ctorch_gradients(handle, inputs.map(\.handle), inputs.count, &results), "gradients",
      [self])
    return results.map { $0.pointer == nil ? nil : Tensor(owning: $0) }
  }
}

/// Runs `body(input)` without keeping its intermediate values; the backward pass runs it again.
///
/// `body` must be a function of its input and of parameters alone (Chen et al. 2016, "Training
/// deep nets with sublinear memory cost").
public func recomputed(_ input: Tensor, _ body: @escaping (Tensor) throws -> Tensor) throws
  -> Tensor
{
  final class Box {
    let body: (Tensor) throws -> Tensor
    init(_ body: @escaping (Tensor) throws -> Tensor) { self.body = body }
  }
  let context = Unmanaged.passRetained(Box(body)).toOpaque()
  var result = CTorchTensor(pointer: nil)
  let status = ctorch_recompute(
    input.handle, context,
    { context, input, output in
      let box = Unmanaged<Box>.fromOpaque(context).takeUnretainedValue()
      do {
        let argument = Tensor(owning: ctorch_tensor_retain(input))
        let made = try box.body(argument)
        // The result must live until it has its second owner: a temporary may go before that.
        withExtendedLifetime(made) { output.pointee = ctorch_tensor_retain(made.handle) }
        return .OK
      } catch {
        ctorch_set_message("\(error)")
        return .invalid
      }
    },
    { Unmanaged<Box>.fromOpaque($0).release() }, &result)
  try check(status, "recomputed", [input])
  return Tensor(owning: result)
}
