import Foundation
import TandemData
import TandemFiles
import Testing

@Suite struct ArchiveTests {
  @Test func unpacksTheChosenFilesOfAWheel() throws {
    try withTemporaryDirectory { directory throws in
      let count = try Archive.extract(fixture("good.zip"), into: directory + "/out") { name in
        name.hasPrefix("pkg/data/") ? String(name.dropFirst(9)) : nil
      }
      #expect(count == 2)
      #expect(try names(directory + "/out") == ["a.txt", "b"])
      #expect(text(directory + "/out/a.txt") == "alpha\n")
      #expect(text(directory + "/out/b/c.txt") == "gamma\n")
    }
  }

  @Test func unpacksADebianPackageWithoutItsLinks() throws {
    try withTemporaryDirectory { directory throws in
      try Archive.extract(fixture("good.deb"), into: directory + "/out") { $0 }
      let share = directory + "/out/usr/share/good"
      #expect(try names(share) == ["a.txt", "big.bin"])
      #expect(text(share + "/a.txt") == "alpha\n")
      let big = (0..<4096).flatMap { _ in UInt8.min...UInt8.max }
      #expect(try SHA256Digest.ofFile(at: share + "/big.bin") == SHA256Digest.of(big))
    }
  }

  @Test(arguments: [
    ("climbing.zip", "climbs"), ("hidden-climb.zip", "climbs"), ("absolute.zip", "absolute"),
    ("through-link.tar", "link"), ("repeated.zip", "File exists"),
  ])
  func refuses(archive: String, because reason: String) throws {
    try withTemporaryDirectory { directory throws in
      try FileManager.default.createDirectory(
        atPath: directory + "/a", withIntermediateDirectories: true)
      let refusal = #expect(throws: (any Error).self) {
        try Archive.extract(fixture(archive), into: directory + "/a/out") { $0 }
      }
      #expect(refusal.map { String(describing: $0) }?.contains(reason) == true)
      // Nothing is left: neither the result, nor the staging, nor what tried to escape.
      #expect(try names(directory) == ["a"])
      #expect(try names(directory + "/a") == [])
    }
  }

  @Test func refusesDestinationsOutside() throws {
    try withTemporaryDirectory { directory throws in
      #expect(throws: FetchError.self) {
        try Archive.extract(fixture("good.zip"), into: directory + "/out") { "../" + $0 }
      }
      #expect(try names(directory) == [])
    }
  }

  @Test(arguments: ["damaged.deb", "missing.zip"])
  func reportsDamage(archive: String) throws {
    try withTemporaryDirectory { directory throws in
      let error = #expect(throws: FetchError.self) {
        try Archive.extract(fixture(archive), into: directory + "/out") { $0 }
      }
      #expect(error?.description.contains(archive) == true)
      #expect(try names(directory) == [])
    }
  }

  @Test func stopsAtTheLimit() throws {
    try withTemporaryDirectory { directory throws in
      let all = 256 * 4096 + 6
      #expect(throws: FetchError.self) {
        try Archive.extract(
          fixture("good.deb"), into: directory + "/out", maximumBytes: all - 1
        ) { $0 }
      }
      try Archive.extract(fixture("good.deb"), into: directory + "/out", maximumBytes: all) { $0 }
    }
  }
}
