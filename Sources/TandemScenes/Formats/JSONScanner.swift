// Reads JSON value by value (RFC 8259), so that a file of any length needs no tree in memory.

internal import Foundation

/// A place in a JSON text that moves forward over its values.
///
/// Errors name the file, the path of keys to the value, what was expected and what was found.
struct JSONScanner {
  let file: String
  private let bytes: UnsafeRawBufferPointer
  private var place = 0
  private var path: [Step] = []

  private enum Step {
    case key(String)
    case element(Int)
  }

  /// `bytes` must stay valid as long as the scanner is used.
  init(_ bytes: UnsafeRawBufferPointer, file: String) {
    self.bytes = bytes
    self.file = file
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { place = 3 }
  }

  func error(_ problem: String, at key: String? = nil) -> SceneFormatError {
    var text = ""
    for step in path {
      switch step {
      case .key(let key): text += (text.isEmpty ? "" : ".") + key
      case .element(let number): text += "[\(number)]"
      }
    }
    if let key { text += (text.isEmpty ? "" : ".") + key }
    return SceneFormatError(file: file, key: text, problem: problem)
  }

  // MARK: Containers

  /// Calls `body` at each value of an object with its key; `body` reads or skips the value.
  mutating func object(_ body: (inout JSONScanner, String) throws -> Void) throws {
    try open(0x7B, "an object, { … }")
    if take(0x7D) { return }
    repeat {
      skipSpace()
      let key = try string()
      guard take(0x3A) else { throw error("expected ':' after the key '\(key)', \(found)") }
      path.append(.key(key))
      try body(&self, key)
      path.removeLast()
    } while take(0x2C)
    guard take(0x7D) else { throw error("expected ',' or '}', \(found)") }
  }

  /// Calls `body` at each element of an array.
  mutating func array(_ body: (inout JSONScanner, Int) throws -> Void) throws {
    try open(0x5B, "an array, [ … ]")
    if take(0x5D) { return }
    var number = 0
    repeat {
      path.append(.element(number))
      try body(&self, number)
      path.removeLast()
      number += 1
    } while take(0x2C)
    guard take(0x5D) else { throw error("expected ',' or ']', \(found)") }
  }

  /// Nothing but space may follow the value.
  mutating func end() throws {
    skipSpace()
    guard place == bytes.count else { throw error("expected the end of the file, \(found)") }
  }

  /// The next byte that is not space, without moving over it.
  mutating func peek() -> UInt8? {
    skipSpace()
    return place < bytes.count ? bytes[place] : nil
  }

  // MARK: Values

  mutating func string() throws -> String {
    guard take(0x22) else { throw error("expected a text in quotes, \(found)") }
    let start = place
    while place < bytes.count, bytes[place] != 0x22, bytes[place] != 0x5C, bytes[place] >= 0x20 {
      place += 1
    }
    if place < bytes.count, bytes[place] == 0x22 {
      defer { place += 1 }
      return String(decoding: bytes[start..<place], as: UTF8.self)
    }
    return try escapedString(from: start)
  }

  private mutating func escapedString(from start: Int) throws -> String {
    var units = Array(String(decoding: bytes[start..<place], as: UTF8.self).utf16)
    while true {
      guard place < bytes.count else { throw error("a text has no closing quote") }
      let byte = bytes[place]
      if byte == 0x22 {
        place += 1
        return String(decoding: units, as: UTF16.self)
      }
      if byte < 0x20 { throw error("a text holds a control character; write it as \\u00…") }
      if byte == 0x5C {
        place += 1
        units.append(try escape())
      } else {
        let from = place
        while place < bytes.count, bytes[place] != 0x22, bytes[place] != 0x5C, bytes[place] >= 0x20
        {
          place += 1
        }
        units += Array(String(decoding: bytes[from..<place], as: UTF8.self).utf16)
      }
    }
  }

  private mutating func escape() throws -> UInt16 {
    guard place < bytes.count else { throw error("a text ends after a backslash") }
    let byte = bytes[place]
    place += 1
    switch byte {
    case 0x22, 0x5C, 0x2F: return UInt16(byte)
    case 0x62: return 8
    case 0x66: return 12
    case 0x6E: return 10
    case 0x72: return 13
    case 0x74: return 9
    case 0x75:
      guard place + 4 <= bytes.count,
        bytes[place..<(place + 4)].allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
        let unit = UInt16(String(decoding: bytes[place..<(place + 4)], as: UTF8.self), radix: 16)
      else { throw error("expected four hexadecimal digits after \\u") }
      place += 4
      return unit
    default: throw error("expected one of \"\\/bfnrtu after a backslash")
    }
  }

  mutating func double() throws -> Double {
    skipSpace()
    let start = place
    while place < bytes.count, Self.isNumberByte(bytes[place]) { place += 1 }
    let text = String(decoding: bytes[start..<place], as: UTF8.self)
    guard let first = text.utf8.first, first == 0x2D || (0x30...0x39).contains(first),
      let value = Double(text), value.isFinite
    else {
      place = start
      throw error("expected a number, \(found)")
    }
    return value
  }

  /// A whole number; "3.0" is one too.
  mutating func int() throws -> Int {
    skipSpace()
    let start = place
    var value = 0
    var isNegative = false
    if place < bytes.count, bytes[place] == 0x2D {
      isNegative = true
      place += 1
    }
    let digits = place
    while place < bytes.count, (0x30...0x39).contains(bytes[place]), place - digits < 18 {
      value = 10 * value + Int(bytes[place] - 0x30)
      place += 1
    }
    if place > digits, place >= bytes.count || !Self.isNumberByte(bytes[place]) {
      return isNegative ? -value : value
    }
    place = start
    let number = try double()
    guard let whole = Int(exactly: number) else {
      throw error("expected a whole number, found \(number)")
    }
    return whole
  }

  /// Moves over any value.
  mutating func skip(depth: Int = 0) throws {
    guard depth < 256 else { throw error("values lie more than 256 deep") }
    switch peek() {
    case 0x7B: try object { scanner, _ in try scanner.skip(depth: depth + 1) }
    case 0x5B: try array { scanner, _ in try scanner.skip(depth: depth + 1) }
    case 0x22: _ = try string()
    case 0x74: try word("true")
    case 0x66: try word("false")
    case 0x6E: try word("null")
    default: _ = try double()
    }
  }

  /// Whether a null stood here; moves over it.
  mutating func null() throws -> Bool {
    guard peek() == 0x6E else { return false }
    try word("null")
    return true
  }

  // MARK: Bytes

  private mutating func word(_ text: String) throws {
    guard place + text.utf8.count <= bytes.count,
      bytes[place..<(place + text.utf8.count)].elementsEqual(text.utf8)
    else { throw error("expected a value, \(found)") }
    place += text.utf8.count
  }

  private mutating func open(_ byte: UInt8, _ expected: String) throws {
    guard take(byte) else { throw error("expected \(expected), \(found)") }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard place < bytes.count, bytes[place] == byte else { return false }
    place += 1
    return true
  }

  private mutating func skipSpace() {
    while place < bytes.count, Self.isSpace(bytes[place]) { place += 1 }
  }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
  }

  private static func isNumberByte(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x2B, 0x2D, 0x2E, 0x45, 0x65: true
    default: false
    }
  }

  /// "found 'abc…' at byte 12"
  private var found: String {
    guard place < bytes.count else { return "found the end of the file" }
    let text = String(decoding: bytes[place..<min(bytes.count, place + 20)], as: UTF8.self)
    return "found '\(text)' at byte \(place)"
  }
}
