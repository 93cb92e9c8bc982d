// A value read from a pickle, or made to be written as one.

/// One value, its cases named as Python names the types. Values inside others are looked at when
/// asked for; all share the tables they were read into, so copies are cheap and a value nested or
/// shared in any way is safe to keep and to let go.
public enum PickleValue: Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case float(Double)
  case str(String)
  /// Bytes, byte arrays, and the strings of Python 2.
  case bytes(ByteSlice)
  case list(PickleSequence)
  case tuple(PickleSequence)
  /// Sets and frozen sets, in the order of the file.
  case set(PickleSequence)
  /// Dictionaries, ordered or not, in the order of the file.
  case dict(PickleDictionary)
  /// NumPy arrays and scalars (no dimensions), PyTorch tensors, parameters and bare storages.
  case ndarray(PickleArray)
  /// A reference to a class or function. Inert: nothing is looked up.
  case type(PickleClass)
  /// An object of a class the reader leaves alone. Inert: nothing was called.
  case instance(PickleObject)
}

/// The name of a class or function in a pickle.
public struct PickleClass: Sendable, Hashable, CustomStringConvertible {
  public let module: String
  public let name: String

  public init(module: String, name: String) {
    self.module = module
    self.name = name
  }

  /// "module.name".
  public var description: String { module.isEmpty ? name : module + "." + name }
}

/// The items of a list, tuple or set.
public struct PickleSequence: RandomAccessCollection, Sendable, ExpressibleByArrayLiteral {
  enum Store: Sendable {
    case read(PickleArena, Int)
    case made([PickleValue])
  }

  let store: Store

  init(_ arena: PickleArena, _ row: Int) { store = .read(arena, row) }

  /// A sequence to be written.
  public init(_ values: [PickleValue]) { store = .made(values) }

  public init(arrayLiteral elements: PickleValue...) { store = .made(elements) }

  public var startIndex: Int { 0 }

  public var endIndex: Int {
    switch store {
    case .read(let arena, let row): arena.heap.containers[row].items.count
    case .made(let values): values.count
    }
  }

  public subscript(_ position: Int) -> PickleValue {
    switch store {
    case .read(let arena, let row): arena.value(arena.heap.containers[row].items[position])
    case .made(let values): values[position]
    }
  }
}

/// The keys and values of a dictionary, in order. A key set twice has its last value.
public struct PickleDictionary: RandomAccessCollection, Sendable {
  public typealias Element = (key: PickleValue, value: PickleValue)

  enum Store: Sendable {
    case read(PickleArena, Int)
    case made([(key: PickleValue, value: PickleValue)])
  }

  let store: Store

  init(_ arena: PickleArena, _ row: Int) { store = .read(arena, row) }

  /// A dictionary to be written; keys must differ.
  public init(_ pairs: [(key: PickleValue, value: PickleValue)]) { store = .made(pairs) }

  public var startIndex: Int { 0 }

  public var endIndex: Int {
    switch store {
    case .read(let arena, let row): arena.heap.containers[row].items.count / 2
    case .made(let pairs): pairs.count
    }
  }

  public subscript(_ position: Int) -> Element {
    switch store {
    case .read(let arena, let row):
      let items = arena.heap.containers[row].items
      return (arena.value(items[2 * position]), arena.value(items[2 * position + 1]))
    case .made(let pairs): return pairs[position]
    }
  }

  /// The value of a key that is text, or bytes of Python 2 that are that text; nil where there is
  /// none.
  public subscript(_ key: String) -> PickleValue? {
    switch store {
    case .read(let arena, let row):
      arena.heap.value(in: row, key: key).map { arena.value($0) }
    case .made(let pairs):
      pairs.first { if case .str(key) = $0.key { true } else { false } }?.value
    }
  }

  /// The value of a key that is an integer; nil where there is none.
  public subscript(key key: Int) -> PickleValue? {
    switch store {
    case .read(let arena, let row):
      arena.heap.value(in: row, key: key).map { arena.value($0) }
    case .made(let pairs):
      pairs.first { if case .int(key) = $0.key { true } else { false } }?.value
    }
  }

  /// The keys that are text, in order.
  public var names: [String] {
    var names: [String] = []
    for pair in self {
      if let name = try? pair.key.string { names.append(name) }
    }
    return names
  }

  /// Tells dictionaries of one pickle apart; nil for one that was made.
  var row: Int? {
    if case .read(_, let row) = store { row } else { nil }
  }

  /// Attributes that an ordered dictionary carries, PyTorch's `_metadata` for one; null for none.
  public var attributes: PickleValue {
    guard case .read(let arena, let row) = store else { return .null }
    let extra = arena.heap.containers[row].extra
    return extra < 0 ? .null : arena.value(arena.heap.objects[extra].state)
  }
}

/// An object that was not made: what the file says of it.
public struct PickleObject: Sendable {
  private let arena: PickleArena
  private let row: Int

  init(_ arena: PickleArena, _ row: Int) {
    self.arena = arena
    self.row = row
  }

  private var record: ObjectRecord { arena.heap.objects[arena.heap.containers[row].extra] }

  /// The name of its class, or of the function that would have made it; "a value" where it would
  /// have been made by calling something that is no name.
  public var className: String {
    if case .type(let name) = callee { name.description } else { "a value" }
  }

  /// What would have been called.
  public var callee: PickleValue { arena.value(record.callee) }
  /// What it would have been called with: a tuple as a rule.
  public var arguments: PickleValue { arena.value(record.arguments) }
  /// Arguments by name: a dictionary or null.
  public var keywordArguments: PickleValue { arena.value(record.keywords) }
  /// Its state, its attributes in a dictionary as a rule; null for none.
  public var state: PickleValue { arena.value(record.state) }
  /// What would have been appended to it.
  public var items: PickleSequence { PickleSequence(arena, row) }
  /// What would have been set in it by key.
  public var entries: PickleDictionary {
    record.entries < 0 ? PickleDictionary([]) : PickleDictionary(arena, record.entries)
  }
}
