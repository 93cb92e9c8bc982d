import Foundation
import TandemData
import TandemFiles
import Testing

private let environment = ProcessInfo.processInfo.environment

/// Downloads about 520 MB, so only on request:
/// `TANDEM_TEST_FETCH=1 TANDEM_TEST_FETCH_ROOT=DIR TANDEM_TEST_FETCH_DOWNLOADS=DIR swift test`.
@Suite(.enabled(if: environment["TANDEM_TEST_FETCH"] == "1"), .serialized)
struct RealFetchTests {
  private let root =
    environment["TANDEM_TEST_FETCH_ROOT"] ?? FileManager.default.temporaryDirectory.path
    + "/tandem-test-fetch"
  private var downloads: String {
    environment["TANDEM_TEST_FETCH_DOWNLOADS"] ?? root + "/downloads"
  }

  private func fetch(_ name: String, force: Bool = true) throws -> DatasetCard {
    let start = ContinuousClock.now
    let card = try FetcherCatalog.fetcher(named: name).fetch(
      into: root, downloads: downloads, force: force
    ) { print($0) }
    print(name, "took", ContinuousClock.now - start)
    try card.verify(at: root + "/" + name)
    return card
  }

  /// Published counts of the data set: 4 000 and 1 000 images, 38 575 and 9 673 questions.
  @Test func easyVQA() throws {
    let card = try fetch("easy-vqa")
    #expect(card.counts["train"] == ["images": 4000, "questions": 38_575])
    #expect(card.counts["test"] == ["images": 1000, "questions": 9673])
  }

  @Test func bertVocabulary() throws {
    #expect(try fetch("bert-base-uncased").counts["all"] == ["pieces": 30_522])
  }

  /// The checksum of the weights is the fetcher's own business; the vocabulary is BERT's.
  @Test func miniLM() throws {
    _ = try fetch("all-minilm-l6-v2")
    _ = try fetch("bert-base-uncased")
    let vocabularies = ["all-minilm-l6-v2", "bert-base-uncased"].map {
      text("\(root)/\($0)/vocab.txt")
    }
    #expect(vocabularies[0] != nil && vocabularies[0] == vocabularies[1])
  }

  @Test func wikiExtracts() throws {
    let card = try fetch("wiki-extracts")
    #expect(card.counts.mapValues { $0["articles"] } == ["en": 10_033, "es": 6239, "fr": 9955])
  }

  @Test func pictograms() throws {
    let card = try fetch("pictograms")
    print(card)
    #expect(try fetch("pictograms", force: false) == card)
    let directory = root + "/pictograms"
    var splitOfImage: [SHA256Digest: String] = [:]
    var splitOfConcept: [String: String] = [:]
    for split in ["train", "validation", "test"] {
      let lines = try #require(text("\(directory)/\(split).jsonl")).split(separator: "\n")
      #expect(lines.count == card.counts[split]?["images"])
      for line in lines {
        let record = try JSONDecoder().decode(PictogramRecord.self, from: Data(line.utf8))
        let digest = try SHA256Digest.ofFile(at: directory + "/" + record.image)
        #expect(splitOfImage.updateValue(split, forKey: digest) == nil)
        #expect(splitOfConcept.updateValue(split, forKey: record.concept) ?? split == split)
        #expect(!record.caption.isEmpty)
      }
    }
    #expect(splitOfImage.count > 8500)
    // What another program counted in these packages; flags and families that one font draws alike
    // are kept once.
    let total = ["noto-emoji", "openmoji", "tanuki-emoji", "art4apps"].map { source in
      card.sources.values.reduce(0) { $0 + ($1[source] ?? 0) }
    }
    for (found, upTo) in zip(total, [1849, 1849, 1112, 585]) {
      #expect(found <= upTo && found >= upTo - 40)
    }
  }
}
