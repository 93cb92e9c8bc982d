import TandemData
import TandemFiles
import Testing

@Suite struct ConceptGroupingTests {
  @Test(arguments: [
    ("woman firefighter", "man firefighter"), ("woman running", "person running"),
    ("A great blue heron.", "great heron"), ("red apple", "green apple"), ("Apples", "apple"),
    ("dog face", "dog"), ("police officer", "policewoman"), ("princess", "prince"),
    ("woman: red hair", "person: beard"), ("flag: Chad", "Welsh flag"), ("keycap: 3", "keycap: *"),
    ("two o’clock", "eleven-thirty"), ("peace symbol 2", "Peace Symbol"),
    ("Señor Café", "senor cafe"), ("berries", "berry"), ("boxes", "box"),
    ("A plumber’s wrench.", "plumbers wrench"), ("women wrestling", "men wrestling"),
  ])
  func joins(first: String, second: String) {
    #expect(ConceptGrouping.keys(forCaption: first) == ConceptGrouping.keys(forCaption: second))
  }

  @Test(arguments: [
    ("cat", "dog"), ("palm tree", "palm"), ("grinning cat", "grinning face"), ("glass", "grass"),
    ("bus", "bu"), ("mouse", "moose"), ("red", "blue"), ("running shoe", "woman running"),
  ])
  func keepsApart(first: String, second: String) {
    #expect(ConceptGrouping.key(first) != ConceptGrouping.key(second))
  }

  @Test func parenthesesGiveASecondName() {
    #expect(
      ConceptGrouping.keys(forCaption: "A baby sheep (a lamb).") == ["baby sheep", "lamb"])
    #expect(ConceptGrouping.keys(forCaption: "Lime (Half)") == ["lime"])
    #expect(ConceptGrouping.keys(forCaption: "Duck (Yellow)") == ["duck"])
    #expect(ConceptGrouping.key("An orange.") == "orange")
    #expect(ConceptGrouping.key("red") == "red")
    #expect(ConceptGrouping.keys(forCaption: "…") == [])
  }

  @Test func groupsAreTransitiveWhateverTheOrder() {
    let pairs = [["d", "c"], ["b", "aa"], ["c", "b"], ["a", "aa"], ["x", "y"]]
    for order in [pairs, pairs.reversed()] {
      var grouping = ConceptGrouping()
      for pair in order { grouping.join(pair) }
      #expect(["aa", "b", "c", "d"].map { grouping.group(of: $0) } == ["a", "a", "a", "a"])
      #expect(grouping.group(of: "y") == "x")
      #expect(grouping.group(of: "alone") == "alone")
    }
  }

  /// The lots: fixed for ever by these five, computed with Python's hashlib; and fair.
  @Test func lots() throws {
    // int(sha256(b"tandem pictograms 1: " + name).hexdigest()[:16], 16) / 2**64
    let expected: [(String, PictogramSplit)] = [
      ("cat", .train), ("dog", .train), ("wrench", .test), ("lamb", .test), ("train", .validation),
    ]
    for (group, split) in expected { #expect(try PictogramSplit.of(group: group) == split) }
    #expect(try PictogramSplit.of(group: "flag") == .train)
    var counts: [PictogramSplit: Int] = [:]
    for number in 0..<10_000 {
      counts[try PictogramSplit.of(group: "concept \(number)"), default: 0] += 1
    }
    // Five standard deviations of a binomial of 10 000 draws: 200, 109, 179.
    #expect(abs((counts[.train] ?? 0) - 8000) < 200)
    #expect(abs((counts[.validation] ?? 0) - 500) < 109)
    #expect(abs((counts[.test] ?? 0) - 1500) < 179)
  }
}
