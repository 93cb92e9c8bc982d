/// The five tokens that carry structure rather than text in a BERT vocabulary.
enum SpecialToken: String, CaseIterable {
  case padding = "[PAD]"
  case unknown = "[UNK]"
  case classification = "[CLS]"
  case separator = "[SEP]"
  case mask = "[MASK]"

  /// The spellings in words, for messages.
  static var list: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
