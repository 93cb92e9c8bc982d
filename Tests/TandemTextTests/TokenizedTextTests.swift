import TandemText
import Testing

@Suite("TokenizedText")
struct TokenizedTextTests {
  private static func tokenizer() throws -> WordPiece {
    let tokens = [
      "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "dog", "##s", ",",
    ]
    return WordPiece(vocabulary: try Vocabulary(tokens: tokens))
  }

  @Test("the longest pieces first, with words and offsets")
  func encode() throws {
    let text = try Self.tokenizer().encode("Unaffable, dogs xyz")
    #expect(text.ids == [5, 6, 7, 10, 8, 9, 1])
    #expect(text.words == [0, 0, 0, 1, 2, 2, 3])
    #expect(text.offsets == [0..<2, 2..<5, 5..<9, 9..<10, 11..<14, 14..<15, 16..<19])
    #expect(text.count == 7)
    #expect(text.wordRanges() == [0..<3, 3..<4, 4..<6, 6..<7])
  }

  @Test("a vocabulary without continuations knows whole words only")
  func noContinuations() throws {
    let vocabulary = try Vocabulary(
      tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "dog", "s"])
    #expect(WordPiece(vocabulary: vocabulary).encode("dog s dogs").ids == [5, 6, 1])
  }

  @Test("a prefix keeps the first pieces")
  func prefix() throws {
    let text = try Self.tokenizer().encode("unaffable dogs")
    #expect(text.prefix(2).ids == [5, 6])
    #expect(text.prefix(2).offsets == [0..<2, 2..<5])
    #expect(text.prefix(4).words == [0, 0, 0, 1])
    #expect(text.prefix(0) == TokenizedText())
    #expect(text.prefix(-1).isEmpty)
    #expect(text.prefix(99) == text)
  }

  @Test("the words of a second text go on where the first ends")
  func concatenation() throws {
    let tokenizer = try Self.tokenizer()
    let first = tokenizer.encode("unaffable,")
    let second = tokenizer.encode("dogs dog")
    let both = first + second
    #expect(both.ids == first.ids + second.ids)
    #expect(both.words == [0, 0, 0, 1, 2, 2, 3])
    #expect(both.offsets == first.offsets + second.offsets)
    #expect(both.wordRanges() == [0..<3, 3..<4, 4..<6, 6..<7])
    #expect(TokenizedText() + second == second)
    #expect(first + TokenizedText() == first)
  }

  @Test("word ranges cover all pieces of any text")
  func wordRanges() throws {
    let tokenizer = WordPiece(vocabulary: try TestFiles.smallVocabulary(), lowercased: false)
    let text = tokenizer.encode("Antidisestablishmentarianism, [MASK] caf\u{E9}! \u{4E2D}\u{6587}")
    let ranges = text.wordRanges()
    #expect(ranges.flatMap { Array($0) } == Array(0..<text.count))
    #expect(ranges.allSatisfy { Set(text.words[$0]).count == 1 })
    #expect(ranges.count == Set(text.words).count)
    #expect(TokenizedText().wordRanges().isEmpty)
  }
}
