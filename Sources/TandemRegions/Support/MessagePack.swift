// MessagePack (github.com/msgpack/msgpack, spec.md), with the arrays of Python's msgpack_numpy.

/// One value of a MessagePack text. Strings and binary data are ranges of what they were read from.
enum MessagePack {
  case null
  case bool(Bool)
  case integer(Int)
  case number(Double)
  /// Text and binary data alike: writers of either kind are about.
  case bytes(UnsafeRawBufferPointer)
  case array([MessagePack])
  case map([(key: MessagePack, value: MessagePack)])

  struct Fault: Error {
    let offset: Int
    let reason: String
  }

  /// The one value that `bytes` hold; it must not outlive them. Throws `Fault`.
  static func read(_ bytes: UnsafeRawBufferPointer) throws -> MessagePack {
    var cursor = Cursor(bytes: bytes)
    let value = try cursor.value(depth: 0)
    guard cursor.offset == bytes.count else {
      throw cursor.fault("expected the end, found \(bytes.count - cursor.offset) more bytes")
    }
    return value
  }

  /// The member of a map under a text or binary key.
  subscript(_ key: String) -> MessagePack? {
    guard case .map(let members) = self else { return nil }
    return members.first { $0.key.bytes?.elementsEqual(key.utf8) ?? false }?.value
  }

  var bytes: UnsafeRawBufferPointer? { if case .bytes(let bytes) = self { bytes } else { nil } }

  var integer: Int? { if case .integer(let value) = self { value } else { nil } }

  // MARK: msgpack_numpy

  /// An array as msgpack_numpy packs it: a map of `nd` (true), `type` ("<f2"), `kind`, `shape`,
  /// `data`.
  struct NumPyArray {
    let type: String
    let shape: [Int]
    let data: UnsafeRawBufferPointer

    /// The numbers as float32, or why that cannot be.
    func floats() -> (values: [Float], fault: String?) {
      let width: Int
      switch type {
      case "<f2": width = 2
      case "<f4": width = 4
      case "<f8": width = 8
      default: return ([], "expected numbers of type <f2, <f4 or <f8, found \(type)")
      }
      var count = 1
      for side in shape {
        let (product, overflow) = count.multipliedReportingOverflow(by: side)
        guard side >= 0, !overflow else { return ([], "a shape of \(shape) cannot be") }
        count = product
      }
      guard data.count % width == 0, data.count / width == count else {
        return ([], "expected \(count) numbers for shape \(shape), found \(data.count) bytes")
      }
      switch width {
      case 2: return (HalfPrecision.floats(data), nil)
      case 4: return (FeatureType.float32.floats(data), nil)
      default:
        return (
          (0..<count).map {
            Float(Double(bitPattern: data.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)))
          }, nil
        )
      }
    }
  }

  var array: NumPyArray? {
    guard case .bool(true)? = self["nd"], let type = self["type"]?.bytes,
      case .array(let sides)? = self["shape"], let data = self["data"]?.bytes
    else { return nil }
    return NumPyArray(type: type.text, shape: sides.map { $0.integer ?? -1 }, data: data)
  }

  // MARK: Reading

  private struct Cursor {
    let bytes: UnsafeRawBufferPointer
    var offset = 0

    func fault(_ reason: String) -> Fault { Fault(offset: offset, reason: reason) }

    mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
      guard count >= 0, count <= bytes.count - offset else {
        throw fault("expected \(count) bytes, found \(bytes.count - offset)")
      }
      offset += count
      return UnsafeRawBufferPointer(rebasing: bytes[(offset - count)..<offset])
    }

    /// A big-endian number of `width` bytes.
    mutating func unsigned(_ width: Int) throws -> UInt64 {
      try take(width).reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func signed(_ width: Int) throws -> Int {
      let unused = UInt64(64 - width * 8)
      return Int(Int64(bitPattern: try unsigned(width) << unused) >> Int64(unused))
    }

    mutating func value(depth: Int) throws -> MessagePack {
      guard depth < 32 else { throw fault("nested more than 32 deep") }
      let lead = Int(try unsigned(1))
      switch lead {
      case 0...0x7F: return .integer(lead)
      case 0x80...0x8F: return try map(lead & 15, depth)
      case 0x90...0x9F: return try array(lead & 15, depth)
      case 0xA0...0xBF: return .bytes(try take(lead & 31))
      case 0xC0: return .null
      case 0xC2, 0xC3: return .bool(lead == 0xC3)
      case 0xC4, 0xD9: return .bytes(try take(Int(try unsigned(1))))
      case 0xC5, 0xDA: return .bytes(try take(Int(try unsigned(2))))
      case 0xC6, 0xDB: return .bytes(try take(Int(try unsigned(4))))
      case 0xCA: return .number(Double(Float(bitPattern: UInt32(try unsigned(4)))))
      case 0xCB: return .number(Double(bitPattern: try unsigned(8)))
      case 0xCC: return .integer(Int(try unsigned(1)))
      case 0xCD: return .integer(Int(try unsigned(2)))
      case 0xCE: return .integer(Int(try unsigned(4)))
      case 0xCF:
        let value = try unsigned(8)
        guard let narrow = Int(exactly: value) else { throw fault("\(value) is beyond 2⁶³") }
        return .integer(narrow)
      case 0xD0: return .integer(try signed(1))
      case 0xD1: return .integer(try signed(2))
      case 0xD2: return .integer(try signed(4))
      case 0xD3: return .integer(try signed(8))
      case 0xDC: return try array(Int(try unsigned(2)), depth)
      case 0xDD: return try array(Int(try unsigned(4)), depth)
      case 0xDE: return try map(Int(try unsigned(2)), depth)
      case 0xDF: return try map(Int(try unsigned(4)), depth)
      case 0xE0...0xFF: return .integer(lead - 256)
      default: throw fault("found byte \(lead), which starts no plain value")
      }
    }

    private mutating func array(_ count: Int, _ depth: Int) throws -> MessagePack {
      guard count <= bytes.count - offset else { throw fault("an array of \(count) is cut short") }
      var values: [MessagePack] = []
      for _ in 0..<count { values.append(try value(depth: depth + 1)) }
      return .array(values)
    }

    private mutating func map(_ count: Int, _ depth: Int) throws -> MessagePack {
      guard count <= bytes.count - offset else { throw fault("a map of \(count) is cut short") }
      var members: [(key: MessagePack, value: MessagePack)] = []
      for _ in 0..<count {
        let key = try value(depth: depth + 1)
        members.append((key, try value(depth: depth + 1)))
      }
      return .map(members)
    }
  }
}

/// Writes MessagePack as Python's msgpack does with `use_bin_type=True`.
struct MessagePackWriter {
  private(set) var bytes: [UInt8] = []

  mutating func add(map count: Int) { lead(count, fixed: 0x80, limit: 15, wide: [0xDE, 0xDF]) }

  mutating func add(array count: Int) { lead(count, fixed: 0x90, limit: 15, wide: [0xDC, 0xDD]) }

  mutating func add(text: String) {
    let utf8 = Array(text.utf8)
    if utf8.count <= 31 {
      bytes.append(0xA0 | UInt8(utf8.count))
    } else {
      length(utf8.count, [0xD9, 0xDA, 0xDB])
    }
    bytes.append(contentsOf: utf8)
  }

  mutating func add(binary: UnsafeRawBufferPointer) {
    length(binary.count, [0xC4, 0xC5, 0xC6])
    bytes.append(contentsOf: binary)
  }

  mutating func add(binary: String) {
    var text = binary
    text.withUTF8 { add(binary: UnsafeRawBufferPointer($0)) }
  }

  mutating func add(_ flag: Bool) { bytes.append(flag ? 0xC3 : 0xC2) }

  /// A number that is not negative.
  mutating func add(count: Int) {
    switch count {
    case 0...0x7F: bytes.append(UInt8(count))
    case 0...0xFF: wide(0xCC, count, 1)
    case 0...0xFFFF: wide(0xCD, count, 2)
    case 0...0xFFFF_FFFF: wide(0xCE, count, 4)
    default: wide(0xCF, count, 8)
    }
  }

  /// An array as msgpack_numpy packs it.
  mutating func add(array data: UnsafeRawBufferPointer, type: String, shape: [Int]) {
    add(map: 5)
    add(binary: "nd")
    add(true)
    add(binary: "type")
    add(text: type)
    add(binary: "kind")
    add(binary: "")
    add(binary: "shape")
    add(array: shape.count)
    for side in shape { add(count: side) }
    add(binary: "data")
    add(binary: data)
  }

  private mutating func lead(_ count: Int, fixed: UInt8, limit: Int, wide marks: [UInt8]) {
    if count <= limit {
      bytes.append(fixed | UInt8(count))
    } else {
      count <= 0xFFFF ? wide(marks[0], count, 2) : wide(marks[1], count, 4)
    }
  }

  private mutating func length(_ count: Int, _ marks: [UInt8]) {
    switch count {
    case 0...0xFF: wide(marks[0], count, 1)
    case 0...0xFFFF: wide(marks[1], count, 2)
    default: wide(marks[2], count, 4)
    }
  }

  private mutating func wide(_ mark: UInt8, _ value: Int, _ width: Int) {
    bytes.append(mark)
    for place in (0..<width).reversed() {
      bytes.append(UInt8(truncatingIfNeeded: value >> (place * 8)))
    }
  }
}
