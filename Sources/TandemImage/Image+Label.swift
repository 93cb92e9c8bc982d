/// The letters of labels: one size, the printable characters of ASCII.
enum LabelFont {
  /// Where each glyph's digits begin.
  private static let starts: [Int] = {
    var start = 0
    return widths.map { width in
      defer { start += width * lineHeight }
      return start
    }
  }()

  private static let coverage: [UInt8] = digits.utf8.map { digit in
    digit < 58 ? digit - 48 : digit - 87
  }

  /// The glyph of a character: letters with accents as the letter, what is not there as "?".
  static func glyph(_ character: Character) -> (width: Int, coverage: ArraySlice<UInt8>) {
    let plain = String(character).unicodeScalars.first { $0.isASCII } ?? base(of: character)
    let code = Int(plain.value) - 32
    let index = widths.indices.contains(code) ? code : 31
    let count = widths[index] * lineHeight
    return (widths[index], coverage[starts[index]..<starts[index] + count])
  }

  static func width(of text: String) -> Int { text.reduce(0) { $0 + glyph($1).width } }

  /// "é" → "e": the names of Latin letters carry their base letter.
  private static func base(of character: Character) -> Unicode.Scalar {
    let name = character.unicodeScalars.first?.properties.name ?? ""
    let words = name.split(separator: " ")
    guard words.count > 3, words[0] == "LATIN", words[2] == "LETTER", words[3].utf8.count == 1,
      let letter = words[3].unicodeScalars.first
    else { return "?" }
    return words[1] == "SMALL" ? Unicode.Scalar(letter.value + 32) ?? "?" : letter
  }
}

extension Image {
  /// The pixels that `drawLabel` covers for a text.
  public static func labelSize(_ text: String) -> PixelSize {
    PixelSize(width: LabelFont.width(of: text) + 6, height: LabelFont.lineHeight + 2)
  }

  /// Draws a text on a plate of `color`, black or white, whichever is read more easily.
  ///
  /// - Parameters:
  ///   - x, y: the plate's top left corner in pixels. It is moved so that the plate lies in the
  ///     picture, as far as the picture has room.
  public mutating func drawLabel(_ text: String, x: Int, y: Int, color: RGB) {
    let plate = Image.labelSize(text)
    let left = max(0, min(x, width - plate.width))
    let top = max(0, min(y, height - plate.height))
    for row in top..<min(height, top + plate.height) {
      for column in left..<min(width, left + plate.width) { set(color, column, row, 1) }
    }
    let light = 0.299 * Float(color.red) + 0.587 * Float(color.green) + 0.114 * Float(color.blue)
    let ink: RGB = light > 140 ? .black : .white
    var start = left + 3
    for character in text {
      let glyph = LabelFont.glyph(character)
      for (index, coverage) in glyph.coverage.enumerated() where coverage > 0 {
        set(ink, start + index % glyph.width, top + 1 + index / glyph.width, Float(coverage) / 15)
      }
      start += glyph.width
    }
  }

  /// Mixes a colour into a pixel; nothing happens outside the picture.
  private mutating func set(_ color: RGB, _ x: Int, _ y: Int, _ share: Float) {
    guard x >= 0, x < width, y >= 0, y < height else { return }
    let start = (y * width + x) * 3
    for (channel, value) in [color.red, color.green, color.blue].enumerated() {
      let below = Float(pixels[start + channel])
      pixels[start + channel] = UInt8(below + (Float(value) - below) * share + 0.5)
    }
  }
}
