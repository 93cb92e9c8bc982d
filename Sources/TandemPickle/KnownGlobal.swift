// Every name in a pickle that means something to the reader. Anything else stays an inert name: there
// is nothing here that could be called.

/// A class or function that the reader understands: a closed list, each case with a meaning of its
/// own in `PickleMachine`.
enum KnownGlobal: Sendable, Equatable {
  // Python.
  case orderedDictionary
  case defaultDictionary
  case dictionary
  case list
  case tuple
  case set
  case frozenSet
  case bytes
  case byteArray
  case encode
  case reconstructor
  case newObject
  case newObjectWithKeywords
  // NumPy.
  case numpyReconstruct
  case numpyScalar
  case numpyFromBuffer
  case numpyElementType
  // PyTorch.
  case rebuildTensor
  case rebuildTensorWithElementType
  case rebuildParameter
  case rebuildFromType
  case rebuildFromNumPy
  case size
  case storage(StorageKind)

  init?(module: String, name: String) {
    switch (module, name) {
    case ("collections", "OrderedDict"): self = .orderedDictionary
    case ("collections", "defaultdict"): self = .defaultDictionary
    case ("collections", "Counter"): self = .dictionary
    case ("builtins", "dict"), ("__builtin__", "dict"): self = .dictionary
    case ("builtins", "list"), ("__builtin__", "list"): self = .list
    case ("builtins", "tuple"), ("__builtin__", "tuple"): self = .tuple
    case ("builtins", "set"), ("__builtin__", "set"): self = .set
    case ("builtins", "frozenset"), ("__builtin__", "frozenset"): self = .frozenSet
    case ("builtins", "bytes"), ("__builtin__", "bytes"): self = .bytes
    case ("builtins", "bytearray"), ("__builtin__", "bytearray"): self = .byteArray
    case ("_codecs", "encode"): self = .encode
    case ("copyreg", "_reconstructor"), ("copy_reg", "_reconstructor"): self = .reconstructor
    case ("copyreg", "__newobj__"), ("copy_reg", "__newobj__"): self = .newObject
    case ("copyreg", "__newobj_ex__"): self = .newObjectWithKeywords
    case ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"):
      self = .numpyReconstruct
    case ("numpy.core.multiarray", "scalar"), ("numpy._core.multiarray", "scalar"):
      self = .numpyScalar
    case ("numpy.core.numeric", "_frombuffer"), ("numpy._core.numeric", "_frombuffer"):
      self = .numpyFromBuffer
    case ("numpy", "dtype"): self = .numpyElementType
    case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"):
      self = .rebuildTensor
    case ("torch._utils", "_rebuild_tensor_v3"): self = .rebuildTensorWithElementType
    case ("torch._utils", "_rebuild_parameter"),
      ("torch._utils", "_rebuild_parameter_with_state"):
      self = .rebuildParameter
    case ("torch._tensor", "_rebuild_from_type_v2"): self = .rebuildFromType
    case ("torch._utils", "_rebuild_device_tensor_from_numpy"),
      ("torch._utils", "_rebuild_xla_tensor"):
      self = .rebuildFromNumPy
    case ("torch", "Size"): self = .size
    default:
      guard let kind = StorageKind(module: module, name: name) else { return nil }
      self = .storage(kind)
    }
  }
}

/// A class of PyTorch's storages: how many bytes an element has, and its type where it is one that
/// arrays can have.
struct StorageKind: Sendable, Equatable {
  let elementCount: Int
  let elementType: PickleElementType?

  /// Untyped storages count bytes.
  static let untyped = StorageKind(elementCount: 1, elementType: nil)

  private init(elementCount: Int, elementType: PickleElementType?) {
    self.elementCount = elementCount
    self.elementType = elementType
  }

  init?(module: String, name: String) {
    switch module {
    case "torch", "torch.cuda", "torch.storage": break
    default: return nil
    }
    switch name {
    case "FloatStorage": self.init(.float32)
    case "DoubleStorage": self.init(.float64)
    case "HalfStorage": self.init(.float16)
    case "BFloat16Storage": self.init(.bfloat16)
    case "LongStorage": self.init(.int64)
    case "IntStorage": self.init(.int32)
    case "ShortStorage": self.init(.int16)
    case "CharStorage": self.init(.int8)
    case "ByteStorage": self.init(.uint8)
    case "BoolStorage": self.init(.bool)
    case "UntypedStorage", "_UntypedStorage": self = .untyped
    // Skipped in the file, not read: complex and quantised numbers.
    case "ComplexFloatStorage": self.init(elementCount: 8, elementType: nil)
    case "ComplexDoubleStorage": self.init(elementCount: 16, elementType: nil)
    case "QInt8Storage", "QUInt8Storage", "QUInt4x2Storage", "QUInt2x4Storage":
      self.init(elementCount: 1, elementType: nil)
    case "QInt32Storage": self.init(elementCount: 4, elementType: nil)
    default: return nil
    }
  }

  private init(_ type: PickleElementType) {
    self.init(elementCount: type.byteCount, elementType: type)
  }
}
