import Foundation
import TandemText
import Testing

@Suite("Files of a byte-pair encoding")
struct BytePairFileTests {
  // MARK: CLIP

  private func clipError(_ change: (inout [String]) -> Void) throws -> BytePairError? {
    var lines = try BytePairFiles.reducedClipLines()
    change(&lines)
    let text = lines.joined(separator: "\n") + "\n"
    return #expect(throws: BytePairError.self) {
      try BytePairEncoding(clipMerges: text, source: "merges.txt")
    }
  }

  @Test("lines ended by CR LF, and the list as long as published")
  func clipVariants() throws {
    var lines = try BytePairFiles.reducedClipLines()
    let expected = try BytePairFiles.reducedClip().encode("a photo of a cat").ids
    let windows = lines.joined(separator: "\r\n") + "\r\n"
    #expect(try BytePairEncoding(clipMerges: windows).encode("a photo of a cat").ids == expected)
    // What follows the first 48 894 is not looked at.
    lines += Array(repeating: "i n", count: 262_144 - 48_894)
    let long = try BytePairEncoding(clipMerges: lines.joined(separator: "\n"))
    #expect(long.encode("a photo of a cat").ids == expected)
    #expect(long.vocabularyCount == 49_408)
  }

  @Test("a missing file is named")
  func clipMissing() throws {
    let error = #expect(throws: BytePairError.self) {
      try BytePairEncoding(clipMergesFile: "/nowhere/merges.txt")
    }
    #expect(error == .unreadableFile(path: "/nowhere/merges.txt", reason: "no such file"))
    #expect(error?.description.hasPrefix("/nowhere/merges.txt: ") == true)
  }

  @Test("a wrong number of merges is told")
  func clipCount() throws {
    let short = try clipError { $0.removeLast() }
    #expect(
      short
        == .wrongMergeCount(
          source: "merges.txt", expected: "48894 (or 262144, as published)", found: 48_893))
    #expect(try clipError { $0.append("i n") }?.description.contains("found 48895") == true)
    #expect(try clipError { $0 = [$0[0]] }?.description.contains("found 0") == true)
  }

  @Test("a list without its first line is told")
  func clipHeader() throws {
    let error = try clipError { $0.removeFirst() }
    guard case .missingHeader(let source, let found) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(source == "merges.txt")
    #expect(found == "\"\(try BytePairFiles.reducedClipLines()[1])\"")
    #expect(
      throws: BytePairError.missingHeader(source: "merges list", found: "an empty line")
    ) { try BytePairEncoding(clipMerges: "") }
  }

  @Test(
    "a garbled line is named",
    arguments: ["", "in", "i n g", "i  n", " in", "i ", "i \u{4E2D}", "i</w> n", "\u{FFFD} n"])
  func clipGarbled(line: String) throws {
    let error = try clipError { $0[700] = line }
    let found = line.isEmpty ? "an empty line" : "\"\(line)\""
    #expect(error == .malformedMerge(source: "merges.txt", line: 701, found: found))
    #expect(error?.description.contains("merges.txt, line 701: ") == true)
  }

  @Test("a merge of what is not there yet, and one that comes twice")
  func clipOrder() throws {
    let early = try clipError { $0[1] = "xq zv" }
    #expect(early == .unknownPart(source: "merges.txt", line: 2, part: "xq"))
    let twice = try clipError { $0[900] = $0[30] }
    let merge = try BytePairFiles.reducedClipLines()[30].replacing(" ", with: "")
    #expect(
      twice == .repeatedMerge(source: "merges.txt", line: 901, merge: merge, first: 31))
  }

  // MARK: GPT-2

  /// The 256 bytes as characters, in any order: ids are free.
  private static func bytes() throws -> [String: Int] {
    let all = try JSONDecoder().decode(
      [String: Int].self,
      from: Data(contentsOf: BytePairFiles.fixtures.appending(path: "gpt2-vocabulary.json")))
    let single = all.keys.filter { $0.unicodeScalars.count == 1 }.sorted()
    return Dictionary(uniqueKeysWithValues: zip(single, 0...))
  }

  /// Bytes, `ab`, `abc`, `Ġa` and the special token.
  private static func small() throws -> [String: Int] {
    var ids = try bytes()
    #expect(ids.count == 256)
    for name in ["ab", "abc", "\u{120}a", "<|endoftext|>"] { ids[name] = ids.count }
    return ids
  }

  private static let merges = "#version: 0.2\na b\nab c\n\u{120} a\n"

  private func gpt2Error(
    merges: String = merges, _ change: (inout [String: Int]) -> Void = { _ in }
  ) throws -> BytePairError? {
    var ids = try Self.small()
    change(&ids)
    return #expect(throws: BytePairError.self) {
      try BytePairEncoding(
        vocabulary: ids, merges: merges, vocabularySource: "vocab.json", mergesSource: "merges.txt")
    }
  }

  @Test("ids are those of the vocabulary")
  func gpt2Ids() throws {
    let ids = try Self.small()
    let tokenizer = try BytePairEncoding(vocabulary: ids, merges: Self.merges)
    let byId = tokenizer.encode("abc a abd").ids.map { tokenizer.token(of: $0) }
    #expect(byId == ["abc", "\u{120}a", "\u{120}", "ab", "d"])
    #expect(tokenizer.encode("abc").ids == [ids["abc"].map(Int32.init)])
    #expect(tokenizer.vocabularyCount == 260)
    // Without the line of the version, and RoBERTa's special tokens.
    var roberta = ids
    roberta["<s>"] = 260
    roberta["</s>"] = 261
    let other = try BytePairEncoding(
      vocabulary: roberta, merges: "a b\nab c\n\u{120} a",
      specials: .init(start: "<s>", end: "</s>", others: ["<|endoftext|>"]))
    #expect(other.start == 260 && other.end == 261)
    #expect(other.encode("<s>abc").ids.count == 4)
    #expect(BytePairEncoding.Specials.roberta.others.contains("<mask>"))
  }

  @Test("the two-step vocabulary of UNIMO: ids as decimal numerals")
  func numerals() throws {
    let tokenizer = try BytePairFiles.gpt2()
    let numerals = tokenizer.encode("the dogs").ids.map { String($0) }
    let vocabulary = try Vocabulary(
      tokens: ["[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"] + (0..<700).reversed().map { "\($0)" })
    let ids = try numerals.map { try #require(vocabulary.id(of: $0)) }
    #expect(ids == tokenizer.encode("the dogs").ids.map { 5 + 699 - $0 })
  }

  @Test("vocabulary and merges that do not belong together are told")
  func mismatch() throws {
    #expect(
      try gpt2Error {
        $0["abc"] = nil; $0["xyz"] = 257
      }
        == .missingToken(source: "vocab.json", token: "abc", merges: "merges.txt", line: 3))
    #expect(
      try gpt2Error { $0["xyz"] = 260 }
        == .unreachableToken(source: "vocab.json", token: "xyz", id: 260, merges: "merges.txt"))
    #expect(
      try gpt2Error(merges: "a b\n\u{120} a")
        == .unreachableToken(source: "vocab.json", token: "abc", id: 257, merges: "merges.txt"))
    #expect(
      try gpt2Error(merges: "ab c\na b\n\u{120} a")
        == .unknownPart(source: "merges.txt", line: 1, part: "ab"))
    #expect(
      try gpt2Error(merges: Self.merges + "a b\n")
        == .repeatedMerge(source: "merges.txt", line: 5, merge: "ab", first: 2))
    #expect(
      try gpt2Error(merges: Self.merges + "ab")
        == .malformedMerge(source: "merges.txt", line: 5, found: "\"ab\""))
    #expect(
      try gpt2Error { $0["\u{4E2D}"] = 260 }
        == .unreachableToken(
          source: "vocab.json", token: "\u{4E2D}", id: 260, merges: "merges.txt"))
  }

  @Test("ids that leave gaps, come twice or lack a byte or special token are told")
  func wrongIDs() throws {
    #expect(
      try gpt2Error { $0["abc"] = 260 }
        == .wrongID(
          source: "vocab.json", token: "abc", id: 260,
          reason: "there are 260 tokens, so ids end at 259"))
    #expect(
      try gpt2Error { $0["abc"] = 256 }
        == .wrongID(
          source: "vocab.json", token: "abc", id: 256, reason: "the token \"ab\" has it too"))
    let lacksByte = try gpt2Error { ids in
      let id = ids["z"]
      ids["z"] = nil
      ids["ab!"] = id
    }
    #expect(lacksByte == .missingBasicToken(source: "vocab.json", token: "z", kind: "the byte"))
    let lacksSpecial = try gpt2Error { ids in
      ids["<|endoftext|>"] = nil
    }
    #expect(
      lacksSpecial
        == .missingBasicToken(
          source: "vocab.json", token: "<|endoftext|>", kind: "the special token"))
  }

  @Test("a vocabulary file that is no JSON object of ids")
  func malformedJSON() throws {
    let path = FileManager.default.temporaryDirectory
      .appending(path: "vocab-\(UUID().uuidString).json").path(percentEncoded: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    for (text, part) in [("[1]", ""), ("{\"a\": \"b\"}", "key \"a\""), ("{\"a\": 0", "")] {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      let error = #expect(throws: BytePairError.self) {
        try BytePairEncoding(
          vocabularyFile: path, mergesFile: BytePairFiles.path("gpt2-merges.txt"))
      }
      #expect(error?.description.hasPrefix("\(path): expected a JSON object") == true)
      #expect(part.isEmpty || error?.description.contains(part) == true)
    }
    #expect(
      throws: BytePairError.unreadableFile(path: "/nowhere/merges.txt", reason: "no such file")
    ) {
      try BytePairEncoding(
        vocabularyFile: BytePairFiles.path("gpt2-vocabulary.json"),
        mergesFile: "/nowhere/merges.txt")
    }
  }
}
