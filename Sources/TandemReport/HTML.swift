/// Markup in which whatever is interpolated as a string is escaped, so no text can become a tag.
///
/// The literal parts are markup; `\(string)` is text or an attribute value; `\(html)` is markup
/// again. What the package writes is well-formed XML as well as HTML, so tests can parse it.
package struct HTML: ExpressibleByStringInterpolation, Sendable, Equatable {
  package private(set) var markup: String

  package init(stringLiteral value: String) {
    markup = value
  }

  package init(stringInterpolation: StringInterpolation) {
    markup = stringInterpolation.markup
  }

  package static func += (left: inout HTML, right: HTML) {
    left.markup += right.markup
  }

  package struct StringInterpolation: StringInterpolationProtocol {
    fileprivate var markup = ""

    package init(literalCapacity: Int, interpolationCount: Int) {
      markup.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }

    package mutating func appendLiteral(_ literal: String) {
      markup += literal
    }

    package mutating func appendInterpolation(_ text: String) {
      markup += HTML.escaped(text)
    }

    package mutating func appendInterpolation(_ number: Int) {
      markup += String(number)
    }

    /// A coordinate or length in the units of the drawing.
    package mutating func appendInterpolation(_ coordinate: Double) {
      markup += NumberText.coordinate(coordinate)
    }

    package mutating func appendInterpolation(_ html: HTML?) {
      if let html { markup += html.markup }
    }

    package mutating func appendInterpolation(_ parts: [HTML]) {
      for (index, part) in parts.enumerated() {
        if index > 0 { markup += "\n" }
        markup += part.markup
      }
    }
  }

  /// `text` with the five special characters as entities, and with what XML 1.0 does not allow
  /// (most control characters, two noncharacters) as U+FFFD.
  package static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\t", "\n", "\r": result.unicodeScalars.append(scalar)
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }
}
