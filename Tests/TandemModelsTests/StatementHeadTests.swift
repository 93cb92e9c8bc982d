import Foundation
import TandemCore
import TandemModels
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Against float64 values of make_statement_heads.py, and on top of tiny models.
@Suite struct StatementHeadTests {
  private static let width = 24
  private static let paired = StatementHead.Specification.paired(
    PairedAttention.Specification(
      first: "attn1", second: "attn2", joint: "fc.0", pool: "attn_pool.fc.0",
      last: "nlvr2_output", heads: 4, dropout: 0, attentionDropout: 0))

  private let file: SafeTensorsFile
  private let weights: GivenWeights

  init() throws {
    file = try Fixtures.tensors("statements/statements.safetensors")
    var tensors: [String: Tensor] = [:]
    for name in file.entries.keys where name.hasPrefix("weight.") {
      tensors[String(name.dropFirst("weight.".count))] = try file.tensor(name)
    }
    weights = GivenWeights(tensors)
  }

  private func joined(_ order: AnswerHead.Specification.Order) -> StatementHead.Specification {
    .joined(
      AnswerHead.Specification(
        first: "joined.0", norm: "joined.norm", last: "joined.3", order: order, epsilon: 1e-5,
        widening: 1))
  }

  private var facts: ModelFacts {
    ModelFacts(
      name: "test", width: Self.width, layers: 1, vocabulary: 40, heads: HeadSpecifications())
  }

  /// The fixture's sequences laid end to end, with the fixture's rows for states.
  private func encoding() throws -> (encoding: Encoding, rows: [Tensor]) {
    let lengths = try file.integers("lengths")
    let rows = try (0..<4).map { try leaf(file.tensor("rows.\($0)")) }
    let sequences = (0..<4).map { place -> InputSequence in
      let (words, regions) = (lengths[2 * place], lengths[2 * place + 1])
      let picture = Picture(
        key: UInt64(place),
        regions: Regions(
          width: 10, height: 10, boxes: Array(repeating: 0, count: 4 * regions),
          features: Array(repeating: 0, count: regions), featureWidth: 1))
      return InputSequence(
        text: Array(repeating: 7, count: words - 2), picture: picture, key: UInt64(place))
    }
    let input = InputSpecification(
      textLength: 12, classification: 2, separator: 3,
      regions: RegionInput(featureWidth: 1, most: 10))
    return (
      Encoding(
        batch: try PackedBatch(sequences, input), joint: try .concatenated(rows),
        pooled_SD: try file.tensor("pooled")), rows
    )
  }

  private func logits(
    _ specification: StatementHead.Specification, _ weights: GivenWeights? = nil
  ) throws -> (logits: Tensor, rows: [Tensor], store: ParameterStore) {
    let store = ParameterStore(seed: 1, source: weights ?? self.weights)
    let head = try StatementHead(specification, facts, at: store.root)
    let (encoding, rows) = try encoding()
    let found = try head(encoding, [(0, 1), (2, 3)], .inference)
    #expect(store.loadReport().missing.isEmpty && store.loadReport().misshapen.isEmpty)
    return (found, rows, store)
  }

  @Test func pairedAttention() throws {
    let (found, rows, store) = try logits(Self.paired)
    #expect(
      try relativeDifference(found, file.tensor("paired.logits")) < Tolerance.output)
    let total = try found.sum() - found.part(0..<1).narrow(1, from: 0, 1).sum() * 2
    try total.backward()
    for (place, row) in rows.enumerated() {
      let gradient = try #require(try row.gradient())
      let gap = try relativeDifference(gradient, file.tensor("gradient.rows.\(place)"))
      #expect(gap < Tolerance.gradient, "rows of \(place): \(gap)")
    }
    for parameter in store.parameters {
      let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
      let gap = try relativeDifference(gradient, file.tensor("gradient.\(parameter.name)"))
      // A shift of all scores changes nothing but where the ReLU cuts: what is left is small.
      let isShift = parameter.name == "attn_pool.fc.0.bias"
      #expect(gap < (isShift ? 5 : 1) * Tolerance.gradient, "\(parameter.name): \(gap)")
    }
  }

  /// The attentions are not the same one, and weights of rows pass a ReLU: exactly as wrong as the
  /// reference with the same mistake.
  @Test func mistakesShow() throws {
    var swapped = weights
    for name in weights.tensors.keys where name.hasPrefix("attn1.") {
      let other = "attn2." + name.dropFirst("attn1.".count)
      swapped.tensors[name] = weights.tensors[other]
      swapped.tensors[other] = weights.tensors[name]
    }
    let found = try logits(Self.paired, swapped).logits
    let expected = try file.tensor("paired.wrong.attention_swapped")
    #expect(try relativeDifference(found, expected) < Tolerance.output)
    let right = try file.tensor("paired.logits")
    for mistake in ["attention_swapped", "without_relu", "pads_pooled"] {
      let wrong = try file.tensor("paired.wrong.\(mistake)")
      #expect(try relativeDifference(wrong, right) > 50 * Tolerance.output, "\(mistake)")
    }
  }

  @Test(arguments: [AnswerHead.Specification.Order.normThenGELU, .geluThenNorm])
  func joinedVectors(_ order: AnswerHead.Specification.Order) throws {
    let name = order == .normThenGELU ? "joined.norm_first" : "joined.gelu_first"
    let found = try logits(joined(order)).logits
    #expect(try relativeDifference(found, file.tensor(name)) < Tolerance.output)
  }

  /// UNITER's head of choices has a ReLU where its head of answers has GELU.
  @Test func choices() throws {
    let store = ParameterStore(seed: 1, source: weights)
    let head = try AnswerHead(
      AnswerHead.Specification(
        first: "choices.0", norm: "choices.2", last: "choices.3", order: .reluThenNorm,
        epsilon: 1e-12), classes: 2, facts, at: store.root)
    let found = try head(encoding().encoding, [0, 1, 2, 3])
    #expect(try relativeDifference(found, file.tensor("choices.logits")) < Tolerance.output)
    #expect(
      try relativeDifference(found, file.tensor("choices.wrong.gelu")) > 50 * Tolerance.output)
  }

  /// One statement at a time gives what all together give, gradients reach every weight of the
  /// head, and a second picture has a type of its own.
  @Test func onTopOfUNITER() throws {
    var config = try #require(UNITER.presets["tiny"])
    config.types = 3
    let store = ParameterStore(seed: 3)
    let model = try UNITER(config, at: store.root)
    let head = try StatementHead(
      #require(model.facts.heads.statements), model.facts, at: store.root)
    let input = UNITER.input(
      config,
      SpecialTokens(
        classification: 2, separator: 3, mask: 4, vocabularyCount: 40, reserved: []))
    func sequence(_ statement: Int, _ order: Int) throws -> InputSequence {
      let count = 3 + statement + order
      let features = try randomTensor(
        [count, config.featureWidth], seed: UInt64(10 * statement + order))
      var sequence = InputSequence(
        text: [10, 11, 12, 13].map { $0 + Int32(statement) },
        picture: Picture(
          key: UInt64(10 * statement + order),
          regions: Regions(
            width: 10, height: 10,
            boxes: (0..<count).flatMap { [0, 0, Float($0 + 1) / 10, 0.5] },
            features: try features.floats(), featureWidth: config.featureWidth)),
        key: UInt64(10 * statement + order))
      sequence.pictureOrder = order
      return sequence
    }
    let all = try (0..<2).flatMap { [try sequence($0, 0), try sequence($0, 1)] }
    func logits(_ sequences: [InputSequence]) throws -> Tensor {
      let encoding = try model.encode(PackedBatch(sequences, input), .inference)
      let pairs = (0..<sequences.count / 2).map { (first: 2 * $0, second: 2 * $0 + 1) }
      return try head(encoding, pairs, .inference)
    }
    let together = try logits(all)
    let apart = try Tensor.concatenated([logits(Array(all[..<2])), logits(Array(all[2...]))])
    #expect(try relativeDifference(together, apart) < Tolerance.output)
    var sameOrder = all
    sameOrder[1].pictureOrder = 0
    #expect(try relativeDifference(logits(sameOrder), together) > 10 * Tolerance.rounding)

    try together.crossEntropySum(Tensor([0, 1])).backward()
    for parameter in store.parameters where !parameter.name.hasPrefix("uniter.") {
      let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
      #expect(try largest(gradient) > 0 || parameter.name == "attn_pool.fc.0.bias")
    }
  }

  @Test func aSecondPictureNeedsARowOfTypes() throws {
    let config = try #require(UNITER.presets["tiny"])
    let store = ParameterStore(seed: 3)
    let model = try UNITER(config, at: store.root)
    let regions = Regions(
      width: 10, height: 10, boxes: [0, 0, 1, 1],
      features: Array(repeating: 0, count: config.featureWidth), featureWidth: config.featureWidth)
    var sequence = InputSequence(text: [10], picture: Picture(key: 1, regions: regions))
    sequence.pictureOrder = 1
    let input = UNITER.input(config, RegionFixture.specials)
    let refusal = message { _ = try model.encode(PackedBatch([sequence], input), .inference) }
    #expect(refusal?.contains("model.config.types") == true)
    #expect(store.parameterCount > 0)
  }
}
