// JSON (RFC 8259) read where it lies: megabytes of base64 in a string are a range, not a copy.

/// Goes forward through a JSON text; each call consumes one value.
struct JSONCursor {
  struct Fault: Error {
    let offset: Int
    let reason: String
  }

  /// A string's bytes between its quotes.
  struct Text {
    let raw: UnsafeRawBufferPointer
    let hasEscapes: Bool

    var string: String {
      hasEscapes ? String(decoding: unescaped, as: UTF8.self) : raw.text
    }

    /// Calls `body` with the string's UTF-8.
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
      hasEscapes ? try unescaped.withUnsafeBytes { try body($0) } : try body(raw)
    }

    private var unescaped: [UInt8] {
      var bytes: [UInt8] = []
      bytes.reserveCapacity(raw.count)
      var index = 0
      while index < raw.count {
        guard raw[index] == UInt8(ascii: "\\"), index + 1 < raw.count else {
          bytes.append(raw[index])
          index += 1
          continue
        }
        let escape = raw[index + 1]
        index += 2
        switch escape {
        case UInt8(ascii: "n"): bytes.append(10)
        case UInt8(ascii: "r"): bytes.append(13)
        case UInt8(ascii: "t"): bytes.append(9)
        case UInt8(ascii: "b"): bytes.append(8)
        case UInt8(ascii: "f"): bytes.append(12)
        case UInt8(ascii: "u"): bytes.append(contentsOf: character(&index).utf8)
        default: bytes.append(escape)
        }
      }
      return bytes
    }

    private func unit(_ index: Int) -> UInt16? {
      guard index + 4 <= raw.count else { return nil }
      return UInt16(UnsafeRawBufferPointer(rebasing: raw[index..<(index + 4)]).text, radix: 16)
    }

    private func character(_ index: inout Int) -> String {
      guard let first = unit(index) else { return "\u{FFFD}" }
      index += 4
      var units = [first]
      if UTF16.isLeadSurrogate(first), index + 1 < raw.count, raw[index] == UInt8(ascii: "\\"),
        raw[index + 1] == UInt8(ascii: "u"), let second = unit(index + 2)
      {
        units.append(second)
        index += 6
      }
      return String(decoding: units, as: UTF16.self)
    }
  }

  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  func fault(_ reason: String) -> Fault { Fault(offset: offset, reason: reason) }

  /// The next byte that is no blank, not consumed; nil at the end.
  mutating func peek() -> UInt8? {
    while offset < bytes.count, [32, 9, 10, 13].contains(bytes[offset]) { offset += 1 }
    return offset < bytes.count ? bytes[offset] : nil
  }

  private mutating func expect(_ character: UInt8) throws {
    let found = peek()
    guard found == character else {
      let what = found.map { "'\(Character(Unicode.Scalar($0)))'" } ?? "the end"
      throw fault("expected '\(Character(Unicode.Scalar(character)))', found \(what)")
    }
    offset += 1
  }

  /// Consumes an object; `body` must consume the value of every member, with `skip` at least.
  mutating func object(_ body: (Text, inout JSONCursor) throws -> Void) throws {
    try expect(UInt8(ascii: "{"))
    if peek() == UInt8(ascii: "}") {
      offset += 1
      return
    }
    while true {
      let key = try text()
      try expect(UInt8(ascii: ":"))
      try body(key, &self)
      if peek() == UInt8(ascii: ",") {
        offset += 1
      } else {
        return try expect(UInt8(ascii: "}"))
      }
    }
  }

  /// Consumes an array; `body` must consume every element.
  mutating func array(_ body: (inout JSONCursor) throws -> Void) throws {
    try expect(UInt8(ascii: "["))
    if peek() == UInt8(ascii: "]") {
      offset += 1
      return
    }
    while true {
      try body(&self)
      if peek() == UInt8(ascii: ",") {
        offset += 1
      } else {
        return try expect(UInt8(ascii: "]"))
      }
    }
  }

  mutating func text() throws -> Text {
    try expect(UInt8(ascii: "\""))
    let start = offset
    var hasEscapes = false
    while offset < bytes.count {
      let byte = bytes[offset]
      if byte == UInt8(ascii: "\"") {
        let raw = UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
        offset += 1
        return Text(raw: raw, hasEscapes: hasEscapes)
      }
      if byte == UInt8(ascii: "\\") {
        hasEscapes = true
        offset += 1
      }
      offset += 1
    }
    throw fault("expected the end of a string, found the end of the text: was it cut short?")
  }

  mutating func number() throws -> Double {
    _ = peek()
    let start = offset
    while offset < bytes.count, isPartOfNumber(bytes[offset]) { offset += 1 }
    let text = UnsafeRawBufferPointer(rebasing: bytes[start..<offset])
    guard let value = Double(text.text) else {
      throw fault("expected a number, found \(text.excerpt)")
    }
    return value
  }

  mutating func integer() throws -> Int {
    let value = try number()
    guard let whole = Int(exactly: value) else {
      throw fault("expected a whole number, found \(value)")
    }
    return whole
  }

  /// Consumes any value. Nesting beyond 64 is refused.
  mutating func skip(depth: Int = 0) throws {
    guard depth < 64 else { throw fault("nested more than 64 deep") }
    switch peek() {
    case UInt8(ascii: "{"): try object { _, cursor in try cursor.skip(depth: depth + 1) }
    case UInt8(ascii: "["): try array { cursor in try cursor.skip(depth: depth + 1) }
    case UInt8(ascii: "\""): _ = try text()
    case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
      while offset < bytes.count, (97...122).contains(bytes[offset]) { offset += 1 }
    default: _ = try number()
    }
  }

  private func isPartOfNumber(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || [43, 45, 46, 69, 101].contains(byte)
  }
}
