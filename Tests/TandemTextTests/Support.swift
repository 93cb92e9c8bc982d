import Foundation
import TandemText

/// Where fixtures and optional data lie.
enum TestFiles {
  static let repository = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  static let fixtures = repository.appending(path: "Tests/Fixtures/text")

  static func decode<Value: Decodable>(_ type: Value.Type, from name: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: fixtures.appending(path: name)))
  }

  /// The vocabulary of bert-base-uncased; see Tests/Fixtures/make_text.py for where to get it.
  static let fullVocabulary: String =
    ProcessInfo.processInfo.environment["TANDEM_TEST_VOCABULARY"]
    ?? repository.appending(path: "data/bert-base-uncased/vocab.txt").path(percentEncoded: false)

  static let wikiFiles: [URL] = {
    let folder =
      ProcessInfo.processInfo.environment["TANDEM_TEST_WIKI"].map { URL(fileURLWithPath: $0) }
      ?? repository.appending(path: "data/wiki-extracts")
    return ["en-us", "es-es", "fr-fr"].map { folder.appending(path: "summaries_\($0).json") }
  }()

  static let hasFullVocabulary = FileManager.default.fileExists(atPath: fullVocabulary)
  static let hasWiki = wikiFiles.allSatisfy {
    FileManager.default.fileExists(atPath: $0.path(percentEncoded: false))
  }

  /// The 4000 tokens that make_text.py trained; always there.
  static func smallVocabulary() throws -> Vocabulary {
    try Vocabulary(
      contentsOfFile: fixtures.appending(path: "cased-vocabulary.txt").path(percentEncoded: false))
  }
}

/// The 64-bit FNV-1a hash over what make_text.py hashes, in the same order.
struct Digest {
  private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

  var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  mutating func add(bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
  }

  mutating func add(_ number: Int32) {
    withUnsafeBytes(of: number.littleEndian) { add(bytes: $0) }
  }

  mutating func add(_ text: TokenizedText) {
    add(Int32(text.count))
    for id in text.ids { add(id) }
    for range in text.offsets {
      add(range.lowerBound)
      add(range.upperBound)
    }
    for word in text.words { add(word) }
  }

  mutating func add(words: [(word: String, offsets: Range<Int32>)]) {
    for (word, offsets) in words {
      add(bytes: word.utf8)
      add(bytes: [UInt8(ascii: "\n")])
      add(offsets.lowerBound)
      add(offsets.upperBound)
    }
  }

  /// One digest for each `block` lines.
  static func blocks(
    of lines: [String], each block: Int, _ add: (inout Digest, String) -> Void
  ) -> [String] {
    stride(from: 0, to: lines.count, by: block).map { start in
      var digest = Digest()
      for line in lines[start..<min(start + block, lines.count)] { add(&digest, line) }
      return digest.hexadecimal
    }
  }
}

/// The blocks at which two lists of digests differ.
func differingBlocks(_ found: [String], _ expected: [String]) -> [Int] {
  (0..<max(found.count, expected.count)).filter { block in
    guard block < found.count, block < expected.count else { return true }
    return found[block] != expected[block]
  }
}

/// The generator make_text.py draws lines with (S. Vigna's SplitMix64).
struct SplitMix64: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
