// The vocabulary beside a model's weights, in whichever file it stands.

internal import Foundation
internal import TandemCore

/// What a vocabulary file would hold, and the file that it was found in.
struct VocabularyText {
  let path: String
  /// A token a line, or CLIP's list of merges.
  let content: String

  /// - Throws: `DataError` for a file that cannot be read.
  init(contentsOfFile path: String) throws {
    self.path = path
    guard let data = FileManager.default.contents(atPath: path),
      let text = String(bytes: data, encoding: .utf8)
    else { throw DataError("\(path): cannot be read as UTF-8") }
    content = text
  }

  /// Whether no token but the special ones, `[CLS]` and `<|endoftext|>`, changes in lower case: then
  /// texts are to be in it too. (`ℝ`, which bert-base-uncased has, is a capital without a small one.)
  var isLowercased: Bool {
    !content.split(whereSeparator: \.isNewline).contains { token in
      !token.hasPrefix("[") && !token.hasPrefix("<") && token.lowercased() != token
    }
  }

  private init(path: String, content: String) {
    self.path = path
    self.content = content
  }

  /// That of a folder of transformers; nil where there is none that is read here.
  static func ofTransformers(_ folder: String) throws -> VocabularyText? {
    func exists(_ name: String) -> Bool {
      FileManager.default.fileExists(atPath: "\(folder)/\(name)")
    }
    if exists("vocab.txt") { return try VocabularyText(contentsOfFile: folder + "/vocab.txt") }
    if exists("tokenizer.json"), let text = try ofFastTokenizer(folder + "/tokenizer.json") {
      return text
    }
    // CLIP's list, whose first line names its version.
    return exists("merges.txt") ? try VocabularyText(contentsOfFile: folder + "/merges.txt") : nil
  }

  /// What tokenizer.json says of WordPiece or of CLIP's merges; nil for a tokeniser of another kind.
  private static func ofFastTokenizer(_ path: String) throws -> VocabularyText? {
    let json = try JSONValue(contentsOfFile: path)
    switch (json["model.type"], json["model.end_of_word_suffix"]) {
    case (.string("WordPiece")?, _): return try wordPieces(json, path)
    case (.string("BPE")?, .string("</w>")?): return try merges(json, path)
    default: return nil
    }
  }

  /// The list of merges, in the form of a file of its own.
  private static func merges(_ json: JSONValue, _ path: String) throws -> VocabularyText {
    guard case .array(let merges)? = json["model.merges"] else {
      throw DataError("\(path): model.merges: expected a list")
    }
    // Written "a b" at first, ["a", "b"] today.
    let lines = try merges.map { merge -> String in
      switch merge {
      case .string(let text): return text
      case .array(let pair):
        let parts = pair.compactMap { if case .string(let part) = $0 { part } else { nil } }
        if parts.count == 2 { return parts.joined(separator: " ") }
      default: break
      }
      throw DataError("\(path): model.merges: expected two tokens, found \(merge.compact)")
    }
    return VocabularyText(
      path: path, content: (["#version: 0.2"] + lines).joined(separator: "\n") + "\n")
  }

  /// The tokens in order of their ids.
  private static func wordPieces(_ json: JSONValue, _ path: String) throws -> VocabularyText {
    guard case .object(let ids)? = json["model.vocab"] else {
      throw DataError("\(path): model.vocab: expected ids by token")
    }
    var tokens = [String?](repeating: nil, count: ids.count)
    for (token, id) in ids {
      guard case .integer(let id) = id, tokens.indices.contains(id) else {
        throw DataError("\(path): model.vocab: '\(token)' has no id of 0..<\(ids.count)")
      }
      tokens[id] = token
    }
    guard !tokens.contains(nil) else {
      throw DataError("\(path): model.vocab: two tokens have one id")
    }
    return VocabularyText(
      path: path, content: tokens.compactMap { $0 }.joined(separator: "\n") + "\n")
  }
}
