// What an event file holds: against files that TensorBoard's own code wrote, and read back.

import Foundation
import TandemEvents
import Testing

@Suite struct EventWriterTests {
  /// The fixtures come from TensorBoard's messages and its record writer.
  /// With TANDEM_EVENTS_OUTPUT set, the files stay there for Tests/Fixtures/check_events.py.
  @Test func filesEqualThoseOfTensorBoardByteForByte() throws {
    let runs = try FixtureRun.all()
    try withTemporaryDirectory { temporary in
      let kept = ProcessInfo.processInfo.environment["TANDEM_EVENTS_OUTPUT"]
      for name in ["first", "resumed"] {
        let run = try #require(runs[name])
        let path = try run.write(to: kept ?? temporary)
        let reference = try contents(fixtures.appendingPathComponent("\(name).tfevents").path)
        #expect(try contents(path) == reference, "\(name)")
      }
    }
  }

  @Test func everythingIsReadBack() throws {
    try withTemporaryDirectory { directory in
      let writer = try EventWriter(directory: directory, time: 100, resumingAtStep: 7)
      try writer.scalar("loss", 0.5, step: 7, time: 101.5)
      try writer.scalar("zero", 0, step: 0, time: 0)
      try writer.scalar("before", -1e300, step: -1, time: 102)
      try writer.text("note", "où", step: 8, time: 103)
      try writer.flush()
      let expected = [
        ReadEvent(time: 100, fileVersion: "brain.Event:2"),
        ReadEvent(time: 100, step: 7, sessionStatus: 1),
        ReadEvent(time: 101.5, step: 7, tag: "loss", scalar: 0.5),
        // Proto3 writes no time and no step of 0; the value it must write.
        ReadEvent(time: nil, step: 0, tag: "zero", scalar: 0),
        ReadEvent(time: 102, step: -1, tag: "before", scalar: -.infinity),
        ReadEvent(time: 103, step: 8, tag: "note", plugin: "text", tensorType: 7, text: "où"),
      ]
      #expect(try readEvents(writer.path) == expected)
    }
  }

  @Test func valuesAppearAtAFlushAndAtTheEnd() throws {
    try withTemporaryDirectory { directory in
      var writer: EventWriter? = try EventWriter(directory: directory, time: 1)
      let path = try #require(writer?.path)
      try writer?.scalar("a", 1, step: 1, time: 1)
      #expect(try readEvents(path).count == 1)
      try writer?.flush()
      #expect(try readEvents(path).count == 2)
      try writer?.scalar("a", 2, step: 2, time: 2)
      writer = nil
      #expect(try readEvents(path).map(\.scalar) == [nil, 1, 2])
    }
  }

  @Test func memoryIsBounded() throws {
    try withTemporaryDirectory { directory in
      let writer = try EventWriter(directory: directory, time: 1)
      for step in 0..<5000 { try writer.scalar("loss", 1, step: step, time: 1) }
      let size = try contents(writer.path).count
      try writer.flush()
      let waiting = try contents(writer.path).count - size
      #expect(size > 0 && waiting > 0 && waiting < 65536)
      #expect(try readEvents(writer.path).count == 5001)
    }
  }

  @Test func threadsMayShareAWriter() throws {
    try withTemporaryDirectory { directory in
      let writer = try EventWriter(directory: directory, time: 1)
      DispatchQueue.concurrentPerform(iterations: 8) { thread in
        for step in 0..<1000 {
          try? writer.scalar("thread \(thread)", Double(step), step: step, time: 1)
        }
      }
      try writer.flush()
      let events = try readEvents(writer.path).dropFirst()
      #expect(events.count == 8000)
      for thread in 0..<8 {
        let steps = events.filter { $0.tag == "thread \(thread)" }.map(\.step)
        #expect(steps == Array(0..<1000))
      }
    }
  }

  /// In a process of its own, whose files the system keeps below 100 000 bytes.
  @Test func aFailedWriteLosesNothing() async {
    await #expect(processExitsWith: .success) {
      try withTemporaryDirectory { directory in
        let writer = try EventWriter(directory: directory, time: 1)
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        let before = limit.rlim_cur
        limit.rlim_cur = 100_000
        signal(SIGXFSZ, SIG_IGN)
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        let long = String(repeating: "x", count: 200_000)
        #expect(
          throws: EventError.system(operation: "write", path: writer.path, code: EFBIG)
        ) { try writer.text("long", long, step: 1, time: 1) }
        #expect(try contents(writer.path).count == 100_000)
        limit.rlim_cur = before
        setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        try writer.scalar("after", 2, step: 2, time: 2)
        try writer.flush()
        let events = try readEvents(writer.path)
        #expect(events.map(\.tag) == [nil, "long", "after"])
        #expect(events.dropFirst().first?.text == long)
      }
    }
  }
}
