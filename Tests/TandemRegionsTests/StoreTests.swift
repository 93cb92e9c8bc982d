// The store: what was written is there, whatever happened on the way.

import Foundation
import Glibc
import Synchronization
import TandemFiles
import TandemRegions
import Testing

@Suite struct StoreTests {
  private func records(_ count: Int, seed: UInt64 = 1) -> [RegionRecord] {
    var rng = Numbers(seed)
    return (0..<count).map { randomRecord("picture \($0)", regions: $0 % 4, using: &rng) }
  }

  private func header(_ type: FeatureType = .float32) -> FeatureStoreHeader {
    FeatureStoreHeader(
      featureType: type, featureWidth: 5, classCount: 3, fields: Set(RegionField.allCases),
      classNames: ["a", "b", "c"], detector: ["name": "test", "threshold": "0.2"])
  }

  @discardableResult private func make(
    _ path: String, _ records: [RegionRecord], finish: Bool = true
  ) throws -> FeatureStoreWriter {
    let writer = try FeatureStoreWriter(path: path, header: header())
    for record in records { try writer.write(record) }
    if finish { try writer.finish() } else { writer.close() }
    return writer
  }

  @Test func givesBackWhatItWasGiven() throws {
    try withFolder { folder throws in
      let records = records(300)
      try make(folder + "/s", records)
      let store = try FeatureStore(path: folder + "/s")
      #expect(store.count == 300)
      #expect(store.regionCount == records.reduce(0) { $0 + $1.count })
      #expect(store.header.classNames == ["a", "b", "c"])
      #expect(store.header.detector["threshold"] == "0.2")
      #expect(store.header.counts == .init(records: 300, regions: store.regionCount))
      for (index, record) in records.enumerated() {
        #expect(try store.record(of: record.id) == record)
        #expect(try store.record(at: index) == record)
        #expect(try store.id(at: index) == record.id)
        #expect(try store.boxes(of: record.id) == record.boxes)
        #expect(try store.features(of: record.id) == record.features)
        let size = try store.size(of: record.id)
        #expect(size == (record.count, record.width, record.height))
        try store.withFeatures(of: record.id) { bytes in
          #expect(bytes.count == record.features.count * 4)
          #expect(Int(bitPattern: bytes.baseAddress) % 64 == 0)
        }
        try store.withClassProbabilities(of: record.id) { bytes in
          #expect(bytes.count == record.count * 12)
        }
      }
      #expect(try store.contains("picture 299"))
      #expect(try !store.contains("picture 300"))
      let error = try regionError { _ = try store.record(of: "picture 300") }
      #expect(error.kind == .missing)
      #expect(error.description.contains("'picture 300'"))
      #expect(try regionError { _ = try store.record(at: 300) }.kind == .missing)
      try store.verify()
    }
  }

  @Test func manyThreadsReadOneStore() throws {
    try withFolder { folder throws in
      let records = records(200)
      try make(folder + "/s", records)
      let store = try FeatureStore(path: folder + "/s")
      let wrong = Mutex(0)
      DispatchQueue.concurrentPerform(iterations: 8) { thread in
        for step in 0..<200 {
          let place = (step * 7 + thread * 31) % 200
          let found = try? store.record(of: "picture \(place)")
          if found != records[place] { wrong.withLock { $0 += 1 } }
        }
      }
      #expect(wrong.withLock { $0 } == 0)
    }
  }

  @Test func refusesASecondRecordOfAName() throws {
    try withFolder { folder throws in
      let writer = try FeatureStoreWriter(path: folder + "/s", header: header())
      let records = records(3)
      for record in records { try writer.write(record) }
      let error = try regionError { try writer.write(records[1]) }
      #expect(error.kind == .duplicate)
      #expect(error.description.contains("'picture 1'"))
      #expect(writer.count == 3)
      try writer.finish()
      #expect(try FeatureStore(path: folder + "/s").count == 3)
    }
  }

  @Test func refusesWhatItsHeaderDoesNotHold() throws {
    try withFolder { folder throws in
      let writer = try FeatureStoreWriter(path: folder + "/s", header: header(.float16))
      var rng = Numbers(3)
      let good = randomRecord("good", regions: 2, using: &rng)
      func reason(_ change: (inout RegionRecord) -> Void) throws -> String {
        var record = good
        change(&record)
        let error = try regionError { try writer.write(record) }
        #expect(error.kind == .badRecord)
        return error.reason
      }
      #expect(try reason { $0.attributeIDs = nil }.contains("attribute ids"))
      #expect(try reason { $0.features.removeLast() }.contains("expected 2 × 5"))
      #expect(try reason { $0.features[3] = 70000 }.contains("float16"))
      #expect(try reason { $0.objectIDs = [1] }.contains("expected 2 object ids, found 1"))
      #expect(try reason { $0.id = "" }.contains("empty"))
      #expect(
        try reason {
          $0.classCount = 1
          $0.classProbabilities = [1, 1]
        }.contains("expected 3 class probabilities"))
      try writer.write(good)
      try writer.finish()
      #expect(try FeatureStore(path: folder + "/s").count == 1)
    }
  }

  @Test func goesOnWhereItStopped() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      let records = records(50)
      try make(path, Array(records[..<20]), finish: false)
      #expect(try regionError { _ = try FeatureStore(path: path) }.kind == .unfinished)
      let second = try FeatureStoreWriter(path: path, header: header())
      #expect(second.recoveredCount == 20)
      #expect(second.discardedBytes == 0)
      #expect(try second.contains("picture 19"))
      #expect(try !second.contains("picture 20"))
      for record in records[20..<30] { try second.write(record) }
      try second.finish()
      #expect(throws: RegionError.self) { try second.write(records[30]) }
      // A finished store takes more, and readers keep what they opened.
      let reader = try FeatureStore(path: path)
      let third = try FeatureStoreWriter(path: path, header: header())
      for record in records[30...] { try third.write(record) }
      #expect(try FeatureStore(path: path).count == 30)
      try third.finish()
      #expect(reader.count == 30)
      #expect(try reader.record(of: "picture 29") == records[29])
      let all = try FeatureStore(path: path)
      for record in records { #expect(try all.record(of: record.id) == record) }
      try all.verify()
    }
  }

  /// The last record cut at every one of its bytes, with its journal entry there or not.
  @Test func aTornRecordIsCutOff() throws {
    try withFolder { folder throws in
      let records = records(7)
      let whole = folder + "/whole"
      try make(whole, Array(records[..<6]), finish: false)
      let before = try bytes(whole + "/records.bin").count
      try make(whole, [records[6]], finish: false)
      let data = try bytes(whole + "/records.bin")
      let journal = try bytes(whole + "/journal.bin")
      #expect(data.count > before + 64)
      let path = folder + "/torn"
      for cut in before..<data.count {
        try? FileManager.default.removeItem(atPath: path)
        try copy(whole, to: path)
        try write(data[..<cut], to: path + "/records.bin")
        // Cut short, or as a power cut leaves it: the right length, zeros in place of the end.
        let zeros = cut % 2 == 0 ? [UInt8](repeating: 0, count: data.count - cut) : []
        let end = data[..<cut] + zeros
        try write(end, to: path + "/records.bin")
        if cut % 3 == 0 { try write(journal.dropLast(48), to: path + "/journal.bin") }
        let writer = try FeatureStoreWriter(path: path, header: header())
        if end.elementsEqual(data) {
          // Its last bytes were zeros: nothing is missing.
          #expect(writer.count == 7)
          writer.close()
          continue
        }
        #expect(writer.count == 6, "cut at \(cut)")
        #expect(writer.discardedBytes == end.count - before)
        #expect(try !writer.contains("picture 6"))
        #expect(try writer.contains("picture 5"))
        try writer.write(records[6])
        writer.close()
        #expect(try bytes(path + "/records.bin") == data)
      }
    }
  }

  /// Records whose journal entry is torn or lost are found by their checksums.
  @Test func aTornJournalLosesNothing() throws {
    try withFolder { folder throws in
      let records = records(5)
      let whole = folder + "/whole"
      try make(whole, records)
      let journal = try bytes(whole + "/journal.bin")
      #expect(journal.count == 5 * 48)
      let path = folder + "/torn"
      for cut in 0..<journal.count {
        try? FileManager.default.removeItem(atPath: path)
        try copy(whole, to: path)
        try write(journal[..<cut], to: path + "/journal.bin")
        let writer = try FeatureStoreWriter(path: path, header: header())
        #expect(writer.count == 5, "cut at \(cut)")
        #expect(writer.regionCount == records.reduce(0) { $0 + $1.count })
        writer.close()
        let found = try bytes(path + "/journal.bin")
        #expect(found.count == journal.count)
      }
    }
  }

  @Test func everyFlippedBitIsFound() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      try make(path, records(4))
      let data = try bytes(path + "/records.bin")
      let store = try FeatureStore(path: path)
      try store.verify()
      for place in 0..<data.count {
        var damaged = data
        damaged[place] ^= UInt8(1 << (place % 8))
        try write(damaged, to: path + "/records.bin")
        let error = try regionError { try FeatureStore(path: path).verify() }
        #expect(error.kind == .badFile)
      }
    }
  }

  @Test func tellsWhatIsNoStore() throws {
    try withFolder { folder throws in
      let missing = try regionError { _ = try FeatureStore(path: folder + "/none") }
      #expect(missing.reason.contains("no such store"))
      let empty = try regionError { _ = try FeatureStore(path: folder) }
      #expect(empty.kind == .wrongFormat)
      let tsv = try regionError { _ = try FeatureStore(path: fixture("lxmert.tsv")) }
      #expect(tsv.reason.contains("an LXMERT TSV"))
      let lmdb = try regionError { _ = try FeatureStore(path: fixture("volta.lmdb")) }
      #expect(lmdb.reason.contains("VOLTA"))
      // Nor is one written into a folder of something else.
      try write("mine", to: folder + "/notes.txt")
      let other = try regionError { _ = try FeatureStoreWriter(path: folder, header: header()) }
      #expect(other.kind == .wrongFormat)
      #expect(try names(folder) == ["notes.txt"])
    }
  }

  @Test func tellsALaterVersion() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      try make(path, records(2))
      let text = String(decoding: try bytes(path + "/header.json"), as: UTF8.self)
      let later = text.replacingOccurrences(of: "\"version\" : 1", with: "\"version\" : 2")
      #expect(later != text)
      try write(later, to: path + "/header.json")
      for attempt in [
        { _ = try FeatureStore(path: path) },
        { _ = try FeatureStoreWriter(path: path, header: header()) },
      ] as [() throws -> Void] {
        let error = try regionError { try attempt() }
        #expect(error.kind == .futureVersion)
        #expect(error.reason.contains("found 2"))
      }
    }
  }

  @Test func tellsADamagedStore() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      try make(path, records(9))
      let data = try bytes(path + "/records.bin")
      try write(data.dropLast(64), to: path + "/records.bin")
      let short = try regionError { _ = try FeatureStore(path: path) }
      #expect(short.reason.contains("cut short"))
      try write(data, to: path + "/records.bin")
      let index = try bytes(path + "/index.bin")
      for cut in [0, 10, 63, 64, index.count - 1] where cut > 0 {
        try write(index[..<cut], to: path + "/index.bin")
        #expect(try regionError { _ = try FeatureStore(path: path) }.kind == .badFile)
      }
      // The writer makes the index anew.
      try FileManager.default.removeItem(atPath: path + "/index.bin")
      let writer = try FeatureStoreWriter(path: path, header: header())
      try writer.finish()
      #expect(try bytes(path + "/index.bin") == index)
    }
  }

  @Test func featuresOfTwoKindsAreNotMixed() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      try make(path, records(2))
      func reason(_ header: FeatureStoreHeader) throws -> String {
        try regionError { _ = try FeatureStoreWriter(path: path, header: header) }.reason
      }
      var other = header()
      other.detector["threshold"] = "0.5"
      #expect(try reason(other).contains("threshold = 0.2, asked for 0.5"))
      #expect(try reason(header(.float16)).contains("keeps float32, asked for float16"))
      let narrow = FeatureStoreHeader(featureType: .float32, featureWidth: 4)
      #expect(try reason(narrow).contains("width 5, asked for 4"))
    }
  }

  @Test func twoWritersAreRefused() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      let first = try FeatureStoreWriter(path: path, header: header())
      let error = try regionError { _ = try FeatureStoreWriter(path: path, header: header()) }
      #expect(error.kind == .locked)
      #expect(error.reason.contains("process \(getpid()) on "))
      first.close()
      #expect(try FeatureStoreWriter(path: path, header: header()).count == 0)
    }
  }

  @Test func anEmptyStoreIsAStore() throws {
    try withFolder { folder throws in
      try make(folder + "/s", [])
      let store = try FeatureStore(path: folder + "/s")
      #expect(store.count == 0)
      #expect(try !store.contains("a"))
      try store.verify()
    }
  }

  /// A child is killed while it writes: what it said it wrote is there, and the lock is free.
  @Test func survivesBeingKilled() throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      let child = try Probe(["write", path, "1000000", "3", "64"])
      let said = child.readNumbers(300)
      let pid = child.process.processIdentifier
      let header = try header(of: path)
      let locked = try regionError { _ = try FeatureStoreWriter(path: path, header: header) }
      #expect(locked.kind == .locked)
      #expect(locked.reason.contains("process \(pid) on "))
      kill(pid, SIGKILL)
      child.process.waitUntilExit()
      #expect(child.process.terminationReason == .uncaughtSignal)
      let last = try #require(said.last)
      let writer = try FeatureStoreWriter(path: path, header: header)
      #expect(writer.count > last)
      for index in 0...last { #expect(try writer.contains("picture_\(index)")) }
      try writer.finish()
      let store = try FeatureStore(path: path)
      #expect(store.count == writer.count)
      try store.verify()
      // The same command again goes on behind them.
      let more = store.count + 20
      let again = try Probe(["write", path, "\(more)", "3", "64"])
      let numbers = again.readNumbers(Int.max)
      again.process.waitUntilExit()
      #expect(again.process.terminationStatus == 0)
      #expect(numbers == Array(store.count..<more))
      #expect(try FeatureStore(path: path).count == more)
    }
  }

  private func header(of path: String) throws -> FeatureStoreHeader {
    let data = try Data(contentsOf: URL(fileURLWithPath: path + "/header.json"))
    return try JSONDecoder().decode(FeatureStoreHeader.self, from: data)
  }

  /// A limit on the size of files fails a write in the middle of a record, as a full disk does.
  @Test(arguments: [100_000, 100_001, 100_064, 131_072])
  func aFullDiskLeavesAWholeStore(_ limit: Int) throws {
    try withFolder { folder throws in
      let path = folder + "/s"
      let child = try Probe(["limited", path, "1000000", "3", "64", "\(limit)"])
      let said = child.readNumbers(Int.max)
      child.process.waitUntilExit()
      #expect(child.process.terminationStatus == 1)
      let text = String(
        decoding: child.errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      #expect(text.contains("cannot write \(path)/records.bin"))
      let writer = try FeatureStoreWriter(path: path, header: header(of: path))
      #expect(writer.discardedBytes == 0)
      #expect(writer.count == said.count)
      #expect(writer.count > 100)
      try writer.finish()
      try FeatureStore(path: path).verify()
    }
  }
}
