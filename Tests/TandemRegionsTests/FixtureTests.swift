// Files as the published code writes them, read and written.

import Foundation
import TandemRegions
import Testing

/// A fixture, its format, and what it holds.
struct Sample: CustomTestStringConvertible, Sendable {
  let name: String
  let format: RegionFormat
  let fields: Set<RegionField>

  var testDescription: String { name }

  static let pixels: Set<RegionField> = [.imageSize, .boxes, .features]
  static let all = [
    Sample(name: "lxmert.tsv", format: .lxmert, fields: RegionFormat.lxmert.fields),
    Sample(name: "butd.tsv", format: .butd, fields: pixels),
    Sample(name: "vlbert", format: .vlbert, fields: pixels.union([.classProbabilities])),
    Sample(name: "vlbert.zip", format: .vlbert, fields: pixels.union([.classProbabilities])),
    Sample(name: "volta.lmdb", format: .volta, fields: pixels.union([.classProbabilities])),
    Sample(name: "volta_arrays.lmdb", format: .volta, fields: pixels),
    Sample(
      name: "volta.lmdb/data.mdb", format: .volta, fields: pixels.union([.classProbabilities])),
    Sample(
      name: "oscar/features.tsv", format: .oscar,
      fields: pixels.union([.objectIDs, .objectConfidences])),
    Sample(name: "oscar", format: .oscar, fields: pixels.union([.objectIDs, .objectConfidences])),
    Sample(
      name: "unimo_retrieval.txt", format: .unimoRetrieval,
      fields: pixels.union([.classProbabilities])),
    Sample(
      name: "unimo_caption.txt", format: .unimoCaptioning,
      fields: pixels.union([.classProbabilities])),
  ]
}

@Suite struct FixtureTests {
  @Test(arguments: Sample.all) func readsWhatThePublishedCodeWrites(_ sample: Sample) throws {
    let path = fixture(sample.name)
    #expect(try RegionFormat.detect(path) == sample.format)
    var options = RegionReadingOptions()
    options.classNames = ["tree", "dog", "person"]
    let reader = try RegionFormat.open(path, as: sample.format, options: options)
    #expect(reader.fields == sample.fields)
    #expect(reader.expectedCount == nil || reader.expectedCount == 3)
    let expected = try Picture.all().map { $0.record(sample.fields) }
    #expect(try all(reader) == expected)
    #expect(try reader.next() == nil)
  }

  @Test(arguments: ["feat_th0.2_max100_min10", "feat_th0.2_max100_min10_compressed"])
  func readsUNITER(_ name: String) throws {
    let path = fixture("uniter/" + name)
    #expect(try RegionFormat.detect(path) == .uniter)
    let reader = try RegionFormat.open(path)
    let fields: Set<RegionField> = [.boxes, .features, .objectConfidences, .classProbabilities]
    #expect(reader.fields == fields)
    #expect(reader.expectedCount == 3)
    for (record, picture) in zip(try all(reader), try Picture.all()) {
      #expect(record.id == picture.id)
      #expect(record.sizeIsKnown == false)
      // Multiples of 1/64 below 2048/64: fp16 holds them.
      #expect(record.features == picture.features)
      #expect(record.classCount == 5)
      // The rest as the standard rounds it.
      #expect(record.objectConfidences == picture.objects_conf.map { Float(Float16($0)) })
      #expect(record.classProbabilities == picture.probs.map { Float(Float16($0)) })
      let sides = [Float(picture.w), Float(picture.h)]
      let fractions = picture.boxes.indices.map {
        Float(Float16(picture.boxes[$0] / sides[$0 % 2]))
      }
      #expect(record.boxes == fractions)
      let pixels = record.givenSize(width: picture.w, height: picture.h)
      for (found, expected) in zip(pixels.boxes, picture.boxes) {
        #expect(abs(found - expected) < 0.001 * 640)
      }
    }
  }

  @Test func gathersOscarsClassNames() throws {
    let reader = try RegionFormat.open(fixture("oscar"))
    let records = try all(reader)
    let names = try #require(reader.classNames)
    let vocabulary = ["tree", "dog", "person"]
    for (record, picture) in zip(records, try Picture.all()) {
      let ids = try #require(record.objectIDs)
      #expect(ids.map { names[Int($0)] } == picture.objects_id.map { vocabulary[Int($0)] })
    }
    // In the order in which they turn up.
    #expect(records[0].objectIDs?.first == 0)
  }

  @Test func oscarWithoutLabelsGivesFractions() throws {
    try withFolder { folder throws in
      try copy(fixture("oscar/features.tsv"), to: folder + "/features.tsv")
      let records = try all(folder + "/features.tsv")
      for (record, picture) in zip(records, try Picture.all()) {
        #expect(record.fields == RegionField.required)
        #expect(record.features == picture.features)
        #expect(record.boxes[0] == picture.boxes[0] / Float(picture.w))
      }
    }
  }

  @Test(arguments: [("lxmert.tsv", RegionFormat.lxmert), ("unimo_retrieval.txt", .unimoRetrieval)])
  func writesTheSameLines(_ name: String, _ format: RegionFormat) throws {
    try withFolder { folder throws in
      let records = try Picture.all().map { $0.record(format.fields) }
      let writer = try format.writer(folder + "/out", fitting: records[0])
      for record in records { try writer.write(record) }
      #expect(try names(folder).allSatisfy { $0.hasPrefix("out.partial-") })
      try writer.finish()
      #expect(try names(folder) == ["out"])
      #expect(try bytes(folder + "/out") == bytes(fixture(name)))
    }
  }

  @Test func writesBUTDWithPlainLineEnds() throws {
    try withFolder { folder throws in
      let report = try RegionConverter().convert(
        RegionFormat.open(fixture("butd.tsv")), to: .butd, at: folder + "/out")
      #expect(report.written == 3)
      #expect(try bytes(folder + "/out") == bytes(fixture("butd.tsv")).filter { $0 != 13 })
    }
  }

  @Test func writesTheSameOscarFiles() throws {
    try withFolder { folder throws in
      var options = RegionReadingOptions()
      options.classNames = ["tree", "dog", "person"]
      let reader = try RegionFormat.open(fixture("oscar"), options: options)
      _ = try RegionConverter().convert(reader, to: .oscar, at: folder + "/features.tsv")
      #expect(try names(folder) == ["features.lineidx", "features.tsv", "label.tsv"])
      for name in try names(folder) {
        #expect(try bytes(folder + "/" + name) == bytes(fixture("oscar/" + name)), "\(name)")
      }
    }
  }

  /// Values small enough lie in LMDB's pages as they are.
  @Test func writesTheSameMessagePack() throws {
    try withFolder { folder throws in
      let path = folder + "/feat_th0.2_max100_min10"
      let records = try Picture.all().map {
        $0.record([.imageSize, .objectConfidences, .classProbabilities])
      }
      let writer = try RegionFormat.uniter.writer(path, fitting: records[0])
      for record in records { try writer.write(record) }
      try writer.finish()
      let value = try Data(contentsOf: URL(fileURLWithPath: fixture("uniter_value.msgpack")))
      let database = try Data(contentsOf: URL(fileURLWithPath: path + "/data.mdb"))
      #expect(database.range(of: value) != nil)
      let keys = Data(#"["img_0001.npz", "img_0002.npz", "img_0010.npz"]"#.utf8)
      #expect(database.range(of: keys) != nil)
      let counts = "nbb_th0.2_max100_min10.json"
      #expect(try bytes(folder + "/" + counts) == bytes(fixture("uniter/" + counts)))
    }
  }

  @Test func writesTheSameJSON() throws {
    try withFolder { folder throws in
      let reader = try RegionFormat.open(fixture("vlbert"))
      _ = try RegionConverter().convert(reader, to: .vlbert, at: folder + "/out")
      #expect(try names(folder + "/out") == names(fixture("vlbert")))
      for name in try names(folder + "/out") {
        let mine = try bytes(folder + "/out/" + name)
        // The script wrapped the features' base64, as Python's encodebytes does.
        let theirs = String(decoding: try bytes(fixture("vlbert/" + name)), as: UTF8.self)
        #expect(mine == Array(theirs.replacingOccurrences(of: "\\n", with: "").utf8))
      }
    }
  }

  /// The published reader for testing takes height first: the boxes tell.
  @Test func findsTheOrderOfUNIMOsSizes() throws {
    try withFolder { folder throws in
      let lines = String(decoding: try bytes(fixture("unimo_retrieval.txt")), as: UTF8.self)
      let exchanged = lines.split(separator: "\n").map { line in
        var fields = line.split(separator: "\t")
        fields.swapAt(1, 2)
        // A box in the lower right corner: inside w × h, outside h × w.
        let (h, w) = (Float(fields[1]) ?? 0, Float(fields[2]) ?? 0)
        var boxes = [Float](repeating: 0, count: 4 * (Int(fields[3]) ?? 0))
        for row in 0..<(boxes.count / 4) {
          boxes.replaceSubrange((row * 4)..<(row * 4 + 4), with: [1, 1, w - 1, h - 1])
        }
        let data = boxes.withUnsafeBytes { Data($0) }.base64EncodedString()
        fields[4] = data[...]
        return fields.joined(separator: "\t")
      }
      try write(exchanged.joined(separator: "\n"), to: folder + "/lines")
      let records = try all(folder + "/lines")
      let pictures = try Picture.all()
      #expect(records.map(\.width) == pictures.map(\.w))
      var options = RegionReadingOptions()
      options.unimoSizeOrder = .widthHeight
      let forced = try all(RegionFormat.open(folder + "/lines", options: options))
      #expect(forced.map(\.width) == pictures.map(\.h))
    }
  }
}
