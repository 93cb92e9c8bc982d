import Foundation
import TandemScenes
import Testing

/// What is written beside the scenes says what the scenes say, read back in the official formats.
@Suite struct ScenesExportTests {
  @Test func officialFilesHoldTheScenes() throws {
    try withTemporaryDirectory { directory in
      let library = try Shapes.library()
      let settings = Shapes.settings(40)
      let path = directory + "/scenes"
      _ = try ScenesBuilder(
        library, settings, lines: [try .language(of: library, seed: settings.seed)]
      ).build(into: path)
      let export = try ScenesExport(library, settings, in: path)
      let blind = try #require(try export.write { _ in })
      for split in SceneSplit.allCases {
        for file in ScenesExport.files(split) {
          #expect(FileManager.default.fileExists(atPath: "\(path)/\(file)"), "\(file)")
        }
      }

      let scenes = try contents(path + "/train/scenes.jsonl").split(separator: 10)
        .map { try JSONDecoder().decode(Scene.self, from: Data($0)) }
      let texts = try contents(path + "/train/language.jsonl").split(separator: 10)
        .map { try SceneTexts(jsonLine: Data($0)) }
      let coco = try COCOInstances(path: path + "/coco/instances_train.json")
      let names = Dictionary(uniqueKeysWithValues: coco.categories.map { ($0.id, $0.name) })
      #expect(Set(names.values) == Set(library.classes.map(\.name)))
      for scene in scenes {
        let found = coco.annotations.filter { $0.imageID == scene.id }.sorted { $0.id < $1.id }
        #expect(found.map { names[$0.categoryID] } == scene.objects.map(\.className))
        #expect(found.map { Int($0.x) } == scene.objects.map(\.box.x1))
        #expect(found.map { Int($0.y + $0.height) } == scene.objects.map(\.box.y2))
      }
      var captions: [String] = []
      try COCOCaptions.read(path: path + "/coco/captions_train.json") { item in
        if case .caption(let caption) = item { captions.append(caption.caption) }
      }
      #expect(captions == texts.flatMap(\.captions).map(\.text))
      var answers: [[String]] = []
      try VQAFiles.readAnnotations(path: path + "/vqa/annotations_train.json") {
        answers.append($0.answers.map(\.answer))
      }
      #expect(answers == texts.flatMap(\.questions).map { $0.answers.map(\.answer) })
      #expect(!answers.isEmpty && answers.allSatisfy { $0.count == 10 })

      // Every statement with both answers, so that the words decide nothing.
      let groups = try contents(path + "/test/statements.jsonl").split(separator: 10)
        .map { try JSONDecoder().decode(PairStatementGroup.self, from: Data($0)) }
      #expect(blind.counts["statements"] == 2 * groups.count)
      #expect(blind.statements == 0.5 || groups.isEmpty)
      // Pictures of the rows lie where they say.
      struct Row: Decodable { let image: String }
      for kind in ["captions", "questions"] {
        let rows = try contents("\(path)/\(kind)/train.jsonl").split(separator: 10)
          .map { try JSONDecoder().decode(Row.self, from: Data($0)) }
        #expect(!rows.isEmpty)
        for row in rows {
          #expect(FileManager.default.fileExists(atPath: "\(path)/\(kind)/\(row.image)"))
        }
      }
    }
  }
}
