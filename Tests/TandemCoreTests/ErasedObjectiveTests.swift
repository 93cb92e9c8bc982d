import TandemCore
import TandemNN
import TandemText
import TandemTorch
import Testing
import TestSupport

/// Wants to hear how long a text is; its loss is the sum of those lengths over the denominator.
private struct Lengths: Objective {
  struct Options: Codable, Sendable, Equatable {
    var copies = 2
  }
  static let name = "lengths"
  static let summary = "for tests"
  static let defaults = Options()
  let options: Options

  static func prepare(
    _ example: Example, _ options: Options, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Int>] {
    (0..<options.copies).map { copy in
      PreparedSequence(
        InputSequence(text: Array(example.texts[0].ids), picture: nil),
        example.texts[0].count + copy, group: 5)
    }
  }
  static func weight(of target: Int) -> Double { Double(target) }
  init(_ options: Options, _ facts: ModelFacts, at root: ParameterPath) throws {
    self.options = options
  }
  func loss(
    _ encoding: Encoding, _ targets: [Placed<Int>], denominator: Double
  ) throws -> LossReport {
    let sum = targets.reduce(0) { $0 + $1.target }
    return LossReport(
      total: try Tensor([Double(sum) / denominator]),
      metrics: [
        try PendingMetric(
          "lengths.places", sum: Tensor([Float(targets.reduce(0) { $0 + $1.sequence })]), count: 1)
      ])
  }
}

@Suite struct ErasedObjectiveTests {
  private let input = Toy.input(textLength: 20)

  private func prepared(
    _ definition: ObjectiveDefinition, place: Int, key: UInt64
  ) throws -> [MixedSequence] {
    let picture = try Toy.picture(8, 8, key: 1)
    var stream = RandomStream(seed: 1)
    return try definition.prepared(
      Toy.example(0, "red star", picture), Toy.context(input, other: picture), place: place,
      key: key, using: &stream)
  }

  private let facts = ModelFacts(
    name: "toy", width: 4, layers: 1, vocabulary: 10, patchSize: 8,
    heads: HeadSpecifications(
      vocabulary: .init(transform: "a", norm: "b", decoder: "c", bias: "d", epsilon: 1e-12),
      matching: .init(path: "e"), ranking: .init(path: "f"),
      answers: .init(first: "g", norm: "h", last: "i", order: .normThenGELU, epsilon: 1e-5)))

  @Test func optionsAreMerged() throws {
    let three = try ObjectiveDefinition(
      Lengths.self, weight: 2, options: .object(["copies": .integer(3)]))
    #expect(three.name == "lengths" && three.weight == 2)
    #expect(three.options["copies"] == .integer(3))
    #expect(try prepared(three, place: 0, key: 1).count == 3)
    let unknown = message {
      _ = try ObjectiveDefinition(
        Lengths.self, weight: 1, options: .object(["copis": .integer(3)]))
    }
    #expect(unknown?.contains("objectives.lengths.copies") == true)
    let wrong = message {
      _ = try ObjectiveDefinition(
        Lengths.self, weight: 1, options: .object(["copies": .string("x")]))
    }
    #expect(wrong?.contains("copies") == true)
  }

  @Test func keysNameSequenceAndPlace() throws {
    let definition = ObjectiveDefinition(Lengths.self, typed: .init())
    let keys = try [(0, 1), (0, 2), (1, 1)].flatMap { place, key in
      try prepared(definition, place: place, key: UInt64(key)).map(\.sequence.key)
    }
    #expect(Set(keys).count == 6)
    #expect(try prepared(definition, place: 0, key: 1).map(\.sequence.key) == Array(keys[0..<2]))
    let first = try prepared(definition, place: 1, key: 1)[1]
    #expect(first.targets[0].objective == 1 && first.group == 5 && first.targets[0].weight == 3)
  }

  @Test func aRunnerHearsItsOwnTargets() throws {
    let definition = ObjectiveDefinition(Lengths.self, typed: .init())
    let store = ParameterStore(seed: 1)
    let runner = try definition.built(facts, at: store.root)
    let mixed =
      try prepared(definition, place: 0, key: 1) + prepared(definition, place: 1, key: 1)
    let encoding = Encoding(
      batch: try PackedBatch(mixed.map(\.sequence), input), joint: try .zeros([16, 4]),
      pooled_SD: try .zeros([4, 4]))
    // "red star" has two pieces: targets 2 and 3, at places 2 and 3 of the batch.
    let report = try #require(
      try runner.loss(encoding, mixed, place: 1, denominator: 10))
    #expect(try report.total.item() == 0.5)
    #expect(try report.metrics[0].sum.item() == 5)
    #expect(try runner.loss(encoding, mixed, place: 2, denominator: 10) == nil)
    #expect(try runner.loss(encoding, mixed, place: 1, denominator: 0) == nil)
    #expect(runner.typed(Lengths.self)?.options == Lengths.Options())
  }

  @Test func metricsAreMeans() {
    #expect(Metric("a", sum: 3, count: 4).value == 0.75)
    #expect(Metric("a", sum: 3, count: 0).value == 0)
  }

  // MARK: packing

  @Test func rowsHaveTheirPlaces() throws {
    let picture = try Toy.picture(24, 16, key: 1)
    let batch = try PackedBatch(
      [
        InputSequence(text: [7, 8, 9], picture: picture, key: 1),
        InputSequence(text: [], picture: nil, key: 2),
        InputSequence(text: [7], picture: picture, hidden: [5], key: 3),
      ], input)
    #expect(batch.tokens == [2, 7, 8, 9, 3, 2, 3, 2, 7, 3])
    #expect(batch.layout.offsets == [0, 12, 14, 24])
    #expect((0..<3).map { batch.textRows(of: $0) } == [0..<5, 12..<14, 14..<17])
    #expect((0..<3).map { batch.unitRows(of: $0) } == [6..<12, 14..<14, 18..<24])
    #expect(batch.textLayout.offsets == [0, 5, 7, 10])
    #expect(batch.visualLayout.offsets == [0, 7, 7, 14])
    #expect((0..<3).map { batch.unitRowsInVisualStream(of: $0) } == [1..<7, 7..<7, 8..<14])
    // Text rows lie before all visual rows, and the stream takes them in turn.
    #expect(
      batch.jointOrder() == [0, 1, 2, 3, 4] + (10..<17) + [5, 6] + [7, 8, 9] + (17..<24))
    #expect(batch.textPlaces == [0, 1, 2, 3, 4, 0, 1, 0, 1, 2])
    #expect(batch.pictureOfSequence == [0, -1, 0])
    #expect(batch.unitCount == 6 && batch.patches.count == 6 * 192)
    #expect(batch.hidden == [[], [], [5]])
    #expect(batch.layout.sequenceKeys == [1, 2, 3])
  }
}
