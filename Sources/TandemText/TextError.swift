/// What can go wrong when a vocabulary is read.
///
/// Encoding itself never fails: whatever a vocabulary cannot spell becomes its unknown token.
public enum TextError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file could not be opened or read; `reason` is the system's own wording.
  case unreadableFile(path: String, reason: String)
  /// A line of the file is not valid UTF-8. Lines count from 1.
  case invalidUTF8(path: String, line: Int)
  /// There is no token at all.
  case emptyVocabulary(source: String)
  /// A token of no characters. Positions count from 1: lines of a file, entries of a list.
  case emptyToken(source: String, position: Int)
  /// The same token, byte for byte, at two positions, both counted from 1.
  case duplicateToken(source: String, token: String, first: Int, second: Int)
  /// A token that every BERT vocabulary has is not there.
  case missingSpecialToken(source: String, token: String)

  public var description: String {
    switch self {
    case .unreadableFile(let path, let reason):
      "\(path): expected a vocabulary file, one token a line, but it cannot be read: \(reason). "
        + "Check the path and its permissions."
    case .invalidUTF8(let path, let line):
      "\(path), line \(line): expected UTF-8, found bytes that are not. "
        + "Save the file as UTF-8, or fetch it again."
    case .emptyVocabulary(let source):
      "\(source): expected one token a line, found none. "
        + "Give the vocab.txt published with the model."
    case .emptyToken(let source, let position):
      "\(source), line \(position): expected a token, found an empty line. "
        + "A token's line is its id, so restore the token rather than delete the line."
    case .duplicateToken(let source, let token, let first, let second):
      "\(source): expected each token once, found \"\(token)\" on line \(first) and again on "
        + "line \(second). Remove or rename one, keeping the number of lines: a line is an id."
    case .missingSpecialToken(let source, let token):
      "\(source): expected the special tokens \(SpecialToken.list), but \(token) is missing. "
        + "Give the vocabulary of a BERT-family model, or add the token."
    }
  }
}
