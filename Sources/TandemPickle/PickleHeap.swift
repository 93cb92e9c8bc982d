// What a pickle builds: flat tables whose rows refer to each other by number. A value that holds
// itself, a shared value, or lists nested without end cost nothing here, neither while they are
// built nor when they are let go: nothing owns anything but the tables.

/// A stretch of bytes: in the stream below the stream's length, in the scratch bytes from there on.
struct Span: Sendable, Equatable {
  let offset: Int
  let count: Int
}

/// One value: a scalar, or the row of a table.
enum Cell: Sendable {
  case null
  case bool(Bool)
  case integer(Int)
  case float(Double)
  case text(Span)
  case bytes(Span)
  case container(Int)
  case array(Int)
  case storage(Int)
  case global(Int)
}

/// A value that holds others.
struct Container: Sendable {
  enum Kind: Sendable {
    case list, tuple, set
    /// Its items are keys and values in turn.
    case dictionary
    /// A class the reader leaves alone: its items are those appended to it.
    case object
    /// What became of an object once its state was known: the row is `extra`.
    case array
  }

  var kind: Kind
  var items: [Cell] = []
  /// Row of `objects` (objects, and dictionaries with attributes) or of `arrays`; -1 for none.
  var extra = -1
  /// Where a large dictionary's keys are: rows of pairs, by hash. Made when the pickle is read.
  var index: [UInt32] = []
}

/// What is kept of an object beside its items.
struct ObjectRecord: Sendable {
  var callee: Cell
  var arguments: Cell
  var keywords = Cell.null
  var state = Cell.null
  /// Row of the dictionary of what was set by key; -1 for none.
  var entries = -1
}

struct GlobalRecord: Sendable {
  let name: PickleClass
  let known: KnownGlobal?
}

/// A storage of a PyTorch file, or a part of one.
struct StorageRecord: Sendable {
  let key: String
  let kind: StorageKind
  /// Elements of the storage in the file.
  let count: Int
  /// The part of it that this is, in elements: older files describe views so.
  let view: Range<Int>?
  /// Set when the file's storages have been found.
  var bytes: ByteSlice?
}

struct ArrayRecord: Sendable {
  enum Source: Sendable {
    case span(Span)
    case storage(Int)
  }

  let source: Source
  let elementType: PickleElementType
  var isBigEndian: Bool
  /// In elements from the start of the source.
  let offset: Int
  let shape: [Int]
  let strides: [Int]
}

struct PickleHeap: Sendable {
  let file: String
  let stream: ByteSlice
  /// Bytes that do not lie in the stream as they are: texts with escapes, recoded bytes.
  var scratch: [UInt8] = []
  var containers: [Container] = []
  var objects: [ObjectRecord] = []
  var globals: [GlobalRecord] = []
  var storages: [StorageRecord] = []
  var arrays: [ArrayRecord] = []
  /// Byte order of the storages.
  private(set) var isBigEndian = false

  init(stream: ByteSlice, file: String) {
    self.stream = stream
    self.file = file
  }

  func withBytes<Result>(of span: Span, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    if span.offset < stream.count {
      return stream.withBytes { all in
        body(UnsafeRawBufferPointer(rebasing: all[span.offset..<(span.offset + span.count)]))
      }
    }
    let start = span.offset - stream.count
    return scratch.withUnsafeBytes { all in
      body(UnsafeRawBufferPointer(rebasing: all[start..<(start + span.count)]))
    }
  }

  func slice(of span: Span) -> ByteSlice {
    let whole = span.offset < stream.count ? stream : ByteSlice(scratch)
    let start = span.offset < stream.count ? span.offset : span.offset - stream.count
    return whole.slice(from: start, count: span.count) ?? ByteSlice([])
  }

  func text(_ span: Span) -> String { withBytes(of: span) { String(decoding: $0, as: UTF8.self) } }

  /// The text in a cell; bytes of Python 2 count where they are text.
  func text(_ cell: Cell) -> String? {
    switch cell {
    case .text(let span): text(span)
    case .bytes(let span): withBytes(of: span) { String(validating: $0, as: UTF8.self) }
    default: nil
    }
  }

  func integer(_ cell: Cell) -> Int? {
    switch cell {
    case .integer(let number): number
    case .bool(let flag): flag ? 1 : 0
    default: nil
    }
  }

  /// The items of a list or tuple.
  func items(_ cell: Cell) -> [Cell]? {
    guard case .container(let row) = cell else { return nil }
    switch containers[row].kind {
    case .list, .tuple: return containers[row].items
    default: return nil
    }
  }

  func integers(_ cell: Cell) -> [Int]? {
    guard let items = items(cell), items.count <= PickleArray.greatestRank else { return nil }
    var numbers: [Int] = []
    for item in items {
      guard let number = integer(item) else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  func known(_ cell: Cell) -> KnownGlobal? {
    guard case .global(let row) = cell else { return nil }
    return globals[row].known
  }
}

extension PickleHeap {
  /// Gives every storage its bytes, as `find` finds them: all bytes of the storage of that key.
  mutating func resolveStorages(
    isBigEndian: Bool, _ find: (StorageRecord) throws(PickleError) -> ByteSlice
  ) throws(PickleError) {
    self.isBigEndian = isBigEndian
    for row in storages.indices {
      let record = storages[row]
      let found = try find(record)
      let size = record.kind.elementCount
      guard record.count <= found.count / size else {
        throw PickleError(
          file: file, place: "storage \(record.key)",
          reason: "has \(found.count) bytes, the pickle claims \(record.count) elements of "
            + "\(size): the file is cut short or damaged")
      }
      let part = record.view ?? 0..<record.count
      storages[row].bytes = found.slice(from: part.lowerBound * size, count: part.count * size)
    }
    guard isBigEndian else { return }
    for row in arrays.indices {
      if case .storage = arrays[row].source { arrays[row].isBigEndian = true }
    }
  }
}

/// A heap that no longer changes, shared by all values that look into it.
final class PickleArena: Sendable {
  let heap: PickleHeap

  init(_ heap: PickleHeap) { self.heap = heap }

  func value(_ cell: Cell) -> PickleValue {
    switch cell {
    case .null: .null
    case .bool(let flag): .bool(flag)
    case .integer(let number): .int(number)
    case .float(let number): .float(number)
    case .text(let span): .str(heap.text(span))
    case .bytes(let span): .bytes(heap.slice(of: span))
    case .container(let row): value(ofContainer: row)
    case .array(let row): .ndarray(PickleArray(heap, heap.arrays[row]))
    case .storage(let row): .ndarray(PickleArray(heap, storage: heap.storages[row]))
    case .global(let row): .type(heap.globals[row].name)
    }
  }

  private func value(ofContainer row: Int) -> PickleValue {
    let container = heap.containers[row]
    return switch container.kind {
    case .list: .list(PickleSequence(self, row))
    case .tuple: .tuple(PickleSequence(self, row))
    case .set: .set(PickleSequence(self, row))
    case .dictionary: .dict(PickleDictionary(self, row))
    case .object: .instance(PickleObject(self, row))
    case .array: .ndarray(PickleArray(heap, heap.arrays[container.extra]))
    }
  }
}
