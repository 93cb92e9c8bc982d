// The little XML that captions need: elements by name, their attributes and text.
//
// The inputs are metadata blocks and annotation lists of pinned packages, where no element contains
// one of its own name; this is no general XML parser.

/// Finds elements in a piece of XML, as bytes.
struct Markup {
  let bytes: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) { self.bytes = bytes }

  struct Element {
    /// Everything between the element's name and the end of its start tag.
    let attributes: String
    let content: ArraySlice<UInt8>
    /// From the start tag to the end tag.
    let range: Range<Int>

    /// The text without tags, entities resolved.
    var text: String { Markup.text(content) }

    /// The value of an attribute in double quotes.
    func attribute(_ name: String) -> String? {
      guard let start = attributes.firstRange(of: " \(name)=\"") else { return nil }
      let rest = attributes[start.upperBound...]
      guard let end = rest.firstIndex(of: "\"") else { return nil }
      return Markup.resolvingEntities(String(rest[..<end]))
    }
  }

  /// All elements of that name, in order.
  func elements(_ name: String) -> [Element] {
    var found: [Element] = []
    var position = bytes.startIndex
    while let element = element(name, from: position) {
      found.append(element)
      position = element.range.upperBound
    }
    return found
  }

  /// The first element of that name.
  func first(_ name: String) -> Element? { element(name, from: bytes.startIndex) }

  /// The same without the elements of these names and all they hold.
  func without(_ names: [String]) -> Markup {
    var kept = self
    for name in names {
      while let element = kept.first(name) {
        let rest = kept.bytes[..<element.range.lowerBound] + kept.bytes[element.range.upperBound...]
        kept = Markup(ArraySlice(Array(rest)))
      }
    }
    return kept
  }

  private func element(_ name: String, from start: Int) -> Element? {
    let opening = Array("<\(name)".utf8)
    let closing = Array("</\(name)>".utf8)
    var position = start
    while let open = find(opening, from: position) {
      let afterName = open + opening.count
      position = afterName
      // "<annotation" must not find "<annotations".
      guard afterName < bytes.endIndex, [32, 9, 10, 13, 47, 62].contains(bytes[afterName]) else {
        continue
      }
      guard let tagEnd = bytes[afterName...].firstIndex(of: 62) else { return nil }
      let attributes = String(decoding: bytes[afterName..<tagEnd], as: UTF8.self)
      if attributes.hasSuffix("/") {
        return Element(attributes: attributes, content: [], range: open..<(tagEnd + 1))
      }
      guard let close = find(closing, from: tagEnd + 1) else { return nil }
      return Element(
        attributes: attributes, content: bytes[(tagEnd + 1)..<close],
        range: open..<(close + closing.count))
    }
    return nil
  }

  /// The position of `pattern`, which begins with "<".
  private func find(_ pattern: [UInt8], from start: Int) -> Int? {
    guard start < bytes.endIndex else { return nil }
    return bytes.withUnsafeBufferPointer { buffer in
      let base = bytes.startIndex
      let last = buffer.count - pattern.count
      var position = start - base
      while position <= last {
        if buffer[position] == 60 {
          var matched = 1
          while matched < pattern.count, buffer[position + matched] == pattern[matched] {
            matched += 1
          }
          if matched == pattern.count { return position + base }
        }
        position += 1
      }
      return nil
    }
  }

  static func text(_ content: ArraySlice<UInt8>) -> String {
    var kept: [UInt8] = []
    var inTag = false
    for byte in content {
      if byte == 60 {
        inTag = true
        kept.append(32)
      } else if byte == 62, inTag {
        inTag = false
      } else if !inTag {
        kept.append(byte)
      }
    }
    return CaptionText.tidy(resolvingEntities(String(decoding: kept, as: UTF8.self)))
  }

  /// Resolves the five named entities of XML and numeric ones; leaves what is no entity.
  static func resolvingEntities(_ text: String) -> String {
    guard text.contains("&") else { return text }
    var result = ""
    var rest = Substring(text)
    while let ampersand = rest.firstIndex(of: "&") {
      result += rest[..<ampersand]
      rest = rest[ampersand...]
      guard let end = rest.firstIndex(of: ";"), let character = entity(rest[..<end].dropFirst())
      else {
        result.append("&")
        rest = rest.dropFirst()
        continue
      }
      result.append(character)
      rest = rest[rest.index(after: end)...]
    }
    return result + rest
  }

  private static func entity(_ name: Substring) -> Character? {
    switch name {
    case "amp": return "&"
    case "lt": return "<"
    case "gt": return ">"
    case "quot": return "\""
    case "apos": return "'"
    default:
      guard name.first == "#" else { return nil }
      let digits = name.dropFirst()
      let number = digits.first == "x" ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
      return number.flatMap(Unicode.Scalar.init).map(Character.init)
    }
  }
}
