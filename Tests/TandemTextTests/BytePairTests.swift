import Foundation
import TandemText
import Testing

@Suite("BytePairEncoding")
struct BytePairTests {
  private static let sentence = "A dog isn't 12 caf\u{E9}s \u{1F600}"

  @Test("GPT-2: decoding gives the text back", arguments: [UInt64(1), 2, 3])
  func roundTrip(seed: UInt64) throws {
    let tokenizer = try BytePairFiles.gpt2()
    var random = SplitMix64(state: seed)
    for _ in 0..<2000 {
      // Any bytes, of which those that are no UTF-8 turn into U+FFFD; then any scalars.
      let bytes = (0..<random.next() % 60).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      var text = String(decoding: bytes, as: UTF8.self)
      for _ in 0..<random.next() % 20 {
        let scalar = Unicode.Scalar(UInt32(random.next() % 0x110000)) ?? " "
        text.unicodeScalars.append(scalar)
      }
      let pieces = tokenizer.encode(text)
      #expect(Array(tokenizer.decode(pieces.ids).utf8) == Array(text.utf8))
      #expect(pieces.wordRanges().flatMap { Array($0) } == Array(0..<pieces.count))
    }
  }

  @Test("GPT-2: the words cover the text without gaps")
  func wordsCover() throws {
    let tokenizer = try BytePairFiles.gpt2()
    for text in [Self.sentence, "  two  spaces \n\n x  ", "'s!'s", "\u{1F468}\u{200D}\u{1F469}"] {
      let words = tokenizer.words(in: text)
      #expect(words.map(\.word).joined() == text)
      var place: Int32 = 0
      for (word, offsets) in words {
        #expect(offsets.lowerBound == place)
        #expect(offsets.count == word.unicodeScalars.count)
        place = offsets.upperBound
      }
      #expect(Int(place) == text.unicodeScalars.count)
    }
  }

  @Test("a word's pieces are one range, for masking it as a whole")
  func wholeWords() throws {
    let tokenizer = try BytePairFiles.reducedClip()
    let text = tokenizer.encode("unaffable, Embeddings")
    let words = text.wordRanges().map { tokenizer.decode(Array(text.ids[$0])) }
    #expect(words == ["unaffable", ",", "embeddings"])
    #expect(text.wordRanges().contains { $0.count > 1 })
    #expect(text.offsets.first?.lowerBound == 0)
    #expect(text.offsets.last == text.offsets.last.map { $0.lowerBound..<21 })
  }

  @Test("offsets lead back through cleaning to what stood in the text")
  func offsetsOfCleaned() throws {
    let tokenizer = try BytePairFiles.reducedClip()
    func stretches(_ text: String) -> [String] {
      let scalars = Array(text.unicodeScalars)
      return tokenizer.words(in: text).map { word in
        var view = String.UnicodeScalarView()
        view.append(
          contentsOf: scalars[Int(word.offsets.lowerBound)..<Int(word.offsets.upperBound)])
        return String(view)
      }
    }
    #expect(stretches("AT&amp;T &amp;lt; X") == ["AT", "&amp;", "T", "&amp;lt;", "X"])
    #expect(stretches("\u{1B}[1mred\u{1B}[0m\u{FEFF}dy") == ["red\u{1B}[0m\u{FEFF}dy"])
    #expect(stretches("it\u{2019}s \u{FB01}ne") == ["it", "\u{2019}s", "\u{FB01}ne"])
    #expect(stretches("Cafe\u{301}s 1\u{FF12}") == ["Cafe\u{301}s", "1", "\u{FF12}"])
  }

  @Test("any number of threads get the same as one")
  func concurrency() async throws {
    for tokenizer in [try BytePairFiles.reducedClip(), try BytePairFiles.gpt2()] {
      var random = SplitMix64(state: 5)
      // More words than a cache holds, so that it is emptied on the way.
      let texts = (0..<4000).map { _ in
        (0..<12).map { _ in String(random.next() % 1_000_000, radix: 36) }.joined(separator: " ")
      }
      let copy = tokenizer
      let expected = texts.map { tokenizer.encode($0) }
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for worker in 0..<8 {
          group.addTask {
            // Each worker begins elsewhere.
            (0..<texts.count).allSatisfy { step in
              let place = (step + worker * 500) % texts.count
              return copy.encode(texts[place]) == expected[place]
            }
          }
        }
        for try await agrees in group { #expect(agrees) }
      }
    }
  }

  @Test("a word of a million letters is encoded, and soon")
  func longWord() throws {
    let tokenizer = try BytePairFiles.reducedClip()
    let word = String(repeating: "internationalization", count: 50_000)
    let clock = ContinuousClock()
    var text = TokenizedText()
    let time = clock.measure { text = tokenizer.encode(word) }
    #expect(text.wordRanges() == [0..<text.count])
    #expect(tokenizer.decode(text.ids) == word)
    // A repeated search for the best pair would take hours.
    #expect(time < .seconds(60))
  }

  @Test("special tokens: literal in CLIP's texts, not in GPT-2's")
  func specials() throws {
    let clip = try BytePairFiles.reducedClip()
    #expect(clip.start == 49_406)
    #expect(clip.end == 49_407)
    #expect(clip.encode("<|STARTOFTEXT|><|endoftext|>").ids == [49_406, 49_407])
    #expect(clip.isSpecial(clip.start) && clip.isSpecial(clip.end) && !clip.isSpecial(0))
    let ids = [clip.start] + clip.encode("a photo").ids + [clip.end]
    #expect(clip.decode(ids) == "a photo")
    #expect(clip.decode(ids, skippingSpecial: false) == "<|startoftext|>a photo <|endoftext|>")

    let gpt2 = try BytePairFiles.gpt2()
    #expect(gpt2.start == gpt2.end)
    let literal = gpt2.encode("<|endoftext|>")
    #expect(!literal.ids.contains(gpt2.end))
    #expect(gpt2.decode(literal.ids) == "<|endoftext|>")
    #expect(gpt2.decode([gpt2.end]) == "")
    #expect(gpt2.decode([gpt2.end], skippingSpecial: false) == "<|endoftext|>")
  }

  @Test("ids outside the vocabulary are passed over, and bytes that are no text show")
  func decodeOutside() throws {
    let tokenizer = try BytePairFiles.gpt2()
    #expect(tokenizer.decode([-1] + tokenizer.encode("dogs").ids + [.max]) == "dogs")
    #expect(tokenizer.token(of: -1) == nil)
    #expect(tokenizer.token(of: Int32(tokenizer.vocabularyCount)) == nil)
    let emoji = tokenizer.encode("\u{1F914}").ids
    #expect(emoji.count > 1)
    #expect(tokenizer.decode(Array(emoji.dropLast())).contains("\u{FFFD}"))
  }

  @Test("either tokenizer behind the protocol")
  func interchangeable() throws {
    let wordPiece = WordPiece(vocabulary: try TestFiles.smallVocabulary(), lowercased: false)
    let tokenizers: [any Tokenizer] = [
      wordPiece, try BytePairFiles.reducedClip(), try BytePairFiles.gpt2(),
    ]
    #expect(tokenizers.map(\.vocabularyCount) == [4000, 49_408, 700])
    for tokenizer in tokenizers {
      let text = tokenizer.encode("the dogs, the end")
      #expect(text.wordRanges().count == 5)
      #expect(tokenizer.decode(text.ids).replacing(" ,", with: ",") == "the dogs, the end")
      #expect(text.ids.allSatisfy { !tokenizer.isSpecial($0) })
      #expect(tokenizer.isSpecial(tokenizer.start) && tokenizer.isSpecial(tokenizer.end))
      for id in 0..<Int32(min(tokenizer.vocabularyCount, 5000)) {
        let token = try #require(tokenizer.token(of: id))
        #expect(tokenizer.id(of: token) == id)
      }
      #expect(tokenizer.token(of: Int32(tokenizer.vocabularyCount)) == nil)
      #expect(tokenizer.id(of: "no such token") == nil)
    }
    #expect(wordPiece.token(of: wordPiece.start) == "[CLS]")
    #expect(wordPiece.token(of: wordPiece.end) == "[SEP]")
  }
}
