/// What can go wrong when the files of a byte-pair encoding are read.
///
/// Encoding itself never fails: every byte has a token, so every text has pieces.
public enum BytePairError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file could not be opened or read; `reason` is the system's own wording.
  case unreadableFile(path: String, reason: String)
  /// CLIP's list does not begin with the line that names its version.
  case missingHeader(source: String, found: String)
  /// A line is not two tokens with a space between. Lines count from 1.
  case malformedMerge(source: String, line: Int, found: String)
  /// A line merges a token that no byte is and no earlier line makes.
  case unknownPart(source: String, line: Int, part: String)
  /// A line merges what an earlier line merges, or makes the token an earlier line makes.
  case repeatedMerge(source: String, line: Int, merge: String, first: Int)
  /// The number of merges is not that of CLIP's list.
  case wrongMergeCount(source: String, expected: String, found: Int)
  /// The vocabulary is not a JSON object from tokens to ids.
  case malformedVocabulary(source: String, reason: String)
  /// The ids are not 0 and up, each once.
  case wrongID(source: String, token: String, id: Int, reason: String)
  /// A merge uses or makes a token that the vocabulary lacks.
  case missingToken(source: String, token: String, merges: String, line: Int)
  /// One of the 256 bytes, or a special token, is not in the vocabulary.
  case missingBasicToken(source: String, token: String, kind: String)
  /// The vocabulary has a token that no merge makes and that is not a byte or special.
  case unreachableToken(source: String, token: String, id: Int, merges: String)

  public var description: String {
    switch self {
    case .unreadableFile(let path, let reason):
      "\(path): expected the merges or the vocabulary of a byte-pair encoding, but it cannot be "
        + "read: \(reason). Check the path and its permissions, or fetch the file."
    case .missingHeader(let source, let found):
      "\(source), line 1: expected the line that holds \"#version\", found \(found). "
        + "Give the whole list unpacked, its first line included."
    case .malformedMerge(let source, let line, let found):
      "\(source), line \(line): expected two tokens with one space between, each written in the "
        + "characters that stand for bytes, found \(found). Fetch the file again."
    case .unknownPart(let source, let line, let part):
      "\(source), line \(line): expected tokens that are bytes or that an earlier line makes, "
        + "found \"\(part)\". Lines are missing or out of order: fetch the file again."
    case .repeatedMerge(let source, let line, let merge, let first):
      "\(source), line \(line): expected a new token, found \"\(merge)\", which line \(first) "
        + "makes already. A line is an id: fetch the file again."
    case .wrongMergeCount(let source, let expected, let found):
      "\(source): expected \(expected) merges after the first line, found \(found). "
        + "The file is cut short or is another model's: fetch it again."
    case .malformedVocabulary(let source, let reason):
      "\(source): expected a JSON object from tokens to ids: \(reason). "
        + "Give the vocab.json or encoder.json published with the model."
    case .wrongID(let source, let token, let id, let reason):
      "\(source), key \"\(token)\": expected ids from 0 up, each once, found \(id): \(reason). "
        + "Fetch the file again."
    case .missingToken(let source, let token, let merges, let line):
      "\(source): expected the token \"\(token)\" of \(merges), line \(line), but it is missing. "
        + "Give the vocabulary and the merges of one model."
    case .missingBasicToken(let source, let token, let kind):
      "\(source): expected \(kind) \"\(token)\", but it is missing. "
        + "Give the vocabulary of a byte-level encoding, and name its own special tokens."
    case .unreachableToken(let source, let token, let id, let merges):
      "\(source), key \"\(token)\": expected tokens that are bytes, that \(merges) makes or that "
        + "are named as special, found id \(id). Give the vocabulary and the merges of one model, "
        + "or name the token as special."
    }
  }
}
