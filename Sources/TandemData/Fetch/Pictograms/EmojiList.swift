// The emoji of Unicode with their English names and keywords.
// Sequences and groups: UTS #51, emoji-test.txt. Names: Unicode CLDR, annotations.

import Foundation

/// One emoji, without its skin tone variants.
struct Emoji {
  /// The fully-qualified sequence, with variation selectors.
  let sequence: [Unicode.Scalar]
  /// CLDR's short name: "woman: red hair".
  let name: String
  let keywords: [String]
  let group: String
  let subgroup: String

  var isFlag: Bool { group == "Flags" }
  /// Code points in hexadecimal, as file names of emoji sets have them.
  func code(separator: String, uppercase: Bool, withSelectors: Bool) -> String {
    sequence.filter { withSelectors || $0.value != 0xFE0F }
      .map { scalar in
        let digits = String(scalar.value, radix: 16, uppercase: uppercase)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
      }
      .joined(separator: separator)
  }

  /// The category and the keywords, without the name itself.
  var tags: [String] {
    CaptionText.tags(
      [group, subgroup.replacing("-", with: " ")] + keywords.filter { $0 != name })
  }
}

enum EmojiList {
  /// Reads emoji-test.txt, and CLDR's names; emoji without an English name are left out.
  static func read(
    emojiTest: [UInt8], annotations: [[UInt8]]
  ) throws -> [Emoji] {
    let names = annotationsBySequence(annotations)
    var emoji: [Emoji] = []
    var group = ""
    var subgroup = ""
    for line in String(decoding: emojiTest, as: UTF8.self).split(separator: "\n") {
      if line.hasPrefix("# group: ") {
        group = String(line.dropFirst(9))
      } else if line.hasPrefix("# subgroup: ") {
        subgroup = String(line.dropFirst(12))
      } else if let fields = fullyQualified(line) {
        // Skin tone variants show the same thing again: five copies of one concept.
        if fields.contains(where: { (0x1F3FB...0x1F3FF).contains($0.value) }) { continue }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: fields.filter { $0.value != 0xFE0F })
        guard let (name, keywords) = names[String(text)] else { continue }
        emoji.append(
          Emoji(
            sequence: fields, name: name, keywords: keywords, group: group, subgroup: subgroup))
      }
    }
    guard emoji.count > 1000 else {
      throw FetchError(
        "the Unicode data names only \(emoji.count) emoji, expected more than 1 000: "
          + "emoji-test.txt or CLDR's annotations are laid out in another way")
    }
    return emoji
  }

  /// The code points of a line `1F600 ; fully-qualified # …`, or `nil` for any other line.
  private static func fullyQualified(_ line: Substring) -> [Unicode.Scalar]? {
    let fields = line.split(separator: ";", maxSplits: 1)
    guard fields.count == 2, fields[1].drop(while: { $0 == " " }).hasPrefix("fully-qualified")
    else { return nil }
    let scalars = fields[0].split(separator: " ").compactMap {
      UInt32($0, radix: 16).flatMap(Unicode.Scalar.init)
    }
    return scalars.isEmpty ? nil : scalars
  }

  /// Keys are sequences without variation selectors, as CLDR writes them.
  private static func annotationsBySequence(
    _ files: [[UInt8]]
  ) -> [String: (name: String, keywords: [String])] {
    var result: [String: (name: String, keywords: [String])] = [:]
    for file in files {
      for element in Markup(file[...]).elements("annotation") {
        guard let sequence = element.attribute("cp") else { continue }
        var entry = result[sequence] ?? ("", [])
        if element.attribute("type") == "tts" {
          entry.name = element.text
        } else {
          entry.keywords = element.text.split(separator: "|").map { CaptionText.tidy(String($0)) }
        }
        result[sequence] = entry
      }
    }
    return result.filter { !$0.value.name.isEmpty }
  }
}
