/// Cuts text into the pieces of a BERT vocabulary, and puts pieces together to text again.
///
/// A text is normalised and split into words, and each word is spelled by the longest pieces the
/// vocabulary has, from left to right; a word it cannot spell, or one of more than
/// ``maximumWordLength`` scalars, is one unknown token. `[MASK]` and the other four special
/// tokens, written literally in a text, become their ids.
///
/// Ids, words and offsets are those of Hugging Face `tokenizers` 0.23 with BertNormalizer,
/// BertPreTokenizer and WordPiece, for the uncased and the cased models alike.
/// Source: Y. Wu et al., "Google's Neural Machine Translation System", 2016, section 4.1;
/// J. Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers", 2019.
public struct WordPiece: Sendable {
  /// A word of more scalars than this, after normalisation, is unknown.
  public static let maximumWordLength = 100

  /// The pieces and their ids.
  public let vocabulary: Vocabulary
  /// Whether text is lower-cased and stripped of accents, as for the uncased models.
  public let lowercased: Bool

  /// The node of the vocabulary's tree that pieces inside a word grow from; nil without any.
  private let continuation: Int32?

  /// Makes a tokeniser for a vocabulary; `lowercased` must be as the model was trained.
  public init(vocabulary: Vocabulary, lowercased: Bool = true) {
    self.vocabulary = vocabulary
    self.lowercased = lowercased
    continuation = vocabulary.trie.node(after: "##".utf8)
  }

  /// The pieces of `text`, with no special tokens around them.
  public func encode(_ text: String) -> TokenizedText {
    let encoder = PieceEncoder(vocabulary: vocabulary, continuation: continuation)
    var scanner = TextScanner(lowercased: lowercased, receiver: encoder)
    var text = text
    text.withUTF8 { utf8 in
      scanner.receiver.result.reserveCapacity(utf8.count / 4 + 4)
      scanner.scan(utf8)
    }
    return scanner.receiver.result
  }

  /// The words of `text` as they are looked up in the vocabulary: normalised and split.
  ///
  /// Useful to see what a model is shown, or to count words for a new vocabulary. Special tokens
  /// are left as they are. `offsets` are in Unicode scalars of `text`.
  public func words(in text: String) -> [(word: String, offsets: Range<Int32>)] {
    var scanner = TextScanner(lowercased: lowercased, receiver: WordCollector())
    var text = text
    text.withUTF8 { scanner.scan($0) }
    return scanner.receiver.words
  }
}

/// Spells each word with the longest pieces first.
private struct PieceEncoder: WordReceiver {
  let vocabulary: Vocabulary
  let continuation: Int32?
  var result = TokenizedText()
  private var word: Int32 = 0

  init(vocabulary: Vocabulary, continuation: Int32?) {
    self.vocabulary = vocabulary
    self.continuation = continuation
  }

  mutating func receive(_ special: SpecialToken, at offsets: Range<Int32>) {
    result.append(id: vocabulary.id(of: special), word: word, offsets: offsets)
    word += 1
  }

  mutating func receive(_ buffer: borrowing WordBuffer) {
    defer { word += 1 }
    let length = buffer.bytes.count
    let firstPiece = result.count
    var start = 0
    var root: Int32? = TokenTrie.root
    if buffer.scalarCount > WordPiece.maximumWordLength { root = nil }
    while start < length {
      guard let node = root, let piece = longestPiece(in: buffer, at: start, from: node) else {
        result.removePieces(from: firstPiece)
        result.append(id: vocabulary.unknown, word: word, offsets: buffer.original(0..<length))
        return
      }
      result.append(id: piece.id, word: word, offsets: buffer.original(start..<piece.end))
      start = piece.end
      root = continuation
    }
  }

  @inline(__always)
  private func longestPiece(
    in buffer: borrowing WordBuffer, at start: Int, from root: Int32
  ) -> (id: Int32, end: Int)? {
    var found: (id: Int32, end: Int)?
    var node = root
    var base = vocabulary.trie.nodes[Int(root)].base
    for place in start..<buffer.bytes.count {
      let next = base + Int32(buffer.bytes[place])
      let reached = vocabulary.trie.nodes[Int(next)]
      guard reached.parent == node else { break }
      node = next
      base = reached.base
      if reached.token >= 0 { found = (reached.token, place + 1) }
    }
    return found
  }
}

/// Keeps the words as they are.
private struct WordCollector: WordReceiver {
  var words: [(word: String, offsets: Range<Int32>)] = []

  mutating func receive(_ special: SpecialToken, at offsets: Range<Int32>) {
    words.append((special.rawValue, offsets))
  }

  mutating func receive(_ buffer: borrowing WordBuffer) {
    let text = String(decoding: buffer.bytes, as: UTF8.self)
    words.append((text, buffer.original(0..<buffer.bytes.count)))
  }
}
