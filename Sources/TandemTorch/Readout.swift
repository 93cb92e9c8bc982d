internal import CTorch

/// Numbers on their way from a device to the host. Making one asks for the copy and waits for
/// nothing; `values` waits.
public final class Readout {
  private let handle: CTorchReadout
  private let count: Int

  /// - Parameter scalars: float32, one element each, on one device.
  public init(_ scalars: [Tensor]) throws {
    count = scalars.count
    let all =
      try scalars.isEmpty
      ? Tensor.zeros([0]) : Tensor.stacked(scalars.map { try $0.detached().reshaped([]) })
    var result = CTorchReadout(pointer: nil)
    try check(ctorch_readout_start(all.handle, &result), "Readout", [all])
    handle = result
  }

  deinit { ctorch_readout_free(handle) }

  public func values() throws -> [Double] {
    var values = [Float](repeating: 0, count: count)
    try check(ctorch_readout_wait(handle, &values, count), "Readout")
    return values.map(Double.init)
  }
}
