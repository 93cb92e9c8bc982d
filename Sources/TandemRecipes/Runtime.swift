internal import Foundation
internal import TandemTorch
internal import TandemTrain

/// The process a run lives in.
public struct Runtime: Sendable {
  public static let version = "0.1.0"

  public let threads: Int

  /// Sets the threads inside an operator, 0 for all cores; call before the first operator.
  @discardableResult
  public static func configure(threads asked: Int) throws -> Runtime {
    let threads = asked > 0 ? asked : ProcessInfo.processInfo.activeProcessorCount
    try TorchRuntime.configure(threads: threads)
    return Runtime(threads: threads)
  }

  /// The threads of an earlier sitting.
  static func restore(_ environment: RunEnvironment) throws {
    try TorchRuntime.configure(threads: environment.threads)
  }

  func environment(started: String, kernels: KernelTable) -> RunEnvironment {
    RunEnvironment(
      tandem: Self.version, libtorch: TorchRuntime.version, cpu: TorchRuntime.cpuCapability,
      threads: threads, kernels: kernels, started: started)
  }
}
