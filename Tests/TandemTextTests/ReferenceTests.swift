import Foundation
import TandemText
import Testing

// Agreement with Hugging Face tokenizers. Tests/Fixtures/make_text.py wrote the expectations and
// says what each digest covers.

/// One hand-made line and what the reference makes of it.
private struct TrickyLine: Decodable {
  struct Expectation: Decodable {
    let ids: [Int32]
    let offsets: [Int32]
    let words: [Int32]
    let decoded: String
    let decodedWithSpecial: String
  }

  let text: String
  let uncased: Expectation
  let cased: Expectation
}

private struct ScalarDigests: Decodable {
  let scalarsPerBlock: Int
  let lowercased: [String]
  let cased: [String]
}

private struct FuzzDigests: Decodable {
  let alphabet: [String]
  let special: [String]
  let lines: Int
  let linesPerBlock: Int
  let seedOfWords: UInt64
  let seedOfPieces: UInt64
  let lowercasedWords: [String]
  let casedWords: [String]
  let lowercasedPieces: [String]
  let casedPieces: [String]
}

private struct WikiDigests: Decodable {
  let lines: Int
  let linesPerBlock: Int
  let uncased: [String]
  let cased: [String]
}

private struct DecodeDigests: Decodable {
  let uncased: String
  let cased: String
  let closeTokens: [String]
  let closeTexts: [String]
}

@Suite("WordPiece agrees with Hugging Face tokenizers")
struct ReferenceTests {
  private static func fullUncased() throws -> WordPiece {
    WordPiece(vocabulary: try Vocabulary(contentsOfFile: TestFiles.fullVocabulary))
  }

  private static func smallCased() throws -> WordPiece {
    WordPiece(vocabulary: try TestFiles.smallVocabulary(), lowercased: false)
  }

  private func check(
    _ tokenizer: WordPiece, _ select: (TrickyLine) -> TrickyLine.Expectation
  ) throws {
    let lines = try TestFiles.decode([TrickyLine].self, from: "tricky.json")
    #expect(lines.count >= 200)
    let vocabulary = tokenizer.vocabulary
    for line in lines {
      let expected = select(line)
      let found = tokenizer.encode(line.text)
      let comment: Comment = "\(line.text.debugDescription)"
      #expect(found.ids == expected.ids, comment)
      #expect(
        found.offsets.flatMap { [$0.lowerBound, $0.upperBound] } == expected.offsets, comment)
      #expect(found.words == expected.words, comment)
      let wrapped = [vocabulary.classification] + found.ids + [vocabulary.separator]
      // Scalars, since == on strings takes canonical equivalents for equal.
      #expect(
        Array(tokenizer.decode(wrapped).unicodeScalars) == Array(expected.decoded.unicodeScalars),
        comment)
      #expect(
        Array(tokenizer.decode(wrapped, skippingSpecial: false).unicodeScalars)
          == Array(expected.decodedWithSpecial.unicodeScalars), comment)
    }
  }

  @Test("tricky lines, cased")
  func trickyCased() throws {
    try check(Self.smallCased(), \.cased)
  }

  @Test("tricky lines, uncased", .enabled(if: TestFiles.hasFullVocabulary))
  func trickyUncased() throws {
    try check(Self.fullUncased(), \.uncased)
  }

  @Test("every Unicode scalar inside a word", arguments: [true, false])
  func everyScalar(lowercased: Bool) throws {
    let expected = try TestFiles.decode(ScalarDigests.self, from: "scalars.json")
    let tokenizer = WordPiece(vocabulary: try TestFiles.smallVocabulary(), lowercased: lowercased)
    let found = stride(from: 0, to: 0x110000, by: expected.scalarsPerBlock).map { start in
      let line = (start..<start + expected.scalarsPerBlock)
        .compactMap { Unicode.Scalar(UInt32($0)) }
        .map { "a\($0)b" }.joined(separator: " ")
      var digest = Digest()
      digest.add(words: tokenizer.words(in: line))
      return digest.hexadecimal
    }
    #expect(found.count == 272)
    #expect(differingBlocks(found, lowercased ? expected.lowercased : expected.cased) == [])
  }

  @Test("lines drawn from difficult strings", arguments: [true, false])
  func fuzz(lowercased: Bool) throws {
    let expected = try TestFiles.decode(FuzzDigests.self, from: "fuzz.json")
    let tokenizer = WordPiece(vocabulary: try TestFiles.smallVocabulary(), lowercased: lowercased)

    let plain = draw(expected.lines, from: expected.alphabet, seed: expected.seedOfWords)
    let words = Digest.blocks(of: plain, each: expected.linesPerBlock) {
      $0.add(words: tokenizer.words(in: $1))
    }
    #expect(
      differingBlocks(words, lowercased ? expected.lowercasedWords : expected.casedWords) == [])

    let marked = draw(
      expected.lines, from: expected.alphabet + expected.special, seed: expected.seedOfPieces)
    let pieces = Digest.blocks(of: marked, each: expected.linesPerBlock) {
      $0.add(tokenizer.encode($1))
    }
    #expect(
      differingBlocks(pieces, lowercased ? expected.lowercasedPieces : expected.casedPieces) == [])
  }

  private func draw(_ count: Int, from alphabet: [String], seed: UInt64) -> [String] {
    var random = SplitMix64(state: seed)
    return (0..<count).map { _ in
      let length = random.next() % 24
      return (0..<length).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
        .joined()
    }
  }

  @Test(
    "the wiki lines, uncased", .enabled(if: TestFiles.hasFullVocabulary && TestFiles.hasWiki))
  func wikiUncased() throws {
    try checkWiki(Self.fullUncased(), \.uncased)
  }

  @Test("the wiki lines, cased", .enabled(if: TestFiles.hasWiki))
  func wikiCased() throws {
    try checkWiki(Self.smallCased(), \.cased)
  }

  private func checkWiki(_ tokenizer: WordPiece, _ select: (WikiDigests) -> [String]) throws {
    let expected = try TestFiles.decode(WikiDigests.self, from: "wiki.json")
    let lines = try wikiLines()
    #expect(lines.count == expected.lines)
    #expect(lines.count >= 20_000)
    let found = Digest.blocks(of: lines, each: expected.linesPerBlock) {
      $0.add(tokenizer.encode($1))
    }
    #expect(differingBlocks(found, select(expected)) == [])
  }

  /// The lines in the order make_text.py defines.
  private func wikiLines() throws -> [String] {
    struct Entry: Decodable {
      let extract: String
    }
    var lines: [String] = []
    for file in TestFiles.wikiFiles {
      let entries = try JSONDecoder().decode([String: Entry].self, from: Data(contentsOf: file))
      // UTF-8 sorts as code points do; Swift's own order of strings is another.
      let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      for (_, entry) in sorted {
        lines += entry.extract.unicodeScalars.split(separator: "\n").map { String($0) }
      }
    }
    return lines
  }

  private func decodeDigest(_ tokenizer: WordPiece) throws -> String {
    let first = try #require(tokenizer.vocabulary.id(of: "a"))
    let last = try #require(tokenizer.vocabulary.id(of: "b"))
    var digest = Digest()
    for id in 0..<Int32(tokenizer.vocabulary.count) {
      digest.add(bytes: tokenizer.decode([first, id, last]).utf8)
      digest.add(bytes: [UInt8(ascii: "\n")])
    }
    return digest.hexadecimal
  }

  @Test("decoding every id, cased")
  func decodeCased() throws {
    let expected = try TestFiles.decode(DecodeDigests.self, from: "decode.json")
    #expect(try decodeDigest(Self.smallCased()) == expected.cased)
  }

  @Test("decoding every id, uncased", .enabled(if: TestFiles.hasFullVocabulary))
  func decodeUncased() throws {
    let expected = try TestFiles.decode(DecodeDigests.self, from: "decode.json")
    #expect(try decodeDigest(Self.fullUncased()) == expected.uncased)
  }

  @Test("decoding tokens that follow a word closely")
  func decodeClose() throws {
    let expected = try TestFiles.decode(DecodeDigests.self, from: "decode.json")
    let tokenizer = WordPiece(vocabulary: try Vocabulary(tokens: expected.closeTokens))
    let count = Int32(expected.closeTokens.count)
    let a = try #require(tokenizer.vocabulary.id(of: "a"))
    let b = try #require(tokenizer.vocabulary.id(of: "b"))
    let sequences =
      (0..<count).map { [$0, a, $0, $0, b] } + (0..<count).map { [a, $0, ($0 + 1) % count] }
    let found = sequences.map { tokenizer.decode($0, skippingSpecial: false) }
    #expect(
      found.map { Array($0.unicodeScalars) } == expected.closeTexts.map { Array($0.unicodeScalars) }
    )
  }

  @Test("ids outside the vocabulary are passed over")
  func decodeOutside() throws {
    let tokenizer = try Self.smallCased()
    let ids = tokenizer.encode("The end").ids
    #expect(tokenizer.decode([-1] + ids + [4000, .max]) == "The end")
  }
}
