// A vocabulary file and what reads texts with it: BERT's list of tokens, or CLIP's list of merges.

internal import Foundation
public import TandemCore
internal import TandemFiles
public import TandemText

/// How a recipe reads texts.
public struct TextReader: Sendable {
  public let tokenizer: any Tokenizer
  public let specials: SpecialTokens
  /// The file it came from, and what stands in it: a run keeps a copy.
  public let path: String
  let content: String

  public var count: Int { tokenizer.vocabularyCount }

  /// - Throws: `TextError`, `BytePairError` or `DataError` that names the file and the line.
  public init(contentsOfFile path: String, lowercased: Bool) throws {
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DataError("\(path): no such file, or it cannot be read; `tandem data fetch` has some")
    }
    guard let content = String(bytes: data, encoding: .utf8) else {
      throw DataError("\(path): is not UTF-8")
    }
    try self.init(content: content, path: path, lowercased: lowercased)
  }

  /// - Parameters:
  ///   - content: what a vocabulary file holds.
  ///   - path: what messages call it.
  init(content: String, path: String, lowercased: Bool) throws {
    self.path = path
    self.content = content
    if Self.isMerges(content) {
      let merges = try BytePairEncoding(clipMerges: content, source: path)
      tokenizer = merges
      specials = SpecialTokens(
        classification: merges.start, separator: merges.end, mask: -1,
        vocabularyCount: merges.vocabularyCount, reserved: [merges.start, merges.end])
    } else {
      let vocabulary = try Vocabulary(lines: content, source: path)
      tokenizer = WordPiece(vocabulary: vocabulary, lowercased: lowercased)
      specials = Self.specials(vocabulary)
    }
  }

  /// A list of merges names its version in its first line.
  private static func isMerges(_ content: String) -> Bool {
    content.prefix { $0 != "\n" }.contains("#version")
  }

  private static func specials(_ vocabulary: Vocabulary) -> SpecialTokens {
    var reserved: Set<Int32> = []
    for (id, token) in vocabulary.tokens.enumerated()
    where vocabulary.isSpecial(Int32(id)) || token.hasPrefix("[unused") {
      reserved.insert(Int32(id))
    }
    return SpecialTokens(
      classification: vocabulary.classification, separator: vocabulary.separator,
      mask: vocabulary.mask, vocabularyCount: vocabulary.count, reserved: reserved)
  }

  /// Weights know a token by its number: under another vocabulary a word would get another's.
  ///
  /// - Throws: `DataError` that names the first line that differs.
  func check(against other: TextReader) throws {
    let count = min(self.count, other.count)
    for id in 0..<Int32(count) {
      guard let own = tokenizer.token(of: id), let theirs = other.tokenizer.token(of: id),
        !own.utf8.elementsEqual(theirs.utf8)
      else { continue }
      throw DataError(
        "\(path): line \(id + 1) is '\(own)', but '\(theirs)' in \(other.path), which the "
          + "weights were trained with; --set data.vocabulary=\(other.path)")
    }
  }
}
