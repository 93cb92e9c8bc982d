// The Open Clip Art Library as Debian has it: drawings by many hands, titled by many hands.

import Foundation

package struct OpenClipartPictograms {
  static let debianPackages = ["openclipart-svg", "openclipart-png"]

  let drawings: UnpackedPackage
  let pictures: UnpackedPackage

  /// Directories of user interface parts, abstract shapes and logos.
  private static let leftOut: Set<String> = ["computer", "shapes", "special", "buttons", "logos"]

  /// Contributors whose titles and file names are Italian or French throughout.
  private static let notEnglish = ["rollandin", "guillou"]

  /// What one drawing's metadata says.
  package struct Metadata: Equatable {
    package var title = ""
    package var creator = ""
    package var tags: [String] = []

    package init(title: String = "", creator: String = "", tags: [String] = []) {
      self.title = title
      self.creator = creator
      self.tags = tags
    }
  }

  func pictograms(progress: (FetchProgress) -> Void) throws -> [Pictogram] {
    let names = try drawings.names(ending: ".svg").filter { name in
      let top = name.split(separator: "/").first.map(String.init) ?? ""
      return !Self.leftOut.contains(top) && !name.contains("/cards/")
        && pictures.exists(String(name.dropLast(4)) + ".png")
    }
    progress(
      FetchProgress(subject: "openclipart", step: "reading \(names.count) drawings' titles"))
    let metadata = try names.map { Self.metadata(try drawings.bytes($0)) }
    let collections = Self.collectionTitles(zip(names, metadata).map { ($0, $1.title) })

    return zip(names, metadata).compactMap { name, metadata in
      let creator = metadata.creator.lowercased()
      if Self.notEnglish.contains(where: creator.contains) { return nil }
      // A collection of Italian file names, and one of codes.
      if ["Various Cliparts", "Map Symbols"].contains(metadata.title) { return nil }
      let stem = String(name.dropLast(4))
      let folders = stem.split(separator: "/").dropLast().map(String.init)
      let isFlag = folders.contains("flags")
      guard
        let caption = Self.caption(
          stem: stem, metadata, isCollection: collections.contains(metadata.title),
          isFlag: isFlag)
      else { return nil }
      return Pictogram(
        source: "openclipart", fileName: stem.replacing("/", with: "-") + ".png",
        content: .file(pictures.path(stem + ".png")), caption: caption, isFlag: isFlag,
        tags: CaptionText.tags(metadata.tags + folders))
    }
  }

  /// Reads title, creator and subjects out of an SVG's RDF block; empty where there is none.
  package static func metadata(_ svg: [UInt8]) -> Metadata {
    guard let rdf = Markup(svg[...]).first("rdf:RDF") else { return Metadata() }
    let all = Markup(rdf.content)
    var result = Metadata()
    if let creator = all.first("dc:creator") { result.creator = creator.text }
    // Agents have titles too: the work's own is the one outside of them.
    let work = all.without(["dc:creator", "dc:publisher", "dc:rights", "dc:contributor"])
    // Many titles went through an escaping program twice.
    result.title = Markup.resolvingEntities(work.first("dc:title")?.text ?? "")
    if let subject = work.first("dc:subject") {
      result.tags = Markup(subject.content).elements("rdf:li").map(\.text)
    }
    return result
  }

  /// Titles that name a collection and not a picture: three files or more have it, and fewer than
  /// half of them have its first word, or its first two, in their name.
  package static func collectionTitles(_ titles: [(name: String, title: String)]) -> Set<String> {
    var result: Set<String> = []
    for (title, members) in Dictionary(grouping: titles, by: \.title) where members.count >= 3 {
      let words = Set(title.lowercased().split { !$0.isLetter }.prefix(2).map(String.init))
      let agreeing = members.filter { member in
        let file = member.name.split(separator: "/").last ?? ""
        return words.isSubset(of: file.lowercased().split { !$0.isLetter }.map(String.init))
      }
      if agreeing.count * 2 < members.count { result.insert(title) }
    }
    return result
  }

  /// The caption of one drawing, or `nil` when nothing names it.
  package static func caption(
    stem: String, _ metadata: Metadata, isCollection: Bool, isFlag: Bool
  ) -> String? {
    var title = metadata.title
    // "Clipart by Nicu Buculei - X": X is often another drawing's name. An entity that is left is
    // the trace of a text in the wrong encoding.
    let isSignature = title.hasPrefix("Clipart by ") || title.contains("@")
    let isBroken = title.contains("&") && title.contains(";")
    let isNamed = CaptionText.isUseful(title) && !isSignature && !isBroken
    if !isNamed || isCollection || title.hasPrefix("Part of the Flat Icon") {
      let words = words(ofStem: stem, creator: metadata.creator)
      // "sm_002" of the collection "stick man": then the collection's name is the better one.
      if words.contains(where: { $0.count >= 3 }) || !isNamed {
        title = words.joined(separator: " ")
      }
    }
    // "farm_house" and "BlueMan#209".
    if !title.contains(" ") || title.contains("_") {
      let plain = title.split(separator: "#").first.map(String.init) ?? title
      title = CaptionText.words(ofFileName: plain).joined(separator: " ")
    }
    for part in ["(B and W)", " - body part", " - RPG map elements", "aiga "] {
      title = title.replacing(part, with: "")
    }
    title = withoutCounters(title)
    guard CaptionText.isUseful(title), title.split(separator: " ").count <= 20 else { return nil }
    let namesFlag = ConceptGrouping.key(title) == ConceptGrouping.flag
    return isFlag && !namesFlag ? "flag: \(title)" : title
  }

  /// Drops what tells versions of a drawing apart: numbers of one or two digits at either end, "bw".
  private static func withoutCounters(_ title: String) -> String {
    func isCounter(_ word: Substring) -> Bool {
      word == "bw" || (word.count <= 2 && word.allSatisfy(\.isNumber))
    }
    var words = CaptionText.tidy(title).split(separator: " ")[...]
    while words.count > 1, let last = words.last, isCounter(last) { words.removeLast() }
    while words.count > 1, let first = words.first, isCounter(first) { words.removeFirst() }
    return words.joined(separator: " ")
  }

  /// The words of a file name "TITLE_AUTHOR_NN", cut by the library to 24 letters, without the
  /// author as far as the creator's name tells it.
  package static func words(ofStem stem: String, creator: String) -> [String] {
    let file = stem.split(separator: "/").last.map(String.init) ?? stem
    var parts = file.lowercased().split(separator: "_").map(String.init)
    while parts.count > 1, let last = parts.last, last.count <= 2 || last.allSatisfy(\.isNumber) {
      parts.removeLast()
    }
    let author = creator.lowercased().split { !$0.isLetter && !$0.isNumber }
      .joined(separator: "_")
    for start in parts.indices.dropFirst() {
      let rest = parts[start...].joined(separator: "_")
      if rest.count >= 3, author.hasPrefix(rest) || author.split(separator: "_").contains(rest[...])
      {
        parts.removeSubrange(start...)
        break
      }
    }
    var words = CaptionText.words(ofFileName: parts.joined(separator: "_"))
    // Initials of the author: "balloon-white-aj", "puffin-md".
    while words.count > 1, let last = words.last, last.count <= 2 { words.removeLast() }
    return words
  }
}
