// From any format to any other, with bad records, and stopped half way.

import Foundation
import TandemRegions
import Testing

private struct Stopped: Error {}

@Suite struct ConverterTests {
  /// A BUTD TSV of `records`.
  private func tsv(_ records: [RegionRecord], in folder: String) throws -> String {
    let path = folder + "/in.tsv"
    var options = RegionWritingOptions()
    options.replaces = true
    let writer = try RegionFormat.butd.writer(path, fitting: records[0], options: options)
    for record in records { try writer.write(record) }
    try writer.finish()
    return path
  }

  private func records(_ count: Int) -> [RegionRecord] {
    var rng = Numbers(21)
    return (0..<count).map {
      randomRecord("p\($0)", regions: 2, fields: RegionFormat.butd.fields, using: &rng)
    }
  }

  /// Every pair of formats that lets a picture through gives it back, as far as both hold it.
  @Test(arguments: RegionFormat.allCases, RegionFormat.allCases)
  func everyPair(_ source: RegionFormat, _ target: RegionFormat) throws {
    func path(_ folder: String, _ format: RegionFormat, _ name: String) -> String {
      format == .uniter ? "\(folder)/\(name)/all" : "\(folder)/\(name)/\(format)"
    }
    try withFolder { folder throws in
      for name in ["a", "b"] {
        try FileManager.default.createDirectory(
          atPath: folder + "/" + name, withIntermediateDirectories: true)
      }
      var rng = Numbers(33)
      let records = (0..<3).map { randomRecord("p\($0)", regions: 1 + $0, using: &rng) }
      let from = path(folder, source, "a")
      var options = RegionWritingOptions()
      options.featureType = .float32
      let writer = try source.writer(from, fitting: records[0], options: options)
      for record in records { try writer.write(record) }
      try writer.finish()
      let reader = try RegionFormat.open(from)
      var converter = RegionConverter()
      converter.writing = options
      let sizes = Dictionary(uniqueKeysWithValues: records.map { ($0.id, ($0.width, $0.height)) })
      if source == .uniter {
        converter.imageSize = { id in sizes[id].map { (width: $0.0, height: $0.1) } }
      }
      let to = path(folder, target, "b")
      let loss = RegionFormat.lossReport(
        from: source == .uniter ? reader.fields.union([.imageSize]) : reader.fields, to: target)
      guard loss.missing.isEmpty else {
        let error = try regionError { _ = try converter.convert(reader, to: target, at: to) }
        #expect(error.reason.contains(loss.missing.label))
        return
      }
      let report = try converter.convert(reader, to: target, at: to)
      #expect(report.written == 3)
      #expect(report.regions == 6)
      #expect(report.loss == loss)
      let found = try all(to).sorted { $0.id < $1.id }
      for (result, record) in zip(found, records) {
        #expect(result.id == record.id)
        #expect(
          result.fields
            == reader.fields.union(derived(reader.fields))
            .union(source == .uniter ? [.imageSize] : []).intersection(target.fields))
        let pixels = result.givenSize(width: record.width, height: record.height)
        let tolerance: Float = source == .uniter || target == .uniter ? 0.002 : 1e-6
        for (a, b) in zip(pixels.boxes, record.boxes) { #expect(abs(a - b) <= tolerance * 900) }
        for (a, b) in zip(result.features, record.features) { #expect(abs(a - b) <= tolerance * 9) }
        #expect(result.features.count == record.features.count)
      }
    }
  }

  private func derived(_ fields: Set<RegionField>) -> Set<RegionField> {
    fields.contains(.classProbabilities) ? [.objectIDs, .objectConfidences] : []
  }

  @Test func stopsAtTheFirstBadRecord() throws {
    try withFolder { folder throws in
      var records = records(4)
      records[2].boxes[0] = records[2].boxes[2] + 1
      let path = try tsv(records, in: folder)
      let error = try regionError {
        _ = try RegionConverter().convert(
          RegionFormat.open(path), to: .store, at: folder + "/s")
      }
      #expect(error.kind == .badRecord)
      #expect(error.place == .key("p2"))
      #expect(error.reason.contains("box 0 is reversed"))
    }
  }

  @Test func leavesBadRecordsOutAndCountsThem() throws {
    try withFolder { folder throws in
      var records = records(40)
      records[3].boxes = []
      records[3].features = []
      records[5].features[1] = .nan
      records[8].boxes[2] = Float(records[8].width) + 40
      records[9].id = "p1"
      for index in 20..<32 { records[index].boxes[1] = records[index].boxes[3] }
      var text = try bytes(try tsv(records, in: folder))
      text += Array("torn\t1".utf8)
      try write(text, to: folder + "/in.tsv")
      var converter = RegionConverter()
      converter.badRecords = .skip
      let report = try converter.convert(
        RegionFormat.open(folder + "/in.tsv"), to: .store, at: folder + "/s")
      #expect(report.written == 40 - 4 - 12)
      #expect(report.skipped == 17)
      #expect(report.firstFaults.count == 10)
      let reasons = report.firstFaults.map(\.reason)
      #expect(reasons[0].contains("at least one region"))
      #expect(reasons[1].contains("NaN or infinity among the features"))
      #expect(reasons[2].contains("outside"))
      #expect(report.firstFaults[3].kind == .duplicate)
      #expect(reasons[4].contains("box 0 is empty"))
      #expect(report.description.contains("17 bad records left out"))
      #expect(report.description.contains("and 7 more"))
      #expect(try FeatureStore(path: folder + "/s").count == report.written)
    }
  }

  @Test func clipsBoxesWhenAsked() throws {
    try withFolder { folder throws in
      var records = records(2)
      records[1].boxes[0] = -30
      records[1].boxes[3] = Float(records[1].height) + 50
      let path = try tsv(records, in: folder)
      var converter = RegionConverter()
      converter.boxes = .clip
      _ = try converter.convert(RegionFormat.open(path), to: .store, at: folder + "/s")
      let found = try FeatureStore(path: folder + "/s").boxes(of: "p1")
      #expect(found[0] == 0)
      #expect(found[3] == Float(records[1].height))
      #expect(Array(found[4...]) == Array(records[1].boxes[4...]))
      converter.boxes = .keep
      _ = try converter.convert(RegionFormat.open(path), to: .store, at: folder + "/kept")
      #expect(try FeatureStore(path: folder + "/kept").boxes(of: "p1") == records[1].boxes)
    }
  }

  @Test func picturesWithoutRegionsWhenAllowed() throws {
    try withFolder { folder throws in
      var records = records(3)
      records[1].boxes = []
      records[1].features = []
      let path = try tsv(records, in: folder)
      var converter = RegionConverter()
      converter.allowsEmpty = true
      let report = try converter.convert(
        RegionFormat.open(path), to: .store, at: folder + "/s")
      #expect(report.written == 3)
      #expect(try FeatureStore(path: folder + "/s").size(of: "p1").regions == 0)
    }
  }

  @Test func goesOnWithAStore() throws {
    try withFolder { folder throws in
      let records = records(30)
      let path = try tsv(records, in: folder)
      let target = folder + "/s"
      #expect(throws: Stopped.self) {
        _ = try RegionConverter().convert(RegionFormat.open(path), to: .store, at: target) {
          if $0.written == 12 { throw Stopped() }
        }
      }
      var calls = 0
      let report = try RegionConverter().convert(
        RegionFormat.open(path), to: .store, at: target
      ) { _ in calls += 1 }
      #expect(report.alreadyThere == 12)
      #expect(report.written == 18)
      #expect(calls == 30)
      let store = try FeatureStore(path: target)
      #expect(store.count == 30)
      // float16, the default.
      #expect(
        try store.features(of: "p17") == records[17].features.map { Float(Float16($0)) })
      // Once more: nothing is left to do.
      let third = try RegionConverter().convert(RegionFormat.open(path), to: .store, at: target)
      #expect(third.alreadyThere == 30)
      #expect(third.written == 0)
    }
  }

  @Test func aStoppedConversionLeavesNoFile() throws {
    try withFolder { folder throws in
      let path = try tsv(records(5), in: folder)
      for target in [RegionFormat.butd, .volta] {
        #expect(throws: Stopped.self) {
          _ = try RegionConverter().convert(
            RegionFormat.open(path), to: target, at: folder + "/out"
          ) { _ in throw Stopped() }
        }
        #expect(try names(folder) == ["in.tsv"])
      }
    }
  }

  @Test(arguments: RegionFormat.allCases.filter { $0 != .store })
  func replacesWhatIsThereWhenAllowed(_ format: RegionFormat) throws {
    try withFolder { folder throws in
      let path = folder + "/all"
      var converter = RegionConverter()
      converter.writing.replaces = true
      var rng = Numbers(8)
      for count in [3, 2] {
        let records = (0..<count).map { randomRecord("p\($0)", regions: 1, using: &rng) }
        let source = folder + "/s\(count)"
        let store = try RegionFormat.store.writer(source, fitting: records[0])
        for record in records { try store.write(record) }
        try store.finish()
        _ = try converter.convert(RegionFormat.open(source), to: format, at: path)
        #expect(try all(path).map(\.id) == records.map(\.id))
      }
      let left = try names(folder).filter { $0.contains("partial") }
      #expect(left == [])
    }
  }

  @Test func saysWhatIsLost() throws {
    let loss = RegionFormat.lossReport(from: .lxmert, to: .uniter)
    #expect(loss.lost == [.imageSize, .objectIDs, .attributeIDs, .attributeConfidences])
    #expect(loss.missing.isEmpty)
    #expect(loss.description.contains("not kept: picture size, object ids, attribute ids"))
    #expect(loss.description.contains("whose size is not kept"))
    #expect(loss.description.contains("fp16"))
    #expect(RegionFormat.lossReport(from: .lxmert, to: .store).isEmpty)
    let needs = RegionFormat.lossReport(from: .butd, to: .vlbert)
    #expect(needs.missing == [.classProbabilities])
    let sizes = RegionFormat.lossReport(from: .uniter, to: .butd)
    #expect(sizes.missing == [.imageSize])
    #expect(sizes.description.contains("give the pictures' sizes"))
  }

  /// Object ids are the likeliest classes, the background left aside.
  @Test func derivesObjectsFromProbabilities() throws {
    let record = RegionRecord(
      id: "a", width: 9, height: 9, boxes: [0, 0, 1, 1, 2, 2, 3, 3], features: [1, 2],
      featureWidth: 1, classProbabilities: [0.7, 0.1, 0.2, 0.1, 0.6, 0.3], classCount: 3)
    let derived = record.derivingObjects()
    #expect(derived.objectIDs == [1, 0])
    #expect(derived.objectConfidences == [0.2, 0.6])
    #expect(derived.derivingObjects() == derived)
  }

  /// As UNITER's script: above the threshold, but no fewer and no more than said.
  @Test func selectsByConfidence() throws {
    let selection = ConfidenceSelection(threshold: 0.2, minimum: 2, maximum: 4)
    #expect(selection.count([0.9, 0.8, 0.21, 0.2, 0.1]) == 3)
    #expect(selection.count([0.1, 0.1, 0.1]) == 2)
    #expect(selection.count([0.9, 0.9, 0.9, 0.9, 0.9]) == 4)
    #expect(selection.count([0.1]) == 1)
    try withFolder { folder throws in
      var rng = Numbers(2)
      var record = randomRecord("a", regions: 5, using: &rng)
      record.objectConfidences = [0.9, 0.8, 0.7, 0.1, 0.1]
      let path = folder + "/feat_th0.5_max4_min2"
      let writer = try RegionFormat.uniter.writer(path, fitting: record)
      try writer.write(record)
      try writer.finish()
      #expect(try all(path)[0].count == 3)
      #expect(
        String(decoding: try bytes(folder + "/nbb_th0.5_max4_min2.json"), as: UTF8.self)
          == #"{"a.npz": 3}"#)
      let whole = try RegionFormat.uniter.writer(folder + "/all", fitting: record)
      try whole.write(record)
      try whole.finish()
      #expect(try all(folder + "/all")[0].count == 5)
      var options = RegionReadingOptions()
      options.selection = ConfidenceSelection(threshold: 0.75, minimum: 1, maximum: 9)
      #expect(try all(RegionFormat.open(folder + "/all", options: options))[0].count == 2)
    }
  }
}
