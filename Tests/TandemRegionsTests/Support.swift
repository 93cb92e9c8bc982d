// Fixtures, temporary folders, random records, and the child process.

import Foundation
import Glibc
import TandemRegions
import Testing

let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().appendingPathComponent("Fixtures/regions").path

/// A fixture's path, in a copy where the reader could leave something beside it.
func fixture(_ name: String) -> String { fixtures + "/" + name }

func withFolder<Result>(_ body: (String) throws -> Result) throws -> Result {
  let path = FileManager.default.temporaryDirectory.path + "/regions-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

func bytes(_ path: String) throws -> [UInt8] {
  [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
}

func write(_ bytes: some Collection<UInt8>, to path: String) throws {
  try Data(bytes).write(to: URL(fileURLWithPath: path))
}

func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

func copy(_ source: String, to target: String) throws {
  try FileManager.default.copyItem(atPath: source, toPath: target)
}

func names(_ folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

func all(_ reader: any RegionReader) throws -> [RegionRecord] {
  var records: [RegionRecord] = []
  while let record = try reader.next() { records.append(record) }
  return records
}

func all(_ path: String, as format: RegionFormat? = nil) throws -> [RegionRecord] {
  try all(RegionFormat.open(path, as: format))
}

/// The error that `body` throws.
func regionError(
  _ location: SourceLocation = #_sourceLocation, _ body: () throws -> Void
) throws -> RegionError {
  try #require(throws: RegionError.self, sourceLocation: location) { try body() }
}

/// A picture of the fixtures, with the numbers that the script drew.
struct Picture: Decodable {
  let id: String
  let w: Int
  let h: Int
  let n: Int
  let boxes: [Float]
  let features: [Float]
  let objects_id: [Int32]
  let objects_conf: [Float]
  let attrs_id: [Int32]
  let attrs_conf: [Float]
  let probs: [Float]

  static func all() throws -> [Picture] {
    let data = try Data(contentsOf: URL(fileURLWithPath: fixture("expected.json")))
    return try JSONDecoder().decode([Picture].self, from: data)
  }

  /// The record with those of `fields`.
  func record(_ fields: Set<RegionField>) -> RegionRecord {
    func held<Value>(_ field: RegionField, _ value: Value) -> Value? {
      fields.contains(field) ? value : nil
    }
    return RegionRecord(
      id: id, width: w, height: h, boxes: boxes, features: features, featureWidth: 8,
      objectIDs: held(.objectIDs, objects_id),
      objectConfidences: held(.objectConfidences, objects_conf),
      attributeIDs: held(.attributeIDs, attrs_id),
      attributeConfidences: held(.attributeConfidences, attrs_conf),
      classProbabilities: held(.classProbabilities, probs),
      classCount: fields.contains(.classProbabilities) ? 5 : 0)
  }
}

/// SplitMix64: the same numbers on every run.
struct Numbers: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var value = state
    value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
    value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
    return value ^ (value >> 31)
  }
}

/// A record of random numbers, with `fields`, whose boxes lie inside the picture.
func randomRecord(
  _ id: String, regions: Int, width: Int = 5, classes: Int = 3,
  fields: Set<RegionField> = Set(RegionField.allCases), using rng: inout Numbers
) -> RegionRecord {
  func floats(_ count: Int, _ range: ClosedRange<Float>) -> [Float] {
    (0..<count).map { _ in Float.random(in: range, using: &rng) }
  }
  func held<Value>(_ field: RegionField, _ value: Value) -> Value? {
    fields.contains(field) ? value : nil
  }
  let (w, h) = (Int.random(in: 100...900, using: &rng), Int.random(in: 100...900, using: &rng))
  var boxes: [Float] = []
  for _ in 0..<regions {
    let x = floats(2, 0.05...0.5)
    let size = floats(2, 0.1...0.45)
    boxes += [
      x[0] * Float(w), x[1] * Float(h), (x[0] + size[0]) * Float(w), (x[1] + size[1]) * Float(h),
    ]
  }
  return RegionRecord(
    id: id, width: w, height: h, boxes: boxes, features: floats(regions * width, -9...9),
    featureWidth: width,
    objectIDs: held(.objectIDs, (0..<regions).map { _ in Int32.random(in: 0..<3, using: &rng) }),
    objectConfidences: held(.objectConfidences, floats(regions, 0.3...1)),
    attributeIDs: held(
      .attributeIDs, (0..<regions).map { _ in Int32.random(in: 0..<400, using: &rng) }),
    attributeConfidences: held(.attributeConfidences, floats(regions, 0.3...1)),
    classProbabilities: held(.classProbabilities, floats(regions * classes, 0...1)),
    classCount: fields.contains(.classProbabilities) ? classes : 0)
}

/// The probe, built beside the tests.
struct Probe {
  let process = Process()
  let output = Pipe()
  let errors = Pipe()

  init(_ arguments: [String]) throws {
    let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent().path
    let folders = [
      URL(fileURLWithPath: link).deletingLastPathComponent().path,
      root + "/.build/release", root + "/.build/debug",
    ]
    let path = try #require(
      folders.map { $0 + "/RegionsProbe" }.first {
        FileManager.default.isExecutableFile(atPath: $0)
      },
      "the probe is built with the tests")
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.standardOutput = output
    process.standardError = errors
    try process.run()
  }

  /// Reads whole lines until `count` of them are there; the numbers they hold.
  func readNumbers(_ count: Int) -> [Int] {
    var text = Data()
    while text.count(where: { $0 == 10 }) < count {
      let more = output.fileHandleForReading.availableData
      if more.isEmpty { break }
      text.append(more)
    }
    return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { Int($0) }
  }
}
