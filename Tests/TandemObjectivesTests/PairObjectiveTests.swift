import Foundation
import TandemCore
import TandemNN
import TandemObjectives
import TandemTorch
import Testing
import TestSupport

/// Texts and pictures that a model encodes apart.
private enum Pairs {
  static let width = 4
  static let facts = RegionToy.facts(fuses: false, pairWidth: width)

  /// Sequences of objective `type`, one an example; examples of equal letters share their text, of
  /// equal numbers their picture.
  static func prepared<O: Objective>(
    _ type: O.Type, _ options: O.Options, _ names: [(text: String, picture: UInt64)]
  ) throws -> [PreparedSequence<O.Target>] {
    try RegionToy.prepared(
      type, options,
      examples: names.enumerated().map { place, name in
        try RegionToy.example(place, RegionToy.picture(2, key: name.picture), text: name.text)
      })
  }

  static let different: [(text: String, picture: UInt64)] = [
    ("red", 1), ("green", 2), ("blue", 3), ("star", 4), ("left", 5),
  ]
  /// 0 and 2 share a text, 1 and 4 a picture.
  static let alike: [(text: String, picture: UInt64)] = [
    ("red", 1), ("green", 2), ("red", 3), ("star", 4), ("left", 2),
  ]
  static func isSpared(_ one: Int, _ other: Int) -> Bool {
    [[0, 2], [2, 0], [1, 4], [4, 1]].contains([one, other])
  }

  /// Vectors of length 1.
  static func features(_ count: Int, seed: UInt64, scale: Double = 3) throws -> PairFeatures {
    func unit(_ seed: UInt64) throws -> Tensor {
      let x = try randomTensor([count, width], seed: seed)
      return try leaf(x / x.norm([1], keep: true))
    }
    return PairFeatures(
      text_SE: try unit(seed), picture_SE: try unit(seed + 1),
      scale: try leaf(Tensor([Float(scale)])))
  }

  static func encoding(
    _ sequences: [InputSequence], _ pair: PairFeatures?
  ) throws -> Encoding {
    let batch = try PackedBatch(sequences, RegionToy.input)
    let rows = try Tensor.zeros([batch.layout.rowCount, 4])
    return Encoding(
      batch: batch, text: rows, visual: rows, pooled_SD: try Tensor.zeros([sequences.count, 4]),
      pair: pair)
  }

  static func placed<Target>(_ prepared: [PreparedSequence<Target>]) -> [Placed<Target>] {
    prepared.enumerated().map { Placed(sequence: $0, target: $1.target) }
  }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
  zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
}

/// −log softmax at `own`, over the columns that are open.
private func crossEntropy(_ row: [Double], own: Int, spared: (Int) -> Bool) -> Double {
  let open = row.indices.filter { !spared($0) }
  return -logSoftmax(open.map { row[$0] })[open.firstIndex(of: own) ?? 0]
}

@Suite struct ImageTextContrastTests {
  private func made(
    _ change: (inout ImageTextContrast.Options) -> Void = { _ in }
  ) throws -> (objective: ImageTextContrast, options: ImageTextContrast.Options, ParameterStore) {
    var options = ImageTextContrast.Options()
    change(&options)
    let store = ParameterStore(seed: 1)
    defer { withExtendedLifetime(store) {} }
    return (try ImageTextContrast(options, Pairs.facts, at: store.root), options, store)
  }

  @Test(arguments: [0.0, 0.07], [true, false])
  func againstLoops(_ temperature: Double, _ spares: Bool) throws {
    let (objective, options, _) = try made {
      $0.temperature = temperature
      $0.sparesDuplicates = spares
    }
    let prepared = try Pairs.prepared(ImageTextContrast.self, options, Pairs.alike)
    let pair = try Pairs.features(5, seed: 20)
    let report = try objective.loss(
      Pairs.encoding(prepared.map(\.sequence), pair), Pairs.placed(prepared), denominator: 5)
    let (texts, pictures) = (try table(pair.text_SE), try table(pair.picture_SE))
    let scale = temperature > 0 ? 1 / temperature : 3
    var expected = 0.0
    var right = [0, 0]
    for own in 0..<5 {
      func isSpared(_ other: Int) -> Bool { spares && Pairs.isSpared(own, other) }
      let toText = (0..<5).map { scale * dot(pictures[own], texts[$0]) }
      let toPicture = (0..<5).map { scale * dot(texts[own], pictures[$0]) }
      expected += crossEntropy(toText, own: own, spared: isSpared) / 10
      expected += crossEntropy(toPicture, own: own, spared: isSpared) / 10
      for (way, row) in [toText, toPicture].enumerated()
      where (0..<5).allSatisfy({ isSpared($0) || row[$0] <= row[own] }) { right[way] += 1 }
    }
    #expect(abs(try report.total.item() - expected) < Tolerance.output * max(1, expected))
    #expect(report.metrics.map(\.name) == ["itc.loss", "itc.textAccuracy", "itc.pictureAccuracy"])
    #expect(try report.metrics[1].sum.item() == Double(right[0]))
    #expect(try report.metrics[2].sum.item() == Double(right[1]))
    try report.total.backward()
    for leaf in [pair.text_SE, pair.picture_SE] {
      #expect(try #require(try leaf.gradient()).floats().allSatisfy { $0.isFinite && $0 != 0 })
    }
    #expect((try pair.scale.gradient() != nil) == (temperature == 0))
  }

  /// The step is one group; the denominator counts its pairs.
  @Test func aStepIsOneGroup() throws {
    let prepared = try Pairs.prepared(ImageTextContrast.self, .init(), Pairs.different)
    #expect(Set(prepared.map(\.group)).count == 1 && prepared[0].group != 0)
    #expect(prepared.reduce(0) { $0 + ImageTextContrast.weight(of: $1.target) } == 5)
    let triplets = try Pairs.prepared(TripletRanking.self, .init(), Pairs.different)
    #expect(triplets[0].group != prepared[0].group)
    // A part of the batch may belong to other objectives: their rows are not looked at.
    let (objective, _, _) = try made()
    let pair = try Pairs.features(5, seed: 20)
    let encoding = try Pairs.encoding(prepared.map(\.sequence), pair)
    let some = Array(Pairs.placed(prepared)[1..<4])
    let part = PairFeatures(
      text_SE: try pair.text_SE.narrow(0, from: 1, 3),
      picture_SE: try pair.picture_SE.narrow(0, from: 1, 3), scale: pair.scale)
    let alone = try objective.loss(
      Pairs.encoding(prepared[1..<4].map(\.sequence), part),
      some.enumerated().map { Placed(sequence: $0, target: $1.target) }, denominator: 3)
    let found = try objective.loss(encoding, some, denominator: 3)
    #expect(try abs(found.total.item() - alone.total.item()) < Tolerance.rounding)
    // One pair alone has nothing to learn from, and that is no accident.
    let one = try objective.loss(encoding, [some[0]], denominator: 1).total
    #expect(try one.item() == 0)
    try one.backward()
  }

  /// The averaged copy gives the keys, and its opinion a share of the targets.
  @Test(arguments: [true, false]) func softTargets(_ spares: Bool) throws {
    let (objective, options, _) = try made {
      $0.averagedKeys = true
      $0.alpha = 0.4
      $0.sparesDuplicates = spares
    }
    let prepared = try Pairs.prepared(ImageTextContrast.self, options, Pairs.alike)
    let own = try Pairs.features(5, seed: 20)
    let slow = try Pairs.features(5, seed: 40)
    var encoding = try Pairs.encoding(prepared.map(\.sequence), own)
    let refusal = message {
      _ = try objective.loss(encoding, Pairs.placed(prepared), denominator: 5)
    }
    #expect(refusal?.contains("there is no averaged copy of the weights") == true)
    try withoutGradients {
      _ = try objective.loss(encoding, Pairs.placed(prepared), denominator: 5)
    }
    encoding.follower = slow
    #expect(ObjectiveDefinition(ImageTextContrast.self, typed: options).readsFollower)
    let total = try objective.loss(encoding, Pairs.placed(prepared), denominator: 5).total
    var expected = 0.0
    for (queries, teachers, keys) in [
      (own.picture_SE, slow.picture_SE, slow.text_SE), (own.text_SE, slow.text_SE, slow.picture_SE),
    ] {
      let (q, t, k) = (try table(queries), try table(teachers), try table(keys))
      for row in 0..<5 {
        let open = (0..<5).filter { !spares || !Pairs.isSpared(row, $0) }
        let scores = logSoftmax(open.map { 3 * dot(q[row], k[$0]) })
        let opinion = logSoftmax(open.map { 3 * dot(t[row], k[$0]) }).map { exp($0) }
        for (place, key) in open.enumerated() {
          expected -= (0.4 * opinion[place] + (key == row ? 0.6 : 0)) * scores[place] / 10
        }
      }
    }
    #expect(abs(try total.item() - expected) < Tolerance.output * expected)
    try total.backward()
    #expect(try #require(try own.text_SE.gradient()).floats().allSatisfy { $0.isFinite && $0 != 0 })
  }

  /// Vectors of earlier steps are negatives, but for those of the same text or picture; the oldest
  /// go first.
  @Test func theQueue() throws {
    let (objective, options, store) = try made { $0.queue = 7 }
    let names: [[(text: String, picture: UInt64)]] = [
      [("red", 1), ("green", 2), ("blue", 3)], [("star", 4), ("left", 2), ("right", 6)],
      [("red", 7), ("square", 8), ("circle", 9)], [("play", 4), ("jump", 11), ("above", 12)],
    ]
    var kept: [(name: (text: String, picture: UInt64), text: [Double], picture: [Double])] = []
    for (step, some) in names.enumerated() {
      let prepared = try Pairs.prepared(ImageTextContrast.self, options, some)
      let pair = try Pairs.features(3, seed: UInt64(60 + 2 * step))
      let encoding = try Pairs.encoding(prepared.map(\.sequence), pair)
      let placed = Pairs.placed(prepared)
      let report = try objective.loss(encoding, placed, denominator: 3)
      let (texts, pictures) = (try table(pair.text_SE), try table(pair.picture_SE))
      let stale = kept.suffix(7)
      var expected = 0.0
      for own in 0..<3 {
        func isSpared(_ key: Int) -> Bool {
          guard key >= 3 else { return false }
          let old = stale[stale.startIndex + key - 3].name
          return old.text == some[own].text || old.picture == some[own].picture
        }
        let toText = (texts + stale.map(\.text)).map { 3 * dot(pictures[own], $0) }
        let toPicture = (pictures + stale.map(\.picture)).map { 3 * dot(texts[own], $0) }
        expected += crossEntropy(toText, own: own, spared: isSpared) / 6
        expected += crossEntropy(toPicture, own: own, spared: isSpared) / 6
      }
      #expect(abs(try report.total.item() - expected) < Tolerance.output * expected, "\(step)")
      // Evaluations neither see nor change the queue; what is learned is kept, before or after it is learned.
      let (alone, _, _) = try made()
      let (seen, expectedThere) = try withoutGradients {
        (
          try objective.loss(encoding, placed, denominator: 3).total.item(),
          try alone.loss(encoding, placed, denominator: 3).total.item()
        )
      }
      #expect(seen == expectedThere)
      try withoutGradients { try objective.remember(encoding, placed) }
      try report.total.backward()
      kept += (0..<3).map { (some[$0], texts[$0], pictures[$0]) }
    }
    #expect(try store.buffers["itc.queue_ptr"]?.item() == 12)
    #expect(
      Set(store.buffers.keys)
        == Set(
          ["text_queue", "image_queue", "text_names", "image_names", "queue_ptr"].map {
            "itc.\($0)"
          }))
    // A run that is taken up again goes on with the queue it had.
    let resumed = ParameterStore(seed: 1, source: GivenWeights(store.buffers))
    let again = try ImageTextContrast(options, Pairs.facts, at: resumed.root)
    let prepared = try Pairs.prepared(ImageTextContrast.self, options, Pairs.different)
    let encoding = try Pairs.encoding(prepared.map(\.sequence), Pairs.features(5, seed: 90))
    let one = try objective.loss(encoding, Pairs.placed(prepared), denominator: 5).total
    let other = try again.loss(encoding, Pairs.placed(prepared), denominator: 5).total
    #expect(try one.item() == other.item())
  }

  /// More pairs at once than the queue has places: the last ones stay.
  @Test func aSmallQueue() throws {
    let (objective, options, store) = try made { $0.queue = 2 }
    let prepared = try Pairs.prepared(ImageTextContrast.self, options, Pairs.different)
    let pair = try Pairs.features(5, seed: 20)
    let encoding = try Pairs.encoding(prepared.map(\.sequence), pair)
    try withoutGradients { try objective.remember(encoding, Pairs.placed(prepared)) }
    let queue = try table(#require(store.buffers["itc.text_queue"]))
    #expect(try queue == Array(table(pair.text_SE)[3...]))
  }

  @Test func refusals() throws {
    func found(
      _ facts: ModelFacts = Pairs.facts, _ change: (inout ImageTextContrast.Options) -> Void
    ) -> String {
      var options = ImageTextContrast.Options()
      change(&options)
      return message {
        _ = try ImageTextContrast(options, facts, at: ParameterStore(seed: 1).root)
      } ?? "nothing"
    }
    #expect(
      found(RegionToy.facts()) { _ in } == "objectives.itc: impossible with toy, which reads text "
        + "and picture together and has no vector of either by itself")
    #expect(found { $0.alpha = 0.4 }.contains("alpha is 0.4: soft targets come from the averaged"))
    #expect(found { $0.temperature = -1 }.hasPrefix("objectives.itc.options: temperature -1.0"))
    #expect(found { $0.alpha = 2 }.contains("alpha 2.0 must be a share"))
    #expect(ImageTextContrast.readsFollower(.init()) == false)
    let narrow = RegionToy.facts(fuses: false)
    #expect(found(narrow) { $0.queue = 4 }.contains("does not say how wide its vectors are"))
    #expect(found(narrow) { _ in } == "nothing")
    let (objective, options, _) = try made()
    let prepared = try Pairs.prepared(ImageTextContrast.self, options, Pairs.different)
    let missing = message {
      _ = try objective.loss(
        Pairs.encoding(prepared.map(\.sequence), nil), Pairs.placed(prepared), denominator: 1)
    }
    #expect(missing == "objectives.itc: the model gave no vectors of texts and pictures")
    var wide = ImageTextContrast.Options()
    wide.queue = 3
    let other = ParameterStore(
      seed: 1, source: GivenWeights(["itc.queue_ptr": try Tensor([9] as [Float])]))
    let wrong = try ImageTextContrast(wide, Pairs.facts, at: other.root)
    let size = message {
      _ = try wrong.loss(
        Pairs.encoding(prepared.map(\.sequence), Pairs.features(5, seed: 1)),
        Pairs.placed(prepared), denominator: 1)
    }
    #expect(size == "itc.queue_ptr is 9, expected 0..<6: the queue is of another size")
  }
}

@Suite struct TripletRankingTests {
  @Test(arguments: [true, false], [true, false])
  func againstLoops(_ hardest: Bool, _ spares: Bool) throws {
    var options = TripletRanking.Options()
    options.hardest = hardest
    options.sparesDuplicates = spares
    let objective = try TripletRanking(options, Pairs.facts, at: ParameterStore(seed: 1).root)
    let prepared = try Pairs.prepared(TripletRanking.self, options, Pairs.alike)
    let pair = try Pairs.features(5, seed: 20)
    let report = try objective.loss(
      Pairs.encoding(prepared.map(\.sequence), pair), Pairs.placed(prepared), denominator: 5)
    let (texts, pictures) = (try table(pair.text_SE), try table(pair.picture_SE))
    var expected = 0.0
    for own in 0..<5 {
      let truth = dot(texts[own], pictures[own])
      let others = (0..<5).filter { $0 != own && !(spares && Pairs.isSpared(own, $0)) }
      for hinges in [
        others.map { max(0, 0.2 + dot(pictures[own], texts[$0]) - truth) },
        others.map { max(0, 0.2 + dot(texts[own], pictures[$0]) - truth) },
      ] { expected += hardest ? hinges.max() ?? 0 : hinges.reduce(0, +) }
    }
    expected /= 5
    #expect(abs(try report.total.item() - expected) < Tolerance.output * expected)
    #expect(abs(try report.metrics[0].sum.item() / report.metrics[0].count - expected) < 1e-5)
    try report.total.backward()
    #expect(try largest(#require(try pair.text_SE.gradient())) > 0)
    #expect(try largest(#require(try pair.picture_SE.gradient())) > 0)
  }

  @Test func byHand() throws {
    // Picture 0 ranks text 1 too near by 0.3, text 1 ranks picture 0 too near by 0.2.
    let similarity = try Tensor([0.5, 0.6, 0.1, 0.6] as [Float], [2, 2])
    let sum = try TripletRanking.lossSum(similarity, spared: nil, .init())
    #expect(abs(try sum.item() - 0.5) < Tolerance.rounding)
    let all = try Tensor([true, true, true, true], [2, 2])
    #expect(try TripletRanking.lossSum(similarity, spared: all, .init()).item() == 0)
  }

  @Test func refusals() throws {
    var options = TripletRanking.Options()
    let root = ParameterStore(seed: 1).root
    #expect(
      message { _ = try TripletRanking(options, RegionToy.facts(), at: root) }?
        .contains("which reads text and picture together") == true)
    options.margin = -0.1
    #expect(
      message { _ = try TripletRanking(options, Pairs.facts, at: root) }
        == "objectives.triplet.options.margin is -0.1, expected 0 or more")
  }
}
