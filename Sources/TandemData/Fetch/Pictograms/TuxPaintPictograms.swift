// Tux Paint's stamps: cut-outs of photographs and drawings, each with a sentence.

import Foundation

struct TuxPaintPictograms {
  static let debianPackage = "tuxpaint-stamps-default"
  /// Pixels of the square that a stamp given as SVG is drawn into.
  static let drawingSide = 256

  let package: UnpackedPackage

  /// All captioned stamps but those of letters, digits and money (`symbols/`).
  func pictograms(
    drawnInto directory: String, progress: (FetchProgress) -> Void
  ) throws -> [Pictogram] {
    var result: [Pictogram] = []
    var jobs: [(svg: String, png: String)] = []
    var drawings: [Pictogram] = []
    for text in try package.names(ending: ".txt") where !text.hasPrefix("symbols/") {
      let stem = String(text.dropLast(4))
      guard let caption = caption(try package.bytes(text)) else { continue }
      if package.exists(stem + ".png") {
        result.append(pictogram(stem, caption, package.path(stem + ".png")))
      } else if package.exists(stem + ".svg") {
        let flat = stem.replacing("/", with: "-")
        let png = "\(directory)/tuxpaint-\(flat).png"
        jobs.append((package.path(stem + ".svg"), png))
        drawings.append(pictogram(stem, caption, png))
      }
    }
    let refused = try VectorRasterizer(side: Self.drawingSide).draw(jobs) { completed in
      progress(
        FetchProgress(
          subject: "tuxpaint", step: "drawing", completed: completed, total: jobs.count))
    }
    return result + drawings.indices.filter { !refused.contains($0) }.map { drawings[$0] }
  }

  /// The first line: a sentence in English. Lines that begin with a dash are jokes, not captions.
  private func caption(_ file: [UInt8]) -> String? {
    let line = file.prefix { $0 != 10 }
    let text = CaptionText.tidy(String(decoding: line, as: UTF8.self))
    guard CaptionText.isUseful(text), let first = text.first, !"-\u{2013}\u{2014}".contains(first)
    else { return nil }
    return text
  }

  private func pictogram(_ stem: String, _ caption: String, _ path: String) -> Pictogram {
    let parts = stem.split(separator: "/").map(String.init)
    let name = CaptionText.words(ofFileName: parts.last ?? stem).joined(separator: " ")
    return Pictogram(
      source: "tuxpaint", fileName: stem.replacing("/", with: "-") + ".png", content: .file(path),
      caption: caption,
      // Some sentences name the thing, others talk about it ("Say cheese!"): the file names it.
      otherNames: [name], isFlag: parts.contains("flags"),
      tags: CaptionText.tags(Array(parts.dropLast())))
  }
}
