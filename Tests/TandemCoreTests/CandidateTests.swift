import TandemCore
import TandemNN
import TandemTorch
import Testing
import TestSupport

/// Keeps the candidate with the longest text, or what it is told.
private struct Longest: ObjectiveRunner {
  var answers: [Int]?

  func loss(
    _ encoding: Encoding, _ sequences: [MixedSequence], place: Int, denominator: Double
  ) throws -> LossReport? { nil }
  func typed<O: Objective>(_ type: O.Type) -> O? { nil }

  func choose(
    _ groups: [[MixedSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int] {
    if let answers { return answers }
    return try groups.map { group in
      let lengths = try scout(group.map(\.sequence)) { encoding in
        try Tensor(
          (0..<encoding.batch.sequenceCount).map {
            Float(encoding.batch.textLayout.rows(of: $0).count)
          })
      }.floats()
      // In the order that they are given in, whatever order they are packed in.
      #expect(lengths.map(Int.init) == group.map { $0.sequence.text.count + 2 })
      return lengths.indices.max { lengths[$0] < lengths[$1] } ?? 0
    }
  }
}

private struct Silent: Objective {
  static let name = "silent"
  static let summary = "for tests"
  static let defaults = NoOptions()
  static func weight(of target: Int) -> Double { 1 }
  init(_ options: NoOptions, _ facts: ModelFacts, at root: ParameterPath) throws {}
  func loss(
    _ encoding: Encoding, _ targets: [Placed<Int>], denominator: Double
  ) throws -> LossReport { LossReport(total: try .zeros([]), metrics: []) }
}

@Suite struct CandidateTests {
  private let input = Toy.input(textLength: 20)

  /// A sequence of so many words that objective `place` asks about.
  private func sequence(_ words: Int, _ place: Int, choice: Int, group: Int = 0) -> MixedSequence {
    MixedSequence(
      InputSequence(
        text: [Int32](repeating: 7, count: words), picture: nil,
        key: UInt64(100 * place + 10 * choice + words)),
      group: group, choice: choice,
      targets: [MixedTarget(objective: place, weight: 2, target: 0)])
  }

  private func step(_ sequences: [MixedSequence], rowBudget: Int = 30) throws -> PreparedStep {
    let packer = MicrobatchPacker(input, rowBudget: rowBudget)
    return PreparedStep(
      step: 3, epoch: 0, microbatches: [], candidates: Candidates(sequences, packer),
      denominators: [4, 6], exampleCount: 5, skipped: ["one"])
  }

  private func chosen(_ step: PreparedStep, _ runners: [Longest]) throws -> PreparedStep {
    try step.chosen(
      by: runners.map { (ObjectiveDefinition(Silent.self, typed: .init()), $0) }, seed: 1
    ) { batch, _ in
      Encoding(
        batch: batch, joint: try .zeros([batch.layout.rowCount, 1]),
        pooled_SD: try .zeros([batch.sequenceCount, 1]))
    }
  }

  private func lengths(_ step: PreparedStep) -> [[Int]] {
    var lengths = [[Int]](repeating: [], count: 2)
    for item in step.microbatches.flatMap(\.sequences) {
      lengths[item.targets[0].objective].append(item.sequence.text.count)
    }
    return lengths.map { $0.sorted() }
  }

  @Test func oneOfEachGroupIsKept() throws {
    // Numbers of different objectives are different choices.
    let sequences = [
      sequence(1, 0, choice: 0), sequence(9, 0, choice: 1), sequence(4, 0, choice: 1),
      sequence(2, 1, choice: 1), sequence(12, 0, choice: 1), sequence(3, 1, choice: 1),
      sequence(5, 1, choice: 2), sequence(8, 1, choice: 0),
    ]
    let step = try step(sequences)
    let open = try #require(step.candidates)
    #expect(open.groups.map { $0.map(\.sequence.text.count) } == [[9, 4, 12], [2, 3], [5]])
    #expect(open.settled.count == 2)
    #expect(open.rowCount == 9 + 4 + 12 + 2 + 3 + 5 + 6 * 2)
    let kept = try chosen(step, [Longest(), Longest()])
    #expect(lengths(kept) == [[1, 12], [3, 5, 8]])
    #expect(kept.microbatches.allSatisfy { $0.batch.layout.rowCount <= 30 })
    #expect(kept.microbatches.count == 2)
    #expect(kept.denominators == [4, 6] && kept.exampleCount == 5 && kept.skipped == ["one"])
    #expect(kept.step == 3 && kept.candidates == nil)
    #expect(lengths(try step.choosingFirst()) == [[1, 9], [2, 5, 8]])
    #expect(
      lengths(try chosen(step, [Longest(answers: [1]), Longest()])) == [[1, 4], [3, 5, 8]])
  }

  @Test func nothingToChoose() throws {
    let packer = MicrobatchPacker(input, rowBudget: 30)
    #expect(Candidates([sequence(1, 0, choice: 0)], packer) == nil)
    #expect(Candidates([], packer) == nil)
  }

  /// Each candidate weighs what the kept one will.
  @Test func groupsWeighOnce() throws {
    let sequences = [
      sequence(1, 0, choice: 0), sequence(9, 0, choice: 1), sequence(4, 0, choice: 1),
      sequence(6, 0, choice: 2),
    ]
    let mixture = try Mixture([ObjectiveDefinition(Silent.self, typed: .init())])
    let open = try #require(try step(sequences).candidates)
    #expect(mixture.denominators(open.firstKept) == [6])
  }

  @Test func wrongAnswersAreRefused() throws {
    let step = try step([sequence(2, 0, choice: 1), sequence(3, 0, choice: 1)])
    for answers in [[2], [-1], [], [0, 0]] {
      let found = message { _ = try chosen(step, [Longest(answers: answers)]) }
      #expect(found == "objective 0 chose \(answers) of [2] candidates")
    }
  }

  /// Groups stay together, and the budget holds for all others.
  @Test func groupsAreNotCut() throws {
    let packer = MicrobatchPacker(input, rowBudget: 12)
    let cut = try packer.microbatches([
      sequence(6, 0, choice: 0, group: 4), sequence(1, 0, choice: 0),
      sequence(7, 0, choice: 0, group: 4), sequence(2, 0, choice: 0), sequence(3, 0, choice: 0),
    ])
    let found = cut.map { $0.sequences.map(\.sequence.text.count) }
    #expect(found == [[1, 2, 3], [6, 7]])
  }
}
