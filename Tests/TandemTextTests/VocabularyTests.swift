import Foundation
import TandemText
import Testing

@Suite("Vocabulary")
struct VocabularyTests {
  private static let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

  private func withFile(_ bytes: [UInt8], _ body: (String) throws -> Void) throws {
    let url = FileManager.default.temporaryDirectory.appending(path: "\(UUID().uuidString).txt")
    try Data(bytes).write(to: url)
    defer { try? FileManager.default.removeItem(at: url) }
    try body(url.path(percentEncoded: false))
  }

  @Test("a token's id is its place, and every token is found")
  func places() throws {
    let vocabulary = try TestFiles.smallVocabulary()
    #expect(vocabulary.count == 4000)
    for (place, token) in vocabulary.tokens.enumerated() {
      #expect(vocabulary.id(of: token) == Int32(place))
    }
    #expect(vocabulary.id(of: "") == nil)
    #expect(vocabulary.id(of: "[MAS") == nil)
    #expect(vocabulary.id(of: "[MASK]]") == nil)
  }

  @Test("special tokens are found wherever they stand")
  func specialTokens() throws {
    let tokens = ["a", "[MASK]", "b", "[SEP]", "[CLS]", "[UNK]", "c", "[PAD]"]
    let vocabulary = try Vocabulary(tokens: tokens)
    #expect(vocabulary.mask == 1)
    #expect(vocabulary.separator == 3)
    #expect(vocabulary.classification == 4)
    #expect(vocabulary.unknown == 5)
    #expect(vocabulary.padding == 7)
    #expect((0..<8).filter { vocabulary.isSpecial(Int32($0)) } == [1, 3, 4, 5, 7])
  }

  @Test("every line ending gives the same tokens")
  func lineEndings() throws {
    let tokens = Self.special + ["a", "##b"]
    for (separator, end) in [("\n", "\n"), ("\n", ""), ("\r\n", "\r\n"), ("\r\n", "")] {
      let text = tokens.joined(separator: separator) + end
      try withFile(Array(text.utf8)) { path in
        let read = try Vocabulary(contentsOfFile: path).tokens
        #expect(read == tokens)
      }
    }
  }

  @Test("composed and decomposed spellings are two tokens")
  func canonicalEquivalents() throws {
    let vocabulary = try Vocabulary(tokens: Self.special + ["\u{E9}", "e\u{301}"])
    #expect(vocabulary.id(of: "\u{E9}") == 5)
    #expect(vocabulary.id(of: "e\u{301}") == 6)
  }

  @Test("a file that is not there is named")
  func missingFile() throws {
    let path = "/nowhere/vocab.txt"
    let error = #expect(throws: TextError.self) { try Vocabulary(contentsOfFile: path) }
    #expect(error == .unreadableFile(path: path, reason: "no such file"))
    #expect(error?.description.contains(path) == true)
  }

  @Test("bytes that are not UTF-8 are reported with their line")
  func invalidUTF8() throws {
    let bytes = Array("[PAD]\na\n".utf8) + [0xC3, 0x28, 0x0A]
    try withFile(bytes) { path in
      #expect(throws: TextError.invalidUTF8(path: path, line: 3)) {
        try Vocabulary(contentsOfFile: path)
      }
    }
  }

  @Test("an empty file, an empty line, a double and a missing token are each told apart")
  func malformed() throws {
    try withFile([]) { path in
      #expect(throws: TextError.emptyVocabulary(source: path)) {
        try Vocabulary(contentsOfFile: path)
      }
    }
    try withFile(Array("[PAD]\n\n[UNK]\n".utf8)) { path in
      #expect(throws: TextError.emptyToken(source: path, position: 2)) {
        try Vocabulary(contentsOfFile: path)
      }
    }
    try withFile(Array("[PAD]\nx\ny\nx\n".utf8)) { path in
      #expect(throws: TextError.duplicateToken(source: path, token: "x", first: 2, second: 4)) {
        try Vocabulary(contentsOfFile: path)
      }
    }
    for token in Self.special {
      let rest = Self.special.filter { $0 != token } + ["a"]
      try withFile(Array(rest.joined(separator: "\n").utf8)) { path in
        let error = #expect(throws: TextError.self) { try Vocabulary(contentsOfFile: path) }
        #expect(error == .missingSpecialToken(source: path, token: token))
        #expect(error?.description.contains(token) == true)
        #expect(error?.description.contains(path) == true)
      }
    }
    #expect(throws: TextError.emptyVocabulary(source: "token list")) {
      try Vocabulary(tokens: [])
    }
  }

  @Test("a large random vocabulary keeps every token apart")
  func randomTokens() throws {
    var random = SplitMix64(state: 3)
    let letters = ["a", "b", "c", "\u{E9}", "\u{4E2D}", "\u{1F600}", "#", "z"]
    var tokens = Self.special
    var known = Set(tokens)
    while tokens.count < 20_000 {
      let length = Int.random(in: 1...9, using: &random)
      let token = (0..<length).map { _ in letters[Int(random.next() % 8)] }.joined()
      if known.insert(token).inserted { tokens.append(token) }
    }
    let vocabulary = try Vocabulary(tokens: tokens)
    #expect(tokens.indices.allSatisfy { vocabulary.id(of: tokens[$0]) == Int32($0) })
    let absent = tokens.map { $0 + "c" }.filter { !known.contains($0) }
    #expect(!absent.isEmpty)
    #expect(absent.allSatisfy { vocabulary.id(of: $0) == nil })
  }
}
