// Arrays of NumPy and tensors of PyTorch: descriptions of where their numbers lie. No number is read.

extension PickleMachine {
  // MARK: NumPy

  /// `scalar(dtype, bytes)`: an array without dimensions.
  mutating func numpyScalar(_ items: [Cell]) throws(PickleError) -> Cell? {
    guard items.count == 2, let type = elementType(items[0]), case .bytes(let span) = items[1]
    else { return nil }
    let record = ArrayRecord(
      source: .span(span), elementType: type.type, isBigEndian: type.isBigEndian, offset: 0,
      shape: [], strides: [])
    return try add(record, available: span.count)
  }

  /// `_frombuffer(buffer, dtype, shape, order, axis_order)`, protocol 5 with the bytes in the stream.
  mutating func numpyFromBuffer(_ items: [Cell]) throws(PickleError) -> Cell? {
    guard items.count == 4 || items.count == 5, case .bytes(let span) = items[0],
      let type = elementType(items[1]), let shape = heap.integers(items[2]),
      let order = heap.text(items[3])
    else { return nil }
    var strides = try self.strides(of: shape, isFortran: order == "F")
    var dimensions = shape
    if order == "K", items.count == 5, let axes = heap.integers(items[4]) {
      guard axes.sorted() == Array(shape.indices) else {
        throw failure("expected an order of \(shape.count) axes, found \(axes)")
      }
      dimensions = axes.map { shape[$0] }
      strides = axes.map { strides[$0] }
    }
    let record = ArrayRecord(
      source: .span(span), elementType: type.type, isBigEndian: type.isBigEndian, offset: 0,
      shape: dimensions, strides: strides)
    return try add(record, available: span.count)
  }

  /// The array of a state `(version, shape, dtype, isFortran, bytes)`; nil for element types that
  /// are not numbers, whose state is kept as it is.
  func numpyArray(_ state: Cell) throws(PickleError) -> ArrayRecord? {
    guard let items = heap.items(state), items.count == 5, let shape = heap.integers(items[1]),
      let type = elementType(items[2]), let isFortran = heap.integer(items[3]),
      case .bytes(let span) = items[4]
    else { return nil }
    let record = ArrayRecord(
      source: .span(span), elementType: type.type, isBigEndian: type.isBigEndian, offset: 0,
      shape: shape, strides: try strides(of: shape, isFortran: isFortran != 0))
    try check(record, available: span.count)
    return record
  }

  /// What a `numpy.dtype('f4')` with the state `(3, '<', …)` says.
  private func elementType(_ cell: Cell) -> (type: PickleElementType, isBigEndian: Bool)? {
    guard case .container(let row) = cell, heap.containers[row].kind == .object else { return nil }
    let record = heap.objects[heap.containers[row].extra]
    guard heap.known(record.callee) == .numpyElementType,
      let arguments = heap.items(record.arguments),
      let first = arguments.first, var code = heap.text(first)
    else { return nil }
    var order: Character = "<"
    if let sign = code.first, "<>|=".contains(sign) {
      order = sign
      code.removeFirst()
    }
    if let state = heap.items(record.state), state.count > 1, let sign = heap.text(state[1])?.first
    {
      order = sign
    }
    return PickleElementType(numPyCode: code).map { ($0, order == ">") }
  }

  private func strides(of shape: [Int], isFortran: Bool) throws(PickleError) -> [Int] {
    guard let strides = PickleArray.strides(of: shape, isFortran: isFortran) else {
      throw failure("an array of shape \(shape) cannot be")
    }
    return strides
  }

  // MARK: PyTorch

  /// A reference to something kept beside the pickle: a storage, or a module with its source.
  mutating func persistent(_ reference: Cell) throws(PickleError) -> Cell {
    guard hasStorages else {
      throw failure(
        "a reference to data outside of the pickle; a file of PyTorch is opened by TorchFile")
    }
    guard let items = heap.items(reference), let kind = items.first.flatMap({ heap.text($0) })
    else { throw failure("expected a tuple that describes a storage") }
    if kind == "module", items.count > 1 { return items[1] }
    guard kind == "storage", items.count >= 5 else {
      throw failure("expected a storage, found \"\(kind)\" with \(items.count) fields")
    }
    guard case .storage(let storage) = heap.known(items[1]) else {
      throw failure("the storage is of a class that is not known")
    }
    guard let key = heap.text(items[2]), let count = heap.integer(items[4]), count >= 0 else {
      throw failure("expected a storage's key and number of elements")
    }
    var view: Range<Int>?
    if items.count > 5, let fields = heap.items(items[5]) {
      guard fields.count == 3, let start = heap.integer(fields[1]),
        let length = heap.integer(fields[2]), start >= 0, length >= 0, start <= count,
        length <= count - start
      else { throw failure("a view reaches out of storage \(key) of \(count) elements") }
      view = start..<(start + length)
    }
    heap.storages.append(StorageRecord(key: key, kind: storage, count: count, view: view))
    return .storage(heap.storages.count - 1)
  }

  /// `_rebuild_tensor(storage, offset, size, stride, …)`. A tensor of complex or quantised numbers
  /// gives nil and stays inert, as does one whose sign is to be turned on reading.
  mutating func rebuildTensor(
    _ items: [Cell], elementType: PickleElementType?
  ) throws(PickleError) -> Cell? {
    guard items.count >= 4, case .storage(let row) = items[0],
      let offset = heap.integer(items[1]), let shape = heap.integers(items[2]),
      let strides = heap.integers(items[3])
    else { throw failure("expected a storage, an offset, a size and strides") }
    let storage = heap.storages[row]
    guard let type = elementType ?? storage.kind.elementType else { return nil }
    if elementType == nil, items.count > 6, case .container(let metadata) = items[6],
      heap.containers[metadata].kind == .dictionary, !heap.containers[metadata].items.isEmpty
    {
      return nil
    }
    let (byteCount, overflow) = (storage.view?.count ?? storage.count)
      .multipliedReportingOverflow(by: storage.kind.elementCount)
    guard !overflow else { throw failure("storage \(storage.key) claims too many elements") }
    let record = ArrayRecord(
      source: .storage(row), elementType: type, isBigEndian: false, offset: offset, shape: shape,
      strides: strides)
    return try add(record, available: byteCount)
  }

  /// `_rebuild_tensor_v3(storage, offset, size, stride, gradient, hooks, dtype, …)`.
  mutating func rebuildTypedTensor(_ items: [Cell]) throws(PickleError) -> Cell? {
    guard items.count >= 7, case .global(let row) = items[6] else {
      throw failure("expected a tensor's element type as its seventh argument")
    }
    let name = heap.globals[row].name
    guard name.module == "torch", let type = PickleElementType(torchName: name.name) else {
      return nil
    }
    return try rebuildTensor(items, elementType: type)
  }

  // MARK: both

  private mutating func add(_ record: ArrayRecord, available: Int) throws(PickleError) -> Cell {
    try check(record, available: available)
    try charge(2 * record.shape.count)
    heap.arrays.append(record)
    return .array(heap.arrays.count - 1)
  }

  private func check(_ record: ArrayRecord, available: Int) throws(PickleError) {
    if let fault = PickleArray.fault(
      shape: record.shape, strides: record.strides, offset: record.offset,
      elementCount: record.elementType.byteCount, available: available)
    {
      throw failure(fault)
    }
  }
}
