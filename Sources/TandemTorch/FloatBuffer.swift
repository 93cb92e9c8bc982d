/// Float32 numbers in host memory, written once, on any thread, and read after that.
///
/// Pinned where a GPU will fetch them: then the copy needs nobody to wait for it.
public final class FloatBuffer: @unchecked Sendable {
  public let count: Int
  // Safe to share: nothing changes after `init`, and handles are counted atomically.
  private let storage: Tensor

  /// - Parameter fill: writes all `count` numbers.
  public init(
    count: Int, isPinned: Bool = false,
    fill: (UnsafeMutableBufferPointer<Float>) throws -> Void
  ) throws {
    self.count = count
    storage = try isPinned ? Tensor.pinned([count], .float32) : Tensor.empty([count])
    guard count > 0 else { return }
    try storage.withMutableFloats(fill)
  }

  private init(_ storage: Tensor) {
    self.storage = storage
    count = storage.count
  }

  /// The same numbers on a device, for one who reads them there more than once.
  public func placed(on device: Device) throws -> FloatBuffer {
    FloatBuffer(try storage.sent(to: device))
  }

  /// The numbers as a tensor: on the processor these very ones, elsewhere a copy on its way there.
  public func tensor(_ shape: [Int], on device: Device) throws -> Tensor {
    try storage.view(shape).sent(to: device)
  }

  public func values() throws -> [Float] { try storage.array() }
}
