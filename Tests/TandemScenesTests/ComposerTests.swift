import Foundation
import TandemScenes
import Testing

@Suite struct ComposerTests {
  private static let count = 400

  private func scenes(_ split: SceneSplit) throws -> [ComposedScene] {
    let composer = try SceneComposer(Shapes.library(), Shapes.settings())
    return try (0..<Self.count).map { try composer.compose(split, id: $0) }
  }

  @Test func aSceneDependsOnSeedSplitAndNumberOnly() throws {
    let library = try Shapes.library()
    let composer = try SceneComposer(library, Shapes.settings(10))
    let other = try SceneComposer(library, Shapes.settings(99))
    var settings = Shapes.settings(10)
    settings.seed = 2
    let reseeded = try SceneComposer(library, settings)
    for id in [0, 1, 7, 123_456] {
      let one = try composer.compose(.train, id: id)
      let again = try other.compose(.train, id: id)
      #expect(one.scene == again.scene && one.canvas.pixels == again.canvas.pixels)
      #expect(try reseeded.compose(.train, id: id).scene != one.scene)
      #expect(try composer.compose(.validation, id: id).scene != one.scene)
    }
  }

  /// Boxes and visible parts against a count of the masks.
  @Test func boxesAreThoseOfTheMasks() throws {
    for composed in try scenes(.train) {
      let scene = composed.scene
      var covered = Set<Int>()
      for (index, runs) in composed.masks().enumerated() {
        #expect(runs.reduce(0, +) == scene.width * scene.height)
        var (columns, rows): ([Int], [Int]) = ([], [])
        var position = 0
        for (place, run) in runs.enumerated() {
          for offset in 0..<run where place % 2 == 1 {
            columns.append((position + offset) / scene.height)
            rows.append((position + offset) % scene.height)
            #expect(covered.insert(position + offset).inserted)
          }
          position += run
        }
        let object = scene.objects[index]
        let box = SceneBox(
          x1: columns.min() ?? -1, y1: rows.min() ?? -1, x2: (columns.max() ?? -1) + 1,
          y2: (rows.max() ?? -1) + 1)
        #expect(box == object.box)
        let visible = Double(columns.count) / Double(composed.canvas.solidCounts[index])
        #expect(abs(visible - object.visible) <= 1e-4)
        #expect(object.visible >= 0.6 && object.visible <= 1)
      }
    }
  }

  @Test func sizesKeepTheirGaps() throws {
    let ranges: [SceneSize: ClosedRange<Double>] = [
      .small: 40...56, .medium: 72...96, .large: 120...150,
    ]
    var seen: [SceneSize: Int] = [:]
    for object in try scenes(.train).flatMap(\.scene.objects) where object.visible == 1 {
      seen[object.size, default: 0] += 1
      // The ring and the disc are as wide whichever way they are turned; soft edges take a pixel.
      guard object.className == "disc", let range = ranges[object.size] else { continue }
      let side = Double(max(object.box.width, object.box.height))
      #expect(side > range.lowerBound - 4 && side < range.upperBound + 4)
    }
    // The fixtures are 56 pixels long, and nothing is enlarged more than 2.2 times.
    #expect((seen[.small] ?? 0) > 100 && (seen[.medium] ?? 0) > 100)
  }

  @Test func rates() throws {
    let scenes = try scenes(.train).map(\.scene)
    let objects = scenes.flatMap(\.objects)
    func share(_ relation: SceneRelation) -> Double {
      let having = scenes.count { $0.relations.contains { $0.relation == relation } }
      return Double(having) / Double(scenes.count)
    }
    #expect((0.25...0.55).contains(share(.on)))
    #expect(share(.leftOf) > 0.5 && share(.above) > 0.5 && share(.largerThan) > 0.5)
    #expect(share(.nextTo) > 0.1)
    #expect(Set(scenes.map(\.objects.count)) == [1, 2, 3, 4, 5, 6])

    let natural = Double(objects.count { $0.tint == .natural }) / Double(objects.count)
    #expect(abs(natural - 0.6) < 0.05)
    for tint in SceneTint.allCases where tint != .natural {
      let part = Double(objects.count { $0.tint == tint }) / Double(objects.count)
      #expect((0.04...0.10).contains(part), "\(tint) \(part)")
    }
    let classes = Dictionary(grouping: objects, by: \.className).mapValues(\.count)
    #expect(classes.count == 4)
    for (name, count) in classes {
      #expect(abs(4 * Double(count) / Double(objects.count) - 1) < 0.25, "\(name)")
    }
    #expect(Set(scenes.map(\.background)) == Set(SceneBackground.allCases.map(\.rawValue)))
    // Left of and right of: no side is preferred.
    let centers = objects.map { Double($0.box.x1 + $0.box.x2) / 640 }
    #expect(abs(centers.reduce(0, +) / Double(centers.count) - 0.5) < 0.03)
  }

  @Test func splitsShareWhatTheySayTheyShare() throws {
    var cutouts: [SceneSplit: Set<String>] = [:]
    var classes: [SceneSplit: Set<String>] = [:]
    var all = Set<Data>()
    var total = 0
    for split in SceneSplit.allCases {
      for composed in try scenes(split) {
        cutouts[split, default: []].formUnion(composed.scene.objects.map(\.cutout))
        classes[split, default: []].formUnion(composed.scene.objects.map(\.className))
        all.insert(Data(composed.canvas.pixels))
        total += 1
      }
    }
    #expect(all.count == total)
    let seen = try #require(cutouts[.train])
    #expect(cutouts[.validation] == seen && cutouts[.test] == seen)
    #expect(seen.isDisjoint(with: cutouts[.testUnseenCutouts] ?? seen))
    #expect(classes[.testUnseenCutouts]?.isSubset(of: classes[.train] ?? []) == true)
    #expect(classes[.testUnseenClasses] == ["arrow", "hill"])
    #expect(classes[.train]?.isDisjoint(with: ["arrow", "hill"]) == true)
  }

  @Test func otherSides() throws {
    var settings = Shapes.settings()
    (settings.width, settings.height) = (96, 64)
    let composer = try SceneComposer(Shapes.library(), settings)
    for id in 0..<50 {
      let composed = try composer.compose(.test, id: id)
      #expect(composed.canvas.pixels.count == 96 * 64 * 3)
      for object in composed.scene.objects {
        #expect(object.box.x1 >= 0 && object.box.x2 <= 96)
        #expect(object.box.y1 >= 0 && object.box.y2 <= 64)
      }
    }
  }

  @Test func badSettingsAreNamed() throws {
    let changes: [(String, (inout ScenesSettings) -> Void)] = [
      ("width", { $0.width = 10 }), ("height", { $0.height = 100_000 }),
      ("jpegQuality", { $0.jpegQuality = 0 }), ("threads", { $0.threads = 0 }),
      ("counts.train", { $0.counts["train"] = -1 }), ("counts", { $0.counts["dev"] = 3 }),
    ]
    let library = try Shapes.library()
    for (name, change) in changes {
      var settings = Shapes.settings()
      change(&settings)
      let error = #expect(throws: SceneError.self) { try SceneComposer(library, settings) }
      #expect(error?.description.contains("scenes.\(name)") == true)
    }
    let seenOnly = try CutoutLibrary(
      Shapes.candidates(), rules: Shapes.rules.filter { !$0.isSetAside })
    #expect(throws: SceneError.self) { try SceneComposer(seenOnly, Shapes.settings()) }
  }
}
