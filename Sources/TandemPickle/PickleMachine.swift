// The stack machine that a pickle is a program for. It builds values and names; it calls nothing.

import Foundation

struct PickleMachine {
  /// What stands for an integer that 64 bits do not hold: an inert object of this class.
  static let largeInteger = PickleClass(module: "builtins", name: "int")

  var heap: PickleHeap
  let raw: UnsafeRawBufferPointer
  let limits: PickleLimits
  /// Whether a reference to a storage has a meaning: only in PyTorch's files.
  let hasStorages: Bool
  private(set) var position: Int
  private var opcodeOffset = 0
  private var opcode = PickleOpcode.protocolVersion
  var stack: [Cell] = []
  /// Heights of the stack at which marks lie.
  private var marks: [Int] = []
  private var memo = PickleMemo()
  private var values = 0
  private var globalRows: [PickleClass: Int] = [:]

  /// - Parameters:
  ///   - raw: the bytes of `heap.stream`.
  ///   - start: where the pickle begins in them.
  init(
    _ heap: PickleHeap, _ raw: UnsafeRawBufferPointer, start: Int, limits: PickleLimits,
    hasStorages: Bool
  ) {
    self.heap = heap
    self.raw = raw
    self.limits = limits
    self.hasStorages = hasStorages
    position = start
  }

  /// Runs to STOP, and gives what is then on the stack.
  mutating func run() throws(PickleError) -> Cell {
    while true {
      opcodeOffset = position
      guard position < raw.count else {
        throw PickleError(
          file: heap.file, offset: position,
          reason: "the pickle ends before its STOP: it is cut short")
      }
      guard let next = PickleOpcode(rawValue: raw[position]) else {
        throw PickleError(
          file: heap.file, offset: position, place: "opcode \(raw[position])",
          reason: "there is no such operation in protocols 0 to 5: not a pickle, or damaged")
      }
      opcode = next
      position += 1
      try charge(1)
      if opcode == .stop {
        guard stack.count == 1, marks.isEmpty, let result = stack.last else {
          throw failure("expected one value at the end, found \(stack.count)")
        }
        return result
      }
      try step(opcode)
    }
  }

  func failure(_ reason: String) -> PickleError {
    PickleError(file: heap.file, offset: opcodeOffset, place: opcode.name, reason: reason)
  }

  /// Counts values made, so that no short stream can make many.
  mutating func charge(_ count: Int) throws(PickleError) {
    values += count
    guard values <= limits.values else {
      throw failure("the pickle makes more than the limit of \(limits.values) values")
    }
  }

  // MARK: operands

  private mutating func number<Number: FixedWidthInteger & BitwiseCopyable>(
    _ type: Number.Type
  ) throws(PickleError) -> Int {
    guard let number = raw.number(at: position, as: type) else { throw cutShort() }
    position += MemoryLayout<Number>.size
    guard let result = Int(exactly: number) else { throw failure("a length of \(number) bytes") }
    return result
  }

  private mutating func bytes(_ count: Int) throws(PickleError) -> Span {
    guard count >= 0, count <= raw.count - position else {
      throw failure(
        "claims \(count) bytes, \(raw.count - position) are left: cut short or damaged")
    }
    defer { position += count }
    return Span(offset: position, count: count)
  }

  /// A line without its end.
  private mutating func line() throws(PickleError) -> Span {
    guard let end = raw[position...].firstIndex(of: 0x0a) else { throw cutShort() }
    defer { position = end + 1 }
    return Span(offset: position, count: end - position)
  }

  private mutating func lineText() throws(PickleError) -> String {
    let span = try line()
    guard let text = heap.withBytes(of: span, { String(validating: $0, as: UTF8.self) }) else {
      throw failure("expected a line of UTF-8")
    }
    return text
  }

  private mutating func text(_ count: Int) throws(PickleError) -> Cell {
    let span = try bytes(count)
    guard heap.withBytes(of: span, isPythonText) else { throw failure("the text is not UTF-8") }
    return .text(span)
  }

  private func cutShort() -> PickleError { failure("its operand is cut short") }

  // MARK: the stack

  mutating func pop() throws(PickleError) -> Cell {
    guard stack.count > marks.last ?? 0, let cell = stack.popLast() else {
      throw failure("needs a value on the stack, which is empty")
    }
    return cell
  }

  private func top() throws(PickleError) -> Cell {
    guard stack.count > marks.last ?? 0, let cell = stack.last else {
      throw failure("needs a value on the stack, which is empty")
    }
    return cell
  }

  /// What lies above the last mark; the mark goes too.
  private mutating func popToMark() throws(PickleError) -> [Cell] {
    guard let mark = marks.popLast() else { throw failure("needs a mark on the stack") }
    let cells = Array(stack[mark...])
    stack.removeSubrange(mark...)
    return cells
  }

  mutating func make(_ kind: Container.Kind, _ items: [Cell] = []) -> Cell {
    heap.containers.append(Container(kind: kind, items: items))
    return .container(heap.containers.count - 1)
  }

  private mutating func pushTuple(_ count: Int) throws(PickleError) {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw failure("needs \(count) values on the stack")
    }
    let items = Array(stack[(stack.count - count)...])
    stack.removeLast(count)
    stack.append(make(.tuple, items))
  }

  private mutating func global(module: String, name: String) -> Cell {
    let key = PickleClass(module: module, name: name)
    if let row = globalRows[key] { return .global(row) }
    heap.globals.append(
      GlobalRecord(name: key, known: KnownGlobal(module: module, name: name)))
    globalRows[key] = heap.globals.count - 1
    return .global(heap.globals.count - 1)
  }

  /// An integer too large for 64 bits, as an inert object with its bytes or digits.
  private mutating func large(_ cell: Cell) -> Cell {
    inert(
      global(module: Self.largeInteger.module, name: Self.largeInteger.name), make(.tuple, [cell]))
  }

  mutating func addScratch(_ bytes: [UInt8]) throws(PickleError) -> Span {
    try charge(bytes.count / MemoryLayout<Cell>.size)
    let span = Span(offset: raw.count + heap.scratch.count, count: bytes.count)
    heap.scratch.append(contentsOf: bytes)
    return span
  }

  // MARK: one operation

  private mutating func step(_ opcode: PickleOpcode) throws(PickleError) {
    switch opcode {
    case .protocolVersion:
      let version = try number(UInt8.self)
      guard version <= 5 else {
        throw failure("the pickle has protocol \(version); protocols 0 to 5 are read")
      }
    case .frame:
      let count = try number(UInt64.self)
      guard count <= raw.count - position else {
        throw failure("a frame of \(count) bytes, \(raw.count - position) are left")
      }
    case .stop, .readOnlyBuffer: break
    case .mark:
      guard marks.count < limits.depth else {
        throw failure("more than the limit of \(limits.depth) open marks")
      }
      marks.append(stack.count)
    case .pop:
      // A mark above the last value is what goes first.
      if marks.last == stack.count { marks.removeLast() } else { _ = try pop() }
    case .popMark: _ = try popToMark()
    case .duplicate: stack.append(try top())
    case .null, .newTrue, .newFalse, .integer1, .integer2, .integer4, .integerText, .long1, .long4,
      .longText, .float8, .floatText:
      stack.append(try scalar(opcode))
    case .unicode1, .unicode4, .unicode8, .unicodeText, .bytes1, .bytes4, .bytes8, .byteArray8,
      .bytes1OfPython2, .bytes4OfPython2, .bytesText:
      stack.append(try string(opcode))
    case .emptyList: stack.append(make(.list))
    case .emptyTuple: stack.append(make(.tuple))
    case .emptyDictionary: stack.append(make(.dictionary))
    case .emptySet: stack.append(make(.set))
    case .list: stack.append(make(.list, try popToMark()))
    case .tuple: stack.append(make(.tuple, try popToMark()))
    case .frozenSet: stack.append(make(.set, try popToMark()))
    case .tuple1: try pushTuple(1)
    case .tuple2: try pushTuple(2)
    case .tuple3: try pushTuple(3)
    case .dictionary:
      let items = try popToMark()
      guard items.count % 2 == 0 else { throw failure("a key without a value") }
      stack.append(make(.dictionary, items))
    case .append:
      let item = try pop()
      try append([item], to: top())
    case .appends, .addItems:
      let items = try popToMark()
      try append(items, to: top())
    case .setItem:
      let value = try pop()
      let key = try pop()
      try set([key, value], in: top())
    case .setItems:
      let items = try popToMark()
      guard items.count % 2 == 0 else { throw failure("a key without a value") }
      try set(items, in: top())
    case .getText, .get1, .get4: try get(opcode)
    case .putText, .put1, .put4, .memoize: try put(opcode)
    case .global, .stackGlobal, .instance, .object, .reduce, .newObject, .newObjectWithKeywords,
      .build:
      try construct(opcode)
    case .persistent: stack.append(try persistent(pop()))
    case .persistentText:
      throw failure("a reference to data outside of the pickle, as a text: nothing is known of it")
    case .extension1, .extension2, .extension4:
      throw failure(
        "a class by its number in the registry of the program that wrote it: it cannot be known")
    case .nextBuffer:
      throw failure("data kept outside of the pickle; write it with buffer_callback=None")
    }
  }

  private mutating func scalar(_ opcode: PickleOpcode) throws(PickleError) -> Cell {
    switch opcode {
    case .newTrue: return .bool(true)
    case .newFalse: return .bool(false)
    case .integer1: return .integer(try number(UInt8.self))
    case .integer2: return .integer(try number(UInt16.self))
    case .integer4: return .integer(try number(Int32.self))
    case .long1: return long(try bytes(try number(UInt8.self)))
    case .long4: return long(try bytes(try number(Int32.self)))
    case .float8:
      let span = try bytes(8)
      let bits: UInt64 = raw.number(at: span.offset) ?? 0
      return .float(Double(bitPattern: bits.byteSwapped))
    case .floatText:
      let text = try lineText()
      guard let number = Double(text) else { throw failure("expected a number, found \"\(text)\"") }
      return .float(number)
    case .integerText, .longText:
      var text = try lineText()
      if opcode == .integerText, text == "00" || text == "01" { return .bool(text == "01") }
      if opcode == .longText, text.hasSuffix("L") { text.removeLast() }
      if let number = Int(text) { return .integer(number) }
      let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
        throw failure("expected an integer, found \"\(text)\"")
      }
      return large(.text(try addScratch(Array(text.utf8))))
    default: return .null
    }
  }

  /// Two's complement, least significant byte first, of any length.
  private mutating func long(_ span: Span) -> Cell {
    heap.withBytes(of: span) { bytes -> Int? in
      let fill: UInt8 = (bytes.last ?? 0) & 0x80 == 0 ? 0 : 0xff
      let isSmall =
        bytes.count <= 8
        || (bytes[8...].allSatisfy { $0 == fill } && (bytes[7] ^ fill) & 0x80 == 0)
      guard isSmall else { return nil }
      var number: UInt64 = fill == 0 ? 0 : UInt64.max
      for (place, byte) in bytes.prefix(8).enumerated() {
        number &= ~(0xff << UInt64(8 * place))
        number |= UInt64(byte) << UInt64(8 * place)
      }
      return Int(truncatingIfNeeded: number)
    }.map { .integer($0) } ?? large(.bytes(span))
  }

  private mutating func string(_ opcode: PickleOpcode) throws(PickleError) -> Cell {
    switch opcode {
    case .unicode1: return try text(number(UInt8.self))
    case .unicode4: return try text(number(UInt32.self))
    case .unicode8: return try text(number(UInt64.self))
    case .bytes1, .bytes1OfPython2: return .bytes(try bytes(number(UInt8.self)))
    case .bytes4: return .bytes(try bytes(number(UInt32.self)))
    case .bytes4OfPython2: return .bytes(try bytes(number(Int32.self)))
    case .bytes8, .byteArray8: return .bytes(try bytes(number(UInt64.self)))
    case .unicodeText:
      let span = try line()
      guard let text = heap.withBytes(of: span, PickleText.unescapingUnicode) else {
        throw failure("the text has an escape that is not \\uXXXX or \\UXXXXXXXX")
      }
      return .text(try addScratch(text))
    default:
      let span = try line()
      guard let bytes = heap.withBytes(of: span, PickleText.unescapingBytes) else {
        throw failure("expected a quoted string of Python 2 on one line")
      }
      return .bytes(try addScratch(bytes))
    }
  }

  // MARK: memo

  private mutating func get(_ opcode: PickleOpcode) throws(PickleError) {
    let number = try memoNumber(opcode)
    guard let cell = memo[number] else {
      throw failure("there is nothing in the memo under \(number)")
    }
    stack.append(cell)
  }

  private mutating func put(_ opcode: PickleOpcode) throws(PickleError) {
    let number = opcode == .memoize ? memo.count : try memoNumber(opcode)
    memo[number] = try top()
    guard memo.count <= limits.memo else {
      throw failure("the memo has more than the limit of \(limits.memo) values")
    }
  }

  private mutating func memoNumber(_ opcode: PickleOpcode) throws(PickleError) -> Int {
    switch opcode {
    case .get1, .put1: return try number(UInt8.self)
    case .get4, .put4: return try number(UInt32.self)
    default:
      let text = try lineText()
      guard let number = Int(text), number >= 0 else {
        throw failure("expected a number of the memo, found \"\(text)\"")
      }
      return number
    }
  }

  // MARK: classes and objects

  private mutating func construct(_ opcode: PickleOpcode) throws(PickleError) {
    switch opcode {
    case .global:
      let module = try lineText()
      stack.append(global(module: module, name: try lineText()))
    case .stackGlobal:
      let name = try pop()
      let module = try pop()
      guard case .text(let name) = name, case .text(let module) = module else {
        throw failure("expected a module and a name, two texts")
      }
      stack.append(global(module: heap.text(module), name: heap.text(name)))
    case .instance:
      let module = try lineText()
      let name = try lineText()
      let arguments = make(.tuple, try popToMark())
      stack.append(try reduce(global(module: module, name: name), arguments))
    case .object:
      let cells = try popToMark()
      guard let callee = cells.first else { throw failure("expected a class above the mark") }
      stack.append(try reduce(callee, make(.tuple, Array(cells.dropFirst()))))
    case .reduce, .newObject:
      let arguments = try pop()
      stack.append(try reduce(pop(), arguments))
    case .newObjectWithKeywords:
      let keywords = try pop()
      let arguments = try pop()
      let callee = try pop()
      stack.append(inert(callee, arguments, keywords: keywords))
    default:
      let state = try pop()
      try build(top(), state)
    }
  }

  mutating func inert(_ callee: Cell, _ arguments: Cell, keywords: Cell = .null) -> Cell {
    heap.objects.append(ObjectRecord(callee: callee, arguments: arguments, keywords: keywords))
    heap.containers.append(Container(kind: .object, extra: heap.objects.count - 1))
    return .container(heap.containers.count - 1)
  }

  private mutating func append(_ items: [Cell], to target: Cell) throws(PickleError) {
    guard case .container(let row) = target else { throw failure("expected a list to append to") }
    switch heap.containers[row].kind {
    case .list, .set, .object: heap.containers[row].items.append(contentsOf: items)
    case .tuple, .dictionary, .array: throw failure("expected a list to append to")
    }
  }

  private mutating func set(_ items: [Cell], in target: Cell) throws(PickleError) {
    guard case .container(let row) = target else { throw failure("expected a dictionary") }
    switch heap.containers[row].kind {
    case .dictionary: heap.containers[row].items.append(contentsOf: items)
    case .object:
      let extra = heap.containers[row].extra
      if heap.objects[extra].entries < 0 {
        heap.objects[extra].entries = heap.containers.count
        _ = make(.dictionary)
      }
      heap.containers[heap.objects[extra].entries].items.append(contentsOf: items)
    case .list, .tuple, .set, .array: throw failure("expected a dictionary")
    }
  }
}

/// Values kept by number. Numbers go up one by one in every real pickle; a stray one costs one row
/// of a dictionary, whatever its size.
private struct PickleMemo {
  private var row: [Cell] = []
  private var strays: [Int: Cell] = [:]

  var count: Int { row.count + strays.count }

  subscript(_ number: Int) -> Cell? {
    get { number < row.count ? row[number] : strays[number] }
    set {
      guard let newValue else { return }
      if number < row.count {
        row[number] = newValue
      } else if number == row.count, strays[number] == nil {
        row.append(newValue)
      } else {
        strays[number] = newValue
      }
    }
  }
}
