import Foundation
import TandemText

/// The tokenizers and expectations that Tests/Fixtures/make_bpe.py made.
enum BytePairFiles {
  static let fixtures = TestFiles.repository.appending(path: "Tests/Fixtures/bpe")

  static func path(_ name: String) -> String {
    fixtures.appending(path: name).path(percentEncoded: false)
  }

  static func text(_ name: String) throws -> String {
    try String(contentsOf: fixtures.appending(path: name), encoding: .utf8)
  }

  static func decode<Value: Decodable>(_ type: Value.Type, from name: String) throws -> Value {
    try JSONDecoder().decode(type, from: Data(contentsOf: fixtures.appending(path: name)))
  }

  /// The whole list of CLIP's merges, unpacked: `tandem data fetch clip-vocabulary` makes it.
  static let fullMerges: String =
    ProcessInfo.processInfo.environment["TANDEM_CLIP_MERGES"]
    ?? TestFiles.repository.appending(path: "data/clip-vocabulary/merges.txt")
    .path(percentEncoded: false)

  static let hasFullMerges = FileManager.default.fileExists(atPath: fullMerges)

  static func gpt2() throws -> BytePairEncoding {
    try BytePairEncoding(
      vocabularyFile: path("gpt2-vocabulary.json"), mergesFile: path("gpt2-merges.txt"))
  }

  static func fullClip() throws -> BytePairEncoding {
    try BytePairEncoding(clipMergesFile: fullMerges)
  }

  /// CLIP with the merges that the lines of clip.json use, at their ranks, so that the ids are
  /// those of the whole list.
  static func reducedClip() throws -> BytePairEncoding {
    try BytePairEncoding(clipMerges: try reducedClipLines().joined(separator: "\n"))
  }

  static func reducedClipLines() throws -> [String] {
    var lines = [String](repeating: "", count: 48_894)
    for line in try text("clip-merges.txt").split(separator: "\n") {
      let parts = line.split(separator: " ")
      lines[Int(parts[0]) ?? 0] = "\(parts[1]) \(parts[2])"
    }
    // Where a merge was left out stands one of bytes that no UTF-8 has: growing strings of them.
    let bytes = ([0xC0, 0xC1] + Array(UInt8(0xF5)...0xFF)).map { String(Unicode.Scalar($0)) }
    var tokens = bytes
    var next = 0
    for place in lines.indices where lines[place].isEmpty {
      let left = tokens[next / bytes.count]
      let right = bytes[next % bytes.count]
      lines[place] = "\(left) \(right)"
      tokens.append(left + right)
      next += 1
    }
    return ["#version: 0.2"] + lines
  }
}

extension Digest {
  static func of(_ numbers: some Sequence<Int32>) -> String {
    var digest = Digest()
    for number in numbers { digest.add(number) }
    return digest.hexadecimal
  }

  static func of(_ offsets: [Range<Int32>]) -> String {
    of(offsets.flatMap { [$0.lowerBound, $0.upperBound] })
  }

  mutating func add(pieces: [Int32]) {
    add(Int32(pieces.count))
    for id in pieces { add(id) }
  }

  mutating func add(spellings: [(word: String, offsets: Range<Int32>)]) {
    for (word, _) in spellings {
      add(bytes: word.utf8)
      add(bytes: [UInt8(ascii: "\n")])
    }
  }
}
