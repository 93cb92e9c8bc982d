// Writing pickles that Python, NumPy and this module read.

/// Writes plain values and NumPy arrays as pickles of protocol 2, 3 or 4.
public struct PickleWriter {
  private struct Frame {
    let next: [PickleValue]
    var position = 0
    let closing: [UInt8]
    let key: ContainerKey?
    let isTuple: Bool
  }

  /// Tells containers of a pickle that was read: one that stands in two places is written once.
  private struct ContainerKey: Hashable {
    let arena: ObjectIdentifier
    let row: Int
  }

  private let protocolVersion: Int
  private var bytes: [UInt8] = []
  private var frames: [Frame] = []
  private var memo: [ContainerKey: Int] = [:]
  private var open: Set<ContainerKey> = []

  private init(protocolVersion: Int) { self.protocolVersion = protocolVersion }

  /// The pickle of a value.
  ///
  /// - Parameters:
  ///   - value: of None, booleans, numbers, texts, bytes, lists, tuples, dictionaries and arrays.
  ///     Lists and dictionaries that came from a pickle may hold themselves.
  ///   - protocolVersion: 2 (Python 2.3), 3 (Python 3.0) or 4 (Python 3.4).
  /// - Throws: `PickleError` for other values, other protocols, bfloat16 arrays, and bytes of 4 GiB
  ///   or more before protocol 4.
  public static func write(
    _ value: PickleValue, protocolVersion: Int = 4
  ) throws(PickleError) -> [UInt8] {
    guard (2...4).contains(protocolVersion) else {
      throw failure("expected protocol 2, 3 or 4, found \(protocolVersion)")
    }
    var writer = PickleWriter(protocolVersion: protocolVersion)
    writer.op(.protocolVersion)
    writer.bytes.append(UInt8(protocolVersion))
    try writer.add(value)
    while let last = writer.frames.indices.last {
      let frame = writer.frames[last]
      if frame.position < frame.next.count {
        writer.frames[last].position += 1
        try writer.add(frame.next[frame.position])
      } else {
        writer.close(frame)
      }
    }
    writer.op(.stop)
    return writer.bytes
  }

  private mutating func close(_ frame: Frame) {
    frames.removeLast()
    bytes.append(contentsOf: frame.closing)
    guard frame.isTuple, let key = frame.key else { return }
    open.remove(key)
    memoize(key)
  }

  private mutating func add(_ value: PickleValue) throws(PickleError) {
    switch value {
    case .null: op(.null)
    case .bool(let flag): op(flag ? .newTrue : .newFalse)
    case .int(let number): add(number)
    case .float(let number):
      op(.float8)
      bytes.append(littleEndian: number.bitPattern.byteSwapped)
    case .str(let text): try add(text: text)
    case .bytes(let slice): try add(slice)
    case .list(let items): try open(items, as: .emptyList, closing: .appends)
    case .tuple(let items): try open(items, as: nil, closing: .tuple)
    case .dict(let dictionary): try open(dictionary)
    case .ndarray(let array): try add(array)
    case .set, .type, .instance:
      throw Self.failure("expected a plain value or an array, found \(value.summary)")
    }
  }

  // MARK: containers

  private mutating func open(
    _ items: PickleSequence, as opcode: PickleOpcode?, closing: PickleOpcode
  ) throws(PickleError) {
    var key: ContainerKey?
    if case .read(let arena, let row) = items.store {
      key = ContainerKey(arena: ObjectIdentifier(arena), row: row)
    }
    try open(Array(items), key, as: opcode, closing: closing)
  }

  private mutating func open(_ dictionary: PickleDictionary) throws(PickleError) {
    var key: ContainerKey?
    if case .read(let arena, let row) = dictionary.store {
      key = ContainerKey(arena: ObjectIdentifier(arena), row: row)
    }
    let items = dictionary.flatMap { [$0.key, $0.value] }
    try open(items, key, as: .emptyDictionary, closing: .setItems)
  }

  private mutating func open(
    _ items: [PickleValue], _ key: ContainerKey?, as opcode: PickleOpcode?, closing: PickleOpcode
  ) throws(PickleError) {
    if let key, let number = memo[key] {
      op(.get4)
      bytes.append(littleEndian: UInt32(truncatingIfNeeded: number))
      return
    }
    if let opcode {
      op(opcode)
      if let key { memoize(key) }
      if items.isEmpty { return }
    } else if let key, !open.insert(key).inserted {
      throw Self.failure("a tuple that holds itself")
    }
    op(.mark)
    frames.append(
      Frame(next: items, closing: [closing.rawValue], key: key, isTuple: opcode == nil))
  }

  private mutating func memoize(_ key: ContainerKey) {
    op(.put4)
    bytes.append(littleEndian: UInt32(truncatingIfNeeded: memo.count))
    memo[key] = memo.count
  }

  // MARK: scalars

  private mutating func op(_ opcode: PickleOpcode) { bytes.append(opcode.rawValue) }

  private mutating func add(_ number: Int) {
    if let small = UInt8(exactly: number) {
      op(.integer1)
      bytes.append(small)
    } else if let small = UInt16(exactly: number) {
      op(.integer2)
      bytes.append(littleEndian: small)
    } else if let small = Int32(exactly: number) {
      op(.integer4)
      bytes.append(littleEndian: small)
    } else {
      op(.long1)
      bytes.append(8)
      bytes.append(littleEndian: Int64(number))
    }
  }

  private mutating func add(text: String) throws(PickleError) {
    let utf8 = text.utf8
    if protocolVersion >= 4, let count = UInt8(exactly: utf8.count) {
      op(.unicode1)
      bytes.append(count)
    } else if let count = UInt32(exactly: utf8.count) {
      op(.unicode4)
      bytes.append(littleEndian: count)
    } else {
      guard protocolVersion >= 4 else { throw tooLong(utf8.count) }
      op(.unicode8)
      bytes.append(littleEndian: UInt64(utf8.count))
    }
    bytes.append(contentsOf: utf8)
  }

  private mutating func add(_ slice: ByteSlice) throws(PickleError) {
    // Protocol 2 has no bytes: a text of the characters 0 to 255, to be recoded on reading.
    guard protocolVersion >= 3 else {
      addGlobal("_codecs", "encode")
      let characters = slice.withBytes {
        String(String.UnicodeScalarView($0.map { UnicodeScalar($0) }))
      }
      try add(text: characters)
      try add(text: "latin1")
      op(.tuple2)
      op(.reduce)
      return
    }
    if let count = UInt8(exactly: slice.count) {
      op(.bytes1)
      bytes.append(count)
    } else if let count = UInt32(exactly: slice.count) {
      op(.bytes4)
      bytes.append(littleEndian: count)
    } else {
      guard protocolVersion >= 4 else { throw tooLong(slice.count) }
      op(.bytes8)
      bytes.append(littleEndian: UInt64(slice.count))
    }
    slice.withBytes { bytes.append(contentsOf: $0) }
  }

  private mutating func addGlobal(_ module: String, _ name: String) {
    op(.global)
    bytes.append(contentsOf: "\(module)\n\(name)\n".utf8)
  }

  // MARK: arrays

  /// What NumPy's own `__reduce__` writes, under the module name that NumPy 1 and 2 both read.
  private mutating func add(_ array: PickleArray) throws(PickleError) {
    guard let code = array.elementType.numPyCode else {
      throw Self.failure("NumPy has no \(array.elementType.rawValue); write another element type")
    }
    addGlobal("numpy.core.multiarray", "_reconstruct")
    addGlobal("numpy", "ndarray")
    add(0)
    op(.tuple1)
    try add(ByteSlice(Array("b".utf8)))
    op(.tuple3)
    op(.reduce)
    op(.mark)
    add(1)
    op(.mark)
    for length in array.shape { add(length) }
    op(.tuple)
    try addElementType(code, order: array.elementType.byteCount == 1 ? "|" : "<")
    op(.newFalse)
    try add(ByteSlice(try array.littleEndianBytes()))
    op(.tuple)
    op(.build)
  }

  private mutating func addElementType(_ code: String, order: String) throws(PickleError) {
    addGlobal("numpy", "dtype")
    try add(text: code)
    op(.newFalse)
    op(.newTrue)
    op(.tuple3)
    op(.reduce)
    op(.mark)
    add(3)
    try add(text: order)
    for _ in 0..<3 { op(.null) }
    add(-1)
    add(-1)
    add(0)
    op(.tuple)
    op(.build)
  }

  private func tooLong(_ count: Int) -> PickleError {
    Self.failure("\(count) bytes need protocol 4, not \(protocolVersion)")
  }

  private static func failure(_ reason: String) -> PickleError {
    PickleError(file: "pickle to be written", reason: reason)
  }
}
