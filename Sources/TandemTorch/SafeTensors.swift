// The safetensors container (github.com/huggingface/safetensors): 8 bytes of header length, a JSON
// header of names, types, shapes and offsets, then the bytes.

internal import TandemFiles
internal import Foundation

/// What is wrong with a safetensors file.
public struct SafeTensorsError: Error, CustomStringConvertible, Equatable {
  public let path: String
  public let reason: String
  public var description: String { "\(path): \(reason)" }
}

/// A safetensors file, memory-mapped: a tensor's bytes are read when they are used.
public final class SafeTensorsFile {
  public struct Entry: Sendable, Equatable {
    public let dtype: DType
    public let shape: [Int]
    /// Its bytes, counted from the start of the file.
    public let range: Range<Int>
  }

  public let path: String
  public let entries: [String: Entry]
  public let metadata: [String: String]
  private let file: MappedFile

  /// Checks the whole header before any tensor is handed out: known types, shapes that match the
  /// byte counts, offsets inside the file that neither overlap nor leave a hole.
  ///
  /// - Throws: `FileError` for a file that cannot be read, `SafeTensorsError` for a bad one.
  public init(path: String) throws {
    let file = try MappedFile(path: path)
    func bad(_ reason: String) -> SafeTensorsError { SafeTensorsError(path: path, reason: reason) }
    guard file.count >= 8 else { throw bad("\(file.count) bytes are too few for a header") }
    let length = UInt64(littleEndian: file.bytes.loadUnaligned(as: UInt64.self))
    guard length <= UInt64(file.count - 8), length <= 100_000_000 else {
      throw bad(
        "the header claims \(length) bytes, the file has \(file.count - 8) after the length")
    }
    let dataStart = 8 + Int(length)
    let header = Data(file.bytes[8..<dataStart])
    guard
      let object = (try? JSONSerialization.jsonObject(with: header)) as? [String: Any]
    else { throw bad("the header is not a JSON object") }

    var entries: [String: Entry] = [:]
    for (name, value) in object where name != "__metadata__" {
      entries[name] = try Self.entry(
        value, name: name, dataStart: dataStart, fileSize: file.count, path: path)
    }
    try Self.checkCover(entries, from: dataStart, to: file.count, path: path)
    self.path = path
    self.file = file
    self.entries = entries
    metadata = object["__metadata__"] as? [String: String] ?? [:]
  }

  /// A tensor over the mapped bytes; copied only where they do not lie on the type's boundary.
  public func tensor(_ name: String) throws -> Tensor {
    guard let entry = entries[name] else {
      throw SafeTensorsError(path: path, reason: "has no tensor named '\(name)'")
    }
    let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
    guard let start = bytes.baseAddress, !bytes.isEmpty else {
      return try Tensor.zeros(entry.shape, entry.dtype)
    }
    if Int(bitPattern: start) % entry.dtype.byteCount == 0 {
      return try Tensor(over: start, entry.shape, entry.dtype, owner: file)
    }
    return try Tensor(copying: bytes, entry.shape, entry.dtype)
  }

  /// A tensor of its own; what was read for it does not stay in memory twice.
  public func copy(_ name: String) throws -> Tensor {
    let copy = try tensor(name).clone()
    if let entry = entries[name] { file.release(entry.range) }
    return copy
  }

  private static func entry(
    _ value: Any, name: String, dataStart: Int, fileSize: Int, path: String
  ) throws -> Entry {
    func bad(_ reason: String) -> SafeTensorsError {
      SafeTensorsError(path: path, reason: "tensor '\(name)': \(reason)")
    }
    guard let fields = value as? [String: Any], let code = fields["dtype"] as? String,
      let shape = fields["shape"] as? [Int], let offsets = fields["data_offsets"] as? [Int],
      offsets.count == 2
    else { throw bad("needs dtype, shape and two data_offsets") }
    guard let dtype = dtypes[code] else {
      let known = dtypes.keys.sorted().joined(separator: ", ")
      throw bad("unknown dtype '\(code)'; known: \(known)")
    }
    var size = dtype.byteCount
    for side in shape {
      let (product, overflow) = size.multipliedReportingOverflow(by: side)
      guard side >= 0, !overflow else { throw bad("impossible shape \(shape)") }
      size = product
    }
    guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= fileSize - dataStart else {
      throw bad(
        "offsets \(offsets) lie outside the \(fileSize - dataStart) bytes of data; "
          + "the file is cut short or damaged")
    }
    guard offsets[1] - offsets[0] == size else {
      throw bad("shape \(shape) of \(code) takes \(size) bytes, offsets \(offsets) give another")
    }
    return Entry(
      dtype: dtype, shape: shape, range: dataStart + offsets[0]..<dataStart + offsets[1])
  }

  private static func checkCover(
    _ entries: [String: Entry], from start: Int, to end: Int, path: String
  ) throws {
    var place = start
    for (name, entry) in entries.sorted(by: {
      ($0.value.range.lowerBound, $0.value.range.upperBound)
        < ($1.value.range.lowerBound, $1.value.range.upperBound)
    }) {
      guard entry.range.lowerBound == place else {
        let kind = entry.range.lowerBound < place ? "overlaps the one before it" : "follows a hole"
        throw SafeTensorsError(path: path, reason: "tensor '\(name)' \(kind)")
      }
      place = entry.range.upperBound
    }
    guard place == end else {
      throw SafeTensorsError(path: path, reason: "\(end - place) bytes belong to no tensor")
    }
  }

  fileprivate static let dtypes: [String: DType] = [
    "F64": .float64, "F32": .float32, "F16": .float16, "BF16": .bfloat16, "I64": .int64,
    "I32": .int32, "U8": .uint8, "BOOL": .bool,
  ]
}

/// Writes safetensors files.
public enum SafeTensors {
  /// Writes `tensors` to `path`, aside first, then renamed into place. Larger element types come
  /// first and names in order within them, so that every tensor lies on its type's boundary.
  public static func write(
    _ tensors: [String: Tensor], metadata: [String: String] = [:], to path: String
  ) throws {
    let order = tensors.sorted {
      ($1.value.dtype.byteCount, $0.key) < ($0.value.dtype.byteCount, $1.key)
    }
    var header: [String: Any] = metadata.isEmpty ? [:] : ["__metadata__": metadata]
    var offset = 0
    for (name, tensor) in order {
      guard let code = SafeTensorsFile.dtypes.first(where: { $0.value == tensor.dtype })?.key else {
        throw SafeTensorsError(path: path, reason: "tensor '\(name)' has no safetensors type")
      }
      let size = tensor.count * tensor.dtype.byteCount
      header[name] = [
        "dtype": code, "shape": tensor.shape, "data_offsets": [offset, offset + size],
      ]
      offset += size
    }
    var json = try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys])
    json.append(contentsOf: [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8))
    try AtomicFile.write(to: path) { file in
      try withUnsafeBytes(of: UInt64(json.count).littleEndian) { try file.write($0) }
      try file.write([UInt8](json))
      for (_, tensor) in order {
        try tensor.detached().to(.cpu).withBytes { try file.write($0) }
      }
    }
  }
}
