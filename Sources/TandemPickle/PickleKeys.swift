// Dictionaries of a pickle that has been read: a key set twice keeps its last value, and keys are
// found by hash in large ones.

/// What a key is compared by. Tuples and objects as keys are kept but not found.
private enum KeyKind: UInt8 {
  case text, bytes, integer, float, bool, null
}

extension PickleHeap {
  /// Up to this many pairs are searched one by one.
  private static let smallCount = 8

  /// Prepares every dictionary for look-ups. Called once, when all are complete.
  mutating func indexDictionaries() {
    for row in containers.indices where containers[row].kind == .dictionary {
      indexDictionary(row)
    }
  }

  private mutating func indexDictionary(_ row: Int) {
    let old = containers[row].items
    let pairs = old.count / 2
    guard pairs > 1 else { return }
    var slots = pairs <= Self.smallCount ? 16 : 32
    while slots < 2 * pairs { slots *= 2 }
    var index = [UInt32](repeating: UInt32.max, count: slots)
    var items: [Cell] = []
    items.reserveCapacity(old.count)
    for pair in 0..<pairs {
      let key = old[2 * pair]
      if let hash = hash(key) {
        var slot = hash & (slots - 1)
        while index[slot] != UInt32.max, !areEqual(items[2 * Int(index[slot])], key) {
          slot = (slot + 1) & (slots - 1)
        }
        if index[slot] != UInt32.max {
          items[2 * Int(index[slot]) + 1] = old[2 * pair + 1]
          continue
        }
        index[slot] = UInt32(truncatingIfNeeded: items.count / 2)
      }
      items.append(key)
      items.append(old[2 * pair + 1])
    }
    if items.count < old.count { containers[row].items = items }
    if pairs > Self.smallCount { containers[row].index = index }
  }

  /// The value of a text key; of the same key as bytes (Python 2) where there is no text.
  func value(in row: Int, key: String) -> Cell? {
    var key = key
    return key.withUTF8 { utf8 in
      let bytes = UnsafeRawBufferPointer(utf8)
      return find(in: row, kind: .text, bytes) ?? find(in: row, kind: .bytes, bytes)
    }
  }

  func value(in row: Int, key: Int) -> Cell? {
    withUnsafeBytes(of: key) { find(in: row, kind: .integer, $0) }
  }

  private func find(in row: Int, kind: KeyKind, _ bytes: UnsafeRawBufferPointer) -> Cell? {
    let items = containers[row].items
    let index = containers[row].index
    func matches(_ pair: Int) -> Bool {
      withKey(items[2 * pair]) { $0 == kind && areSame($1, bytes) } ?? false
    }
    guard !index.isEmpty else {
      return (0..<(items.count / 2)).first(where: matches).map { items[2 * $0 + 1] }
    }
    var slot = Self.hash(kind, bytes) & (index.count - 1)
    while index[slot] != UInt32.max {
      if matches(Int(index[slot])) { return items[2 * Int(index[slot]) + 1] }
      slot = (slot + 1) & (index.count - 1)
    }
    return nil
  }

  private func hash(_ key: Cell) -> Int? { withKey(key) { Self.hash($0, $1) } }

  /// Seeded anew in every process: no file can be made whose keys all fall together.
  private static func hash(_ kind: KeyKind, _ bytes: UnsafeRawBufferPointer) -> Int {
    var hasher = Hasher()
    hasher.combine(kind.rawValue)
    hasher.combine(bytes: bytes)
    return hasher.finalize()
  }

  private func areEqual(_ one: Cell, _ other: Cell) -> Bool {
    withKey(one) { kind, bytes in
      withKey(other) { $0 == kind && areSame($1, bytes) } ?? false
    } ?? false
  }

  private func withKey<Result>(
    _ cell: Cell, _ body: (KeyKind, UnsafeRawBufferPointer) -> Result
  ) -> Result? {
    switch cell {
    case .text(let span): withBytes(of: span) { body(.text, $0) }
    case .bytes(let span): withBytes(of: span) { body(.bytes, $0) }
    case .integer(let number): withUnsafeBytes(of: number) { body(.integer, $0) }
    case .float(let number): withUnsafeBytes(of: number) { body(.float, $0) }
    case .bool(let flag): withUnsafeBytes(of: flag) { body(.bool, $0) }
    case .null: body(.null, UnsafeRawBufferPointer(start: nil, count: 0))
    case .container, .array, .storage, .global: nil
    }
  }
}

private func areSame(_ one: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer) -> Bool {
  one.count == other.count && one.elementsEqual(other)
}
