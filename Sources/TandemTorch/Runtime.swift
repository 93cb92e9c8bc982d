internal import CTorch

/// The libtorch of this process.
public enum TorchRuntime {
  /// Its version, for example "2.13.0".
  public static var version: String { String(cString: ctorch_version()) }
  /// The instruction set its kernels were chosen for, for example "AVX512".
  public static var cpuCapability: String { String(cString: ctorch_cpu_capability()) }
  /// Threads inside an operator. They change the order of sums: set once, and recorded in a run.
  public static var threads: Int { Int(ctorch_thread_count()) }

  /// Memory of large tensors on the processor: it is mapped once and kept.
  public struct Memory: Sendable, Equatable {
    /// Times that memory was mapped.
    public var segments: Int
    /// Bytes that were mapped, and of them those that lie in tensors now.
    public var held: Int
    public var used: Int
    /// The most that lay in tensors at once since ``restartMemory()``.
    public var most: Int
  }

  public static func memory() throws -> Memory {
    var memory = CTorchMemory()
    try check(ctorch_memory(&memory), "memory")
    return Memory(
      segments: memory.segments, held: memory.held, used: memory.used, most: memory.most)
  }

  /// Counts the most memory anew.
  public static func restartMemory() { ctorch_memory_restart() }

  /// The multiplications and additions of all matrix products of this thread while `body` runs,
  /// backward passes included. A count cannot lie in another.
  public static func operations(_ body: () throws -> Void) throws -> Double {
    try check(ctorch_count_operations(), "count")
    do {
      try body()
    } catch {
      _ = ctorch_counted_operations()
      throw error
    }
    return ctorch_counted_operations()
  }

  /// Sets the threads; call before the first operator.
  public static func configure(threads: Int) throws {
    guard let count = Int32(exactly: threads) else {
      throw TorchError(
        kind: .invalid, operation: "configure", message: "threads cannot be \(threads)")
    }
    try check(ctorch_configure(count), "configure")
  }
}
