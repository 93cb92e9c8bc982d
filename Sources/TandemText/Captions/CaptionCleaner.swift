import Foundation

/// Cleans a caption as CLIP does before it looks for words: repairs what went wrong with its
/// characters, takes HTML's references out twice, and lower-cases.
///
/// Of the repairs of ftfy 6.3, line by line and again until nothing changes: HTML's references
/// (unless a `<` says that the text is HTML), controls of U+0080 to U+009F that stand for
/// Windows-1252, Latin ligatures, full and half width, curly quotation marks, terminal escapes,
/// controls, and composition (NFC).
///
/// Not done: ftfy's guess that text was decoded by a wrong encoding (`â€™` for an apostrophe), and
/// what belongs to it. Such text is encoded as it stands. Line breaks and runs of white space are
/// left too, since all white space alike only separates words.
/// Source: `simple_tokenizer.py`, published with A. Radford et al., 2021; R. Speer, "ftfy", 2019.
enum CaptionCleaner {
  /// A cleaned text.
  struct Result {
    var utf8: [UInt8] = []
    /// For each scalar, the stretch of the original text it came from, in scalars.
    var origins: [Range<Int32>] = []
  }

  /// Whether nothing but the case of ASCII letters can change: ASCII without `&` and controls.
  static func isClean(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    // Without an early exit, which costs more than it saves in captions.
    var isClean = true
    for byte in text {
      let isPlain = byte >= 0x20 && byte < 0x7F && byte != UInt8(ascii: "&")
      let isSpace = byte == 9 || byte == 10 || byte == 12 || byte == 13
      isClean = isClean && (isPlain || isSpace)
    }
    return isClean
  }

  @inline(__always)
  static func lowercase(_ ascii: UInt8) -> UInt8 {
    ascii >= UInt8(ascii: "A") && ascii <= UInt8(ascii: "Z") ? ascii | 0x20 : ascii
  }

  /// Cleans `text`, which is valid UTF-8.
  static func clean(_ text: UnsafeBufferPointer<UInt8>) -> Result {
    var scalars = repaired(LocatedScalar.all(in: text))
    for _ in 0..<2 { scalars = HTMLReferences.unescaped(scalars) }

    var result = Result()
    result.utf8.reserveCapacity(text.count)
    result.origins.reserveCapacity(scalars.count)
    for place in scalars.indices {
      let (value, origin) = (scalars[place].value, scalars[place].origin)
      if value < 0x80 {
        result.utf8.append(lowercase(UInt8(value)))
        result.origins.append(origin)
        continue
      }
      for scalar in lowercase(place, of: scalars) {
        UTF8.encode(scalar) { result.utf8.append($0) }
        result.origins.append(origin)
      }
    }
    return result
  }

  // MARK: Repairs

  private static func repaired(_ text: [LocatedScalar]) -> [LocatedScalar] {
    var result: [LocatedScalar] = []
    result.reserveCapacity(text.count)
    var isHTML = false
    var start = 0
    while start < text.count {
      let lineFeed = text[start...].firstIndex { $0.value == UInt32(ascii: "\n") }
      let end = lineFeed.map { $0 + 1 } ?? text.count
      let line = Array(text[start..<end])
      // From the first `<` on, for the lines that follow too.
      isHTML = isHTML || line.contains { $0.value == UInt32(ascii: "<") }
      result += repaired(line: line, isHTML: isHTML)
      start = end
    }
    return result
  }

  private static func repaired(line: [LocatedScalar], isHTML: Bool) -> [LocatedScalar] {
    var line = line
    while true {
      var next = isHTML ? line : HTMLReferences.carefullyUnescaped(line)
      next = withStandardForms(next)
      next = withoutTerminalEscapes(next)
      next = next.filter { !isRemoved($0.value) }
      next = composed(next)
      if next.lazy.map(\.value).elementsEqual(line.lazy.map(\.value)) { return next }
      line = next
    }
  }

  private static func withStandardForms(_ text: [LocatedScalar]) -> [LocatedScalar] {
    guard text.contains(where: { $0.value >= 0x80 }) else { return text }
    var result: [LocatedScalar] = []
    result.reserveCapacity(text.count)
    for scalar in text {
      if scalar.value >= 0x80, let form = standardForm(of: scalar.value) {
        result.append(form, from: scalar.origin)
      } else {
        result.append(scalar)
      }
    }
    return result
  }

  /// What stands for a scalar; nil when it stands for itself.
  private static func standardForm(of value: UInt32) -> [UInt32]? {
    switch value {
    case 0x80...0x9F:
      [Windows1252.scalar(of: value)]
    case 0x201C...0x201F:
      [UInt32(ascii: "\"")]
    case 0x2BC, 0x2018...0x201B:
      [UInt32(ascii: "'")]
    case 0xFB05:
      [0x17F, UInt32(ascii: "t")]
    case 0x132, 0x133, 0x149, 0x1C4...0x1CC, 0x1F1...0x1F3, 0xFB00...0xFB06,  // Ligatures.
      0x3000, 0xFF01...0xFFEF:  // Widths.
      compatible(value)
    default:
      nil
    }
  }

  private static func compatible(_ value: UInt32) -> [UInt32]? {
    Unicode.Scalar(value).map { scalar in
      String(scalar).precomposedStringWithCompatibilityMapping.unicodeScalars.map(\.value)
    }
  }

  /// Leaves out `ESC [`, digits and semicolons, and a letter: what colours text in a terminal.
  private static func withoutTerminalEscapes(_ text: [LocatedScalar]) -> [LocatedScalar] {
    guard text.contains(where: { $0.value == 0x1B }) else { return text }
    var result: [LocatedScalar] = []
    var place = 0
    while place < text.count {
      if let end = endOfTerminalEscape(text, at: place) {
        place = end
      } else {
        result.append(text[place])
        place += 1
      }
    }
    return result
  }

  private static func endOfTerminalEscape(_ text: [LocatedScalar], at start: Int) -> Int? {
    guard start + 1 < text.count, text[start].value == 0x1B,
      text[start + 1].value == UInt32(ascii: "[")
    else { return nil }
    let end = text[(start + 2)...].firstIndex { scalar in
      let isDigit = Unicode.Scalar(scalar.value)?.properties.generalCategory == .decimalNumber
      return !isDigit && scalar.value != UInt32(ascii: ";")
    }
    guard let end, let letter = Unicode.Scalar(text[end].value), letter.isASCII,
      letter.properties.isAlphabetic
    else { return nil }
    return end + 1
  }

  /// A control that shows nothing, or a mark for other programs.
  private static func isRemoved(_ value: UInt32) -> Bool {
    switch value {
    case 0x00...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x206A...0x206F, 0xFEFF, 0xFFF9...0xFFFC: true
    default: false
    }
  }

  /// Composes letters and marks (NFC). What changes shares the stretch of its whole character,
  /// since nothing composes from one character to the next.
  private static func composed(_ text: [LocatedScalar]) -> [LocatedScalar] {
    guard text.contains(where: { !isComposed($0.value) }) else { return text }
    let string = text.string
    let whole = composed(string)
    if whole.unicodeScalars.elementsEqual(string.unicodeScalars) { return text }

    var result: [LocatedScalar] = []
    result.reserveCapacity(text.count)
    var place = 0
    for character in string {
      let old = character.unicodeScalars
      let new = composed(String(character)).unicodeScalars
      let scalars = text[place..<place + old.count]
      if new.elementsEqual(old) {
        result += scalars
      } else {
        result.append(new.lazy.map(\.value), from: LocatedScalar.origin(of: scalars))
      }
      place += old.count
    }
    return result
  }

  /// Whether a scalar is its own composition and composes with no scalar before it: the common
  /// blocks of which that is true, so that most texts are not looked at closely.
  private static func isComposed(_ value: UInt32) -> Bool {
    switch value {
    case 0..<0x300, 0x391...0x3CE, 0x400...0x482, 0x5D0...0x5EA, 0x621...0x64A,  // Letters.
      0x200B...0x200F, 0x2010...0x205E, 0x20A0...0x20BF, 0xFE0F, 0x1F300...0x1FAFF,  // Marks.
      0x3041...0x3096, 0x30A1...0x30FA, 0x4E00...0x9FFF, 0xAC00...0xD7A3:  // East Asia.
      true
    default:
      false
    }
  }

  /// NFC by way of NFD: asked directly, Foundation leaves a Hangul syllable and a final consonant
  /// apart.
  private static func composed(_ text: String) -> String {
    text.decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
  }

  // MARK: Case

  private static func lowercase(
    _ place: Int, of text: [LocatedScalar]
  ) -> String.UnicodeScalarView {
    guard let scalar = Unicode.Scalar(text[place].value) else { return "".unicodeScalars }
    if scalar == "\u{3A3}" {
      return (isFinal(place, of: text) ? "\u{3C2}" : "\u{3C3}").unicodeScalars
    }
    return scalar.properties.lowercaseMapping.unicodeScalars
  }

  /// Whether a capital sigma ends a word: cased letters before it and none after, with what is
  /// ignored between (The Unicode Standard, section 3.13, `Final_Sigma`).
  private static func isFinal(_ place: Int, of text: [LocatedScalar]) -> Bool {
    func isCased(_ scalars: some Sequence<LocatedScalar>) -> Bool {
      for scalar in scalars {
        guard let properties = Unicode.Scalar(scalar.value)?.properties else { return false }
        if !properties.isCaseIgnorable { return properties.isCased }
      }
      return false
    }
    return isCased(text[..<place].reversed()) && !isCased(text[(place + 1)...])
  }
}
