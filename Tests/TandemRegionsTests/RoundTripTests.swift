// Whatever is written is read again, in every format.

import Foundation
import TandemRegions
import Testing

@Suite struct RoundTripTests {
  /// How a record comes back from a format.
  private func expected(_ record: RegionRecord, _ format: RegionFormat) -> RegionRecord {
    var expected = record
    let fields = format.fields
    if !fields.contains(.objectIDs) { expected.objectIDs = nil }
    if !fields.contains(.objectConfidences) { expected.objectConfidences = nil }
    if !fields.contains(.attributeIDs) { expected.attributeIDs = nil }
    if !fields.contains(.attributeConfidences) { expected.attributeConfidences = nil }
    if !fields.contains(.classProbabilities) {
      expected.classProbabilities = nil
      expected.classCount = 0
    }
    guard format == .uniter else { return expected }
    func half(_ values: [Float]) -> [Float] { values.map { Float(Float16($0)) } }
    let sides = [Float(record.width), Float(record.height)]
    (expected.width, expected.height) = (1, 1)
    expected.boxes = half(record.boxes.indices.map { record.boxes[$0] / sides[$0 % 2] })
    expected.features = half(record.features)
    expected.objectConfidences = record.objectConfidences.map(half)
    expected.classProbabilities = record.classProbabilities.map(half)
    return expected
  }

  private func name(_ format: RegionFormat) -> [String] {
    switch format {
    case .uniter: ["all", "all_compressed", "feat_numbb36", "feat_th0.2_max100_min10_compressed"]
    case .vlbert: ["json", "json.zip"]
    default: ["out"]
    }
  }

  @Test(arguments: RegionFormat.allCases) func everyFormat(_ format: RegionFormat) throws {
    var rng = Numbers(7)
    for size in [1, 2, 7, 40] {
      let records = (0..<size).map {
        randomRecord(
          "picture é\($0)", regions: Int.random(in: 1...12, using: &rng),
          width: 1 + size % 9, using: &rng)
      }
      for name in name(format) {
        try withFolder { folder throws in
          let path = folder + "/" + name
          var options = RegionWritingOptions()
          options.featureType = .float32
          let writer = try format.writer(path, fitting: records[0], options: options)
          for record in records { try writer.write(record) }
          try writer.finish()
          #expect(try RegionFormat.detect(path) == format)
          let reader = try RegionFormat.open(path)
          #expect(reader.expectedCount == nil || reader.expectedCount == size)
          // Databases and folders give their records by name; Oscar's names turn up in some order.
          var found = try all(reader).sorted { $0.id < $1.id }
          if let names = reader.classNames, format == .oscar {
            for index in found.indices {
              found[index].objectIDs = found[index].objectIDs?.compactMap { Int32(names[Int($0)]) }
            }
          }
          let wanted = records.map { expected($0, format) }.sorted { $0.id < $1.id }
          #expect(found == wanted, "\(format) \(name), \(size) records")
        }
      }
    }
  }

  /// Base64 of every length modulo 3, against Foundation's.
  @Test func base64OfEveryLength() throws {
    try withFolder { folder throws in
      var rng = Numbers(11)
      for columns in 1...40 {
        let record = randomRecord(
          "a", regions: 1, width: columns, fields: RegionFormat.butd.fields, using: &rng)
        let writer = try RegionFormat.butd.writer(
          folder + "/\(columns)", fitting: record)
        try writer.write(record)
        try writer.finish()
        let boxes = record.boxes.withUnsafeBytes { Data($0) }.base64EncodedString()
        let features = record.features.withUnsafeBytes { Data($0) }.base64EncodedString()
        let line = "a\t\(record.width)\t\(record.height)\t1\t\(boxes)\t\(features)\n"
        #expect(try bytes(folder + "/\(columns)") == Array(line.utf8))
        #expect(try all(folder + "/\(columns)") == [record])
      }
    }
  }

  /// All 65536 halves come out of a float16 store as they went in, NaNs included.
  @Test func everyHalfIsExact() throws {
    try withFolder { folder throws in
      let halves = (0...UInt16.max).map { Float16(bitPattern: $0) }
      let record = RegionRecord(
        id: "all", width: 4, height: 4, boxes: [0, 0, 1, 1], features: halves.map { Float($0) },
        featureWidth: halves.count)
      let writer = try FeatureStoreWriter(
        path: folder + "/s", header: FeatureStoreHeader(fitting: record, featureType: .float16))
      try writer.write(record)
      try writer.finish()
      let store = try FeatureStore(path: folder + "/s")
      let found = try store.features(of: "all")
      for (value, half) in zip(found, halves) {
        if half.isNaN {
          #expect(value.isNaN)
        } else {
          #expect(value.bitPattern == Float(half).bitPattern)
        }
      }
    }
  }

  /// Rounding to half, against the compiler's own conversion: random bits, and ties.
  @Test func narrowingRoundsAsTheStandardAsks() throws {
    try withFolder { folder throws in
      var rng = Numbers(5)
      var values = (0..<200_000).map { _ in
        Float(bitPattern: UInt32(truncatingIfNeeded: rng.next()))
      }
      for bits in UInt16(0)..<0x7BFF {
        let (low, high) = (Float(Float16(bitPattern: bits)), Float(Float16(bitPattern: bits + 1)))
        values.append((low + high) / 2)
        values.append(-((low + high) / 2).nextUp)
      }
      // Finite values beyond 65520 are refused, which another test sees.
      values = values.map { $0.isNaN || abs($0) < 65520 ? $0 : 65519.996 }
      let record = RegionRecord(
        id: "a", width: 4, height: 4, boxes: [0, 0, 1, 1], features: values,
        featureWidth: values.count)
      let writer = try FeatureStoreWriter(
        path: folder + "/s", header: FeatureStoreHeader(fitting: record, featureType: .float16))
      try writer.write(record)
      try writer.finish()
      try FeatureStore(path: folder + "/s").withFeatures(of: "a") { bytes in
        #expect(bytes.count == values.count * 2)
        var wrong = 0
        for (index, value) in values.enumerated() {
          let found = Float16(bitPattern: bytes.load(fromByteOffset: index * 2, as: UInt16.self))
          let expected = Float16(value)
          let agrees = expected.isNaN ? found.isNaN : found.bitPattern == expected.bitPattern
          if !agrees { wrong += 1 }
        }
        #expect(wrong == 0)
      }
    }
  }
}
