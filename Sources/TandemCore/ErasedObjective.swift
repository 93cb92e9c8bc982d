// Objectives of different types in one list. The only casts of the system are in this file.

public import TandemNN
public import TandemTorch

/// A prepared sequence of some objective of the mixture.
public struct MixedSequence: Sendable {
  public let sequence: InputSequence
  /// Which objective of the mixture it belongs to.
  public let objective: Int
  public let group: Int
  /// What its target adds to the objective's denominator.
  public let weight: Double
  let target: any Sendable
}

/// An objective with its options, before it has weights: a value for loader threads.
public struct ObjectiveDefinition: Sendable {
  public let name: String
  /// The factor on its loss.
  public let weight: Double
  public let options: JSONValue
  /// The objective whose sequences this one judges too, where the mixture has it.
  public let sequencesOf: String?
  let prepare:
    @Sendable (Example, PreparationContext, inout RandomStream) throws -> [(
      InputSequence, any Sendable, Int, Double
    )]
  let build: @Sendable (ModelFacts, ParameterPath) throws -> any ObjectiveRunner

  /// Reads the options of `type` from JSON: its defaults with these fields in place of theirs.
  public init<O: Objective>(_ type: O.Type, weight: Double, options: JSONValue) throws {
    let typed = try JSONValue.merged(O.defaults, with: options, at: "objectives.\(O.name)")
    self.init(type, weight: weight, typed: typed)
  }

  public init<O: Objective>(_ type: O.Type, weight: Double = 1, typed options: O.Options) {
    name = O.name
    sequencesOf = O.sequencesOf
    self.weight = weight
    self.options = (try? JSONValue(encoding: options)) ?? .object([:])
    prepare = { example, context, stream in
      try O.prepare(example, options, context, using: &stream).map {
        ($0.sequence, $0.target as any Sendable, $0.group, O.weight(of: $0.target))
      }
    }
    build = { facts, root in Runner<O>(objective: try O(options, facts, at: root)) }
  }

  /// The sequences of one example, each with a dropout key of its own.
  public func prepared(
    _ example: Example, _ context: PreparationContext, place: Int, key: UInt64,
    using stream: inout RandomStream
  ) throws -> [MixedSequence] {
    try prepare(example, context, &stream).enumerated().map { ordinal, item in
      var sequence = item.0
      sequence.key = mixed(key ^ mixed(UInt64(place) << 32 | UInt64(ordinal)))
      return MixedSequence(
        sequence: sequence, objective: place, group: item.2, weight: item.3, target: item.1)
    }
  }

  public func built(_ facts: ModelFacts, at root: ParameterPath) throws -> any ObjectiveRunner {
    try build(facts, root)
  }
}

/// An objective with its weights, its target type hidden.
public protocol ObjectiveRunner {
  /// The loss over those sequences of the batch that belong to objective `place`.
  func loss(
    _ encoding: Encoding, _ sequences: [MixedSequence], place: Int, denominator: Double
  ) throws -> LossReport?
  /// The objective itself, if it is of this type.
  func typed<O: Objective>(_ type: O.Type) -> O?
}

struct Runner<O: Objective>: ObjectiveRunner {
  let objective: O

  func typed<Other: Objective>(_ type: Other.Type) -> Other? { objective as? Other }

  func loss(
    _ encoding: Encoding, _ sequences: [MixedSequence], place: Int, denominator: Double
  ) throws -> LossReport? {
    let targets = sequences.enumerated().compactMap { index, item in
      item.objective == place
        ? (item.target as? O.Target).map { Placed(sequence: index, target: $0) } : nil
    }
    guard !targets.isEmpty, denominator > 0 else { return nil }
    return try objective.loss(encoding, targets, denominator: denominator)
  }
}
