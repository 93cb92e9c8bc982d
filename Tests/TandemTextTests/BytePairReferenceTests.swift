import Foundation
import TandemText
import Testing

// Agreement with CLIP's own tokenizer and Hugging Face tokenizers. Tests/Fixtures/make_bpe.py
// wrote the expectations and says what each digest covers.

private struct Line: Decodable {
  let text: String
  let ids: [Int32]
  let words: String
  let offsets: String?
  let decoded: String?
}

private struct Digests: Decodable {
  let scalarWords: [String]
  let alphabet: [String]
  let seed: UInt64
  let lines: Int
  let drawnWords: [String]
  let drawnPieces: [String]
  let wikiPieces: [String]
}

private struct ClipDigests: Decodable {
  let names: String
  let piecesOfNames: [String]
  let names5: [String]
  let referenceWords: [String]
}

private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }

/// The drawn lines that make_bpe.py draws too.
private func drawnLines(_ digests: Digests) -> [String] {
  var random = SplitMix64(state: digests.seed)
  return (0..<digests.lines).map { _ in
    let length = random.next() % 24
    return (0..<length).map { _ in
      digests.alphabet[Int(random.next() % UInt64(digests.alphabet.count))]
    }
    .joined()
  }
}

private func isInUnicode14(_ value: Int) -> Bool {
  guard let properties = Unicode.Scalar(UInt32(value))?.properties, let age = properties.age else {
    return false
  }
  return age.major <= 14 && properties.generalCategory != .unassigned
}

/// One digest of words for each 4096 values, over the scalars of Unicode 14.
private func scalarDigests(_ tokenizer: BytePairEncoding) -> [String] {
  stride(from: UInt32(0), to: 0x110000, by: 4096).map { start in
    var digest = Digest()
    for scalar in (start..<start + 4096).compactMap(Unicode.Scalar.init) {
      guard isInUnicode14(Int(scalar.value)) else { continue }
      let s = String(scalar)
      digest.add(spellings: tokenizer.words(in: "a\(s)b \(s) \(s)1\(s)'s\(s)"))
    }
    return digest.hexadecimal
  }
}

/// The lines in the order make_text.py defines.
private func wikiLines() throws -> [String] {
  struct Entry: Decodable {
    let extract: String
  }
  var lines: [String] = []
  for file in TestFiles.wikiFiles {
    let entries = try JSONDecoder().decode([String: Entry].self, from: Data(contentsOf: file))
    let sorted = entries.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    for (_, entry) in sorted {
      lines += entry.extract.unicodeScalars.split(separator: "\n").map { String($0) }
    }
  }
  return lines
}

private func check(_ lines: [Line], _ tokenizer: BytePairEncoding) {
  for line in lines {
    let found = tokenizer.encode(line.text)
    let comment: Comment = "\(line.text.debugDescription)"
    #expect(found.ids == line.ids, comment)
    #expect(Digest.of(found.words) == line.words, comment)
    if let offsets = line.offsets { #expect(Digest.of(found.offsets) == offsets, comment) }
    if let decoded = line.decoded {
      #expect(scalars(tokenizer.decode(found.ids)) == scalars(decoded), comment)
    }
  }
}

@Suite("CLIP's byte-pair encoding agrees with CLIP's tokenizer")
struct ClipReferenceTests {
  @Test("lines, with the merges they use")
  func linesReduced() throws {
    let lines = try BytePairFiles.decode([Line].self, from: "clip.json")
    #expect(lines.count >= 300)
    #expect(lines.count { $0.offsets != nil } >= 200)
    check(lines, try BytePairFiles.reducedClip())
  }

  @Test("lines, with the whole list", .enabled(if: BytePairFiles.hasFullMerges))
  func linesFull() throws {
    check(
      try BytePairFiles.decode([Line].self, from: "clip.json"), try BytePairFiles.fullClip())
  }

  @Test("every Unicode scalar")
  func everyScalar() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "clip-digests.json")
    let found = scalarDigests(try BytePairFiles.reducedClip())
    #expect(found.count == 272)
    #expect(differingBlocks(found, expected.scalarWords) == [])
  }

  @Test("every character reference of HTML, named and numbered")
  func references() throws {
    let expected = try BytePairFiles.decode(ClipDigests.self, from: "clip-digests.json")
    #expect(expected.names5.count == 2231)
    let tokenizer = try BytePairFiles.reducedClip()
    var lines = expected.names5.map { name in
      let bare = name.last == ";" ? String(name.dropLast()) : name
      return "x&\(name)y &\(name.uppercased()) &\(bare) \(name)"
    }
    let numbers =
      (0..<0x3100).filter(isInUnicode14) + [
        0xD7FF, 0xD800, 0xDFFF, 0xE000, 0xFDCF, 0xFDD0, 0xFDEF, 0xFDF0, 0xFFFD, 0xFFFE, 0xFFFF,
        0x10000, 0x1FFFD, 0x1FFFE, 0x1FFFF, 0x20000, 0x10FFFD, 0x10FFFF, 0x110000,
        1_000_000_000_000,
      ]
    lines += numbers.map { "x&#\($0);y &#x\(String($0, radix: 16)) <\n&#\($0);" }
    let found = Digest.blocks(of: lines, each: 200) {
      $0.add(spellings: tokenizer.words(in: $1))
    }
    #expect(differingBlocks(found, expected.referenceWords) == [])
  }

  @Test("lines drawn from difficult strings: words")
  func drawnWords() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "clip-digests.json")
    let tokenizer = try BytePairFiles.reducedClip()
    let found = Digest.blocks(of: drawnLines(expected), each: 100) {
      $0.add(spellings: tokenizer.words(in: $1))
    }
    #expect(found.count == 40)
    #expect(differingBlocks(found, expected.drawnWords) == [])
  }

  @Test("lines drawn from difficult strings: pieces", .enabled(if: BytePairFiles.hasFullMerges))
  func drawnPieces() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "clip-digests.json")
    let tokenizer = try BytePairFiles.fullClip()
    let found = Digest.blocks(of: drawnLines(expected), each: 100) {
      $0.add(pieces: tokenizer.encode($1).ids)
    }
    #expect(differingBlocks(found, expected.drawnPieces) == [])
  }

  @Test("every token's name, id and pieces", .enabled(if: BytePairFiles.hasFullMerges))
  func everyToken() throws {
    let expected = try BytePairFiles.decode(ClipDigests.self, from: "clip-digests.json")
    let tokenizer = try BytePairFiles.fullClip()
    #expect(tokenizer.vocabularyCount == 49_408)
    var digest = Digest()
    for id in 0..<Int32(tokenizer.vocabularyCount) {
      let name = try #require(tokenizer.token(of: id))
      #expect(tokenizer.id(of: name) == id)
      digest.add(bytes: name.utf8)
      digest.add(bytes: [UInt8(ascii: "\n")])
    }
    #expect(digest.hexadecimal == expected.names)
    let texts = (0..<Int32(49_406)).map { tokenizer.decode([$0]) }
    let found = Digest.blocks(of: texts, each: 2000) { $0.add(pieces: tokenizer.encode($1).ids) }
    #expect(differingBlocks(found, expected.piecesOfNames) == [])
  }

  @Test("wiki lines", .enabled(if: BytePairFiles.hasFullMerges && TestFiles.hasWiki))
  func wiki() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "clip-digests.json")
    let tokenizer = try BytePairFiles.fullClip()
    let found = Digest.blocks(of: try wikiLines(), each: 500) {
      $0.add(pieces: tokenizer.encode($1).ids)
    }
    #expect(found.count >= 40)
    #expect(differingBlocks(found, expected.wikiPieces) == [])
  }
}

@Suite("GPT-2's byte-pair encoding agrees with Hugging Face tokenizers")
struct GPT2ReferenceTests {
  @Test("lines")
  func lines() throws {
    let lines = try BytePairFiles.decode([Line].self, from: "gpt2.json")
    #expect(lines.count >= 300)
    #expect(lines.allSatisfy { $0.offsets != nil })
    let tokenizer = try BytePairFiles.gpt2()
    check(lines, tokenizer)
    for line in lines {
      #expect(scalars(tokenizer.decode(line.ids)) == scalars(line.text))
    }
  }

  @Test("every Unicode scalar")
  func everyScalar() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "gpt2-digests.json")
    #expect(differingBlocks(scalarDigests(try BytePairFiles.gpt2()), expected.scalarWords) == [])
  }

  @Test("lines drawn from difficult strings")
  func drawn() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "gpt2-digests.json")
    let tokenizer = try BytePairFiles.gpt2()
    let lines = drawnLines(expected)
    let words = Digest.blocks(of: lines, each: 100) {
      $0.add(spellings: tokenizer.words(in: $1))
    }
    #expect(differingBlocks(words, expected.drawnWords) == [])
    let pieces = Digest.blocks(of: lines, each: 100) { $0.add(pieces: tokenizer.encode($1).ids) }
    #expect(pieces.count == 40)
    #expect(differingBlocks(pieces, expected.drawnPieces) == [])
  }

  @Test("wiki lines", .enabled(if: TestFiles.hasWiki))
  func wiki() throws {
    let expected = try BytePairFiles.decode(Digests.self, from: "gpt2-digests.json")
    let tokenizer = try BytePairFiles.gpt2()
    let found = Digest.blocks(of: try wikiLines(), each: 500) {
      $0.add(pieces: tokenizer.encode($1).ids)
    }
    #expect(found.count >= 40)
    #expect(differingBlocks(found, expected.wikiPieces) == [])
  }
}
