/// Cuts text into pieces with ids, and puts pieces together again: what the packing of texts and
/// the masking of words need to know of ``WordPiece`` or ``BytePairEncoding``.
public protocol Tokenizer: Sendable {
  /// The number of ids, which run from 0.
  var vocabularyCount: Int { get }

  /// The id that opens a sequence: `[CLS]`, `<|startoftext|>`, `<s>`.
  var start: Int32 { get }

  /// The id that closes a text: `[SEP]`, `<|endoftext|>`, `</s>`.
  var end: Int32 { get }

  /// The pieces of `text`, with no special tokens around them.
  func encode(_ text: String) -> TokenizedText

  /// The text that `ids` spell. Ids outside the vocabulary are passed over.
  ///
  /// - Parameter skippingSpecial: whether the special tokens are left out.
  func decode(_ ids: [Int32], skippingSpecial: Bool) -> String

  /// The token of an id as the vocabulary's file writes it, or nil outside the vocabulary.
  func token(of id: Int32) -> String?

  /// The id of a token as the vocabulary's file writes it, or nil when there is no such token.
  func id(of token: String) -> Int32?

  /// Whether `id` carries structure rather than text, and so is neither masked nor drawn at random.
  func isSpecial(_ id: Int32) -> Bool
}

extension Tokenizer {
  /// The text that `ids` spell, without the special tokens.
  public func decode(_ ids: [Int32]) -> String {
    decode(ids, skippingSpecial: true)
  }
}
