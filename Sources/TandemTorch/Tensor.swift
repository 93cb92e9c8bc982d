internal import CTorch

/// A libtorch tensor.
///
/// Not `Sendable`: a tensor stays on the thread that made it. Every operation that can fail throws
/// ``TorchError`` with the operation, the shapes and libtorch's own message.
public final class Tensor {
  let handle: CTorchTensor

  init(owning handle: CTorchTensor) { self.handle = handle }

  /// A tensor with a copy of `values`, in row-major order, of shape `shape`.
  public init<Element: TensorElement>(_ values: [Element], _ shape: [Int]) throws {
    handle = try values.withUnsafeBytes { try Self.copy($0, shape, Element.dtype) }
  }

  /// A tensor with a copy of raw bytes, in row-major order.
  public init(copying bytes: UnsafeRawBufferPointer, _ shape: [Int], _ dtype: DType) throws {
    handle = try Self.copy(bytes, shape, dtype)
  }

  /// A tensor over memory that `owner` keeps alive; nothing is copied. The memory must not change
  /// while the tensor lives.
  public init(
    over memory: UnsafeRawPointer, _ shape: [Int], _ dtype: DType, owner: AnyObject
  ) throws {
    let retained = Unmanaged.passRetained(owner)
    var result = CTorchTensor(pointer: nil)
    let status = ctorch_tensor_over_memory(
      UnsafeMutableRawPointer(mutating: memory), shape, shape.count, dtype.rawValue,
      retained.toOpaque(), { Unmanaged<AnyObject>.fromOpaque($0).release() }, &result)
    if status != .OK { retained.release() }
    try check(status, "Tensor(over:)")
    handle = result
  }

  deinit { ctorch_tensor_free(handle) }

  public var rank: Int { ctorch_tensor_rank(handle) }
  public var shape: [Int] { (0..<rank).map { ctorch_tensor_size(handle, $0) } }
  public var count: Int { shape.reduce(1, *) }
  public var isContiguous: Bool { ctorch_tensor_is_contiguous(handle) }

  /// The size of one dimension; negative counts from the last; 0 when there is no such dimension.
  public func size(_ dimension: Int) -> Int {
    let index = dimension < 0 ? dimension + rank : dimension
    return index >= 0 && index < rank ? ctorch_tensor_size(handle, index) : 0
  }

  /// The element type; nil for one that Tandem does not name (complex, quantised).
  public var optionalDType: DType? { DType(rawValue: ctorch_tensor_dtype(handle)) }
  public var dtype: DType { optionalDType ?? .uint8 }

  public var device: Device {
    Device(
      type: Int(ctorch_tensor_device_type(handle)),
      index: Int(ctorch_tensor_device_index(handle)))
  }
}

extension Tensor: CustomStringConvertible {
  public var description: String { "Tensor(\(shape), \(dtype), \(device))" }
}

// MARK: from and to memory

extension Tensor {
  /// A vector with a copy of `values`.
  public convenience init<Element: TensorElement>(_ values: [Element]) throws {
    try self.init(values, [values.count])
  }

  /// A tensor on `device` with a copy of `values`; the host does not wait for the device.
  public convenience init<Element: TensorElement>(
    _ values: [Element], _ shape: [Int]? = nil, on device: Device
  ) throws {
    let shape = shape ?? [values.count]
    guard device != .cpu else {
      try self.init(values, shape)
      return
    }
    let staged = try Tensor.pinned(shape, Element.dtype)
    try values.withUnsafeBytes { try staged.overwrite(with: $0) }
    let sent = try staged.sent(to: device)
    // It must live until its tensor has a second owner: it may go right after its last use.
    self.init(owning: withExtendedLifetime(sent) { ctorch_tensor_retain(sent.handle) })
  }

  /// Writes all elements of a contiguous tensor on the processor.
  private func overwrite(with bytes: UnsafeRawBufferPointer) throws {
    guard bytes.count == count * dtype.byteCount else {
      throw TorchError(
        kind: .invalid, operation: "Tensor", shapes: [shape],
        message: "\(bytes.count) bytes given, \(count * dtype.byteCount) needed")
    }
    guard let source = bytes.baseAddress, let target = ctorch_tensor_data(handle) else { return }
    target.copyMemory(from: source, byteCount: bytes.count)
  }

  private static func copy(
    _ bytes: UnsafeRawBufferPointer, _ shape: [Int], _ dtype: DType
  ) throws -> CTorchTensor {
    let expected = shape.reduce(dtype.byteCount, *)
    guard bytes.count == expected else {
      throw TorchError(
        kind: .invalid, operation: "Tensor", shapes: [shape],
        message: "\(bytes.count) bytes given, \(expected) needed")
    }
    var result = CTorchTensor(pointer: nil)
    try check(
      ctorch_tensor_from_bytes(bytes.baseAddress, shape, shape.count, dtype.rawValue, &result),
      "Tensor")
    return result
  }

  /// The elements in row-major order; the element type must be the tensor's own.
  public func array<Element: TensorElement>(of type: Element.Type = Element.self) throws
    -> [Element]
  {
    guard dtype == Element.dtype else {
      throw TorchError(
        kind: .invalid, operation: "array", shapes: [shape],
        message: "the tensor holds \(dtype), \(Element.dtype) was asked for")
    }
    let count = self.count
    return try [Element](unsafeUninitializedCapacity: count) { buffer, initialized in
      try copyBytes(into: UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// Elements as `Float`, whatever the type.
  public func floats() throws -> [Float] { try to(.float32).array() }

  /// The elements' bytes in row-major order; the buffer must have exactly their size.
  public func copyBytes(into buffer: UnsafeMutableRawBufferPointer) throws {
    guard let start = buffer.baseAddress, !buffer.isEmpty else { return }
    try check(ctorch_tensor_to_bytes(handle, start, buffer.count), "copyBytes", [self])
  }

  /// The single element as a `Double`.
  public func item() throws -> Double {
    guard count == 1, let value = try to(.float64).array(of: Double.self).first else {
      throw TorchError(
        kind: .invalid, operation: "item", shapes: [shape], message: "needs exactly one element")
    }
    return value
  }

  /// Reads the elements in row-major order; in place where they lie so on the processor.
  public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) throws -> Result
  {
    let source = try to(.cpu).contiguous()
    guard let start = ctorch_tensor_data(source.handle) else {
      return try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
    return try withExtendedLifetime(source) {
      try body(UnsafeRawBufferPointer(start: start, count: source.count * dtype.byteCount))
    }
  }

  /// Writes the elements of a contiguous CPU tensor in place, without the knowledge of autograd.
  public func withMutableFloats<Result>(
    _ body: (UnsafeMutableBufferPointer<Float>) throws -> Result
  ) throws -> Result {
    guard isContiguous, dtype == .float32, let start = ctorch_tensor_data(handle) else {
      throw TorchError(
        kind: .invalid, operation: "withMutableFloats", shapes: [shape],
        message: "needs a contiguous float32 tensor on the cpu, found \(dtype) on \(device)")
    }
    return try withExtendedLifetime(self) {
      try body(
        UnsafeMutableBufferPointer(
          start: start.assumingMemoryBound(to: Float.self), count: count))
    }
  }
}
