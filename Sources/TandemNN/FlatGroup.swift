public import TandemTorch

/// The weights of one group, laid end to end in one float32 buffer.
public final class FlatGroup {
  public let group: ParameterGroup
  public let parameters: [Parameter]
  /// All masters, [N].
  public let values: Tensor
  /// All gradients, [N]; nil for a frozen group.
  public let gradients: Tensor?
  private let offsets: [Int]

  init(_ group: ParameterGroup, _ parameters: [Parameter], on device: Device) throws {
    self.group = group
    self.parameters = parameters
    var offsets = [0]
    for parameter in parameters { offsets.append(offsets[offsets.count - 1] + parameter.count) }
    self.offsets = offsets
    let count = offsets[offsets.count - 1]
    values = try Tensor.empty([count], on: device)
    for (index, parameter) in parameters.enumerated() {
      let slice = try Self.slice(values, parameter, at: offsets[index])
      try slice.copy(from: parameter.value.detached())
      try slice.setRequiresGradient(!group.isFrozen)
      parameter.value = slice
    }
    // Only now, so that they may lie where the weights lay before.
    gradients = group.isFrozen ? nil : try Tensor.zeros([count], on: device)
    guard let gradients else { return }
    for (index, parameter) in parameters.enumerated() {
      try parameter.value.setGradient(Self.slice(gradients, parameter, at: offsets[index]))
    }
  }

  /// The part of a flat tensor [N] that belongs to one parameter, in its shape.
  public func slice(_ flat: Tensor, _ index: Int) throws -> Tensor {
    try Self.slice(flat, parameters[index], at: offsets[index])
  }

  private static func slice(
    _ flat: Tensor, _ parameter: Parameter, at offset: Int
  ) throws -> Tensor {
    try flat.detached().narrow(0, from: offset, parameter.count).view(parameter.shape)
  }

  /// A flat tensor [N] cut into named pieces: `prefix` + the parameter's name.
  public func named(_ flat: Tensor, prefix: String) throws -> [String: Tensor] {
    var result: [String: Tensor] = [:]
    for (index, parameter) in parameters.enumerated() {
      result[prefix + parameter.name] = try slice(flat, index)
    }
    return result
  }
}
