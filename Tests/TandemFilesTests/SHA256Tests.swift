import Foundation
import TandemFiles
import Testing

/// Vectors of FIPS 180-4's examples (NIST, "SHA256.pdf" and the long message of RFC 6234).
@Suite struct SHA256Tests {
  @Test(arguments: [
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
    ),
  ])
  func knownVectors(text: String, expected: String) throws {
    #expect(try SHA256Digest.of(utf8: text).hexadecimal == expected)
  }

  @Test func aMillionLettersFromAFile() throws {
    try withTemporaryDirectory { directory throws in
      // More than one read of a mebibyte: the million, then the vector of the million itself.
      let path = directory + "/million"
      let million = [UInt8](repeating: 97, count: 1_000_000)
      try Data(million).write(to: URL(fileURLWithPath: path))
      let expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      #expect(try SHA256Digest.ofFile(at: path).hexadecimal == expected)

      let long = million + million + million
      try Data(long).write(to: URL(fileURLWithPath: path))
      #expect(try SHA256Digest.ofFile(at: path) == SHA256Digest.of(long))
    }
  }

  @Test func piecesGiveTheWhole() throws {
    let hasher = try SHA256()
    for piece in ["a", "", "bc"] { try hasher.update(Array(piece.utf8)) }
    #expect(try hasher.finish() == SHA256Digest.of(utf8: "abc"))
    #expect(try hasher.finish() == SHA256Digest.of(utf8: ""))
  }

  @Test func textForm() throws {
    let digits = String(repeating: "0123456789ABCDEF", count: 4)
    let digest = try #require(SHA256Digest(hexadecimal: digits))
    #expect(digest.description == digits.lowercased())
    #expect(digest.leadingBits == 0x0123_4567_89ab_cdef)
    #expect(SHA256Digest(hexadecimal: String(digits.dropLast())) == nil)
    #expect(SHA256Digest(hexadecimal: digits.replacing("0", with: "g")) == nil)
    let json = try JSONEncoder().encode([digest])
    #expect(try JSONDecoder().decode([SHA256Digest].self, from: json) == [digest])
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode([SHA256Digest].self, from: Data("[\"12\"]".utf8))
    }
  }

  @Test func missingFile() {
    let error = #expect(throws: FileError.self) {
      try SHA256Digest.ofFile(at: "/nowhere/at/all")
    }
    #expect(error?.code == ENOENT)
    #expect(error?.description.contains("/nowhere/at/all") == true)
  }
}

func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.path + "/tandem-files-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try body(directory)
}
