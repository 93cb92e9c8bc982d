internal import CTorch

/// Where a tensor lives.
public enum Device: Hashable, Sendable, CustomStringConvertible {
  case cpu
  case cuda(Int)

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
    }
  }

  var type: Int { self == .cpu ? 0 : 1 }
  var index: Int {
    switch self {
    case .cpu: -1
    case .cuda(let index): index
    }
  }
}
