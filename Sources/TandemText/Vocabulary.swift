import Foundation

/// The pieces a BERT-family model knows, and their ids: a token's id is its line, counted from 0.
///
/// A piece that continues a word is spelled with `##` in front. Tokens are told apart by their
/// bytes: a composed and a decomposed `é` are two tokens, although Swift holds the strings equal.
public struct Vocabulary: Sendable {
  /// The tokens in order of their ids.
  public let tokens: [String]

  /// The id of `[PAD]`, which fills a sequence up.
  public let padding: Int32
  /// The id of `[UNK]`, which stands for a word the vocabulary cannot spell.
  public let unknown: Int32
  /// The id of `[CLS]`, which opens a sequence.
  public let classification: Int32
  /// The id of `[SEP]`, which closes a text.
  public let separator: Int32
  /// The id of `[MASK]`, which hides a piece to be predicted.
  public let mask: Int32

  let trie: TokenTrie

  /// The number of tokens.
  public var count: Int { tokens.count }

  /// Reads a `vocab.txt`: UTF-8, one token a line, lines ended by LF or CR LF.
  ///
  /// - Throws: ``TextError`` when the file is missing or unreadable, is not UTF-8, holds no token
  ///   or an empty one, holds a token twice, or lacks one of the five special tokens.
  public init(contentsOfFile path: String) throws {
    let data: Data
    do {
      data = try Data(contentsOf: URL(fileURLWithPath: path))
    } catch {
      let reason = FileManager.default.fileExists(atPath: path) ? "\(error)" : "no such file"
      throw TextError.unreadableFile(path: path, reason: reason)
    }
    try self.init(tokens: Self.lines(of: data, path: path), source: path)
  }

  /// Reads the content of a `vocab.txt`; `source` is what messages call it. Throws as above.
  public init(lines content: String, source: String) throws {
    try self.init(tokens: Self.lines(of: Data(content.utf8), path: source), source: source)
  }

  /// Makes a vocabulary of `tokens`, whose places are their ids.
  ///
  /// - Throws: ``TextError`` when there is no token or an empty one, a token comes twice, or one
  ///   of the five special tokens is missing. Positions in messages count from 1.
  public init(tokens: [String]) throws {
    try self.init(tokens: tokens, source: "token list")
  }

  private init(tokens: [String], source: String) throws {
    guard !tokens.isEmpty else { throw TextError.emptyVocabulary(source: source) }
    if let empty = tokens.firstIndex(where: \.isEmpty) {
      throw TextError.emptyToken(source: source, position: empty + 1)
    }
    let trie: TokenTrie
    do {
      trie = try TokenTrie(tokens)
    } catch {
      throw TextError.duplicateToken(
        source: source, token: tokens[error.first],
        first: error.first + 1, second: error.second + 1)
    }
    func special(_ token: SpecialToken) throws -> Int32 {
      guard let id = trie.token(token.rawValue.utf8) else {
        throw TextError.missingSpecialToken(source: source, token: token.rawValue)
      }
      return id
    }
    padding = try special(.padding)
    unknown = try special(.unknown)
    classification = try special(.classification)
    separator = try special(.separator)
    mask = try special(.mask)
    self.tokens = tokens
    self.trie = trie
  }

  /// The id of `token`, compared byte for byte, or nil when it is not in the vocabulary.
  public func id(of token: String) -> Int32? {
    trie.token(token.utf8)
  }

  /// Whether `id` is that of one of the five special tokens.
  public func isSpecial(_ id: Int32) -> Bool {
    id == padding || id == unknown || id == classification || id == separator || id == mask
  }

  func id(of special: SpecialToken) -> Int32 {
    switch special {
    case .padding: padding
    case .unknown: unknown
    case .classification: classification
    case .separator: separator
    case .mask: mask
    }
  }

  private static func lines(of data: Data, path: String) throws -> [String] {
    let lineFeed = UInt8(ascii: "\n")
    let carriageReturn = UInt8(ascii: "\r")
    var lines: [String] = []
    for bytes in data.split(separator: lineFeed, omittingEmptySubsequences: false) {
      let line = bytes.last == carriageReturn ? bytes.dropLast() : bytes
      guard let token = String(validating: line, as: UTF8.self) else {
        throw TextError.invalidUTF8(path: path, line: lines.count + 1)
      }
      lines.append(token)
    }
    // The last line feed ends the last token; it does not begin another.
    if lines.last == "" { lines.removeLast() }
    return lines
  }
}
