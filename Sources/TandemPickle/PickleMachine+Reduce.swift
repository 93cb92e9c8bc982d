// What a class or function in a pickle stands for: Python's own containers here, arrays in the next
// file. A name that is not known, or one used in a way that is not known, gives an inert object.

extension PickleMachine {
  /// The value that calling `callee` would have made, or an inert object.
  mutating func reduce(_ callee: Cell, _ arguments: Cell) throws(PickleError) -> Cell {
    guard case .container(let row) = arguments, heap.containers[row].kind == .tuple else {
      throw failure("expected a tuple of arguments")
    }
    let items = heap.containers[row].items
    guard let known = heap.known(callee) else { return inert(callee, arguments) }
    let made: Cell?
    switch known {
    case .newObject:
      made = try newObject(items)
    case .newObjectWithKeywords:
      made = items.count == 3 ? inert(items[0], items[1], keywords: items[2]) : nil
    case .rebuildFromType:
      // The tensor of a subclass: rebuilt as a plain one. One step only: it is never nested.
      made = try items.count == 4 ? rebuildTensor(of: items) : nil
    default:
      made = try value(of: known, items)
    }
    return made ?? inert(callee, arguments)
  }

  /// `copyreg.__newobj__(class, *arguments)`.
  private mutating func newObject(_ items: [Cell]) throws(PickleError) -> Cell? {
    guard let callee = items.first else { return nil }
    let rest = Array(items.dropFirst())
    let known = heap.known(callee)
    let made = if let known { try value(of: known, rest) } else { Cell?.none }
    return made ?? inert(callee, make(.tuple, rest))
  }

  private mutating func rebuildTensor(of items: [Cell]) throws(PickleError) -> Cell? {
    guard let known = heap.known(items[0]), let arguments = heap.items(items[2]) else { return nil }
    return try value(of: known, arguments)
  }

  private mutating func value(
    of known: KnownGlobal, _ items: [Cell]
  ) throws(PickleError) -> Cell? {
    switch known {
    case .orderedDictionary, .dictionary: try dictionary(items)
    case .defaultDictionary: items.count <= 1 ? make(.dictionary) : nil
    case .list: copy(items, as: .list)
    case .tuple, .size: copy(items, as: .tuple)
    case .set, .frozenSet: copy(items, as: .set)
    case .bytes, .byteArray, .encode: try bytes(items, isEncoding: known != .bytes)
    case .reconstructor: reconstructed(items)
    case .numpyScalar: try numpyScalar(items)
    case .numpyFromBuffer: try numpyFromBuffer(items)
    case .rebuildTensor: try rebuildTensor(items, elementType: nil)
    case .rebuildTensorWithElementType: try rebuildTypedTensor(items)
    case .rebuildParameter: try rebuildParameter(items)
    case .rebuildFromNumPy: items.first.flatMap { isArray($0) ? $0 : nil }
    // The first two wait, as inert objects, for their state.
    case .numpyReconstruct, .numpyElementType, .storage: nil
    case .newObject, .newObjectWithKeywords, .rebuildFromType: nil
    }
  }

  /// A dictionary of nothing, of another one, or of a list of pairs (OrderedDict of Python 2).
  private mutating func dictionary(_ items: [Cell]) throws(PickleError) -> Cell? {
    guard let source = items.first else { return make(.dictionary) }
    guard items.count == 1, case .container(let row) = source else { return nil }
    if heap.containers[row].kind == .dictionary {
      return make(.dictionary, heap.containers[row].items)
    }
    guard let pairs = heap.items(source) else { return nil }
    try charge(2 * pairs.count)
    var entries: [Cell] = []
    entries.reserveCapacity(2 * pairs.count)
    for pair in pairs {
      guard let pair = heap.items(pair), pair.count == 2 else { return nil }
      entries.append(contentsOf: pair)
    }
    return make(.dictionary, entries)
  }

  /// `list(items)` and the like. The items are shared, not copied, until one of both changes.
  private mutating func copy(_ items: [Cell], as kind: Container.Kind) -> Cell? {
    guard let source = items.first else { return make(kind) }
    guard items.count == 1, case .container(let row) = source else { return nil }
    switch heap.containers[row].kind {
    case .list, .tuple, .set: return make(kind, heap.containers[row].items)
    case .dictionary, .object, .array: return nil
    }
  }

  /// `bytes()`, `bytearray(b)`, and the recoded texts by which protocols 0 to 2 carry bytes.
  private mutating func bytes(_ items: [Cell], isEncoding: Bool) throws(PickleError) -> Cell? {
    guard let source = items.first else { return .bytes(Span(offset: raw.count, count: 0)) }
    if items.count == 1, case .bytes = source { return source }
    guard isEncoding, items.count == 2, case .text(let span) = source,
      let name = heap.text(items[1]), ["latin1", "latin-1"].contains(name)
    else { return nil }
    guard let bytes = heap.withBytes(of: span, PickleText.latin1) else {
      throw failure("the text that carries bytes has a character that is not of Latin-1")
    }
    return .bytes(try addScratch(bytes))
  }

  /// `copyreg._reconstructor(class, base, value)`: an object of the class, with its base's value.
  private mutating func reconstructed(_ items: [Cell]) -> Cell? {
    guard items.count == 3 else { return nil }
    if case .null = items[2] { return inert(items[0], make(.tuple)) }
    return inert(items[0], make(.tuple, [items[2]]))
  }

  private func isArray(_ cell: Cell) -> Bool {
    switch cell {
    case .array: true
    case .container(let row): heap.containers[row].kind == .array
    default: false
    }
  }

  private mutating func rebuildParameter(_ items: [Cell]) throws(PickleError) -> Cell? {
    guard let data = items.first else { throw failure("a parameter without its tensor") }
    return data
  }

  /// Gives the object on top of the stack its state.
  mutating func build(_ target: Cell, _ state: Cell) throws(PickleError) {
    switch target {
    case .array: return  // attributes of a tensor of a subclass
    case .container(let row):
      let container = heap.containers[row]
      switch container.kind {
      case .object:
        let record = heap.objects[container.extra]
        if heap.known(record.callee) == .numpyReconstruct, let array = try numpyArray(state) {
          guard container.items.isEmpty else { throw failure("an array with items appended") }
          heap.arrays.append(array)
          heap.containers[row] = Container(kind: .array, extra: heap.arrays.count - 1)
        } else {
          heap.objects[container.extra].state = state
        }
        return
      case .dictionary:
        if container.extra < 0 {
          heap.objects.append(ObjectRecord(callee: .null, arguments: .null))
          heap.containers[row].extra = heap.objects.count - 1
        }
        heap.objects[heap.containers[row].extra].state = state
        return
      case .list, .tuple, .set, .array: break
      }
    default: break
    }
    throw failure("expected an object to give a state to")
  }
}
