import Foundation
import TandemReport
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// What an XML parser finds in a page.
final class PageReader: NSObject, XMLParserDelegate {
  private(set) var elements: [(name: String, attributes: [String: String])] = []
  private(set) var text = ""
  private(set) var problem: String?

  init(_ page: String) {
    super.init()
    let parser = XMLParser(data: Data(page.utf8))
    parser.delegate = self
    if !parser.parse() {
      let error = parser.parserError.map { "\($0)" } ?? "unknown"
      problem = "line \(parser.lineNumber): \(error)"
    }
  }

  func attributes(_ name: String, of element: String) -> [String] {
    elements.filter { $0.name == element }.compactMap { $0.attributes[name] }
  }

  func count(_ element: String) -> Int { elements.count { $0.name == element } }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String]
  ) {
    elements.append((name, attributes))
  }

  func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }
}

@Suite struct ReportTests {
  /// The example, parsed. With TANDEM_REPORT_EXAMPLE=path it is also written there to be looked at.
  @Test func exampleIsWellFormed() throws {
    let page = try ExampleRun.report().html()
    if let path = ProcessInfo.processInfo.environment["TANDEM_REPORT_EXAMPLE"] {
      try page.write(toFile: path, atomically: true, encoding: .utf8)
    }
    let reader = PageReader(page)
    #expect(reader.problem == nil)
    #expect(reader.attributes("id", of: "section").count == 6)
    #expect(reader.count("figure") == 5 + 2 + 12)
    #expect(reader.count("details") == 4)
    let ids = reader.elements.compactMap { $0.attributes["id"] }
    #expect(Set(ids).count == ids.count, "ids must be unique")
  }

  @Test func nothingIsLoadedFromOutside() throws {
    let page = try ExampleRun.report().html()
    let reader = PageReader(page)
    for (name, attributes) in reader.elements {
      for key in ["src", "href", "xlink:href", "srcset", "poster", "action", "data"] {
        guard let value = attributes[key] else { continue }
        #expect(value.hasPrefix("data:") || value.hasPrefix("#"), "\(name) \(key)")
      }
      #expect(!["link", "iframe", "object", "embed", "base"].contains(name))
    }
    for forbidden in ["http://", "https://", "url(", "@import", "//cdn"] {
      #expect(!page.contains(forbidden))
    }
  }

  @Test func everyPictureHasAText() throws {
    let reader = PageReader(try ExampleRun.report().html())
    let images = reader.elements.filter { $0.name == "img" }
    #expect(images.count == 8 + 2 + 12)
    #expect(images.allSatisfy { $0.attributes["alt"]?.isEmpty == false })
    for drawing in reader.elements where drawing.name == "svg" && drawing.attributes["x"] == nil {
      let attributes = drawing.attributes
      #expect(
        attributes["aria-hidden"] == "true" || attributes["aria-label"] != nil
          || attributes["aria-labelledby"] != nil)
    }
  }

  @Test func picturesArriveUnchanged() throws {
    let bytes: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + Array(0...255)
    let picture = try Picture(bytes: bytes, alternativeText: "noise")
    let report = RunReport(
      title: "t",
      samples: [.init(pictures: [picture], text: "", expected: "", answers: [], isRight: true)])
    let source = try #require(PageReader(report.html()).attributes("src", of: "img").first)
    let parts = source.split(separator: ",")
    #expect(parts.first == "data:image/png;base64")
    #expect(Data(base64Encoded: String(try #require(parts.last))) == Data(bytes))
  }

  /// Hostile text in every place that takes text comes back as text, and makes no element.
  @Test func allTextIsEscaped() throws {
    let hostile = "<script>x</script>\"'&amp;</title>--><b onload=\"y\">\u{0}\u{8}\u{FFFF}]]>"
    let shown = hostile.replacing("\u{0}", with: "\u{FFFD}").replacing("\u{8}", with: "\u{FFFD}")
      .replacing("\u{FFFF}", with: "\u{FFFD}")
    func report(_ text: String) -> RunReport {
      let picture = Picture(bytes: [1, 2, 3], mediaType: text)
      let described = Picture(bytes: [1], mediaType: "image/png", alternativeText: text)
      return RunReport(
        title: text, subtitle: text, facts: [.init(text, text)],
        results: [
          .init(name: text, value: 0.5, interval: 0.4...0.6, baselines: [.init(text, 0.4)])
        ],
        curves: [
          Chart(
            title: text, xLabel: text, yLabel: text,
            series: [
              .init(text, points: [(0, 1), (1, 2)]),
              .init(text + text, points: [(0, 1), (1, 2)]),
            ],
            referenceLines: [.init(text, y: 1.5)]),
          Chart(
            title: text, xLabel: text, yLabel: text, series: [.init(text, points: [(0, .nan)])]),
        ],
        samples: [
          .init(
            pictures: [picture, described], text: text, expected: text,
            answers: [.init(text, 0.5)], isRight: false)
        ],
        alignments: [.init(picture: picture, text: text, words: [.init(text, heat: picture)])],
        recipe: [.init(text, rows: [.init(text, text, origin: text)])], notes: [text])
    }
    let reader = PageReader(report(hostile).html())
    let harmless = PageReader(report("harmless").html())
    #expect(reader.problem == nil)
    #expect(reader.count("script") == 1)
    #expect(reader.count("b") == harmless.count("b"))
    // Long names move from the line ends into a legend; nothing else may differ.
    #expect(reader.count("li") - harmless.count("li") == 2)
    #expect(reader.text.components(separatedBy: shown).count > 20)
    #expect(reader.attributes("alt", of: "img").contains(shown))
  }

  @Test func emptySectionsAreLeftOut() throws {
    let empty = RunReport(title: "Nothing yet", recipe: [.init("Model", rows: [])])
    let page = empty.html()
    let reader = PageReader(page)
    #expect(reader.problem == nil)
    for element in ["section", "nav", "dl", "table", "h2", "details", "img", "svg"] {
      #expect(reader.count(element) == 0, "\(element)")
    }
    #expect(reader.attributes("class", of: "p").isEmpty)

    var notes = empty
    notes.notes = ["one"]
    #expect(PageReader(notes.html()).attributes("id", of: "section") == ["notes"])
    #expect(PageReader(notes.html()).count("nav") == 0)
  }

  @Test func wrongSamplesComeFirst() throws {
    let samples = [true, false, true].enumerated().map { index, isRight in
      RunReport.Sample(
        pictures: [], text: "question \(index)", expected: "", answers: [], isRight: isRight)
    }
    let text = PageReader(RunReport(title: "t", samples: samples).html()).text
    let places = try [1, 0, 2].map { index in
      try #require(text.range(of: "question \(index)")).lowerBound
    }
    #expect(places == places.sorted())
  }

  @Test func equalReportsGiveEqualPages() throws {
    let isEqual = try ExampleRun.report().html() == ExampleRun.report().html()
    #expect(isEqual)
  }

  @Test func picturesInUnknownFormatsAreRefused() throws {
    #expect(try Picture(bytes: [0xFF, 0xD8, 0xFF, 0xE0]).mediaType == "image/jpeg")
    #expect(try Picture(bytes: Array("GIF89a".utf8)).mediaType == "image/gif")
    #expect(try Picture(bytes: Array("RIFF....WEBP".utf8)).mediaType == "image/webp")
    #expect(throws: ReportError.unknownPictureFormat(firstBytes: Array("BM".utf8))) {
      try Picture(bytes: Array("BM".utf8))
    }
    let message = ReportError.unknownPictureFormat(firstBytes: [0x42, 0x0D]).description
    #expect(message.contains("42 0d"))
    #expect(message.contains("PNG"))
  }
}
