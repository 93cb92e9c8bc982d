internal import Foundation
internal import TandemCore
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

extension Device {
  /// - Throws: `SettingsError` for a name of no device, or of one that is not there.
  init(named name: String) throws {
    guard let device = Device(name) else {
      throw SettingsError("compute.device: expected cpu, cuda or cuda:N, found '\(name)'")
    }
    if device != .cpu, !Device.isCUDAAvailable {
      throw SettingsError(
        "compute.device: this libtorch finds no GPU; --set compute.device=cpu runs without")
    }
    self = device
  }
}
