internal import CTorch

/// Where a tensor lives.
public enum Device: Hashable, Sendable, CustomStringConvertible {
  case cpu
  case cuda(Int)
  /// A back end that was registered with libtorch under its key for others (PrivateUse1).
  case registered(Int)

  /// True when libtorch was built with CUDA, its library could be loaded, and a GPU answers.
  public static var isCUDAAvailable: Bool { ctorch_cuda_available() }

  /// Reads "cpu", "cuda" or "cuda:1".
  public init?(_ text: String) {
    if text == "cpu" {
      self = .cpu
    } else if text == "cuda" {
      self = .cuda(0)
    } else if text.hasPrefix("cuda:"), let index = Int(text.dropFirst(5)), index >= 0 {
      self = .cuda(index)
    } else {
      return nil
    }
  }

  public var description: String {
    switch self {
    case .cpu: "cpu"
    case .cuda(let index): "cuda:\(index)"
    case .registered(let index): "registered:\(index)"
    }
  }

  /// Waits until the device has done all that it was asked for: for clocks.
  public func wait() throws {
    try check(ctorch_device_wait(Int32(type), Int32(max(0, index))), "wait")
  }

  /// The most bytes in tensors on a GPU since the start of the process, and the most that libtorch
  /// took from it for them; both 0 on the processor.
  public func peak() throws -> (used: Int, held: Int) {
    var used = 0
    var held = 0
    try check(ctorch_device_peak(Int32(type), Int32(max(0, index)), &used, &held), "peak")
    return (used, held)
  }

  // libtorch's numbers of device types.
  init(type: Int, index: Int) {
    switch type {
    case 0: self = .cpu
    case 1: self = .cuda(index)
    default: self = .registered(index)
    }
  }

  var type: Int {
    switch self {
    case .cpu: 0
    case .cuda: 1
    case .registered: 20
    }
  }
  var index: Int {
    switch self {
    case .cpu: -1
    case .cuda(let index), .registered(let index): index
    }
  }
}
