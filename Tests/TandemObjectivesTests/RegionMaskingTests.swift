import TandemCore
import TandemNN
import TandemObjectives
import TandemTorch
import Testing
import TestSupport

/// Five standard deviations of a binomial count.
private func bound(_ trials: Int, _ share: Double) -> Double {
  5 * (Double(trials) * share * (1 - share)).squareRoot()
}

@Suite struct RegionMaskingTests {
  private func drawn(
    _ masking: RegionMasking, _ picture: Picture, _ count: Int = 1,
    other: Picture = RegionToy.picture(4, key: 999), seed: UInt64 = 5
  ) throws -> [InputSequence] {
    let example = try RegionToy.example(0, picture)
    let context = try RegionToy.context(other: other)
    var stream = RandomStream(seed: seed)
    return try (0..<count).map { _ in
      var sequence = InputSequence(example)
      let found = try masking.regions(of: &sequence, example, context, using: &stream)
      #expect(found?.chosen == sequence.chosen)
      #expect(sequence.hasDrawn)
      return sequence
    }
  }

  @Test func sharesOfLXMERT() throws {
    let sequences = try drawn(.lxmert, RegionToy.picture(36, key: 3), 1500)
    let trials = 36 * sequences.count
    let chosen = sequences.reduce(0) { $0 + $1.chosen.count }
    let hidden = sequences.reduce(0) { $0 + $1.hidden.count }
    let replaced = sequences.reduce(0) { $0 + $1.replaced.count }
    #expect(abs(Double(chosen) - 0.15 * Double(trials)) < bound(trials, 0.15))
    #expect(abs(Double(hidden) - 0.8 * Double(chosen)) < bound(chosen, 0.8))
    #expect(abs(Double(replaced) - 0.1 * Double(chosen)) < bound(chosen, 0.1))
    let kept = chosen - hidden - replaced
    #expect(abs(Double(kept) - 0.1 * Double(chosen)) < bound(chosen, 0.1))
    let other = RegionToy.regions(4, seed: 999)
    let features = (0..<4).map { Array(other.feature($0)) }
    var seen: Set<Int> = []
    for sequence in sequences {
      let own = Set(sequence.chosen)
      #expect(own.isSuperset(of: sequence.hidden))
      #expect(own.isSuperset(of: sequence.replaced.map(\.region)))
      #expect(Set(sequence.hidden).isDisjoint(with: sequence.replaced.map(\.region)))
      for item in sequence.replaced {
        seen.insert(try #require(features.firstIndex(of: item.feature)))
      }
    }
    #expect(seen.count == 4)
  }

  @Test func presetsAreThePublishedOnes() throws {
    let all: [(RegionMasking, hidden: Double)] = [
      (.uniter, 1), (.vlbert, 0.9), (.vilbert, 0.9), (.unimo, 1),
    ]
    for (masking, share) in all {
      var alone = masking
      alone.overlapThreshold = 1
      let sequences = try drawn(alone, RegionToy.picture(30, key: 4), 400)
      let chosen = sequences.reduce(0) { $0 + $1.chosen.count }
      let hidden = sequences.reduce(0) { $0 + $1.hidden.count }
      #expect(abs(Double(hidden) - share * Double(chosen)) <= bound(chosen, share))
      #expect(abs(Double(chosen) - 0.15 * 12_000) < bound(12_000, 0.15) + 10)
      #expect(sequences.allSatisfy { $0.replaced.isEmpty })
    }
    #expect(RegionMasking.unimo.overlapThreshold == 0.3)
    #expect(RegionMasking.uniter.atLeastOne && !RegionMasking.vlbert.atLeastOne)
    #expect(!RegionMasking.vilbert.onFalsePairs && RegionMasking.lxmert.onFalsePairs)
  }

  @Test func atLeastOne() throws {
    let picture = RegionToy.picture(3, key: 6)
    #expect(try drawn(.vlbert, picture, 200).contains { $0.chosen.isEmpty })
    #expect(try drawn(.uniter, picture, 200).allSatisfy { !$0.chosen.isEmpty })
    var one = RegionMasking.uniter
    one.probability = 0
    let places = try drawn(one, picture, 200).map(\.chosen)
    #expect(places.allSatisfy { $0.count == 1 })
    #expect(Set(places).count == 3)
  }

  /// Boxes 0 and 1 overlap by a half, 1 and 2 by a quarter, 3 lies apart.
  private var neighbours: Picture {
    let boxes: [[Float]] = [
      [0, 0, 0.5, 0.5], [0, 0, 0.25, 0.5], [0, 0.25, 0.125, 0.5], [0.75, 0.75, 1, 1],
    ]
    return Picture(
      key: 8,
      regions: Regions(
        width: 100, height: 100, boxes: boxes.flatMap { $0 },
        features: [Float](repeating: 1, count: 4 * RegionToy.featureWidth),
        featureWidth: RegionToy.featureWidth))
  }

  @Test(arguments: [(0.49, true), (0.5, false), (0.2, true), (1.0, false)])
  func neighboursAreHidden(_ threshold: Double, _ isHidden: Bool) throws {
    let regions = try #require(neighbours.regions)
    #expect(regions.overlap(0, 1) == 0.5 && regions.overlap(1, 2) == 0.25)
    #expect(regions.overlap(0, 2) == 0.125)
    var masking = RegionMasking.uniter
    masking.probability = 0
    masking.overlapThreshold = threshold
    var seen: Set<Int> = []
    for sequence in try drawn(masking, neighbours, 100) {
      let chosen = try #require(sequence.chosen.first)
      seen.insert(chosen)
      let expected = (0..<4).filter {
        $0 == chosen || Double(regions.overlap($0, chosen)) > threshold
      }
      #expect(sequence.hidden == expected)
      #expect(sequence.chosen.count == 1)
      if chosen == 0 { #expect(sequence.hidden.contains(1) == isHidden) }
    }
    #expect(seen.count == 4)
  }

  @Test func oneRegionStaysToBeSeen() throws {
    var masking = RegionMasking()
    masking.probability = 1
    let picture = RegionToy.picture(5, key: 9)
    var kept: Set<Int> = []
    for sequence in try drawn(masking, picture, 100) {
      #expect(sequence.hidden.count == 4 && sequence.chosen == sequence.hidden)
      kept.formUnion(Set(0..<5).subtracting(sequence.hidden))
    }
    #expect(kept.count == 5)
    // The only region is hidden, and so are all where the option is off.
    #expect(try drawn(masking, RegionToy.picture(1, key: 2))[0].hidden == [0])
    masking.keepsOne = false
    #expect(try drawn(masking, picture)[0].hidden == [0, 1, 2, 3, 4])
    // All are neighbours of the only chosen one: it is not given back.
    var same = neighbours
    same = Picture(key: 1, regions: same.regions?.selected([0, 0, 0]))
    masking = .unimo
    masking.atLeastOne = true
    masking.probability = 0
    for sequence in try drawn(masking, same, 50) {
      #expect(sequence.chosen.count == 1 && sequence.hidden.count == 2)
      #expect(sequence.hidden.contains(sequence.chosen[0]))
    }
  }

  /// What the first objective of a pass draws, be it nothing, the others take.
  @Test func othersTakeWhatWasDrawn() throws {
    let example = try RegionToy.example(0, RegionToy.picture(9, key: 12))
    let context = try RegionToy.context()
    var everything = MaskedRegionClasses.Options()
    everything.masking.probability = 1
    everything.classes = RegionToy.classes
    for probability in [0.4, 0] {
      var sequence = InputSequence(example)
      var features = MaskedRegionFeatures.Options()
      features.masking.probability = probability
      var stream = RandomStream(seed: 1)
      let first = try MaskedRegionFeatures.join(
        &sequence, example, features, context, using: &stream)
      let hidden = sequence.hidden
      let second = try MaskedRegionClasses.join(
        &sequence, example, everything, context, using: &stream)
      #expect(first?.regions == second?.regions)
      #expect((first == nil) == (probability == 0))
      #expect(sequence.hidden == hidden)
    }
    // Also what was chosen before any of them looked.
    var sequence = InputSequence(example)
    sequence.chosen = [2, 5]
    var stream = RandomStream(seed: 1)
    let target = try MaskedRegionClasses.join(
      &sequence, example, everything, context, using: &stream)
    #expect(target?.regions == [2, 5] && sequence.hidden.isEmpty)
  }

  @Test func falsePairsAndNothingToSee() throws {
    let example = try RegionToy.example(0, RegionToy.picture(9, key: 12))
    let context = try RegionToy.context()
    for (isTrue, masking, isAsked) in [
      (false, RegionMasking.vilbert, false), (true, .vilbert, true), (false, .lxmert, true),
    ] {
      var sequence = InputSequence(example)
      sequence.isTruePair = isTrue
      var stream = RandomStream(seed: 3)
      let found = try masking.regions(of: &sequence, example, context, using: &stream)
      #expect((found != nil) == isAsked)
    }
    for picture in [nil, Picture(key: 1), RegionToy.picture(0, key: 1)] {
      var sequence = InputSequence(text: [7], picture: picture)
      var stream = RandomStream(seed: 3)
      #expect(
        try RegionMasking.uniter.regions(of: &sequence, example, context, using: &stream) == nil)
    }
  }

  /// A stranger without regions stands in for nothing: what it should replace is hidden.
  @Test func strangersWithoutRegions() throws {
    var masking = RegionMasking()
    (masking.maskShare, masking.otherShare) = (0, 1)
    for other in [RegionToy.picture(0, key: 1), Picture(key: 2)] {
      let sequence = try drawn(masking, RegionToy.picture(20, key: 4), other: other)[0]
      #expect(sequence.hidden == sequence.chosen && !sequence.hidden.isEmpty)
      #expect(sequence.replaced.isEmpty)
    }
  }

  @Test func drawsFollowTheSeed() throws {
    let picture = RegionToy.picture(30, key: 4)
    func seen(_ seed: UInt64) throws -> [String] {
      try drawn(.lxmert, picture, 20, seed: seed).map { "\($0.chosen) \($0.hidden) \($0.replaced)" }
    }
    #expect(try seen(1) == seen(1))
    #expect(try seen(1) != seen(2))
  }

  @Test func wrongSharesAreRefused() throws {
    func found(_ change: (inout RegionMasking) -> Void) -> String? {
      var options = MaskedRegionFeatures.Options()
      change(&options.masking)
      return message {
        _ = try MaskedRegionFeatures(
          options, RegionToy.facts(), at: ParameterStore(seed: 1).root)
      }
    }
    #expect(found { _ in } == nil)
    for change: (inout RegionMasking) -> Void in [
      { $0.probability = 1.2 }, { $0.maskShare = -0.1 },
      { ($0.maskShare, $0.otherShare) = (0.9, 0.2) },
    ] {
      #expect(found(change)?.hasPrefix("objectives.mrfr.options.masking: probability") == true)
    }
    let overlap = found { $0.overlapThreshold = 3 }
    #expect(overlap?.contains("masking.overlapThreshold is 3.0, expected 0...1") == true)
  }
}
