// The number types of arrays: their sizes and what NumPy and PyTorch call them.

/// The type of an array's elements.
public enum PickleElementType: String, Sendable, Hashable, CaseIterable {
  case float16, bfloat16, float32, float64
  case int8, int16, int32, int64
  case uint8, uint16, uint32, uint64
  case bool

  /// Bytes an element.
  public var byteCount: Int {
    switch self {
    case .int8, .uint8, .bool: 1
    case .float16, .bfloat16, .int16, .uint16: 2
    case .float32, .int32, .uint32: 4
    case .float64, .int64, .uint64: 8
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .bfloat16, .float32, .float64: true
    default: false
    }
  }

  /// NumPy's letter and size ("f4"); nil for bfloat16, which NumPy does not have.
  public var numPyCode: String? {
    switch self {
    case .float16: "f2"
    case .bfloat16: nil
    case .float32: "f4"
    case .float64: "f8"
    case .int8: "i1"
    case .int16: "i2"
    case .int32: "i4"
    case .int64: "i8"
    case .uint8: "u1"
    case .uint16: "u2"
    case .uint32: "u4"
    case .uint64: "u8"
    case .bool: "b1"
    }
  }

  /// From NumPy's letter and size, without the byte order.
  init?(numPyCode code: String) {
    guard let type = Self.allCases.first(where: { $0.numPyCode == code }) else { return nil }
    self = type
  }

  /// From the name of a `torch.dtype`, without its module.
  init?(torchName name: String) {
    switch name {
    case "half": self = .float16
    case "float": self = .float32
    case "double": self = .float64
    case "short": self = .int16
    case "int": self = .int32
    case "long": self = .int64
    default: self.init(rawValue: name)
    }
  }
}
