import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// The tiny VL-BERT of make_region_models.py with its heads, right or with one mistake. Its last
/// example is a text alone.
private struct Reference {
  var fixture: RegionFixture
  var config = VLBERT.Config()
  var heads: HeadSpecifications?

  init() throws {
    fixture = try RegionFixture("vlbert")
    config.width = 24
    config.layers = 2
    config.heads = 4
    config.feedForward = 40
    config.vocabulary = 40
    config.textLength = 16
    config.places = 18
    config.featureWidth = 10
    config.frequencies = 3
    config.dropout = 0
    config.attentionDropout = 0
    config.endCarriesPicture = false
  }

  func specifications() throws -> HeadSpecifications {
    try VLBERT(config, at: ParameterStore(seed: 1).root).facts.heads
  }

  func built() throws -> Built { try Built(self) }
}

private struct Built {
  let reference: Reference
  let store: ParameterStore
  let model: VLBERT
  let input: InputSpecification
  let vocabulary: VocabularyHead
  let matching: MatchingHead
  let classes: RegionHead

  init(_ reference: Reference) throws {
    self.reference = reference
    store = ParameterStore(seed: 1, source: reference.fixture.weights)
    model = try VLBERT(reference.config, at: store.root)
    input = VLBERT.input(reference.config, RegionFixture.specials)
    let facts = model.facts
    let heads = reference.heads ?? facts.heads
    vocabulary = try VocabularyHead(#require(heads.vocabulary), facts, at: store.root)
    matching = try MatchingHead(#require(heads.matching), facts, at: store.root)
    classes = try RegionHead(#require(heads.regionClasses), outputs: 7, facts, at: store.root)
    try store.loadReport().check()
  }

  /// Everything the fixture has of some examples, under its names for a model without END's look.
  func outputs(_ places: [Int]) throws -> [String: Tensor] {
    var found: [String: Tensor] = [:]
    let batch = try reference.fixture.batch(places, input)
    try withoutGradients {
      let embedded = try model.embedded(batch, .inference)
      let encoding = try model.encode(batch, .inference)
      let matching = try self.matching(encoding.pooled_SD)
      for (row, place) in places.enumerated() {
        let words = batch.textRows(of: row)
        let regions = batch.unitRows(of: row)
        let visual = words.upperBound..<batch.layout.rows(of: row).upperBound
        let states = encoding.text.states_TD
        var parts: [String: Tensor] = [
          "text_embedding": try embedded.part(words),
          "visual_embedding": try embedded.part(visual), "text": try states.part(words),
          "visual": try states.part(visual), "pooled": try encoding.pooled([row]).squeezed(0),
          "mlm_logits": try vocabulary(states.part(words)),
        ]
        if place < 4 {
          #expect(regions == visual.lowerBound + 1..<visual.upperBound - 1)
          parts["region_logits"] = try classes(encoding.visual(Array(regions)))
          parts["match_logits"] = try matching.part(row..<row + 1).squeezed(0)
        } else {
          #expect(regions.isEmpty && visual.count == 1)
        }
        for (name, tensor) in parts {
          found[(place < 4 ? "\(place)." : "textonly.") + name] = tensor
        }
      }
    }
    return found
  }

  /// The share of some examples in each loss of all, by the fixture's names.
  func losses(_ places: [Int], _ mode: Mode = .inference) throws -> [String: Tensor] {
    let examples = reference.fixture.examples
    let labelled = examples.map { $0.labels.count { $0 != -100 } }
    let targets = examples.map { example in
      example.hidden.filter { abs(example.probabilities[$0].reduce(0, +) - 1) < 0.1 }
    }
    let zero = try Tensor.zeros([])
    var sums = ["mlm": zero, "mvrc": zero, "mlm_text_only": zero, "relationship": zero]
    func add(_ name: String, _ value: Tensor, over count: Int) throws {
      sums[name] = try (sums[name] ?? zero) + value / Double(count)
    }
    let encoding = try model.encode(reference.fixture.batch(places, input), mode)
    for (row, place) in places.enumerated() {
      let words = try vocabulary(encoding.text(Array(encoding.text.rows(of: row))))
      let loss = try RegionFixture.wordLoss(words, examples[place].labels).sum
      guard place < 4 else {
        try add("mlm_text_only", loss, over: labelled[4])
        continue
      }
      try add("mlm", loss, over: labelled[..<4].reduce(0, +))
      let matches = try Tensor([reference.fixture.matches[place]])
      try add(
        "relationship", matching(encoding.pooled([row])).crossEntropySum(matches), over: 4)
      guard !targets[place].isEmpty else { continue }
      let logits = try classes(encoding.units(targets[place].map { (row, $0) }))
      try add(
        "mvrc",
        RegionFixture.softCrossEntropy(
          logits, targets[place].map { examples[place].probabilities[$0] }),
        over: targets.reduce(0) { $0 + $1.count })
    }
    return sums
  }
}

/// Against float64 values of an independent implementation, see make_region_models.py.
@Suite struct VLBERTReferenceTests {
  /// Boxes are float32 shares of the picture, so that an angle of 100 is known to 6e-6.
  private static let outputTolerance = 2e-5
  private static let all = [0, 1, 2, 3, 4]
  private static let cuts: [[[Int]]] = [[all], [[0], [1], [2], [3], [4]]]

  @Test(arguments: cuts, [false, true]) func outputs(_ cut: [[Int]], end: Bool) throws {
    var reference = try Reference()
    reference.config.endCarriesPicture = end
    let built = try reference.built()
    var found: [String: Tensor] = [:]
    for places in cut { found.merge(try built.outputs(places)) { $1 } }
    let expected = reference.fixture.outputs
    let names = expected.entries.keys.filter {
      $0.hasPrefix("textonly.") || $0.hasPrefix("end.") == end
    }
    #expect(names.count >= 30)
    for name in names {
      let tensor = try #require(found[String(name.trimmingPrefix("end."))], "\(name)")
      let gap = try relativeDifference(tensor, expected.tensor(name))
      #expect(gap < Self.outputTolerance, "\(name): \(gap)")
    }
    // Text rows do not hear of END before the layers, so that the fixture has them once.
    if !end { #expect(Set(names) == Set(found.keys)) }
  }

  /// Every loss over all examples however they are cut, and every gradient of the total. A dropout
  /// that drops nothing makes the model multiply each object's numbers at once.
  @Test(arguments: cuts, [0, 1e-12])
  func lossesAndGradients(_ cut: [[Int]], _ dropout: Double) throws {
    var reference = try Reference()
    reference.config.dropout = dropout
    let built = try reference.built()
    var sums: [String: Double] = [:]
    for places in cut {
      let losses = try built.losses(places, Mode(isTraining: true, seed: 4))
      for (name, loss) in losses { sums[name, default: 0] += try loss.detached().item() }
      try
        (#require(losses["mlm"]) + #require(losses["mvrc"])
        + #require(losses["mlm_text_only"])).backward()
    }
    let description = reference.fixture.description
    #expect(sums.count == 4)
    for (name, found) in sums {
      let expected = try #require(description.losses[name])
      #expect(abs(found - expected) < Tolerance.loss * expected, "\(name): \(found)")
    }
    try built.store.expectGradients(of: reference.fixture)
  }

  @Test func lossesWithThePicturesEnd() throws {
    var reference = try Reference()
    reference.config.endCarriesPicture = true
    let losses = try reference.built().losses(Self.all)
    for (name, loss) in losses {
      let expected = try #require(reference.fixture.description.losses["end." + name])
      #expect(abs(try loss.detached().item() - expected) < Tolerance.loss * expected, "\(name)")
    }
  }

  @Test func parameterCount() throws {
    let built = try Reference().built()
    #expect(built.store.parameterCount == built.reference.fixture.description.parameter_count)
  }

  /// One mistake at a time moves its output exactly as far as it moves the reference's.
  @Test(arguments: [
    "end_has_visual_part", "picture_box_ends_at_size", "visual_norms_swapped", "image_type_1",
    "no_visual_part", "hidden_appearance_is_zero", "hidden_region_keeps_img_token",
    "appearance_first", "sines_and_cosines_alternate", "mvrc_head_has_norm", "eps_1e-5",
    "head_eps_1e-5",
  ])
  func mistakesInOutputsShow(_ name: String) throws {
    let wrong = try mistaken(name).built()
    let mistake = try #require(wrong.reference.fixture.description.wrong[name])
    let share = try wrong.reference.fixture.change(mistake.affects, wrong.outputs(Self.all))
    #expect(abs(share / mistake.relative_change - 1) < 0.01, "\(share)")
    #expect(share > 50 * Tolerance.output)
  }

  private func mistaken(_ name: String) throws -> Reference {
    let projection = "image_feature_extractor.obj_downsample.1.weight"
    var reference = try Reference()
    var heads = try reference.specifications()
    switch name {
    case "end_has_visual_part": reference.config.endCarriesPicture = true
    case "picture_box_ends_at_size":
      // The last pixel of a large picture is as good as its edge.
      for place in 0..<4 {
        reference.fixture.examples[place].width *= 100_000
        reference.fixture.examples[place].height *= 100_000
      }
    case "visual_norms_swapped":
      reference.fixture.swap("vlbert.visual_ln_text", "vlbert.visual_ln_object")
    case "image_type_1":
      try reference.fixture.change("vlbert.token_type_embeddings.weight") {
        [$0[0], $0[1], $0[1]]
      }
    case "no_visual_part":
      try reference.fixture.scale("vlbert.visual_ln_text", by: 0)
      try reference.fixture.scale("vlbert.visual_ln_object", by: 0)
    case "hidden_appearance_is_zero":
      try reference.fixture.change("object_mask_visual_embedding.weight") {
        $0.map { $0.map { _ in 0 } }
      }
    case "hidden_region_keeps_img_token":
      reference.fixture.weights.tensors["object_mask_word_embedding.weight"] =
        reference.fixture.weights.tensors["object_linguistic_embeddings.weight"]
    case "appearance_first":
      try reference.fixture.change(projection) { $0.map { Array($0[10...]) + $0[..<10] } }
    case "sines_and_cosines_alternate":
      try reference.fixture.change(projection) { rows in
        rows.map { row in
          var row = row
          let given = row
          for number in 0..<4 {
            for k in 0..<3 {
              row[6 * number + k] = given[6 * number + 2 * k]
              row[6 * number + 3 + k] = given[6 * number + 2 * k + 1]
            }
          }
          return row
        }
      }
    case "mvrc_head_has_norm":
      heads.regionClasses?.norm = "norm"
      reference.fixture.weights.tensors["norm.weight"] = try .ones([24])
      reference.fixture.weights.tensors["norm.bias"] = try .zeros([24])
    case "eps_1e-5": reference.config.normEpsilon = 1e-5
    case "head_eps_1e-5": heads.vocabulary?.epsilon = 1e-5
    default: Issue.record("unknown mistake \(name)")
    }
    reference.heads = heads
    return reference
  }

  @Test func packedIsEachSequenceAlone() throws {
    try RegionProperties<VLBERT> { $0.visualGain = 1 }.packedIsEachSequenceAlone()
  }
  @Test func aSharedPictureIsTwoCopies() throws {
    try RegionProperties<VLBERT> { $0.visualGain = 1 }.aSharedPictureIsTwoCopies()
  }
  @Test func replacedRegionsShowAnother() throws {
    try RegionProperties<VLBERT> { $0.visualGain = 1 }.replacedRegionsShowAnother()
  }
  @Test func hiddenRegionsAreNotSeen() throws {
    try RegionProperties<VLBERT> { $0.visualGain = 1 }.hiddenRegionsAreNotSeen()
  }

  @Test func bfloat16IsClose() throws {
    try RegionProperties<VLBERT>.bfloat16IsClose { $0.visualGain = 1 }
  }

  /// With the published start nothing of a picture is seen but how many regions it has.
  @Test func trainingBeginsAsPlainBERT() throws {
    func states(_ gain: Double, _ seed: UInt64) throws -> [Float] {
      let properties = try RegionProperties<VLBERT> { $0.visualGain = gain }
      let picture = Picture(key: 1, regions: properties.regions(3, seed: seed))
      let sequence = InputSequence(text: [7, 8], picture: picture)
      return try properties.states(properties.encode([sequence], .inference), 0)
    }
    #expect(try states(0, 1) == states(0, 2))
    #expect(difference(try states(1, 1), try states(1, 2)) > 50 * Tolerance.output)
    let store = ParameterStore(seed: 1)
    let config = try #require(VLBERT.presets["tiny"])
    _ = try VLBERT(config, at: store.root)
    for name in ["vlbert.visual_ln_text.weight", "vlbert.visual_ln_object.weight"] {
      let gain = try #require(store[name])
      #expect(try largest(gain.value) == 0 && !gain.decays)
    }
    #expect(try largest(#require(store["object_mask_visual_embedding.weight"]).value) == 0)
  }

  /// A question is followed by [MASK] [SEP], and its answer is read from the state of [MASK].
  @Test func answersAreReadAtTheMask() throws {
    let properties = try RegionProperties<VLBERT>()
    let store = properties.store
    let head = try AnswerHead(
      #require(properties.model.facts.heads.answers), classes: 6, properties.model.facts,
      at: store.root)
    let sequences = properties.sequences().map { sequence in
      var sequence = sequence
      sequence.asksAnswer = sequence.second == nil
      return sequence
    }
    let asked = sequences.indices.filter { sequences[$0].asksAnswer }
    let encoding = try properties.encode(sequences, .inference)
    let found = try head(encoding, asked)
    func weight(_ name: String) throws -> Tensor { try #require(store["final_mlp." + name]).value }
    let rows = asked.map { sequence in
      encoding.batch.layout.offsets[sequence] + sequences[sequence].text.count + 2
    }
    let inner =
      try encoding.text.states_TD.rows(Tensor(rows))
      .matmul(weight("0.dense.weight").transposed(0, 1)) + weight("0.dense.bias")
    let normed = try inner.gelu().layerNorm(
      weight("0.LayerNorm.weight"), weight("0.LayerNorm.bias"), epsilon: 1e-12)
    let expected = try normed.matmul(weight("2.weight").transposed(0, 1)) + weight("2.bias")
    #expect(try difference(found, expected) < Tolerance.output)
  }

  /// The longest text there is, and what stands after it.
  @Test func thereAreTwoPlacesAfterTheText() throws {
    let properties = try RegionProperties<VLBERT>()
    let text = [Int32](repeating: 7, count: properties.input.textLength - 2)
    let picture = Picture(key: 1, regions: properties.regions(2, seed: 1))
    let encoding = try properties.encode(
      [InputSequence(text: text, picture: picture), InputSequence(text: text, picture: nil)],
      .inference)
    #expect(encoding.batch.layout.offsets == [0, 20, 37])
    #expect(encoding.visual.rows(of: 1).isEmpty)
    #expect(encoding.batch.unitRowsInVisualStream(of: 0) == 1..<3)
    #expect(encoding.batch.unitRowsInVisualStream(of: 1).isEmpty)
  }

  @Test func aPictureWithoutASizeIsRefused() throws {
    let properties = try RegionProperties<VLBERT>()
    var regions = properties.regions(2, seed: 1)
    regions.height = 0
    let sequence = InputSequence(text: [7], picture: Picture(key: 1, regions: regions))
    #expect(message { _ = try properties.encode([sequence], .inference) }?.contains("42×0") == true)
  }

  /// By hand: tables, three norms of embeddings, the objects' projection and words, the layers and
  /// the pooler.
  @Test func publishedSizes() throws {
    let tables = (30522 + 512 + 3 + 1) * 768 + 3 * 2 * 768
    let objects = (2048 + 2048) * 768 + 768 + 3 * 768 + 2048
    let count = try RegionProperties<VLBERT>.parameterCount(
      "base", layers: \.layers, vocabulary: \.vocabulary)
    #expect(count == tables + objects + 12 * 7_087_872 + 768 * 768 + 768)
  }

  @Test func depths() {
    let config = VLBERT.Config()
    func depth(_ name: String) -> Int { VLBERT.depth(of: name, config) }
    for name in [
      "vlbert.word_embeddings.weight", "vlbert.end_embedding.weight",
      "vlbert.visual_ln_text.bias", "object_mask_word_embedding.weight",
      "aux_text_visual_embedding.weight", "image_feature_extractor.obj_downsample.1.bias",
      "vlbert.embedding_LayerNorm.bias",
    ] { #expect(depth(name) == 0, "\(name)") }
    #expect(depth("vlbert.encoder.layer.0.output.dense.bias") == 1)
    #expect(depth("vlbert.encoder.layer.11.output.dense.bias") == 12)
    for name in [
      "vlbert.pooler.dense.bias", "vlbert.mlm_head.predictions.bias", "final_mlp.2.bias",
    ] {
      #expect(depth(name) == 13)
    }
  }

  @Test func badConfigsAreNamed() {
    func refusal(_ change: (inout VLBERT.Config) -> Void) -> String? {
      var config = VLBERT.presets["tiny"] ?? VLBERT.Config()
      change(&config)
      return message { _ = try VLBERT(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refusal { $0.layers = 0 }?.contains("layers") == true)
    #expect(refusal { $0.textLength = 17 }?.contains("needs 19 places") == true)
    #expect(refusal { $0.frequencies = 0 }?.contains("frequencies") == true)
    #expect(refusal { $0.mostRegions = 0 }?.contains("mostRegions") == true)
    #expect(refusal { $0.attentionDropout = -1 }?.contains("attentionDropout") == true)
    #expect(refusal { $0.visualGain = .nan }?.contains("visualGain") == true)
    #expect(refusal { _ in } == nil)
  }
}
