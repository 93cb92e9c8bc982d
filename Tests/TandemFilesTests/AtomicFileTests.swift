import Foundation
import TandemFiles
import Testing

private struct Interrupted: Error {}

@Suite struct AtomicFileTests {
  private func content(_ path: String) -> String? {
    FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) }
  }

  private func names(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
  }

  @Test func replacesTheFile() throws {
    try withTemporaryDirectory { directory throws in
      let path = directory + "/file"
      try AtomicFile.write(utf8: "first", to: path)
      let written = try AtomicFile.write(to: path) { writer in
        try writer.write(utf8: "sec")
        try writer.write(Array("ond".utf8))
        return writer.position
      }
      #expect(written == 6)
      #expect(content(path) == "second")
      #expect(try names(directory) == ["file"])
    }
  }

  @Test func aFailureLeavesTheEarlierFileWhole() throws {
    try withTemporaryDirectory { directory throws in
      let path = directory + "/file"
      try AtomicFile.write(utf8: "earlier", to: path)
      #expect(throws: Interrupted.self) {
        try AtomicFile.write(to: path) { writer in
          try writer.write(utf8: "half of the new o")
          // What is half done lies beside the file, not in it.
          #expect(try names(directory).contains { $0.hasPrefix("file.partial-\(getpid())") })
          throw Interrupted()
        }
      }
      #expect(content(path) == "earlier")
      #expect(try names(directory) == ["file"])
    }
  }

  @Test func aFailingRenameRemovesThePartialFile() throws {
    try withTemporaryDirectory { directory throws in
      let path = directory + "/taken"
      try FileManager.default.createDirectory(
        atPath: path + "/inside", withIntermediateDirectories: true)
      let error = #expect(throws: FileError.self) { try AtomicFile.write(utf8: "x", to: path) }
      #expect(error?.code == EISDIR)
      #expect(try names(directory) == ["taken"])
    }
  }

  /// /dev/full answers every write with ENOSPC.
  @Test func aFullDiskIsReported() throws {
    let full = try FileDescriptor(opening: "/dev/full", flags: O_WRONLY)
    let error = #expect(throws: FileError.self) {
      try AtomicFile.Writer(full).write(utf8: "anything")
    }
    #expect(error?.code == ENOSPC)
    #expect(error?.description.contains("free some space") == true)
  }

  @Test func aMappingKeepsTheEarlierFile() throws {
    try withTemporaryDirectory { directory throws in
      let path = directory + "/file"
      try AtomicFile.write(utf8: "earlier", to: path)
      let map = try MappedFile(path: path)
      try AtomicFile.write(utf8: "new", to: path)
      #expect(map.withBytes { String(decoding: $0, as: UTF8.self) } == "earlier")
      #expect(try MappedFile(path: path).withBytes { String(decoding: $0, as: UTF8.self) } == "new")
    }
  }

  @Test func mappingRefusesWhatIsNoFile() throws {
    try withTemporaryDirectory { directory throws in
      let missing = #expect(throws: FileError.self) { try MappedFile(path: directory + "/none") }
      #expect(missing?.code == ENOENT)
      let folder = #expect(throws: FileError.self) { try MappedFile(path: directory) }
      #expect(folder?.code == EISDIR)
      try AtomicFile.write(utf8: "", to: directory + "/empty")
      let empty = #expect(throws: FileError.self) { try MappedFile(path: directory + "/empty") }
      #expect(empty?.reason.contains("empty") == true)
    }
  }

  @Test func replacesADirectory() throws {
    try withTemporaryDirectory { directory throws in
      let path = directory + "/set"
      for text in ["first", "second"] {
        try AtomicDirectory.write(to: path + "/") { staging in
          #expect(content(path + "/sub/" + text) == nil)
          try FileManager.default.createDirectory(
            atPath: staging + "/sub", withIntermediateDirectories: true)
          try AtomicFile.write(utf8: text, to: staging + "/sub/" + text)
        }
        #expect(try names(path + "/sub") == [text])
      }
      #expect(try names(directory) == ["set"])
    }
  }

  @Test func aFailureLeavesTheEarlierDirectory() throws {
    try withTemporaryDirectory { directory throws in
      let path = directory + "/set"
      try AtomicDirectory.write(to: path) { try AtomicFile.write(utf8: "1", to: $0 + "/a") }
      #expect(throws: Interrupted.self) {
        try AtomicDirectory.write(to: path) { staging in
          try AtomicFile.write(utf8: "2", to: staging + "/a")
          throw Interrupted()
        }
      }
      #expect(content(path + "/a") == "1")
      #expect(try names(directory) == ["set"])
    }
  }
}
