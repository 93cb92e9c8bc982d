// Zip archives and NumPy's files, read and written.

import Foundation
import TandemFiles
import TandemPickle
import Testing

struct ArchiveTests {
  @Test(arguments: ["mixed.zip", "prefixed.zip"])
  func entriesOfEveryKind(name: String) throws {
    let archive = try ZipFile(path: Fixture.path(name))
    #expect(
      archive.entries.map(\.name) == ["stored.txt", "folder/deflated.txt", "empty", "bzip2"])
    let stored = try #require(archive.entry(named: "stored.txt"))
    let slice = try archive.slice(of: stored)
    #expect(slice.file != nil)
    #expect(slice.copy() == Array("stored bytes".utf8))
    try archive.verify(stored)
    let deflated = try #require(archive.entry(named: "folder/deflated.txt"))
    #expect(deflated.method == .deflated && deflated.count == 4500)
    #expect(
      try archive.bytes(of: deflated).copy()
        == Array(String(repeating: "deflated ", count: 500).utf8))
    #expect(throws: PickleError.self) { try archive.slice(of: deflated) }
    #expect(throws: PickleError.self) { try archive.bytes(of: deflated, limit: 4499) }
    #expect(try archive.bytes(of: try #require(archive.entry(named: "empty"))).count == 0)
    let other = try #require(archive.entry(named: "bzip2"))
    #expect(other.method == .other(12))
    #expect(throws: PickleError.self) { try archive.bytes(of: other) }
    #expect(archive.entry(named: "missing") == nil)
  }

  @Test
  func zip64Sizes() throws {
    let archive = try ZipFile(path: Fixture.path("zip64.zip"))
    let entry = try #require(archive.entry(named: "large"))
    #expect(try archive.slice(of: entry).copy() == Array("zip64 sizes".utf8))
    try archive.verify(entry)
  }

  @Test
  func aDeflatedEntryMustHoldWhatItClaims() throws {
    let whole = try Fixture.bytes("mixed.zip")
    let name = Array("folder/deflated.txt".utf8)
    let directory = try #require(lastPlace(of: [0x50, 0x4b, 1, 2], before: name, in: whole))
    for (field, value) in [(24, UInt32(4501)), (24, 4499), (24, 0xffff_fff0), (16, 1), (20, 3)] {
      var bytes = whole
      withUnsafeBytes(of: value.littleEndian) {
        bytes.replaceSubrange((directory + field)..<(directory + field + 4), with: $0)
      }
      #expect(throws: PickleError.self) {
        let archive = try ZipFile(bytes)
        _ = try archive.bytes(of: try #require(archive.entry(named: "folder/deflated.txt")))
      }
    }
  }

  private func lastPlace(of mark: [UInt8], before name: [UInt8], in bytes: [UInt8]) -> Int? {
    (0..<(bytes.count - name.count - 46)).last {
      bytes[$0...].starts(with: mark) && bytes[($0 + 46)...].starts(with: name)
    }
  }

  @Test
  func writtenArchivesReadBack() throws {
    let noise = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) }
    try withTemporaryFolder { folder in
      let path = folder + "/a.zip"
      try AtomicFile.write(to: path) { file in
        let archive = ZipWriter(to: file)
        try archive.add("stored", noise)
        try archive.add("deflated ✓", noise, method: .deflated)
        try archive.add("zeros", [UInt8](repeating: 0, count: 1 << 20), method: .deflated)
        try archive.add("empty", [], method: .deflated)
        #expect(throws: PickleError.self) { try archive.add("stored", []) }
        #expect(throws: PickleError.self) { try archive.add("", []) }
        try archive.finish()
        #expect(throws: PickleError.self) { try archive.add("late", []) }
        #expect(throws: PickleError.self) { try archive.finish() }
      }
      let archive = try ZipFile(path: path)
      #expect(archive.entries.map(\.name) == ["stored", "deflated ✓", "zeros", "empty"])
      for entry in archive.entries { try archive.verify(entry) }
      #expect(try archive.slice(of: archive.entries[0]).copy() == noise)
      #expect(try archive.bytes(of: archive.entries[1]).copy() == noise)
      #expect(archive.entries[2].compressedCount < 2000)
      #expect(try archive.bytes(of: archive.entries[2]).copy().allSatisfy { $0 == 0 })
    }
  }

  @Test
  func moreEntriesThan16BitsCount() throws {
    let writer = ZipWriter()
    let count = 70_000
    for number in 0..<count { try writer.add("\(number)", [UInt8(number & 255)]) }
    let archive = try ZipFile(try writer.finish())
    #expect(archive.entries.count == count)
    let entry = try #require(archive.entry(named: "69999"))
    #expect(try archive.slice(of: entry).copy() == [UInt8(69_999 & 255)])
  }

  @Test(arguments: ["stored.npz", "compressed.npz"])
  func arrayArchives(name: String) throws {
    let archive = try NumPyArrayFile.readArchive(Fixture.path(name))
    for (name, expected) in try Fixture.expected(under: "numpy") where !name.hasPrefix("scalar") {
      try expectSame(try archive.array(named: name), expected, name, strides: false)
    }
    #expect(!archive.names.contains("scalar"))
    let isMapped = try archive.array(named: "float32").storage.file != nil
    #expect(isMapped == (name == "stored.npz"))
    let error = #expect(throws: PickleError.self) { try archive.array(named: "none") }
    #expect(error?.description.contains("float16") == true)
  }

  @Test
  func arrayFiles() throws {
    let expected = try Fixture.expected()
    for (file, name) in [
      ("float32", "float32"), ("fortran", "fortran"), ("zero_d", "zero_d"), ("big", "big"),
      ("version3", "float16"),
    ] {
      let array = try NumPyArrayFile.readArray(Fixture.path(file + ".npy"))
      try expectSame(array, try #require(expected["numpy/" + name]), name)
    }
    let error = #expect(throws: PickleError.self) {
      try NumPyArrayFile.readArray(Fixture.path("objects.npy"))
    }
    #expect(error?.description.contains("|O") == true)
  }

  /// NumPy's own bytes, for an array it wrote in the same order.
  @Test
  func writtenArraysAreNumPysByteForByte() throws {
    let array = try PickleArray((0..<24).map { Float($0) }, shape: [2, 3, 4])
    #expect(try NumPyArrayFile.encode(array) == Fixture.bytes("float32.npy"))
    let single = try PickleArray([2.5], shape: [])
    #expect(try NumPyArrayFile.encode(single) == Fixture.bytes("zero_d.npy"))
    try withTemporaryFolder { folder in
      try NumPyArrayFile.write(array, to: folder + "/a.npy")
      #expect(try NumPyArrayFile.readArray(folder + "/a.npy").floats() == array.floats())
    }
  }
}

/// What the writers write, against files that the script beside the fixtures has read with Python,
/// NumPy and zipfile. Run with RECORD_WRITTEN=1, then the script, to make them anew.
struct WrittenFileTests {
  private func record(_ bytes: [UInt8], as name: String) throws {
    if ProcessInfo.processInfo.environment["RECORD_WRITTEN"] == "1" {
      try AtomicFile.write(bytes, to: Fixture.path(name))
    }
  }

  private func arrays() throws -> [(name: String, array: PickleArray)] {
    let grid = (0..<6).map { Float($0) }
    return [
      ("features", try PickleArray(grid, shape: [2, 3])),
      ("ids", try PickleArray([1, -2, 1 << 40] as [Int64], shape: [3])),
      ("half", try PickleArray(halves: grid, shape: [2, 3])),
    ]
  }

  @Test(arguments: [2, 3, 4])
  func pickles(version: Int) throws {
    let features = (0..<12).flatMap { withUnsafeBytes(of: Float($0)) { Array($0) } }
    let value = PickleValue.dict(
      PickleDictionary([
        ("img_h", 480), ("img_w", 640),
        ("features", PickleValue(Array(Data(features).base64EncodedString().utf8))),
        ("none", nil), ("flags", [true, false]),
        ("integers", [0, 255, 256, 65535, 65536, -1, 2_147_483_648, .int(Int.min), .int(Int.max)]),
        ("float", -0.1),
        ("texts", ["", "tändem ✓ 𝄞", .str(String(repeating: "x", count: 300))]),
        ("bytes", [PickleValue([]), PickleValue((0...255).map { UInt8($0) })]),
        ("tuple", .tuple([1, .tuple(["a"])])), ("empty", [[], [:]]), (7, "number"),
        ("arrays", .list(PickleSequence(try arrays().map { .ndarray($0.array) }))),
      ]))
    let bytes = try PickleWriter.write(value, protocolVersion: version)
    try record(bytes, as: "written\(version).pkl")
    #expect(try bytes == Fixture.bytes("written\(version).pkl"))
    let back = try PickleReader.read(bytes)
    #expect(try back.dictionary.names == value.dictionary.names)
    #expect(try back.data(at: "features").copy() == value.data(at: "features").copy())
    #expect(try back["bytes"].sequence[1].data.copy() == (0...255).map { UInt8($0) })
    #expect(try back["integers"].sequence[7].integer == Int.min)
    for (array, wanted) in zip(try back.sequence(at: "arrays"), try arrays()) {
      #expect(try array.array.shape == wanted.array.shape)
      #expect(try array.array.floats() == wanted.array.floats())
    }
  }

  @Test
  func arrayArchives() throws {
    for (name, isCompressed) in [("stored", false), ("deflated", true)] {
      let bytes = try NumPyArrayFile.encodeArchive(try arrays(), isCompressed: isCompressed)
      let file = "written-\(name).npz"
      try record(bytes, as: file)
      // Another zlib may deflate to other bytes.
      if !isCompressed { #expect(try bytes == Fixture.bytes(file)) }
      for bytes in [bytes, try Fixture.bytes(file)] {
        let archive = try NumPyArrayFile.readArchive(ByteSlice(bytes))
        for (name, array) in try arrays() {
          #expect(try archive.array(named: name).floats() == array.floats())
        }
      }
    }
  }

  @Test
  func sharedAndEndlessValuesAreWrittenOnce() throws {
    let value = try PickleFile.open(Fixture.path("plain4.pkl"))
    var loop = try PickleReader.read(try PickleWriter.write(value["loop"]))
    for _ in 0..<10 {
      #expect(try loop.sequence[0].integer == 1)
      loop = try loop.sequence[1]
    }
    // Thirty lists, each holding the one before twice: 2^30 leaves, a hundred bytes.
    var stream: [UInt8] = [0x80, 2, 0x5d, 0x71, 0]
    for number in 1...30 as ClosedRange<UInt8> {
      stream += [0x5d, 0x71, number, 0x28, 0x68, number - 1, 0x68, number - 1, 0x65]
    }
    // Only the last is kept.
    stream = [0x80, 2, 0x28] + stream.dropFirst(2) + [0x74, 0x2e]
    let bytes = try PickleWriter.write(try PickleReader.read(stream))
    #expect(bytes.count < 2000)
    #expect(try PickleReader.read(bytes).sequence.count == 31)
  }

  @Test
  func valuesThatCannotBeWritten() throws {
    let value = try PickleFile.open(Fixture.path("plain4.pkl"))
    #expect(throws: PickleError.self) { try PickleWriter.write(value["options"]) }
    #expect(throws: PickleError.self) { try PickleWriter.write(value["set"]) }
    #expect(throws: PickleError.self) { try PickleWriter.write(1, protocolVersion: 5) }
    let brain = try TorchFile.open(Fixture.path("zip.pt")).value["extra"]["bfloat16"]
    #expect(throws: PickleError.self) { try PickleWriter.write(brain) }
  }
}
