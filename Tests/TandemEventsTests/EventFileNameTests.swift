// Names, their order, and what is refused.

import Foundation
import TandemEvents
import Testing

@Suite struct EventFileNameTests {
  @Test func nameSaysTimeProcessAndSuffix() throws {
    try withTemporaryDirectory { directory in
      let writer = try EventWriter(directory: directory, suffix: "pretrain", time: 12.75)
      let name = try #require(writer.path.split(separator: "/").last)
      #expect(writer.path == directory + "/" + name)
      #expect(name.hasPrefix("events.out.tfevents.0000000012."))
      #expect(name.hasSuffix(".\(ProcessInfo.processInfo.processIdentifier).0.pretrain"))
    }
  }

  @Test func missingParentsAreMade() throws {
    try withTemporaryDirectory { directory in
      let writer = try EventWriter(directory: directory + "/a//b/c/", time: 1)
      #expect(writer.path.hasPrefix(directory + "/a//b/c/events."))
      #expect(try sortedNames(directory + "/a/b/c").count == 1)
    }
  }

  /// The same second, a clock that runs behind, and more files than one digit counts.
  @Test func everyLaterFileSortsLaterAndNoEarlierOneChanges() throws {
    try withTemporaryDirectory { directory in
      var names: [String] = []
      var earlier: [String: Data] = [:]
      for run in 0..<12 {
        let time = run < 6 ? 1000.0 : 10.0
        let writer = try EventWriter(directory: directory, time: time)
        try writer.scalar("loss", Double(run), step: run, time: time)
        try writer.flush()
        names.append(String(try #require(writer.path.split(separator: "/").last)))
        for (path, bytes) in earlier { #expect(try contents(path) == bytes) }
        earlier[writer.path] = try contents(writer.path)
      }
      #expect(Set(names).count == 12)
      #expect(try sortedNames(directory) == names)
    }
  }

  /// Writers that open at the same moment get a file each. Many rounds: they must truly collide.
  @Test func simultaneousWritersShareNoFile() throws {
    try withTemporaryDirectory { directory in
      for round in 0..<100 {
        let folder = "\(directory)/\(round)"
        DispatchQueue.concurrentPerform(iterations: 8) { _ in
          _ = try? EventWriter(directory: folder, time: 5)
        }
        let names = try sortedNames(folder)
        #expect(names.count == 8)
        for name in names { #expect(try readEvents(folder + "/" + name).count == 1) }
      }
    }
  }

  @Test func otherFilesOfTheDirectoryDoNotMatter() throws {
    try withTemporaryDirectory { directory in
      try FileManager.default.createDirectory(
        atPath: directory, withIntermediateDirectories: false)
      for name in ["events.out.tfevents.99999.old", "events.out.tfevents.+999999999.x", "zzz"] {
        try Data().write(to: URL(fileURLWithPath: directory + "/" + name))
      }
      let writer = try EventWriter(directory: directory, time: 3)
      #expect(writer.path.hasPrefix(directory + "/events.out.tfevents.0000000003."))
    }
  }

  @Test func noNameAfterTheLastSecond() throws {
    try withTemporaryDirectory { directory in
      let last = try EventWriter(directory: directory, time: 9_999_999_999.5).path
      let name = try #require(last.split(separator: "/").last)
      let expected = EventError.noLaterName(directory: directory, existing: String(name))
      #expect(throws: expected) { try EventWriter(directory: directory, time: 1) }
      #expect(expected.description.contains(name))
    }
  }

  @Test(arguments: [-1, 10_000_000_000, .infinity, -.infinity] as [Double])
  func impossibleTimesAreRefused(time: Double) throws {
    try withTemporaryDirectory { directory in
      #expect(throws: EventError.invalidTime(time, path: directory)) {
        try EventWriter(directory: directory, time: time)
      }
      #expect(!FileManager.default.fileExists(atPath: directory))
      let writer = try EventWriter(directory: directory, time: 1)
      #expect(throws: EventError.invalidTime(time, path: writer.path)) {
        try writer.scalar("loss", 1, step: 1, time: time)
      }
      // NaN equals nothing, so only the kind of error can be asked for.
      #expect(throws: EventError.self) { try writer.text("a", "b", step: 1, time: .nan) }
      try writer.flush()
      #expect(try readEvents(writer.path).count == 1)
    }
  }

  @Test(arguments: ["a/b", " ", "é", "a:"])
  func oddSuffixesAreRefused(suffix: String) throws {
    try withTemporaryDirectory { directory in
      #expect(throws: EventError.invalidSuffix(suffix, directory: directory)) {
        try EventWriter(directory: directory, suffix: suffix, time: 1)
      }
    }
  }

  @Test func emptyTagsAreRefused() throws {
    try withTemporaryDirectory { directory in
      let writer = try EventWriter(directory: directory, time: 1)
      #expect(throws: EventError.emptyTag(step: 4, path: writer.path)) {
        try writer.scalar("", 1, step: 4, time: 1)
      }
    }
  }

  @Test func aFileInTheWayIsNamedWithTheSystemsWords() throws {
    try withTemporaryDirectory { file in
      try Data().write(to: URL(fileURLWithPath: file))
      let expected = EventError.system(operation: "list", path: file, code: ENOTDIR)
      #expect(throws: expected) { try EventWriter(directory: file, time: 1) }
      #expect(expected.description.hasPrefix("cannot list \(file): Not a directory"))
      #expect(
        throws: EventError.system(
          operation: "create directory", path: file + "/a", code: ENOTDIR)
      ) { try EventWriter(directory: file + "/a", time: 1) }
    }
  }
}
