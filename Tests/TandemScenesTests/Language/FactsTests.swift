// The three values of the evaluation, on a scene laid out by hand.

import TandemScenes
import Testing

@Suite struct FactsTests {
  /// A small red cat at the left, a large dog in its own colours at the right, a medium blue cat
  /// below the middle, and a small apple on the dog.
  static func facts() throws -> SceneFacts {
    let object = { (name: String, box: SceneBox, size: SceneSize, tint: SceneTint) in
      SceneObject(
        className: name, cutout: name, box: box, size: size, tint: tint, turn: 0,
        isMirrored: false, visible: 1)
    }
    return try SceneFacts(
      Scene(
        id: 1, width: 200, height: 200, background: "plain",
        objects: [
          object("cat", SceneBox(x1: 5, y1: 90, x2: 35, y2: 120), .small, .red),
          object("dog", SceneBox(x1: 110, y1: 60, x2: 195, y2: 150), .large, .natural),
          object("cat", SceneBox(x1: 60, y1: 140, x2: 108, y2: 190), .medium, .blue),
          object("apple", SceneBox(x1: 140, y1: 50, x2: 160, y2: 72), .small, .natural),
        ]), TestScenes.lexicon())
  }

  static func exists(_ description: SceneDescription) -> SceneClaim {
    .count(is: Quantity(.atLeast, 1), of: description)
  }

  @Test func ownColoursAreOpen() throws {
    let facts = try Self.facts()
    #expect(facts.truth(Self.exists(SceneDescription("cat", tint: .red))) == true)
    #expect(facts.truth(Self.exists(SceneDescription("cat", tint: .green))) == false)
    #expect(facts.truth(Self.exists(SceneDescription("apple", tint: .red))) == nil)
    #expect(facts.truth(.not(claim: Self.exists(SceneDescription("cat", tint: .green)))) == true)
    // An apple may be red, so "the red object" is not clear.
    #expect(facts.only(SceneDescription(Lexicon.anything, tint: .red)) == nil)
    #expect(facts.only(SceneDescription("animal", size: .small)) == 0)
    #expect(facts.only(SceneDescription("cat")) == nil)
    let red = try #require(facts.fitting(SceneDescription("object", tint: .red)))
    #expect(red.certain == [0] && red.possible == [0, 1, 3])
  }

  @Test func relationsAndSuperlatives() throws {
    let facts = try Self.facts()
    let dog = SceneDescription("dog")
    let redCat = SceneDescription("cat", tint: .red)
    let claim = { (bearing: Bearing) in
      SceneClaim.relation(subject: redCat, bearing: bearing, landmark: dog)
    }
    #expect(facts.truth(claim(.leftOf)) == true)
    #expect(facts.truth(claim(.rightOf)) == false)
    #expect(facts.truth(claim(.smallerThan)) == true)
    // The centres are level: neither clearly above nor below.
    #expect(facts.truth(claim(.above)) == false && facts.truth(claim(.below)) == false)
    let onDog = SceneDescription(
      Lexicon.anything, relatives: [.init(.on, isDefinite: true, dog)])
    #expect(facts.only(onDog) == 3)
    // "The cat" means nothing where there are two.
    let besideCat = SceneDescription(
      Lexicon.anything, relatives: [.init(.nextTo, isDefinite: true, SceneDescription("cat"))])
    #expect(facts.fitting(besideCat) == nil)
    #expect(facts.only(SceneDescription("cat", extreme: .leftmost)) == 0)
    #expect(facts.only(SceneDescription("object", extreme: .largest)) == 1)
    #expect(
      facts.truth(
        .identity(subject: SceneDescription("animal", extreme: .largest), is: dog)) == true)
  }

  @Test func countsAndConnectives() throws {
    let facts = try Self.facts()
    let (cats, dogs, apples) = (
      SceneDescription("cat"), SceneDescription("dog"), SceneDescription("apple")
    )
    #expect(facts.count(cats) == 2 && facts.count(SceneDescription("animal")) == 3)
    #expect(facts.truth(.more(of: cats, than: dogs)) == true)
    #expect(facts.truth(.more(of: dogs, than: apples)) == false)
    #expect(facts.truth(.asMany(of: dogs, as: apples)) == true)
    #expect(facts.truth(.count(is: Quantity(.exactly, 2), of: cats)) == true)
    #expect(facts.truth(.count(is: Quantity(.atMost, 1), of: cats)) == false)
    let open = Self.exists(SceneDescription("dog", tint: .red))
    #expect(facts.truth(.all(claims: [open, Self.exists(cats)])) == nil)
    #expect(facts.truth(.all(claims: [open, .not(claim: Self.exists(cats))])) == false)
    #expect(facts.truth(.any(claims: [open, Self.exists(cats)])) == true)
    #expect(facts.truth(Self.exists(SceneDescription("ghost"))) == nil)
  }

  @Test func labelsOfHypotheses() throws {
    let facts = try Self.facts()
    let hungry = SceneDescription("cat", hidden: "hungry")
    #expect(facts.label(Self.exists(hungry)) == .neutral)
    #expect(facts.label(Self.exists(SceneDescription("owl", hidden: "hungry"))) == .contradiction)
    #expect(facts.label(.more(of: SceneDescription("object"), than: hungry)) == .entailment)
    #expect(facts.label(.more(of: SceneDescription("dog"), than: hungry)) == .neutral)
    // Unclear for its colour, not for what is hidden: no label.
    #expect(facts.label(Self.exists(SceneDescription("apple", tint: .red))) == nil)
    #expect(
      facts.label(Self.exists(SceneDescription("apple", tint: .red, hidden: "organic"))) == nil)
  }

  @Test func pairClaims() throws {
    let facts = try Self.facts()
    var other = facts.scene
    other.objects.removeFirst()
    let second = try SceneFacts(other, facts.lexicon)
    let two = SceneClaim.count(is: Quantity(.exactly, 2), of: SceneDescription("cat"))
    let truths: [(PairClaim, Bool?)] = [
      (.one(side: .left, claim: two), true), (.one(side: .right, claim: two), false),
      (.both(claim: two), false), (.either(claim: two), true), (.exactlyOne(claim: two), true),
      (.neither(claim: two), false), (.more(side: .left, of: SceneDescription("cat")), true),
      (.more(side: .right, of: SceneDescription("cat")), false),
      (.asMany(of: SceneDescription("dog")), true),
      (.total(is: Quantity(.exactly, 3), of: SceneDescription("cat")), true),
      (.both(claim: Self.exists(SceneDescription("dog", tint: .red))), nil),
    ]
    for (claim, truth) in truths {
      #expect(claim.truth(left: facts, right: second) == truth, "\(claim)")
    }
  }

  @Test func theGraphHoldsWhatTheSceneDoes() throws {
    let facts = try Self.facts()
    let graph = SceneGraph(facts)
    #expect(graph.objects.map { $0.names[0] } == ["cat", "dog", "cat", "apple"])
    #expect(graph.objects[0].attributes == ["small", "red"])
    #expect(graph.objects[1].attributes == ["large"])
    #expect(
      graph.relationships.contains { $0.subject == 3 && $0.predicate == "on" && $0.object == 1 })
    for one in graph.relationships {
      let relation = try #require(SceneRelation(rawValue: one.predicate))
      #expect(facts.scene.holds(relation, one.subject, one.object))
    }
    #expect(graph.relationships.count == facts.scene.relations.count)
  }

  @Test func clearlyAgreesWithHolds() throws {
    for facts in try TestScenes.facts(500, seed: 5) {
      let scene = facts.scene
      for a in scene.objects.indices {
        for b in scene.objects.indices {
          for relation in SceneRelation.allCases {
            let clear = scene.clearly(relation, a, b)
            #expect((clear == true) == scene.holds(relation, a, b))
          }
          // Nothing is clearly to the left and clearly to the right.
          #expect(
            !(scene.clearly(bearing: .leftOf, a, b) == true
              && scene.clearly(bearing: .rightOf, a, b) == true))
        }
      }
    }
  }
}
