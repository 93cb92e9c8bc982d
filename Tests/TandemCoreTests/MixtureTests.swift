import TandemCore
import TandemNN
import TandemText
import TandemTorch
import Testing
import TestSupport

/// Hides one word, or says whether the pair is true: what passes are made of.
private struct Hides<Part: HidingPart>: Objective {
  static var name: String { Part.name }
  static var summary: String { "for tests" }
  static var defaults: NoOptions { NoOptions() }
  static var part: PassPart { Part.part }

  static func join(
    _ sequence: inout InputSequence, _ example: Example, _ options: NoOptions,
    _ context: PreparationContext, using stream: inout RandomStream
  ) throws -> Int? {
    switch Part.part {
    case .pairs:
      sequence.isTruePair = false
      return 0
    case .masks:
      guard let place = sequence.text.firstIndex(where: { $0 != 4 }) else { return nil }
      sequence.text[place] = 4
      // What it tells is whether the pair was decided before it looked.
      return sequence.isTruePair == nil ? 1 : 2
    case .reads, .alone: return sequence.text.count { $0 == 4 }
    }
  }
  static func weight(of target: Int) -> Double { Double(target) }
  init(_ options: NoOptions, _ facts: ModelFacts, at root: ParameterPath) throws {}
  func loss(
    _ encoding: Encoding, _ targets: [Placed<Int>], denominator: Double
  ) throws -> LossReport { LossReport(total: try .zeros([]), metrics: []) }
}

private protocol HidingPart: Sendable {
  static var name: String { get }
  static var part: PassPart { get }
}
private enum Words: HidingPart {
  static let name = "words"
  static let part = PassPart.masks
}
private enum Boxes: HidingPart {
  static let name = "boxes"
  static let part = PassPart.masks
}
private enum Judge: HidingPart {
  static let name = "judge"
  static let part = PassPart.pairs
}
private enum Reader: HidingPart {
  static let name = "reader"
  static let part = PassPart.reads
}
private enum Loner: HidingPart {
  static let name = "loner"
  static let part = PassPart.alone
}

@Suite struct MixtureTests {
  private func definition<Part: HidingPart>(
    _ part: Part.Type, pass: String = "", ratio: Double = 1, epochs: (Double, Double) = (0, 0)
  ) -> ObjectiveDefinition {
    var definition = ObjectiveDefinition(Hides<Part>.self, typed: .init())
    if !pass.isEmpty { definition.pass = pass }
    definition.ratio = ratio
    definition.epochs = epochs
    return definition
  }

  private func sequences(_ mixture: Mixture) throws -> [MixedSequence] {
    let picture = try Toy.picture(8, 8, key: 1)
    return try mixture.sequences(
      mixture.passes, Toy.example(0, "red green blue star", picture),
      Toy.context(Toy.input(textLength: 12), other: picture), RandomStream(seed: 3))
  }

  @Test func separateObjectivesHaveSequencesOfTheirOwn() throws {
    let made = try sequences(
      Mixture([definition(Words.self), definition(Boxes.self), definition(Judge.self)]))
    #expect(made.count == 3)
    #expect(made.map { $0.targets.map(\.objective) } == [[0], [1], [2]])
    // Conditional: no sequence hides for two of them.
    #expect(made.map { $0.sequence.text.count { $0 == 4 } } == [1, 1, 0])
    #expect(Set(made.map(\.sequence.key)).count == 3)
  }

  @Test func aSharedSequenceIsDecidedBeforeItIsHidden() throws {
    // Named in another order than they must work in.
    let mixture = try Mixture([
      definition(Reader.self, pass: "one"), definition(Words.self, pass: "one"),
      definition(Judge.self, pass: "one"), definition(Boxes.self, pass: "one"),
    ])
    #expect(mixture.passes == [[2, 1, 3, 0]])
    let made = try sequences(mixture)
    #expect(made.count == 1)
    #expect(made[0].sequence.text.count { $0 == 4 } == 2)
    let weights = Dictionary(
      uniqueKeysWithValues: made[0].targets.map { ($0.objective, $0.weight) })
    #expect(weights == [0: 2, 1: 2, 2: 0, 3: 2])
    #expect(mixture.denominators(made) == [2, 2, 0, 2])
  }

  @Test func someObjectivesShareNothing() throws {
    let found = message {
      _ = try Mixture([definition(Words.self, pass: "x"), definition(Loner.self, pass: "x")])
    }
    #expect(found?.contains("'loner'") == true && found?.contains("'words'") == true)
  }

  /// Passes of other streams are other passes, whatever they are called.
  @Test func streamsAreApart() throws {
    var texts = definition(Words.self, pass: "x")
    texts.stream = "texts"
    let mixture = try Mixture([definition(Boxes.self, pass: "x"), texts])
    #expect(mixture.passes == [[0], [1]])
  }

  @Test func onePassIsDrawnByRatio() throws {
    let mixture = try Mixture(
      [
        definition(Words.self, ratio: 2), definition(Boxes.self, ratio: 1),
        definition(Judge.self, ratio: 0),
      ], learnsOnePass: true)
    let drawn = (0..<300).map { mixture.passes(inEpoch: 0, draw: Double($0) / 300) }
    #expect(drawn.allSatisfy { $0.count == 1 })
    #expect(drawn.count { $0 == [[0]] } == 200)
    #expect(drawn.count { $0 == [[1]] } == 100)
    let nothing = message {
      _ = try Mixture(
        [definition(Words.self, ratio: 0), definition(Boxes.self, ratio: 0)], learnsOnePass: true)
    }
    #expect(nothing?.contains("sum to nothing") == true)
    // Where all are learned, ratios say nothing.
    #expect(
      try Mixture([definition(Words.self, ratio: 0)]).passes(inEpoch: 0, draw: 0.5) == [[0]])
  }

  @Test func objectivesComeAndGoWithEpochs() throws {
    let mixture = try Mixture([
      definition(Words.self), definition(Boxes.self, epochs: (1, 0)),
      definition(Judge.self, epochs: (0, 1.5)),
    ])
    func names(_ epoch: Double) -> [Int] {
      mixture.passes(inEpoch: epoch, draw: 0).flatMap { $0 }
    }
    #expect(names(0) == [0, 2] && names(1) == [0, 1, 2] && names(1.5) == [0, 1])
    #expect(mixture.only(1).passes == [[1]])
  }
}
