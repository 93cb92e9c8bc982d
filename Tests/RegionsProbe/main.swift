// A child process for the tests, and the measurements: writes stores, and measures what that takes.

import Foundation
import Glibc
import TandemFiles
import TandemRegions

/// A record whose numbers follow from its index.
func record(_ index: Int, regions: Int, width: Int) -> RegionRecord {
  var state = UInt32(truncatingIfNeeded: index &* 2_654_435_761 | 1)
  let features = (0..<(regions * width)).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return Float(state >> 20) / 64
  }
  let boxes = (0..<regions).flatMap { row -> [Float] in
    let start = Float(row % 8)
    return [start, start, start + 10, start + 20]
  }
  return RegionRecord(
    id: "picture_\(index)", width: 64, height: 48, boxes: boxes, features: features,
    featureWidth: width)
}

/// Memory that belongs to no file, in MB.
func anonymousMegabytes() -> Double {
  let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
  let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
  let kilobytes = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
  return Double(kilobytes ?? "0").map { $0 / 1024 } ?? 0
}

func seconds<Result>(_ body: () throws -> Result) rethrows -> (Result, Double) {
  let start = ContinuousClock.now
  let result = try body()
  return (result, Double((ContinuousClock.now - start) / .nanoseconds(1)) / 1e9)
}

/// Writes until it is done or killed, saying so after every record.
func write(_ store: String, count: Int, regions: Int, width: Int, says: Bool) throws {
  let header = FeatureStoreHeader(
    fitting: record(0, regions: regions, width: width), featureType: .float16)
  let writer = try FeatureStoreWriter(path: store, header: header)
  var peak = 0.0
  for index in 0..<count {
    let record = record(index, regions: regions, width: width)
    if writer.recoveredCount > 0, try writer.contains(record.id) { continue }
    try writer.write(record)
    if says {
      FileHandle.standardOutput.write(Data("\(index)\n".utf8))
    } else if index % 10_000 == 0 {
      peak = max(peak, anonymousMegabytes())
    }
  }
  let (_, finishing) = try seconds { try writer.finish() }
  if !says {
    print("finish \(finishing) s, peak anonymous memory \(max(peak, anonymousMegabytes())) MB")
  }
}

func benchmark(_ store: String, count: Int, regions: Int, width: Int) throws {
  let (_, writing) = try seconds {
    try write(store, count: count, regions: regions, width: width, says: false)
  }
  print("wrote \(count) records in \(writing) s, \(Double(count) / writing) a second")
  let before = anonymousMegabytes()
  let (opened, opening) = try seconds { try FeatureStore(path: store) }
  print("opened in \(opening * 1000) ms")
  var order = SystemRandomNumberGenerator()
  let ids = (0..<100_000).map { _ in "picture_\(Int.random(in: 0..<count, using: &order))" }
  let (sum, reading) = try seconds {
    try ids.reduce(0) { sum, id in
      try opened.withFeatures(of: id) { bytes in sum &+ Int(bytes.first ?? 0) }
    }
  }
  print("\(reading / 1e5 * 1e6) µs a random look-up without a copy (\(sum))")
  let (_, copying) = try seconds { for id in ids.prefix(20_000) { _ = try opened.record(of: id) } }
  print("\(copying / 2e4 * 1e6) µs a random record copied")
  print("anonymous memory of reading: \(anonymousMegabytes() - before) MB more")
  let header = opened.header
  let (writer, resuming) = try seconds { try FeatureStoreWriter(path: store, header: header) }
  print("a writer resumed at \(writer.count) records in \(resuming) s")
  print("anonymous memory then: \(anonymousMegabytes()) MB")
  writer.close()
  let (_, verifying) = try seconds { try opened.verify() }
  print("verified in \(verifying) s")
}

func convert(_ source: String, _ format: RegionFormat, _ target: String) throws {
  var peak = 0.0
  let reader = try RegionFormat.open(source)
  let (report, time) = try seconds {
    try RegionConverter().convert(reader, to: format, at: target) { report in
      if report.written % 200 == 0 { peak = max(peak, anonymousMegabytes()) }
    }
  }
  print("\(report.written) records in \(time) s, peak anonymous memory \(peak) MB")
}

/// Converts a fixture to the formats that Tests/Fixtures/check_regions.py reads.
func export(_ folder: String) throws {
  let targets: [(RegionFormat, String)] = [
    (.volta, "volta"), (.uniter, "feat_th0.2_max100_min10"),
    (.uniter, "feat_th0.2_max100_min10_compressed"), (.vlbert, "vlbert.zip"),
    (.unimoCaptioning, "caption.txt"),
  ]
  for (format, name) in targets {
    let reader = try RegionFormat.open("Tests/Fixtures/regions/unimo_retrieval.txt")
    _ = try RegionConverter().convert(reader, to: format, at: folder + "/" + name)
  }
}

/// From now on no file may grow beyond so many bytes: writing more fails, as on a full disk.
func limitFiles(to bytes: Int) {
  signal(SIGXFSZ, SIG_IGN)
  var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
  setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
}

func number(_ index: Int) -> Int { Int(CommandLine.arguments[index]) ?? 0 }

let arguments = CommandLine.arguments
do {
  switch (arguments.dropFirst().first, arguments.count) {
  case ("write", 6):
    try write(arguments[2], count: number(3), regions: number(4), width: number(5), says: true)
  case ("limited", 7):
    limitFiles(to: number(6))
    try write(arguments[2], count: number(3), regions: number(4), width: number(5), says: true)
  case ("benchmark", 6):
    try benchmark(arguments[2], count: number(3), regions: number(4), width: number(5))
  case ("export", 3): try export(arguments[2])
  case ("convert", 5):
    guard let format = RegionFormat(rawValue: arguments[3]) else { exit(2) }
    try convert(arguments[2], format, arguments[4])
  default:
    print(
      "write|benchmark STORE COUNT REGIONS WIDTH, limited … BYTES, export FOLDER, convert FROM FORMAT TO"
    )
    exit(2)
  }
} catch {
  FileHandle.standardError.write(Data("\(error)\n".utf8))
  exit(1)
}
