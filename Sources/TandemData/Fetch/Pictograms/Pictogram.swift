// One picture with its caption, before the splits are made.

import Foundation
import TandemFiles

/// A picture a source offers.
struct Pictogram {
  enum Content {
    case file(String)
    case bytes([UInt8])
  }

  /// The package family: "noto-emoji", "tuxpaint".
  let source: String
  /// File name under `images/<source>/`, unique within the source.
  let fileName: String
  let content: Content
  let caption: String
  /// More names of the same thing, which must stay in the same split.
  var otherNames: [String] = []
  /// True for any flag, whatever its caption says.
  var isFlag = false
  let tags: [String]

  func bytes() throws -> [UInt8] {
    switch content {
    case .bytes(let bytes): return bytes
    case .file(let path): return try MappedFile(path: path).withBytes { Array($0) }
    }
  }
}

/// One line of `train.jsonl`, `validation.jsonl` or `test.jsonl`.
package struct PictogramRecord: Codable {
  /// Path of the picture relative to the data set's directory.
  package let image: String
  package let caption: String
  package let source: String
  /// The group of names that is kept on one side of the split.
  package let concept: String
  package let tags: [String]
}

/// Turns file names and titles into words.
package enum CaptionText {
  /// Separates words at `_`, `-`, spaces and capital letters; drops numbers at the end.
  package static func words(ofFileName name: String) -> [String] {
    var words: [String] = []
    var word = ""
    var previous: Character = " "
    for character in name {
      let startsWord = character.isUppercase && previous.isLowercase
      let isSeparator = "_- .,".contains(character)
      if startsWord || isSeparator, !word.isEmpty {
        words.append(word)
        word = ""
      }
      if !isSeparator { word.append(character) }
      previous = character
    }
    if !word.isEmpty { words.append(word) }
    while let last = words.last {
      let trimmed = String(last.reversed().drop { $0.isNumber }.reversed())
      words.removeLast()
      if !trimmed.isEmpty {
        words.append(trimmed)
        break
      }
    }
    return words
  }

  /// One line of single-spaced text, without control characters.
  package static func tidy(_ text: String) -> String {
    text.split { $0.isWhitespace || $0.unicodeScalars.allSatisfy { $0.value < 32 } }
      .joined(separator: " ")
  }

  /// True for a caption with at least one word of two letters.
  package static func isUseful(_ text: String) -> Bool {
    text.split { !$0.isLetter }.contains { $0.count >= 2 }
  }

  /// Tags in lower case, without duplicates, empty ones and the junk of some files' metadata.
  package static func tags(_ raw: [String]) -> [String] {
    var seen: Set<String> = []
    return raw.map { tidy($0).lowercased().replacing("_", with: " ") }.filter { tag in
      isUseful(tag) && !tag.hasPrefix("hash") && !tag.contains("0x") && tag != "unsorted"
        && seen.insert(tag).inserted
    }
  }
}
