import Foundation
import TandemData
import TandemFiles
import Testing

@Suite("Files packed by gzip")
struct CompressedFileTests {
  /// `b"one line\n" * 100` by Python's `gzip.compress(…, mtime=0)`.
  private static let packed: [UInt8] = [
    0x1F, 0x8B, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xCB, 0xCF, 0x4B, 0x55, 0xC8, 0xC9,
    0xCC, 0x4B, 0xE5, 0xCA, 0x1F, 0x65, 0x8C, 0x32, 0x46, 0x19, 0x03, 0xC1, 0x00, 0x00, 0x97, 0x8B,
    0xBA, 0x52, 0x84, 0x03, 0x00, 0x00,
  ]

  /// Unpacks `bytes` and returns the result.
  private func unpack(_ bytes: [UInt8], maximumBytes: Int = 1000) throws -> String {
    let directory =
      FileManager.default.temporaryDirectory.path + "/tandem-gzip-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try Data(bytes).write(to: URL(fileURLWithPath: directory + "/a.gz"))
    try CompressedFile.unpackGzip(
      directory + "/a.gz", to: directory + "/a", maximumBytes: maximumBytes)
    return try String(contentsOfFile: directory + "/a", encoding: .utf8)
  }

  private func refusal(_ bytes: [UInt8], maximumBytes: Int = 1000) -> String {
    let error = #expect(throws: FetchError.self) {
      try unpack(bytes, maximumBytes: maximumBytes)
    }
    return error?.description ?? ""
  }

  @Test("what was packed comes back")
  func good() throws {
    #expect(try unpack(Self.packed) == String(repeating: "one line\n", count: 100))
    #expect(try unpack(Self.packed, maximumBytes: 900).utf8.count == 900)
  }

  @Test("a file that is none, is damaged or grows too large is refused")
  func refused() {
    #expect(refusal(Array("one line\n".utf8)).contains("a.gz is no gzip file"))
    #expect(refusal(Array(Self.packed.prefix(20))).contains("truncated gzip input"))
    #expect(refusal(Self.packed, maximumBytes: 899).contains("more than 899 bytes"))
    let missing = #expect(throws: FetchError.self) {
      try CompressedFile.unpackGzip("/nowhere/a.gz", to: "/nowhere/a", maximumBytes: 1)
    }
    #expect(missing?.description.contains("cannot open /nowhere/a.gz") == true)
  }
}
