// A folder of Paddle 1.8: one file a variable, each a stream of a LoDTensor (paddle/fluid/framework,
// lod_tensor.cc and tensor_util.cc): 4 bytes of version 0, 8 of levels, for each level 8 of its size
// and its bytes, 4 of version 0, 4 of the description's size, the description (a protobuf: element
// type in field 1, sides in field 2), then the numbers.

internal import Foundation
internal import TandemFiles
internal import TandemNN
internal import TandemTorch

struct PaddleFolder: WeightFile {
  private struct Variable {
    var file: MappedFile
    var dtype: DType
    var shape: [Int]
    var start: Int
  }

  let title: String
  let tensors: [StoredTensor]
  private let variables: [String: Variable]

  /// nil for a folder with other files than variables.
  ///
  /// - Throws: `ParameterError` for a variable that is cut short or of a type that no weight has.
  init?(_ path: String) throws {
    let names = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    var variables: [String: Variable] = [:]
    for name in names where !name.hasPrefix(".") && !name.hasSuffix(".json") {
      guard let file = try? MappedFile(path: "\(path)/\(name)") else { continue }
      guard Self.looksLikeVariable(file) else { continue }
      variables[name] = try Self.variable(file)
    }
    guard !variables.isEmpty else { return nil }
    title = path
    self.variables = variables
    tensors = variables.map { name, variable in
      StoredTensor(name: name, elementType: "\(variable.dtype)", shape: variable.shape)
    }.sorted { $0.name < $1.name }
  }

  func weight(_ name: String) throws -> Tensor? {
    guard let variable = variables[name] else { return nil }
    let size = variable.shape.reduce(variable.dtype.byteCount, *)
    return try variable.file.withBytes { bytes in
      try Tensor(
        copying: UnsafeRawBufferPointer(
          rebasing: bytes[variable.start..<variable.start + size]), variable.shape,
        variable.dtype)
    }
  }

  /// Both versions are 0 and there are no levels, as in every file of weights.
  private static func looksLikeVariable(_ file: MappedFile) -> Bool {
    file.withBytes { $0.count > 20 && $0[0..<16].allSatisfy { $0 == 0 } }
  }

  private static func variable(_ file: MappedFile) throws -> Variable {
    try file.withBytes { bytes in
      func bad(_ reason: String) -> ParameterError { ParameterError("\(file.path): \(reason)") }
      let size = Int(bytes.loadUnaligned(fromByteOffset: 16, as: Int32.self))
      let start = 20 + size
      guard size > 0, start <= bytes.count else { throw bad("its description is cut short") }
      guard let (code, sides) = description(bytes[20..<start]) else {
        throw bad("its description is damaged")
      }
      guard let dtype = dtypes[code] else {
        throw bad("numbers of Paddle's type \(code) are not known; 5 (float32) is")
      }
      var count = dtype.byteCount
      for side in sides {
        let (product, overflow) = count.multipliedReportingOverflow(by: side)
        guard side >= 0, !overflow else { throw bad("an impossible shape \(sides)") }
        count = product
      }
      guard bytes.count - start == count else {
        throw bad("shape \(sides) takes \(count) bytes, \(bytes.count - start) are there")
      }
      return Variable(file: file, dtype: dtype, shape: sides, start: start)
    }
  }

  /// Paddle's VarType.Type.
  private static let dtypes: [Int: DType] = [
    0: .bool, 2: .int32, 3: .int64, 4: .float16, 5: .float32, 6: .float64,
  ]

  /// Element type and sides of a TensorDesc; nil for anything else.
  private static func description(_ bytes: Slice<UnsafeRawBufferPointer>) -> (Int, [Int])? {
    var rest = bytes
    func varint() -> Int? {
      var value: UInt64 = 0
      for shift in stride(from: 0, to: 64, by: 7) {
        guard let byte = rest.popFirst() else { return nil }
        value |= UInt64(byte & 0x7f) << UInt64(shift)
        if byte < 0x80 { return Int(truncatingIfNeeded: value) }
      }
      return nil
    }
    var (code, sides): (Int?, [Int]) = (nil, [])
    while !rest.isEmpty {
      guard let key = varint() else { return nil }
      switch key {
      case 8: code = varint()
      case 16:
        guard let side = varint() else { return nil }
        sides.append(side)
      case 18:
        // Packed: their length, then all sides.
        guard let length = varint(), length >= 0, length <= rest.count else { return nil }
        let left = rest.count - length
        while rest.count > left {
          guard let side = varint() else { return nil }
          sides.append(side)
        }
      default: return nil
      }
    }
    return code.map { ($0, sides) }
  }
}
