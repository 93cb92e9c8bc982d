import TandemCore
import TandemObjectives
import TandemTorch
import Testing
import TestSupport

/// The losses of reference implementations, from the outputs of their heads: make_region_models.py
/// and make_transformers_models.py.
@Suite struct RegionFixtureTests {
  private struct Losses: Decodable {
    let losses: [String: Double]
    let other_losses: [String: Double]?
  }

  private struct Fixture {
    let losses: [String: Double]
    let batch: SafeTensorsFile
    let outputs: SafeTensorsFile

    init(_ name: String) throws {
      let description = try Fixtures.json(Losses.self, "\(name)/\(name).json")
      losses = description.losses.merging(description.other_losses ?? [:]) { first, _ in first }
      batch = try Fixtures.tensors("\(name)/batch.safetensors")
      outputs = try Fixtures.tensors("\(name)/outputs.safetensors")
    }

    /// The rows of all examples, or of the hidden regions of some.
    func rows(
      _ file: SafeTensorsFile, _ name: String, hidden: Bool = true,
      _ examples: [Int] = [0, 1, 2, 3],
      prefix: String = ""
    ) throws -> Tensor {
      try Tensor.concatenated(
        examples.map { example in
          let all = try file.tensor("\(prefix)\(example).\(name)")
          guard hidden else { return all }
          let places = try batch.integers("\(example).hidden").enumerated()
            .compactMap { $0.element != 0 ? $0.offset : nil }
          return try all.rows(Tensor(places))
        })
    }

    func expect(_ name: String, _ sum: Tensor, over count: Int) throws {
      let expected = try #require(losses[name])
      let gap = abs(try sum.item() / Double(count) - expected)
      #expect(gap < Tolerance.output * max(1, expected), "\(name)")
    }

    func differs(_ name: String, _ sum: Tensor, over count: Int) throws {
      let expected = try #require(losses[name])
      #expect(abs(try sum.item() / Double(count) - expected) > 1e-3 * expected, "\(name)")
    }
  }

  /// Regions as the fixture has them, for what is decided before any tensor.
  private func targets(
    _ fixture: Fixture, _ change: (inout MaskedRegionClasses.Options) -> Void
  ) throws -> [MaskedRegionClasses.Target] {
    var options = MaskedRegionClasses.Options()
    change(&options)
    return try (0..<4).compactMap { example in
      let p = try fixture.batch.tensor("\(example).class_probabilities")
      options.classes = p.size(1)
      let count = p.size(0)
      let regions = Regions(
        width: 10, height: 10, boxes: [Float](repeating: 0, count: 4 * count), features: [],
        featureWidth: 0, classProbabilities: try p.floats(), classCount: p.size(1))
      let item = try RegionToy.example(example, Picture(key: 1, regions: regions))
      var sequence = InputSequence(item)
      sequence.hasDrawn = true
      sequence.chosen = try fixture.batch.integers("\(example).hidden").enumerated()
        .compactMap { $0.element != 0 ? $0.offset : nil }
      var stream = RandomStream(seed: 1)
      return try MaskedRegionClasses.join(
        &sequence, item, options, RegionToy.context(), using: &stream)
    }
  }

  @Test func uniter() throws {
    let fixture = try Fixture("uniter")
    let predicted = try fixture.rows(fixture.outputs, "region_feature")
    let features = try fixture.rows(fixture.batch, "features")
    let count = predicted.size(0)
    #expect(count > 2)
    var regression = MaskedRegionFeatures.Options()
    try fixture.expect(
      "mrfr", MaskedRegionFeatures.lossSum(predicted, features, regression), over: count)
    regression.reduction = .rows
    let rowSum = try MaskedRegionFeatures.lossSum(predicted, features, regression)
    try fixture.expect("mrfr_row_mean", rowSum, over: count)
    try fixture.differs("mrfr", rowSum, over: count)

    let logits = try fixture.rows(fixture.outputs, "region_logits")
    let p = try fixture.rows(fixture.batch, "class_probabilities")
    #expect(try p.floats().contains(0))
    var classes = MaskedRegionClasses.Options()
    try fixture.expect(
      "mrc_kl_row_mean", MaskedRegionClasses.softSum(logits, p, classes), over: count)
    classes.reduction = .elements
    try fixture.expect("mrc_kl", MaskedRegionClasses.softSum(logits, p, classes), over: count)
    let hard = try targets(fixture) { $0.loss = .hard }
    let labels = hard.flatMap(\.objects)
    #expect(labels.count == count)
    try fixture.expect(
      "mrc_hard", logits.crossEntropySum(Tensor(labels.map { $0 + 1 })), over: count)
    // The background is the most probable class of one of them.
    try fixture.differs("mrc_hard", logits.crossEntropySum(p.argmax(-1)), over: count)
  }

  @Test(arguments: ["", "end."]) func vlbert(_ prefix: String) throws {
    let fixture = try Fixture("vlbert")
    let all = try fixture.rows(fixture.batch, "class_probabilities")
    let found = try targets(fixture) {
      $0.loss = .crossEntropy
      $0.sumTolerance = 0.1
    }
    let places = try (0..<4).map { try fixture.batch.integers("\($0).hidden") }
    let count = found.reduce(0) { $0 + $1.regions.count }
    #expect(count == all.size(0) - 1 && places.joined().count { $0 != 0 } == all.size(0))
    // Targets of examples without one are nil: rows are taken by their example.
    var logits: [Tensor] = []
    var rows = found.makeIterator()
    for (example, hidden) in places.enumerated() where hidden.contains(where: { $0 != 0 }) {
      let next = rows.next()
      let target = try #require(next)
      logits.append(
        try fixture.outputs.tensor("\(prefix)\(example).region_logits")
          .rows(Tensor(target.regions)))
    }
    let p = try Tensor(found.flatMap(\.probabilities), [count, all.size(1)])
    var options = MaskedRegionClasses.Options()
    options.loss = .crossEntropy
    let sum = try MaskedRegionClasses.softSum(Tensor.concatenated(logits), p, options)
    try fixture.expect("\(prefix)mvrc", sum, over: count)
    // Wrong: every target counts; divided by all hidden ones.
    try fixture.differs(
      "\(prefix)mvrc",
      MaskedRegionClasses.softSum(
        fixture.rows(fixture.outputs, "region_logits", prefix: prefix), all, options),
      over: all.size(0))
    try fixture.differs("\(prefix)mvrc", sum, over: all.size(0))
  }

  @Test func vilbert() throws {
    let fixture = try Fixture("vilbert")
    let match = try fixture.batch.integers("match")
    let matched = (0..<4).filter { match[$0] == 1 }
    #expect(matched.count < 4 && !matched.isEmpty)
    for (name, examples) in [("region_kl", matched), ("region_kl_of_all_pairs", [0, 1, 2, 3])] {
      let logits = try fixture.rows(fixture.outputs, "region_logits", examples)
      let p = try fixture.rows(fixture.batch, "class_probabilities", examples)
      var options = MaskedRegionClasses.Options()
      let sum = try MaskedRegionClasses.softSum(logits, p, options)
      try fixture.expect(name, sum, over: logits.size(0))
      options.reduction = .elements
      try fixture.differs(
        name, MaskedRegionClasses.softSum(logits, p, options), over: logits.size(0))
    }
  }

  @Test func lxmert() throws {
    let fixture = try Fixture("lxmert")
    let scale = 1 / 0.15
    for kind in ["object", "attribute"] {
      func rows(_ file: SafeTensorsFile, _ name: String, hidden: Bool) throws -> Tensor {
        try fixture.rows(file, name, hidden: hidden)
      }
      let logits = try rows(fixture.outputs, "\(kind)_logits", hidden: false)
      let labels = try rows(fixture.batch, kind, hidden: false)
      let weights = try rows(fixture.batch, "\(kind)_confidence", hidden: false)
      #expect(logits.size(0) == 18)
      try fixture.expect(
        kind, RegionLabels.lossSum(logits, labels, weights) * scale, over: 18)
      let chosen = try rows(fixture.outputs, "\(kind)_logits", hidden: true)
      let ones = try Tensor.ones([chosen.size(0)])
      try fixture.expect(
        "\(kind)_hidden_mean",
        RegionLabels.lossSum(chosen, rows(fixture.batch, kind, hidden: true), ones),
        over: chosen.size(0))
      try fixture.differs(
        kind, RegionLabels.lossSum(logits, labels, Tensor.ones([18])) * scale, over: 18)
    }
    let predicted = try fixture.rows(fixture.outputs, "feature")
    let features = try fixture.rows(fixture.batch, "features")
    var options = MaskedRegionFeatures.Options()
    try fixture.expect(
      "feature_hidden_l2", MaskedRegionFeatures.lossSum(predicted, features, options), over: 4)
    options.loss = .smoothL1
    try fixture.expect(
      "feature_hidden_mean", MaskedRegionFeatures.lossSum(predicted, features, options), over: 4)
    options.scale = scale
    try fixture.expect(
      "feature", MaskedRegionFeatures.lossSum(predicted, features, options), over: 18)
    try fixture.differs(
      "feature", MaskedRegionFeatures.lossSum(predicted, features, options), over: 4)
  }

  @Test func answers() throws {
    let fixture = try Fixture("lxmert")
    let answers = try fixture.batch.integers("answer")
    let logits = try Tensor.stacked(
      (0..<4).map { try fixture.outputs.tensor("\($0).answer_logits") })
    #expect(answers.count { $0 >= 0 } == 3)
    try fixture.expect("answer", logits.crossEntropySum(Tensor(answers)), over: 3)
  }

  @Test func triplets() throws {
    let fixture = try Fixture("vse")
    let similarity = try fixture.outputs.tensor("similarity")
    var options = TripletRanking.Options()
    let hardest = try TripletRanking.lossSum(similarity, spared: nil, options)
    try fixture.expect("triplet_hardest", hardest, over: 1)
    try fixture.differs("triplet_hardest", hardest, over: 4)
    options.hardest = false
    let all = try TripletRanking.lossSum(similarity, spared: nil, options)
    try fixture.expect("triplet_sum", all, over: 1)
    try fixture.differs("triplet_hardest", all, over: 1)
    options.hardest = true
    options.margin = 0
    try fixture.differs(
      "triplet_hardest", TripletRanking.lossSum(similarity, spared: nil, options), over: 1)
  }

  @Test func contrast() throws {
    let fixture = try Fixture("clip")
    let logits = try fixture.outputs.tensor("logits_per_image")
    let toText = try ImageTextContrast.lossSum(logits, spared: nil)
    let toPicture = try ImageTextContrast.lossSum(logits.transposed(0, 1), spared: nil)
    try fixture.expect("image_to_text", toText.sum, over: 4)
    try fixture.expect("text_to_image", toPicture.sum, over: 4)
    try fixture.expect("contrastive", (toText.sum + toPicture.sum) / 2, over: 4)
  }
}
