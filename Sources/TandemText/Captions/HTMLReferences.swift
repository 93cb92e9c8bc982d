/// Replaces the character references of HTML, such as `&amp;` and `&#39;`, by what they stand for.
enum HTMLReferences {
  /// As browsers read text: names of the standard, longest first where `;` is missing, and
  /// numbers, corrected where they name what is no character.
  ///
  /// Source: HTML Living Standard, section 13.2.5.72, as `html.unescape` of Python reads it.
  static func unescaped(_ text: [LocatedScalar]) -> [LocatedScalar] {
    replaced(text) { rest in
      if rest.count > 1, rest[rest.startIndex + 1].value == UInt32(ascii: "#") {
        return number(rest)
      }
      return name(rest)
    }
  }

  /// With care, where nobody said that the text is HTML: only references that end with `;`, and
  /// capitals for small letters (`&EACUTE;`) where they name nothing else.
  ///
  /// Source: R. Speer, ftfy 6.3, `unescape_html`.
  static func carefullyUnescaped(_ text: [LocatedScalar]) -> [LocatedScalar] {
    replaced(text) { rest in
      var end = rest.startIndex + 1
      let isNumber = end < rest.endIndex && rest[end].value == UInt32(ascii: "#")
      if isNumber { end += 1 }
      let first = end
      while end < rest.endIndex, isAlphanumeric(rest[end].value) { end += 1 }
      guard (1...24).contains(end - first), end < rest.endIndex,
        rest[end].value == UInt32(ascii: ";")
      else { return nil }
      let length = end + 1 - rest.startIndex
      if isNumber {
        // A semicolon among the results would be one that was not taken in.
        guard let found = number(rest), found.length == length,
          !found.values.contains(UInt32(ascii: ";"))
        else { return nil }
        return found
      }
      let name = string(rest[first..<end])
      guard let values = HTMLEntityTable.scalars[name] ?? capitals[name] else { return nil }
      return Found(length: length, values: values)
    }
  }

  /// A reference at the start of some text, and what it stands for.
  private struct Found {
    let length: Int
    let values: [UInt32]
  }

  private static func replaced(
    _ text: [LocatedScalar], find: (ArraySlice<LocatedScalar>) -> Found?
  ) -> [LocatedScalar] {
    guard text.contains(where: { $0.value == UInt32(ascii: "&") }) else { return text }
    var result: [LocatedScalar] = []
    result.reserveCapacity(text.count)
    var place = 0
    while place < text.count {
      if text[place].value == UInt32(ascii: "&"), let found = find(text[place...]) {
        let origin = LocatedScalar.origin(of: text[place..<place + found.length])
        result.append(found.values, from: origin)
        place += found.length
      } else {
        result.append(text[place])
        place += 1
      }
    }
    return result
  }

  /// `&#` and digits, or `&#x` and hexadecimal digits, and `;` or not.
  private static func number(_ rest: ArraySlice<LocatedScalar>) -> Found? {
    var end = rest.startIndex + 2
    var radix: UInt32 = 10
    if end < rest.endIndex, [UInt32(ascii: "x"), UInt32(ascii: "X")].contains(rest[end].value) {
      radix = 16
      end += 1
    }
    let firstDigit = end
    var number: UInt32 = 0
    while end < rest.endIndex, let digit = digit(rest[end].value), digit < radix {
      number = min(number * radix + digit, 0x11_0000)
      end += 1
    }
    guard end > firstDigit else { return nil }
    if end < rest.endIndex, rest[end].value == UInt32(ascii: ";") { end += 1 }
    return Found(length: end - rest.startIndex, values: values(ofNumber: number))
  }

  private static func values(ofNumber number: UInt32) -> [UInt32] {
    switch number {
    case 0, 0xD800...0xDFFF, 0x11_0000...: [0xFFFD]
    case 0x80...0x9F: [Windows1252.scalar(of: number)]
    case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0xFDD0...0xFDEF: []
    case _ where number & 0xFFFE == 0xFFFE: []
    default: [number]
    }
  }

  /// `&` and a name, or the longest beginning of it that may stand without `;`.
  private static func name(_ rest: ArraySlice<LocatedScalar>) -> Found? {
    let first = rest.startIndex + 1
    var end = first
    while end < rest.endIndex, end < first + 32, isPartOfName(rest[end].value) { end += 1 }
    let name = rest[first..<end]
    if end < rest.endIndex, rest[end].value == UInt32(ascii: ";"),
      let values = HTMLEntityTable.scalars[string(name)]
    {
      return Found(length: name.count + 2, values: values)
    }
    let longest = min(name.count, HTMLEntityTable.longestUnterminated)
    for length in stride(from: longest, to: 1, by: -1) {
      let beginning = string(name.prefix(length))
      if HTMLEntityTable.unterminated.contains(beginning),
        let values = HTMLEntityTable.scalars[beginning]
      {
        return Found(length: length + 1, values: values)
      }
    }
    return nil
  }

  /// The names of small letters alone, in capitals, where that is no name or begins with none.
  private static let capitals: [String: [UInt32]] = {
    var result: [String: [UInt32]] = [:]
    for (name, values) in HTMLEntityTable.scalars where name == name.lowercased() {
      let capitals = name.uppercased()
      let reference = Array("&\(capitals);".unicodeScalars).map {
        LocatedScalar(value: $0.value, origin: 0..<0)
      }
      guard HTMLReferences.name(reference[...]) == nil else { continue }
      result[capitals] = values.flatMap { value in
        Unicode.Scalar(value).map { $0.properties.uppercaseMapping.unicodeScalars.map(\.value) }
          ?? []
      }
    }
    return result
  }()

  private static func string(_ scalars: ArraySlice<LocatedScalar>) -> String {
    Array(scalars).string
  }

  private static func digit(_ value: UInt32) -> UInt32? {
    switch value {
    case 0x30...0x39: value - 0x30
    case 0x41...0x46: value - 0x41 + 10
    case 0x61...0x66: value - 0x61 + 10
    default: nil
    }
  }

  private static func isAlphanumeric(_ value: UInt32) -> Bool {
    switch value {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: false
    }
  }

  private static func isPartOfName(_ value: UInt32) -> Bool {
    switch Unicode.Scalar(value) {
    case "\t", "\n", "\u{0C}", " ", "<", "&", "#", ";": false
    default: true
    }
  }
}

/// The encoding that Web pages mean where they name a control of the range U+0080 to U+009F.
enum Windows1252 {
  /// The scalar of a byte from 0x80 to 0x9F; the five bytes without one stay as they are.
  static func scalar(of byte: UInt32) -> UInt32 {
    let place = Int(byte) - 0x80
    return scalars.indices.contains(place) ? scalars[place] : byte
  }

  private static let scalars: [UInt32] = [
    0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013,
    0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
  ]
}
