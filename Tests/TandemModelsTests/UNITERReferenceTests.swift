import Foundation
import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// The tiny UNITER of make_region_models.py with its heads, right or with one mistake.
private struct Reference {
  var fixture: RegionFixture
  var config = UNITER.Config()
  var heads: HeadSpecifications?
  var transport = OptimalTransport()

  init() throws {
    fixture = try RegionFixture("uniter")
    config.width = 24
    config.layers = 2
    config.heads = 4
    config.feedForward = 40
    config.vocabulary = 40
    config.textLength = 12
    config.places = 12
    config.featureWidth = 10
    config.dropout = 0
    config.attentionDropout = 0
    transport.keepsSpecials = true
  }

  /// The specifications of its heads, to be changed.
  func specifications() throws -> HeadSpecifications {
    try UNITER(config, at: ParameterStore(seed: 1).root).facts.heads
  }

  func built() throws -> Built { try Built(self) }
}

private struct Built {
  let reference: Reference
  let store: ParameterStore
  let model: UNITER
  let input: InputSpecification
  let vocabulary: VocabularyHead
  let matching: MatchingHead
  let ranking: RankingHead
  let answers: AnswerHead
  let features: RegionHead
  let classes: RegionHead

  init(_ reference: Reference) throws {
    self.reference = reference
    store = ParameterStore(seed: 1, source: reference.fixture.weights)
    model = try UNITER(reference.config, at: store.root)
    input = UNITER.input(reference.config, RegionFixture.specials)
    let facts = model.facts
    let heads = reference.heads ?? facts.heads
    vocabulary = try VocabularyHead(#require(heads.vocabulary), facts, at: store.root)
    matching = try MatchingHead(#require(heads.matching), facts, at: store.root)
    ranking = try RankingHead(#require(heads.ranking), facts, at: store.root)
    answers = try AnswerHead(#require(heads.answers), classes: 6, facts, at: store.root)
    features = try RegionHead(
      #require(heads.regionFeatures), outputs: facts.featureWidth, facts, at: store.root)
    classes = try RegionHead(#require(heads.regionClasses), outputs: 7, facts, at: store.root)
    try store.loadReport().check()
  }

  func encode(_ places: [Int], _ mode: Mode = .inference) throws -> Encoding {
    try model.encode(reference.fixture.batch(places, input), mode)
  }

  /// Everything the fixture has of some examples, under its names.
  func outputs(_ places: [Int]) throws -> [String: Tensor] {
    var found: [String: Tensor] = [:]
    let batch = try reference.fixture.batch(places, input)
    let embedded = try model.embedded(batch, .inference)
    let encoding = try model.encode(batch, .inference)
    let all = Array(places.indices)
    let matching = try self.matching(encoding.pooled_SD)
    let ranking = try self.ranking(encoding, all)
    let answers = try self.answers(encoding, all)
    let distances = try reference.transport.distances(encoding, all)
    let signs = places.map { reference.fixture.matches[$0] == 1 ? Float(0.25) : -0.25 }
    let alignment = try (distances * Tensor(signs)).sum()
    let pull = try #require(alignment.gradients(of: [encoding.text.states_TD])[0])
    for (row, place) in places.enumerated() {
      let (words, regions) = (batch.textRows(of: row), batch.unitRows(of: row))
      let text = try encoding.text(Array(words))
      let visual = try encoding.visual(Array(regions))
      let parts: [String: Tensor] = [
        "text_embedding": try embedded.part(words), "visual_embedding": try embedded.part(regions),
        "text": text, "visual": visual, "pooled": try encoding.pooled([row]).squeezed(0),
        "mlm_logits": try vocabulary(text), "region_feature": try features(visual),
        "region_logits": try classes(visual),
        "match_logits": try matching.part(row..<row + 1).squeezed(0),
        "rank_score": try ranking.part(row..<row + 1),
        "vqa_logits": try answers.part(row..<row + 1).squeezed(0),
        "transport_distance": try distances.part(row..<row + 1),
        "transport_plan": try reference.transport.plan(encoding, row).squeezed(0),
        "wra_gradient_text": try pull.part(words), "wra_gradient_visual": try pull.part(regions),
      ]
      for (name, tensor) in parts { found["\(place).\(name)"] = tensor }
    }
    return found
  }

  /// The share of some examples in each loss of all four, by the fixture's names.
  func losses(_ places: [Int], _ mode: Mode = .inference) throws -> [String: Tensor] {
    let fixture = reference.fixture
    let labelled = fixture.examples.reduce(0) { $0 + $1.labels.count { $0 != -100 } }
    let hidden = fixture.examples.reduce(0) { $0 + $1.hidden.count }
    let encoding = try encode(places, mode)
    let zero = try Tensor.zeros([])
    var sums = Dictionary(
      uniqueKeysWithValues: ["mlm", "mrfr_row_mean", "mrc_kl_row_mean", "mrc_hard"]
        .map { ($0, zero) })
    func add(_ name: String, _ value: Tensor) throws {
      sums[name] = try (sums[name] ?? zero) + value
    }
    for (row, place) in places.enumerated() {
      let example = fixture.examples[place]
      let words = try vocabulary(encoding.text(Array(encoding.text.rows(of: row))))
      try add("mlm", RegionFixture.wordLoss(words, example.labels).sum / Double(labelled))
      guard !example.hidden.isEmpty else { continue }
      let units = try encoding.units(example.hidden.map { (row, $0) })
      let targets = example.hidden.map { example.features[$0] }
      let gap = try features(units) - Tensor(targets.flatMap { $0 }, [targets.count, 10])
      try add("mrfr_row_mean", (gap * gap).sum() / Double(hidden))
      let shares = example.hidden.map { example.probabilities[$0] }
      let logits = try classes(units)
      let entropy = shares.joined().reduce(0) { $0 + ($1 > 0 ? Double($1) * log(Double($1)) : 0) }
      try add(
        "mrc_kl_row_mean",
        (RegionFixture.softCrossEntropy(logits, shares) + entropy) / Double(hidden))
      let best = shares.map { row in (1..<7).reduce(1) { row[$1] > row[$0] ? $1 : $0 } }
      try add("mrc_hard", logits.crossEntropySum(Tensor(best)) / Double(hidden))
    }
    sums["mrfr"] = try (sums["mrfr_row_mean"] ?? zero) / 10
    sums["mrc_kl"] = try (sums["mrc_kl_row_mean"] ?? zero) / 7
    let isMatch = places.map { fixture.matches[$0] == 1 }
    let classes = isMatch.map { $0 ? matching.matchClass : 1 - matching.matchClass }
    sums["itm"] = try matching(encoding.pooled_SD).crossEntropySum(Tensor(classes)) / 4
    let signs = try Tensor(isMatch.map { Float($0 ? 0.25 : -0.25) })
    var bare = reference.transport
    bare.keepsSpecials = false
    let all = Array(places.indices)
    sums["wra"] = try (reference.transport.distances(encoding, all) * signs).sum()
    sums["wra_without_specials"] = try (bare.distances(encoding, all) * signs).sum()
    return sums
  }

  /// The sum that is learned from.
  func total(_ losses: [String: Tensor]) throws -> Tensor {
    var total = try #require(losses["wra"]) * 0.1
    for name in ["mlm", "mrfr", "mrc_kl", "itm"] { total = try total + #require(losses[name]) }
    return total
  }
}

/// Against float64 values of an independent implementation, see make_region_models.py.
@Suite struct UNITERReferenceTests {
  private static let all = [0, 1, 2, 3]
  private static let cuts: [[[Int]]] = [[all], [[0], [1], [2], [3]]]

  @Test(arguments: cuts) func outputs(_ cut: [[Int]]) throws {
    let built = try Reference().built()
    var found: [String: Tensor] = [:]
    for places in cut { found.merge(try built.outputs(places)) { $1 } }
    let expected = built.reference.fixture.outputs
    #expect(Set(found.keys) == Set(expected.entries.keys))
    for (name, tensor) in found {
      let gap = try relativeDifference(tensor, expected.tensor(name))
      #expect(gap < Tolerance.output, "\(name): \(gap)")
    }
  }

  /// Every loss over all examples however they are cut, and every gradient of the total.
  @Test(arguments: cuts, [Recomputation.none, .layer])
  func lossesAndGradients(_ cut: [[Int]], _ recomputation: Recomputation) throws {
    let built = try Reference().built()
    var sums: [String: Double] = [:]
    var total = 0.0
    for places in cut {
      let losses = try built.losses(
        places, Mode(isTraining: true, recomputation: recomputation))
      for (name, loss) in losses { sums[name, default: 0] += try loss.detached().item() }
      let sum = try built.total(losses)
      total += try sum.detached().item()
      try sum.backward()
    }
    let description = built.reference.fixture.description
    #expect(Set(sums.keys) == Set(description.losses.keys))
    for (name, expected) in description.losses {
      let found = try #require(sums[name])
      // The alignment is the difference of much larger distances.
      let scale = max(abs(expected), name.hasPrefix("wra") ? 1 : 0)
      #expect(abs(found - expected) < Tolerance.loss * scale, "\(name): \(found), \(expected)")
    }
    #expect(abs(total - description.total) < Tolerance.loss * description.total)
    try built.store.expectGradients(of: built.reference.fixture)
  }

  @Test func parameterCount() throws {
    let built = try Reference().built()
    #expect(built.store.parameterCount == built.reference.fixture.description.parameter_count)
  }

  /// One mistake at a time moves its output exactly as far as it moves the reference's.
  @Test(arguments: [
    "mask_row_0_counted", "hidden_feature_kept", "hidden_without_mask_row", "image_type_row_0",
    "projections_averaged", "geometry_without_area", "geometry_in_pixels", "eps_1e-5",
    "head_eps_1e-5", "vqa_norm_before_gelu",
  ])
  func mistakesInOutputsShow(_ name: String) throws {
    let wrong = try mistaken(name).built()
    let mistake = try #require(wrong.reference.fixture.description.wrong[name])
    let share = try wrong.reference.fixture.change(mistake.affects, wrong.outputs(Self.all))
    #expect(abs(share / mistake.relative_change - 1) < 0.01, "\(share)")
    #expect(share > 50 * Tolerance.output)
  }

  @Test(arguments: ["match_label_0", "wra_without_specials", "mrfr_is_row_mean"])
  func mistakesInLossesShow(_ name: String) throws {
    let wrong = try mistaken(name).built()
    let description = wrong.reference.fixture.description
    let mistake = try #require(description.wrong[name])
    let loss = String(mistake.affects.dropFirst("losses.".count))
    let losses = try wrong.losses(Self.all)
    let key = name == "mrfr_is_row_mean" ? "mrfr_row_mean" : loss
    let expected = try #require(description.losses[loss])
    let share = try abs(#require(losses[key]).item() - expected) / abs(expected)
    #expect(abs(share / mistake.relative_change - 1) < 0.01, "\(share)")
  }

  /// Heads with tables of their own leave the shared tables' gradients short.
  @Test(arguments: ["decoder_not_tied", "feature_head_not_tied"])
  func untiedHeadsShow(_ name: String) throws {
    let wrong = try mistaken(name).built()
    try wrong.total(wrong.losses(Self.all, Mode(isTraining: true))).backward()
    let mistake = try #require(wrong.reference.fixture.description.wrong[name])
    let weight = String(mistake.affects.dropFirst("gradients.".count))
    let found = try #require(try wrong.store[weight]?.value.gradient())
    let share = try relativeDifference(found, wrong.reference.fixture.gradients.tensor(weight))
    #expect(abs(share / mistake.relative_change - 1) < 0.01, "\(share)")
  }

  private func mistaken(_ name: String) throws -> Reference {
    let image = "uniter.img_embeddings"
    var reference = try Reference()
    var heads = try reference.specifications()
    let mask = try #require(reference.fixture.weights.tensors["\(image).mask_embedding.weight"])
      .floats()
    func sum(_ feature: [Float], _ row: Int) -> [Float] {
      zip(feature, mask[row * 10..<row * 10 + 10]).map { $0 + $1 }
    }
    switch name {
    case "mask_row_0_counted":
      for (place, example) in reference.fixture.examples.enumerated() {
        for region in example.features.indices where !example.hidden.contains(region) {
          reference.fixture.examples[place].features[region] = sum(example.features[region], 0)
        }
      }
    case "hidden_feature_kept":
      for (place, example) in reference.fixture.examples.enumerated() {
        for region in example.hidden {
          reference.fixture.examples[place].features[region] = sum(example.features[region], 1)
        }
        reference.fixture.examples[place].hidden = []
      }
    case "hidden_without_mask_row":
      try reference.fixture.change("\(image).mask_embedding.weight") {
        [$0[0], $0[1].map { _ in 0 }]
      }
    case "image_type_row_0":
      try reference.fixture.change("uniter.embeddings.token_type_embeddings.weight") {
        [$0[0], $0[0]]
      }
    case "projections_averaged":
      try reference.fixture.scale("\(image).img_layer_norm", by: 0.5)
      try reference.fixture.scale("\(image).pos_layer_norm", by: 0.5)
    case "geometry_without_area":
      try reference.fixture.change("\(image).pos_linear.weight") { $0.map { $0.dropLast() + [0] } }
    case "geometry_in_pixels":
      for (place, example) in reference.fixture.examples.enumerated() {
        reference.fixture.examples[place].boxes = example.boxes.enumerated().map {
          $1 * Float($0 % 2 == 0 ? example.width : example.height)
        }
      }
    case "eps_1e-5": reference.config.normEpsilon = 1e-5
    case "head_eps_1e-5": heads.vocabulary?.epsilon = 1e-5
    case "vqa_norm_before_gelu": heads.answers?.order = .normThenGELU
    case "match_label_0": heads.matching?.matchClass = 0
    case "wra_without_specials": reference.transport.keepsSpecials = false
    case "mrfr_is_row_mean": break
    case "decoder_not_tied":
      heads.vocabulary?.tied = ""
      reference.fixture.weights.tensors["cls.predictions.decoder.weight"] =
        reference.fixture.weights.tensors["uniter.embeddings.word_embeddings.weight"]
    case "feature_head_not_tied":
      heads.regionFeatures?.tied = ""
      heads.regionFeatures?.decoder = "feat_regress.decoder"
      reference.fixture.weights.tensors["feat_regress.decoder.weight"] =
        try reference.fixture.weights.tensors["\(image).img_linear.weight"]?
        .transposed(0, 1).contiguous()
      reference.fixture.weights.tensors["feat_regress.decoder.bias"] =
        reference.fixture.weights.tensors["feat_regress.bias"]
      reference.fixture.weights.tensors["feat_regress.bias"] = nil
    default: Issue.record("unknown mistake \(name)")
    }
    // The epsilon of the trunk alone: that of the heads is a mistake of its own.
    reference.heads = heads
    return reference
  }

  /// The files hold an extra row of types for NLVR2; the hidden region's first mask row may hold
  /// anything. Neither moves a thing.
  @Test func unusedRowsAreNotRead() throws {
    var reference = try Reference()
    reference.config.types = 3
    try reference.fixture.change("uniter.img_embeddings.mask_embedding.weight") {
      [$0[0].map { $0 + 7 }, $0[1]]
    }
    let name = "uniter.embeddings.token_type_embeddings.weight"
    let types = try #require(reference.fixture.weights.tensors[name])
    reference.fixture.weights.tensors[name] = try .concatenated([types, .full([1, 24], 9)])
    let found = try reference.built().outputs(Self.all)
    for place in Self.all {
      let text = try #require(found["\(place).text"])
      #expect(
        try relativeDifference(text, reference.fixture.outputs.tensor("\(place).text"))
          < Tolerance.output)
    }
  }

  @Test func packedIsEachSequenceAlone() throws {
    try RegionProperties<UNITER>().packedIsEachSequenceAlone()
  }
  @Test func aSharedPictureIsTwoCopies() throws {
    try RegionProperties<UNITER>().aSharedPictureIsTwoCopies()
  }
  @Test func replacedRegionsShowAnother() throws {
    try RegionProperties<UNITER>().replacedRegionsShowAnother()
  }
  @Test func hiddenRegionsAreNotSeen() throws {
    try RegionProperties<UNITER>().hiddenRegionsAreNotSeen()
  }
  @Test func bfloat16IsClose() throws { try RegionProperties<UNITER>.bfloat16IsClose() }

  /// Published: 86 million, the embeddings not counted.
  @Test func publishedSizes() throws {
    let word = 768
    let image = 2048 * 768 + 768 + 7 * 768 + 768 + 3 * 2 * 768 + 2 * 2048
    let text = (28996 + 512 + 2) * word + 2 * 768
    let count = try RegionProperties<UNITER>.parameterCount(
      "base", layers: \.layers, vocabulary: \.vocabulary)
    #expect(count == 12 * 7_087_872 + text + image + 768 * 768 + 768)
    #expect(count - text - image == 85_645_056)
  }

  @Test func depths() {
    let config = UNITER.Config()
    func depth(_ name: String) -> Int { UNITER.depth(of: name, config) }
    #expect(depth("uniter.embeddings.word_embeddings.weight") == 0)
    #expect(depth("uniter.img_embeddings.pos_linear.bias") == 0)
    #expect(depth("uniter.encoder.layer.0.output.dense.bias") == 1)
    #expect(depth("uniter.encoder.layer.11.output.dense.bias") == 12)
    for name in ["uniter.pooler.dense.bias", "cls.predictions.bias", "feat_regress.bias"] {
      #expect(depth(name) == 13)
    }
  }

  @Test func badConfigsAreNamed() {
    func refusal(_ change: (inout UNITER.Config) -> Void) -> String? {
      var config = UNITER.presets["tiny"] ?? UNITER.Config()
      change(&config)
      return message { _ = try UNITER(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.heads = 5 }?.contains("heads 5") == true)
    #expect(refusal { $0.heads = 0 } != nil)
    #expect(refusal { $0.layers = 0 }?.contains("layers") == true)
    #expect(refusal { $0.textLength = 2 }?.contains("textLength 2") == true)
    #expect(refusal { $0.textLength = 17 }?.contains("places 16") == true)
    #expect(refusal { $0.types = 1 }?.contains("types") == true)
    #expect(refusal { $0.featureWidth = 0 }?.contains("featureWidth") == true)
    #expect(refusal { $0.dropout = 1 }?.contains("dropout") == true)
    #expect(refusal { $0.normEpsilon = 0 }?.contains("normEpsilon") == true)
    #expect(refusal { _ in } == nil)
  }
}
