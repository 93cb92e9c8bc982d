// Writes the pictures, then deals their concepts out to train, validation and test.

import Foundation
import TandemFiles

package enum PictogramSplit: String, CaseIterable, Sendable {
  case train, validation, test

  /// The split of a group of names: a lot drawn from the group's own name, the same on every
  /// machine. 80 % train, 5 % validation, 15 % test; flags, one group of a thousand pictures, train.
  package static func of(group: String) throws -> PictogramSplit {
    if group == ConceptGrouping.flag { return .train }
    let lot = try SHA256Digest.of(utf8: "tandem pictograms 1: " + group).leadingBits
    switch Double(lot) / 0x1p64 {
    case ..<0.80: return .train
    case ..<0.85: return .validation
    default: return .test
    }
  }
}

/// Takes pictures in order of preference; of equal ones the first stays.
struct PictogramWriter {
  private let directory: String
  private var records: [(pictogram: Pictogram, image: String, key: String)] = []
  private var keyOfImage: [SHA256Digest: String] = [:]
  private var checksums = ""
  private var grouping = ConceptGrouping()
  private var folders: Set<String> = []

  private var tooLarge: [String] = []
  private var unusable: [String: Int] = [:]
  private var repeated: [String: Int] = [:]

  init(directory: String) throws {
    self.directory = directory
    try FileManager.default.createDirectory(
      atPath: directory + "/images", withIntermediateDirectories: false)
  }

  /// Writes one picture, unless it is too large, too small, no PNG or JPEG, or there already.
  mutating func add(_ pictogram: Pictogram) throws {
    let keys =
      pictogram.isFlag
      ? [ConceptGrouping.flag]
      : ConceptGrouping.keys(forCaption: pictogram.caption)
        + pictogram.otherNames.map(ConceptGrouping.key).filter { !$0.isEmpty }
    guard let key = keys.first else {
      unusable[pictogram.source, default: 0] += 1
      return
    }
    let bytes = try pictogram.bytes()
    guard let header = PictureHeader(bytes),
      min(header.width, header.height) >= PictogramsFetcher.minimumSide
    else {
      unusable[pictogram.source, default: 0] += 1
      return
    }
    guard header.pixels <= PictogramsFetcher.maximumPixels else {
      tooLarge.append("\(pictogram.source)/\(pictogram.fileName)")
      return
    }
    grouping.join(keys)

    let digest = try SHA256Digest.of(bytes)
    if let earlier = keyOfImage[digest] {
      // One picture under two names: the names belong together, the picture is kept once.
      grouping.join([earlier, key])
      repeated[pictogram.source, default: 0] += 1
      return
    }
    keyOfImage[digest] = key

    let image = "images/\(pictogram.source)/\(pictogram.fileName)"
    if folders.insert(pictogram.source).inserted {
      try FileManager.default.createDirectory(
        atPath: "\(directory)/images/\(pictogram.source)", withIntermediateDirectories: false)
    }
    let path = directory + "/" + image
    guard !FileManager.default.fileExists(atPath: path) else {
      throw FetchError("two pictures of \(pictogram.source) have the name \(pictogram.fileName)")
    }
    // The whole directory is staged and made durable at once: no need to do so file by file.
    guard FileManager.default.createFile(atPath: path, contents: Data(bytes)) else {
      throw FileError.system("write", path)
    }
    checksums += "\(digest)  \(image)\n"
    records.append((pictogram, image, key))
  }

  /// Writes the three index files and `images.sha256` (the format of `sha256sum`).
  mutating func writeSplits() throws -> (
    counts: [String: [String: Int]], sources: [String: [String: Int]]
  ) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var lines: [PictogramSplit: [UInt8]] = [:]
    var concepts: [PictogramSplit: Set<String>] = [:]
    var counts: [String: [String: Int]] = [:]
    var sources: [String: [String: Int]] = [:]
    for (pictogram, image, key) in records {
      let group = grouping.group(of: key)
      let split = try PictogramSplit.of(group: group)
      let record = PictogramRecord(
        image: image, caption: pictogram.caption, source: pictogram.source, concept: group,
        tags: pictogram.tags)
      lines[split, default: []] += try encoder.encode(record) + [10]
      concepts[split, default: []].insert(group)
      counts[split.rawValue, default: [:]]["images", default: 0] += 1
      sources[split.rawValue, default: [:]][pictogram.source, default: 0] += 1
    }
    for split in PictogramSplit.allCases {
      counts[split.rawValue, default: [:]]["concepts"] = concepts[split]?.count ?? 0
      try AtomicFile.write(lines[split] ?? [], to: "\(directory)/\(split.rawValue).jsonl")
    }
    try AtomicFile.write(utf8: checksums, to: directory + "/images.sha256")
    return (counts, sources)
  }

  /// What was left out, for the card.
  var notes: [String] {
    var notes: [String] = []
    if !tooLarge.isEmpty {
      notes.append(
        "\(tooLarge.count) pictures of more than \(PictogramsFetcher.maximumPixels / 1_000_000) "
          + "megapixels were left out.")
    }
    for (reason, counts) in [
      ("equal to an earlier picture", repeated),
      ("no PNG or JPEG, too small, or without a name", unusable),
    ] where !counts.isEmpty {
      let list = counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
      notes.append("Left out, \(reason): \(list.joined(separator: ", ")).")
    }
    return notes
  }
}
