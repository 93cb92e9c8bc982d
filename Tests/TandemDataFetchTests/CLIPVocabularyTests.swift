import Foundation
import TandemData
import TandemFiles
import Testing

private let environment = ProcessInfo.processInfo.environment

/// Downloads 1.8 MB, so only on request: see RealFetchTests.
@Suite(.enabled(if: environment["TANDEM_TEST_FETCH"] == "1"))
struct CLIPVocabularyTests {
  @Test("CLIP's merges, unpacked, with their card")
  func fetch() throws {
    let root =
      environment["TANDEM_TEST_FETCH_ROOT"] ?? FileManager.default.temporaryDirectory.path
      + "/tandem-test-fetch"
    let downloads = environment["TANDEM_TEST_FETCH_DOWNLOADS"] ?? root + "/downloads"
    let fetcher = CLIPVocabularyFetcher()
    let card = try fetcher.fetch(into: root, downloads: downloads, force: true) { _ in }
    let directory = root + "/clip-vocabulary"
    try card.verify(at: directory)
    #expect(card.counts == ["all": ["merges": 262_144, "used": 48_894]])
    #expect(card.licence == "MIT")
    let names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    #expect(names == ["LICENSE", "card.json", "merges.txt"])
    let merges = try String(contentsOfFile: directory + "/merges.txt", encoding: .utf8)
    #expect(merges.hasPrefix("\"bpe_simple_vocab_16e6.txt#version: 0.2\ni n\nt h\n"))
    let licence = try String(contentsOfFile: directory + "/LICENSE", encoding: .utf8)
    #expect(licence.hasPrefix("MIT License"))
    // A second time it is there, and is checked.
    #expect(try fetcher.fetch(into: root, downloads: downloads, force: false) { _ in } == card)
  }
}
