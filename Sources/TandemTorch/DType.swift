/// Element types, with libtorch's codes.
public enum DType: Int32, Sendable, CaseIterable, Codable {
  case uint8 = 0
  case int32 = 3
  case int64 = 4
  case float16 = 5
  case float32 = 6
  case float64 = 7
  case bool = 11
  case bfloat16 = 15

  /// Bytes an element takes.
  public var byteCount: Int {
    switch self {
    case .uint8, .bool: 1
    case .float16, .bfloat16: 2
    case .int32, .float32: 4
    case .int64, .float64: 8
    }
  }

  public var isFloatingPoint: Bool {
    switch self {
    case .float16, .float32, .float64, .bfloat16: true
    case .uint8, .int32, .int64, .bool: false
    }
  }
}

/// A Swift type whose memory is that of one tensor element type.
public protocol TensorElement: BitwiseCopyable, Sendable {
  static var dtype: DType { get }
}

extension Float: TensorElement { public static var dtype: DType { .float32 } }
extension Double: TensorElement { public static var dtype: DType { .float64 } }
extension Int: TensorElement { public static var dtype: DType { .int64 } }
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
extension Int32: TensorElement { public static var dtype: DType { .int32 } }
extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
extension Bool: TensorElement { public static var dtype: DType { .bool } }
#if arch(arm64) || arch(x86_64)
  extension Float16: TensorElement { public static var dtype: DType { .float16 } }
#endif
