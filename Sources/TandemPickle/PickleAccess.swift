// Reading a value as the type one expects, with errors that say where and what was found instead.

extension PickleValue {
  /// A text; bytes of Python 2 count where they are UTF-8. Throws `PickleError` for anything else.
  public var string: String {
    get throws(PickleError) { try string(nil) }
  }

  /// An integer, a boolean (0 or 1), or an array without dimensions of either. Throws
  /// `PickleError` for anything else, and for integers that 64 bits with a sign do not hold.
  public var integer: Int {
    get throws(PickleError) { try integer(nil) }
  }

  /// A number: a float, an integer, or an array without dimensions. Throws `PickleError`.
  public var number: Double {
    get throws(PickleError) { try number(nil) }
  }

  /// True or false. Throws `PickleError` for anything else.
  public var boolean: Bool {
    get throws(PickleError) {
      guard case .bool(let flag) = self else { throw unexpected("a boolean", nil) }
      return flag
    }
  }

  /// Bytes, or the UTF-8 of a text. Throws `PickleError` for anything else.
  public var data: ByteSlice {
    get throws(PickleError) { try data(nil) }
  }

  /// The items of a list, tuple or set. Throws `PickleError` for anything else.
  public var sequence: PickleSequence {
    get throws(PickleError) { try sequence(nil) }
  }

  /// A dictionary. Throws `PickleError` for anything else.
  public var dictionary: PickleDictionary {
    get throws(PickleError) { try dictionary(nil) }
  }

  /// An array. Throws `PickleError` for anything else.
  public var array: PickleArray {
    get throws(PickleError) { try array(nil) }
  }

  /// An object that was not made. Throws `PickleError` for anything else.
  public var object: PickleObject {
    get throws(PickleError) {
      guard case .instance(let object) = self else { throw unexpected("an object", nil) }
      return object
    }
  }

  public var isNull: Bool { if case .null = self { true } else { false } }

  /// The value under a key of a dictionary. Throws `PickleError` that names the key and the keys
  /// there are.
  public subscript(_ key: String) -> PickleValue {
    get throws(PickleError) {
      let dictionary = try dictionary(key, wanted: "a dictionary with key \"\(key)\"")
      guard let value = dictionary[key] else {
        let names = dictionary.names
        let shown = names.prefix(8).map { "\"\($0)\"" }.joined(separator: ", ")
        throw PickleError(
          file: "pickle", place: "key \"\(key)\"",
          reason: "there is no such key among the \(dictionary.count) of the dictionary"
            + (names.isEmpty ? "" : ": " + shown + (names.count > 8 ? ", …" : "")))
      }
      return value
    }
  }

  /// The text under a key. These throw `PickleError` that names the key.
  public func string(at key: String) throws(PickleError) -> String { try self[key].string(key) }
  /// The integer under a key.
  public func integer(at key: String) throws(PickleError) -> Int { try self[key].integer(key) }
  /// The number under a key.
  public func number(at key: String) throws(PickleError) -> Double { try self[key].number(key) }
  /// The bytes under a key.
  public func data(at key: String) throws(PickleError) -> ByteSlice { try self[key].data(key) }
  /// The items under a key.
  public func sequence(at key: String) throws(PickleError) -> PickleSequence {
    try self[key].sequence(key)
  }
  /// The dictionary under a key.
  public func dictionary(at key: String) throws(PickleError) -> PickleDictionary {
    try self[key].dictionary(key)
  }
  /// The array under a key.
  public func array(at key: String) throws(PickleError) -> PickleArray { try self[key].array(key) }

  private func string(_ key: String?) throws(PickleError) -> String {
    switch self {
    case .str(let text): return text
    case .bytes(let bytes):
      if let text = bytes.withBytes({ String(validating: $0, as: UTF8.self) }) { return text }
      throw unexpected("a text", key, found: "bytes that are not UTF-8")
    default: throw unexpected("a text", key)
    }
  }

  private func integer(_ key: String?) throws(PickleError) -> Int {
    switch self {
    case .int(let number): return number
    case .bool(let flag): return flag ? 1 : 0
    case .ndarray(let array) where array.shape.isEmpty && !array.elementType.isFloatingPoint:
      return try array.integers()[0]
    case .instance(let object) where object.className == PickleMachine.largeInteger.description:
      throw unexpected("an integer of 64 bits", key, found: "one that 64 bits do not hold")
    default: throw unexpected("an integer", key)
    }
  }

  private func number(_ key: String?) throws(PickleError) -> Double {
    switch self {
    case .float(let number): return number
    case .ndarray(let array) where array.shape.isEmpty: return try array.doubles()[0]
    case .int, .bool: return Double(try integer(key))
    default: throw unexpected("a number", key)
    }
  }

  private func data(_ key: String?) throws(PickleError) -> ByteSlice {
    switch self {
    case .bytes(let bytes): return bytes
    case .str(let text): return ByteSlice(Array(text.utf8))
    default: throw unexpected("bytes", key)
    }
  }

  private func sequence(_ key: String?) throws(PickleError) -> PickleSequence {
    switch self {
    case .list(let items), .tuple(let items), .set(let items): return items
    default: throw unexpected("a list", key)
    }
  }

  private func dictionary(
    _ key: String?, wanted: String = "a dictionary"
  ) throws(PickleError) -> PickleDictionary {
    guard case .dict(let dictionary) = self else { throw unexpected(wanted, key) }
    return dictionary
  }

  private func array(_ key: String?) throws(PickleError) -> PickleArray {
    guard case .ndarray(let array) = self else { throw unexpected("an array", key) }
    return array
  }

  private func unexpected(
    _ wanted: String, _ key: String?, found: String? = nil
  ) -> PickleError {
    PickleError(
      file: "pickle", place: key.map { "key \"\($0)\"" },
      reason: "expected \(wanted), found \(found ?? summary)")
  }

  /// The value in a few words: its type and size.
  public var summary: String {
    switch self {
    case .null: "None"
    case .bool(let flag): flag ? "True" : "False"
    case .int(let number): "the integer \(number)"
    case .float(let number): "the number \(number)"
    case .str(let text): text.count <= 40 ? "the text \"\(text)\"" : "a text of \(text.count)"
    case .bytes(let bytes): "\(bytes.count) bytes"
    case .list(let items): "a list of \(items.count)"
    case .tuple(let items): "a tuple of \(items.count)"
    case .set(let items): "a set of \(items.count)"
    case .dict(let dictionary): "a dictionary of \(dictionary.count)"
    case .ndarray(let array): "an array \(array.elementType.rawValue)\(array.shape)"
    case .type(let name): "the name \(name)"
    case .instance(let object): "an object of \(object.className)"
    }
  }
}

extension PickleValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByNilLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(stringLiteral value: String) { self = .str(value) }
  public init(integerLiteral value: Int) { self = .int(value) }
  public init(floatLiteral value: Double) { self = .float(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(nilLiteral: ()) { self = .null }
  public init(arrayLiteral elements: PickleValue...) { self = .list(PickleSequence(elements)) }
  public init(dictionaryLiteral elements: (PickleValue, PickleValue)...) {
    self = .dict(PickleDictionary(elements.map { (key: $0.0, value: $0.1) }))
  }

  /// Bytes to be written.
  public init(_ bytes: [UInt8]) { self = .bytes(ByteSlice(bytes)) }
}
