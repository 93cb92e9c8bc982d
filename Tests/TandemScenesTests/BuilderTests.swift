import Foundation
import TandemFiles
import TandemImage
import TandemScenes
import Testing

@Suite struct BuilderTests {
  private static let counting = SceneLines(fileName: "counts.jsonl") { split, sample in
    { scene in
      [
        Data("{\"scene\":\(scene.id),\"of\":\(sample.count)}".utf8),
        Data("{\"objects\":\(scene.objects.count),\"split\":\"\(split.rawValue)\"}".utf8),
      ]
    }
  }

  private func build(_ directory: String, threads: Int) throws -> ScenesFacts {
    var settings = Shapes.settings(30)
    settings.threads = threads
    settings.counts["train"] = 300
    settings.writesMasks = true
    return try ScenesBuilder(Shapes.library(), settings, lines: [Self.counting])
      .build(into: directory)
  }

  private func tree(_ directory: String) throws -> [String: [UInt8]] {
    var files: [String: [UInt8]] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: directory) {
      let attributes = try FileManager.default.attributesOfItem(atPath: directory + "/" + name)
      if attributes[.type] as? FileAttributeType == .typeRegular {
        files[name] = contents(directory + "/" + name)
      }
    }
    return files
  }

  @Test func threadsDoNotChangeAByte() throws {
    try withTemporaryDirectory { directory in
      let facts = try build(directory + "/one", threads: 1)
      #expect(try build(directory + "/three", threads: 3) == facts)
      let files = try tree(directory + "/one")
      #expect(try tree(directory + "/three") == files)
      // Pictures, three files of lines a split, and two lists.
      #expect(files.count == 300 + 4 * 30 + 3 * 5 + 2)
      #expect(facts.classes == 4 && facts.unseenClasses == 2)
      #expect(facts.cutouts == ["shapes": 36])
      #expect(facts.rates["objects tinted natural"].map { abs($0 - 0.6) < 0.06 } == true)
    }
  }

  @Test func linesArePlainJSON() throws {
    try withTemporaryDirectory { directory in
      let facts = try build(directory + "/set", threads: 2)
      for split in SceneSplit.allCases {
        let folder = "\(directory)/set/\(split.rawValue)"
        let count = split == .train ? 300 : 30
        func lines(_ name: String) -> [Data] {
          contents("\(folder)/\(name)").split(separator: 10).map { Data($0) }
        }
        let scenes = try lines("scenes.jsonl").map {
          try JSONDecoder().decode(Scene.self, from: $0)
        }
        #expect(scenes.map(\.id) == Array(0..<count))
        #expect(lines("masks.jsonl").count == count)
        #expect(facts.counts[split.rawValue]?["scenes"] == count)
        #expect(
          facts.counts[split.rawValue]?["objects"] == scenes.reduce(0) { $0 + $1.objects.count })
        #expect(facts.counts[split.rawValue]?["counts.jsonl"] == 2 * count)
        let extra = lines("counts.jsonl")
        #expect(extra.count == 2 * count)
        #expect(extra[2] == Data("{\"scene\":1,\"of\":\(count)}".utf8))
        #expect(
          facts.scenesSHA256[split.rawValue]
            == (try SHA256Digest.ofFile(at: folder + "/scenes.jsonl").hexadecimal))

        let image = try Image(
          contentsOfFile: "\(directory)/set/" + ScenesBuilder.imagePath(split, id: count - 1))
        #expect(image.width == 320 && image.height == 240)
        let composer = try SceneComposer(Shapes.library(), Shapes.settings(30))
        let composed = try composer.compose(split, id: count - 1)
        #expect(composed.scene == scenes.last)
        // JPEG at quality 90: close to what was drawn.
        let difference = zip(image.pixels, composed.canvas.pixels)
          .reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }
        #expect(Double(difference) / Double(image.pixels.count) < 4)
      }
      let classes = try JSONDecoder().decode(
        [SceneClass].self, from: Data(contents(directory + "/set/classes.json")))
      #expect(classes.map(\.name) == Shapes.names)
      let cutouts = try JSONDecoder().decode(
        [CutoutRecord].self, from: Data(contents(directory + "/set/cutouts.json")))
      #expect(cutouts.count == 36)
    }
  }

  private struct Refusal: Error {}

  @Test func aFailureLeavesNothingBehind() throws {
    try withTemporaryDirectory { directory in
      let failing = SceneLines(fileName: "x.jsonl") { _, _ in
        { scene in
          if scene.id == 17 { throw Refusal() }
          return []
        }
      }
      let builder = try ScenesBuilder(Shapes.library(), Shapes.settings(20), lines: [failing])
      #expect(throws: Refusal.self) { try builder.build(into: directory + "/set") }
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
    }
  }
}
