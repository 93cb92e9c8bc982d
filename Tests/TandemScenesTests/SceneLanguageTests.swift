import Foundation
import TandemScenes
import Testing

@Suite struct SceneLanguageTests {
  /// One line a scene, of that scene, the same whatever the number of threads.
  @Test func linesOfTexts() throws {
    try withTemporaryDirectory { directory in
      let library = try Shapes.library()
      var built: [[UInt8]] = []
      for threads in [1, 3] {
        var settings = Shapes.settings(40)
        settings.threads = threads
        let builder = try ScenesBuilder(
          library, settings, lines: [try .language(of: library, seed: settings.seed)])
        let path = "\(directory)/\(threads)"
        let facts = try builder.build(into: path)
        for split in SceneSplit.allCases {
          #expect(facts.counts[split.rawValue]?["language.jsonl"] == 40)
        }
        built.append(contents(path + "/train/language.jsonl"))
      }
      #expect(built[0] == built[1])
      let texts = try built[0].split(separator: 10).map { try SceneTexts(jsonLine: Data($0)) }
      #expect(texts.map(\.scene) == Array(0..<40))
      #expect(texts.allSatisfy { !$0.captions.isEmpty })
      #expect(Set(texts.flatMap(\.captions).map(\.text)).count > 40)
    }
  }
}
