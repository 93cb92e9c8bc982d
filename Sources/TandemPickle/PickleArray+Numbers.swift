// An array's numbers, converted and put in C order.

extension PickleArray {
  /// The elements as 32-bit floats, in C order whatever the strides: `count` of them. Integers and
  /// 64-bit floats are rounded to nearest; true is 1.
  ///
  /// - Throws: `PickleError` when the description and the storage do not agree.
  public func floats() throws(PickleError) -> [Float] {
    switch elementType {
    case .float32:
      // Bytes that lie as wanted are copied at once.
      if let bytes = contiguousBytes {
        return bytes.withBytes { raw in
          [Float](unsafeUninitializedCapacity: count) { buffer, made in
            UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
            made = count
          }
        }
      }
      return try gather(UInt32.self) { Float(bitPattern: $0) }
    case .float16: return try gather(UInt16.self, Self.float(half:))
    case .bfloat16: return try gather(UInt16.self) { Float(bitPattern: UInt32($0) << 16) }
    case .float64: return try gather(UInt64.self) { Float(Double(bitPattern: $0)) }
    case .int8: return try gather(UInt8.self) { Float(Int8(bitPattern: $0)) }
    case .int16: return try gather(UInt16.self) { Float(Int16(bitPattern: $0)) }
    case .int32: return try gather(UInt32.self) { Float(Int32(bitPattern: $0)) }
    case .int64: return try gather(UInt64.self) { Float(Int64(bitPattern: $0)) }
    case .uint8: return try gather(UInt8.self) { Float($0) }
    case .uint16: return try gather(UInt16.self) { Float($0) }
    case .uint32: return try gather(UInt32.self) { Float($0) }
    case .uint64: return try gather(UInt64.self) { Float($0) }
    case .bool: return try gather(UInt8.self) { $0 == 0 ? 0 : 1 }
    }
  }

  /// The elements as 64-bit floats, in C order. Throws `PickleError` as ``floats()``.
  public func doubles() throws(PickleError) -> [Double] {
    switch elementType {
    case .float64: try gather(UInt64.self) { Double(bitPattern: $0) }
    case .int64: try gather(UInt64.self) { Double(Int64(bitPattern: $0)) }
    case .uint64: try gather(UInt64.self) { Double($0) }
    case .int32: try gather(UInt32.self) { Double(Int32(bitPattern: $0)) }
    case .uint32: try gather(UInt32.self) { Double($0) }
    default: try floats().map { Double($0) }
    }
  }

  /// The elements of an array of integers or booleans, in C order.
  ///
  /// - Throws: `PickleError` for an array of floats, and for an unsigned number past 2^63 − 1.
  public func integers() throws(PickleError) -> [Int] {
    switch elementType {
    case .int8: return try gather(UInt8.self) { Int(Int8(bitPattern: $0)) }
    case .int16: return try gather(UInt16.self) { Int(Int16(bitPattern: $0)) }
    case .int32: return try gather(UInt32.self) { Int(Int32(bitPattern: $0)) }
    case .int64: return try gather(UInt64.self) { Int(Int64(bitPattern: $0)) }
    case .uint8: return try gather(UInt8.self) { Int($0) }
    case .uint16: return try gather(UInt16.self) { Int($0) }
    case .uint32: return try gather(UInt32.self) { Int($0) }
    case .bool: return try gather(UInt8.self) { $0 == 0 ? 0 : 1 }
    case .uint64:
      let numbers = try gather(UInt64.self) { Int(truncatingIfNeeded: $0) }
      guard numbers.allSatisfy({ $0 >= 0 }) else {
        throw failure("has an unsigned number that a signed one of 64 bits does not hold")
      }
      return numbers
    case .float16, .bfloat16, .float32, .float64:
      throw failure("expected integers, found \(elementType.rawValue)")
    }
  }

  /// The array's bytes in C order, each number least significant byte first. Throws `PickleError`
  /// as ``floats()``.
  public func littleEndianBytes() throws(PickleError) -> [UInt8] {
    if let bytes = contiguousBytes { return bytes.copy() }
    return switch elementType.byteCount {
    case 1: try gather(UInt8.self) { $0 }
    case 2: bytes(try gather(UInt16.self) { $0 })
    case 4: bytes(try gather(UInt32.self) { $0 })
    default: bytes(try gather(UInt64.self) { $0 })
    }
  }

  private func bytes<Number: FixedWidthInteger & BitwiseCopyable>(_ numbers: [Number]) -> [UInt8] {
    numbers.withUnsafeBytes { [UInt8]($0) }
  }

  private func failure(_ reason: String) -> PickleError {
    PickleError(file: "array", place: "\(elementType.rawValue)\(shape)", reason: reason)
  }

  /// Reads every element's bits, in C order, and converts them.
  @inline(__always)
  private func gather<Bits: FixedWidthInteger & BitwiseCopyable, Number>(
    _ bits: Bits.Type, _ convert: (Bits) -> Number
  ) throws(PickleError) -> [Number] {
    if let fault = Self.fault(
      shape: shape, strides: strides, offset: offset, elementCount: MemoryLayout<Bits>.size,
      available: storage.count)
    {
      throw failure(fault)
    }
    let total = count
    guard total > 0 else { return [] }
    let row = shape.last ?? 1
    let step = (strides.last ?? 1) * MemoryLayout<Bits>.size
    let isDense = isContiguous
    return storage.withBytes { raw in
      [Number](unsafeUninitializedCapacity: total) { buffer, made in
        let start = offset * MemoryLayout<Bits>.size
        if isDense {
          Self.convert(raw, start, MemoryLayout<Bits>.size, total, isBigEndian, buffer, 0, convert)
        } else {
          var rows = RowOffsets(shape: shape, strides: strides)
          for first in Swift.stride(from: 0, to: total, by: row) {
            let place = start + rows.next() * MemoryLayout<Bits>.size
            Self.convert(raw, place, step, row, isBigEndian, buffer, first, convert)
          }
        }
        made = total
      }
    }
  }

  /// Converts `count` elements that lie `step` bytes apart.
  @inline(__always)
  private static func convert<Bits: FixedWidthInteger & BitwiseCopyable, Number>(
    _ raw: UnsafeRawBufferPointer, _ start: Int, _ step: Int, _ count: Int, _ isBigEndian: Bool,
    _ buffer: UnsafeMutableBufferPointer<Number>, _ first: Int, _ convert: (Bits) -> Number
  ) {
    for index in 0..<count {
      let bits = raw.loadUnaligned(fromByteOffset: start + index * step, as: Bits.self)
      let number = convert(isBigEndian ? Bits(bigEndian: bits) : Bits(littleEndian: bits))
      buffer.initializeElement(at: first + index, to: number)
    }
  }

  /// A half-precision number exactly, from its bits. Without branches, and without denormal
  /// 32-bit numbers, which some processes switch off: 2^-14 is added to small ones and taken again.
  @inline(__always)
  static func float(half bits: UInt16) -> Float {
    let sign = UInt32(bits & 0x8000) << 16
    let magnitude = UInt32(bits & 0x7fff) << 13
    let exponent = bits & 0x7c00
    let rebased = magnitude &+ (112 << 23)
    let small = (Float(bitPattern: rebased &+ (1 << 23)) - Float(bitPattern: 113 << 23)).bitPattern
    let large = rebased &+ (112 << 23)
    let result = exponent == 0 ? small : exponent == 0x7c00 ? large : rebased
    return Float(bitPattern: result | sign)
  }

  /// An array of 32-bit floats in memory. Throws `PickleError` when the shape has another count.
  public init(_ numbers: [Float], shape: [Int]) throws(PickleError) {
    try self.init(numbers, .float32, shape)
  }

  /// An array of 64-bit integers in memory. Throws `PickleError` when the shape has another count.
  public init(_ numbers: [Int64], shape: [Int]) throws(PickleError) {
    try self.init(numbers, .int64, shape)
  }

  /// An array of half-precision floats in memory, each rounded to nearest. Throws `PickleError`
  /// when the shape has another count.
  public init(halves numbers: [Float], shape: [Int]) throws(PickleError) {
    try self.init(numbers.map { Float16($0).bitPattern }, .float16, shape)
  }

  private init<Number: BitwiseCopyable>(
    _ numbers: [Number], _ type: PickleElementType, _ shape: [Int]
  ) throws(PickleError) {
    let bytes = numbers.withUnsafeBytes { [UInt8]($0) }
    try self.init(type, shape: shape, storage: ByteSlice(bytes))
    guard count == numbers.count else {
      throw PickleError(
        file: "array", reason: "\(numbers.count) numbers do not fill an array of shape \(shape)")
    }
  }
}

/// Where the rows of an array begin, one after another in C order, in elements.
private struct RowOffsets {
  private let shape: [Int]
  private let strides: [Int]
  private var index: [Int]
  private var offset = 0

  init(shape: [Int], strides: [Int]) {
    self.shape = shape.dropLast()
    self.strides = strides.dropLast()
    index = [Int](repeating: 0, count: self.shape.count)
  }

  mutating func next() -> Int {
    defer { advance() }
    return offset
  }

  private mutating func advance() {
    var axis = shape.count - 1
    while axis >= 0 {
      index[axis] += 1
      offset += strides[axis]
      if index[axis] < shape[axis] { return }
      offset -= index[axis] * strides[axis]
      index[axis] = 0
      axis -= 1
    }
  }
}
