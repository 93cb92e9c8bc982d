// Pictures whose file name is their caption: art4apps and Scratch.

import Foundation

/// art4apps: 585 drawings in one style, among them 80 actions and 55 occupations (pysiogame).
struct Art4AppsPictograms {
  static let debianPackage = "pysiogame"
  let package: UnpackedPackage

  func pictograms() throws -> [Pictogram] {
    try package.names(ending: ".jpg").compactMap { name in
      let parts = name.dropLast(4).split(separator: "/").map(String.init)
      let caption = CaptionText.words(ofFileName: parts.last ?? "").joined(separator: " ")
      guard CaptionText.isUseful(caption) else { return nil }
      return Pictogram(
        source: "art4apps", fileName: name.replacing("/", with: "-"),
        content: .file(package.path(name)), caption: caption.lowercased(),
        tags: CaptionText.tags(Array(parts.dropLast()).map { $0.replacing("_n_", with: " and ") }))
    }
  }
}

/// Scratch 1.4: costumes and backgrounds, PNG and JPEG only.
struct ScratchPictograms {
  static let debianPackage = "scratch"
  let package: UnpackedPackage

  /// Names that say nothing about the picture, and pictures of letters and of named persons.
  private static let unnamed: Set<String> = ["fantasy", "wild", "gobo", "xy"]

  func pictograms() throws -> [Pictogram] {
    let names = try package.names(ending: ".png") + package.names(ending: ".jpg")
    return names.compactMap { name in
      let parts = name.dropLast(4).split(separator: "/").map(String.init)
      guard !parts.contains("Letters"), !parts.contains("People"), let stem = parts.last else {
        return nil
      }
      // "bat2-b" is the second bat's second posture; "sunglassF4" one of several sunglasses.
      let words = CaptionText.words(ofFileName: stem).filter { $0.count > 1 && $0 != "mit" }
        .map { String($0.reversed().drop { $0.isNumber }.reversed()).lowercased() }
      guard let first = words.first, !Self.unnamed.contains(first) else { return nil }
      return Pictogram(
        source: "scratch", fileName: name.replacing("/", with: "-"),
        content: .file(package.path(name)), caption: words.joined(separator: " "),
        tags: CaptionText.tags(Array(parts.dropLast())))
    }
  }
}
