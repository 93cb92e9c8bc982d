internal import Foundation
public import TandemCore
internal import TandemTorch
internal import TandemTrain

/// The process a run lives in.
public struct Runtime: Sendable {
  public static let version = "0.1.0"

  public let threads: Int

  /// Sets the threads; call before the first operator.
  public static func configure(_ compute: Recipe.Compute) throws -> Runtime {
    let threads =
      compute.threads > 0 ? compute.threads : ProcessInfo.processInfo.activeProcessorCount
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
