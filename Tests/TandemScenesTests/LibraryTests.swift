import Foundation
import TandemScenes
import Testing

@Suite struct LibraryTests {
  @Test func tableIsSound() {
    let rules = SceneClasses.rules
    let names = rules.map(\.sceneClass.name)
    #expect(Set(names).count == names.count)
    #expect(rules.count { !$0.isSetAside } >= 100)
    #expect(rules.count { $0.isSetAside } >= 10)
    let members = rules.flatMap(\.members)
    #expect(Set(members).count == members.count)
    var words: [String: String] = [:]
    for rule in rules {
      let one = rule.sceneClass
      #expect(!one.plural.isEmpty && !rule.members.isEmpty, "\(one.name)")
      for hypernym in one.hypernyms {
        // A race car is a car, and whatever a car is.
        guard let wider = rules.first(where: { $0.sceneClass.name == hypernym }) else { continue }
        let further = wider.sceneClass.hypernyms
        #expect(Set(further).isSubset(of: Set(one.hypernyms)), "\(one.name) is a \(hypernym)")
      }
      // No word may mean two classes.
      for word in [one.name] + one.synonyms {
        #expect(words.updateValue(one.name, forKey: word) == nil, "\(word)")
      }
      #expect(!one.hypernyms.contains(one.name))
    }
  }

  @Test func heldOutCutouts() throws {
    let library = try Shapes.library()
    #expect(library.classes.map(\.name) == ["disc", "bar", "ring", "cross"])
    #expect(library.unseenClasses.map(\.name) == ["arrow", "hill"])
    #expect(library.cutouts.count == 36)
    let heldOut = Set(library.cutouts.filter(\.isHeldOut).map(\.name))
    #expect(!heldOut.isEmpty)
    for group in Dictionary(grouping: library.cutouts, by: \.className).values {
      #expect(group.count { !$0.isHeldOut } >= 3)
    }
    // Another source changes nothing for those that were there.
    let more = try CutoutLibrary(
      Shapes.candidates() + Shapes.candidates("more", 0..<6), rules: Shapes.rules)
    let later = Set(more.cutouts.filter { $0.isHeldOut && $0.source == "shapes" }.map(\.name))
    #expect(later == heldOut)
    // A fifth of many names.
    let names = (0..<4000).map { "some/name-\($0)" }
    let share = try Double(CutoutLibrary.heldOut(names).count) / 4000
    #expect(abs(share - 0.2) < 0.02)
  }

  @Test func smallClassesAreLeftOut() throws {
    let few = Shapes.candidates().filter { $0.caption != "ring" || $0.name.hasSuffix("-1") }
    let library = try CutoutLibrary(few, rules: Shapes.rules)
    #expect(library.missingClasses == ["ring"])
    #expect(throws: SceneError.self) { try CutoutLibrary([], rules: Shapes.rules) }
  }

  @Test func repeatedNamesAndMembersAreRefused() throws {
    #expect(throws: SceneError.self) {
      try CutoutLibrary(Shapes.candidates() + Shapes.candidates(), rules: Shapes.rules)
    }
    let twice = Shapes.rules + [SceneClassRule("plate", "plates", [], [], ["disc"])]
    let error = #expect(throws: SceneError.self) {
      try CutoutLibrary(Shapes.candidates(), rules: twice)
    }
    #expect(error?.description.contains("disc") == true)
  }

  @Test func unusableCutoutsAreRefused() throws {
    // 7 by 5 pixels.
    let tiny = CutoutCandidate(
      name: "shapes/tiny", source: "shapes", caption: "disc", path: fixture("format-rgba.png"))
    let library = try CutoutLibrary(Shapes.candidates() + [tiny], rules: Shapes.rules)
    #expect(library.refused.keys.sorted() == ["shapes/tiny"])
  }

  @Test func ownColours() throws {
    let looks = try Dictionary(
      uniqueKeysWithValues: Shapes.library().cutouts.map { ($0.name, $0.look) })
    for (index, tint) in [SceneTint.red, .green, .blue, .yellow, .gray].enumerated() {
      #expect(looks["shapes/bar-\(index)"] == tint)
    }
  }

  @Test func checksumNoticesAPixel() throws {
    let library = try Shapes.library()
    #expect(try library.checksum() == Shapes.library().checksum())
    var other = Shapes.candidates()
    other[0].path = fixture("disc-1.png")
    #expect(try CutoutLibrary(other, rules: Shapes.rules).checksum() != library.checksum())
  }
}
