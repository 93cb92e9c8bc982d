// A part of a mapped file, or of bytes in memory, that keeps what it lies in alive.

public import TandemFiles

/// Bytes that are looked at where they lie: making a slice of a mapped file reads nothing.
public struct ByteSlice: Sendable {
  private enum Store: Sendable {
    case file(MappedFile)
    case memory([UInt8])
  }

  private let store: Store
  /// Where the slice begins, in bytes from the start of the file or array it lies in.
  public let offset: Int
  /// The length in bytes.
  public let count: Int

  /// The whole of a mapped file.
  public init(_ file: MappedFile) {
    store = .file(file)
    offset = 0
    count = file.count
  }

  /// The whole of an array.
  public init(_ bytes: [UInt8]) {
    store = .memory(bytes)
    offset = 0
    count = bytes.count
  }

  private init(_ store: Store, _ offset: Int, _ count: Int) {
    self.store = store
    self.offset = offset
    self.count = count
  }

  /// The mapped file it lies in; nil for bytes in memory.
  public var file: MappedFile? {
    if case .file(let file) = store { file } else { nil }
  }

  /// `count` bytes from `start`, both relative to this slice, without a copy; nil where they do not
  /// all lie in it.
  public func slice(from start: Int, count length: Int) -> ByteSlice? {
    guard start >= 0, length >= 0, start <= count, length <= count - start else { return nil }
    return ByteSlice(store, offset + start, length)
  }

  /// Calls `body` with the bytes, valid until `body` returns.
  public func withBytes<Result, Failure: Error>(
    _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    switch store {
    case .file(let file):
      return try file.withBytes { (all) throws(Failure) in
        try body(UnsafeRawBufferPointer(rebasing: all[offset..<offset + count]))
      }
    case .memory(let bytes):
      return try bytes.withUnsafeBufferPointer { (all) throws(Failure) in
        try body(
          UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[offset..<offset + count])))
      }
    }
  }

  /// The bytes, copied.
  public func copy() -> [UInt8] { withBytes { [UInt8]($0) } }
}

extension UnsafeRawBufferPointer {
  /// A little-endian number at a byte offset, aligned or not; nil where it does not fit.
  func number<Number: FixedWidthInteger & BitwiseCopyable>(
    at offset: Int, as type: Number.Type = Number.self
  ) -> Number? {
    guard offset >= 0, offset <= count - MemoryLayout<Number>.size else { return nil }
    return Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}

extension [UInt8] {
  /// Appends a number, least significant byte first.
  mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(littleEndian number: Number) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }
}
