// Objectives of different types in one list. The only casts of the system are in this file.

public import TandemNN
public import TandemTorch

/// A prepared sequence and what the objectives of the mixture want to hear about it.
public struct MixedSequence: Sendable {
  public let sequence: InputSequence
  public let group: Int
  /// Candidates of one objective that have one number; 0 for those that are learned in any case.
  public let choice: Int
  public let targets: [MixedTarget]

  public init(
    _ sequence: InputSequence, group: Int, choice: Int = 0, targets: [MixedTarget]
  ) {
    self.sequence = sequence
    self.group = group
    self.choice = choice
    self.targets = targets
  }
}

/// What one objective of the mixture wants to hear about a sequence.
public struct MixedTarget: Sendable {
  /// Its place in the mixture.
  public let objective: Int
  /// What it adds to the objective's denominator.
  public let weight: Double
  package let target: any Sendable

  package init(objective: Int, weight: Double, target: any Sendable) {
    self.objective = objective
    self.weight = weight
    self.target = target
  }
}

/// An objective with its options, before it has weights: a value for loader threads.
public struct ObjectiveDefinition: Sendable {
  public let name: String
  /// What its metrics are called after: the name, told apart from others of that name.
  public var title: String
  /// The factor on its loss.
  public let weight: Double
  public let options: JSONValue
  /// The objectives that share sequences with it have the same pass.
  public var pass: String
  public let part: PassPart
  /// It learns from what the averaged copy of the weights makes of a batch, too.
  public let readsFollower: Bool
  /// It asks for second texts of pictures.
  public let readsSecondText: Bool
  /// The stream of examples that it learns from; empty for the main one.
  public var stream = ""
  /// Its share of the steps, where a step has one pass only.
  public var ratio = 1.0
  /// The epochs in which it is learned; no end where the second is 0.
  public var epochs = (from: 0.0, until: 0.0)
  let prepare:
    @Sendable (Example, PreparationContext, inout RandomStream) throws -> [(
      item: PreparedSequence<any Sendable>, weight: Double
    )]
  let join:
    @Sendable (inout InputSequence, Example, PreparationContext, inout RandomStream) throws -> (
      any Sendable, Double
    )?
  /// Why it cannot share a pass with others.
  let objection: @Sendable ([ObjectiveDefinition]) -> String?
  let build: @Sendable (ModelFacts, ParameterPath, String) throws -> any ObjectiveRunner

  /// Reads the options of `type` from JSON: its defaults with these fields in place of theirs.
  public init<O: Objective>(_ type: O.Type, weight: Double, options: JSONValue) throws {
    let typed = try JSONValue.merged(O.defaults, with: options, at: "objectives.\(O.name)")
    self.init(type, weight: weight, typed: typed)
  }

  public init<O: Objective>(_ type: O.Type, weight: Double = 1, typed options: O.Options) {
    name = O.name
    title = O.name
    pass = O.pass
    part = O.part
    readsFollower = O.readsFollower(options)
    readsSecondText = O.readsSecondText(options)
    self.weight = weight
    self.options = (try? JSONValue(encoding: options)) ?? .object([:])
    prepare = { example, context, stream in
      try O.prepare(example, options, context, using: &stream).map {
        (
          PreparedSequence($0.sequence, $0.target, group: $0.group, choice: $0.choice),
          O.weight(of: $0.target)
        )
      }
    }
    join = { sequence, example, context, stream in
      try O.join(&sequence, example, options, context, using: &stream).map {
        ($0, O.weight(of: $0))
      }
    }
    objection = { O.objection(options, to: $0) }
    build = { facts, root, title in
      Runner<O>(objective: try O(options, facts, at: root), title: title)
    }
  }

  /// The sequences of one example, each with a dropout key of its own.
  public func prepared(
    _ example: Example, _ context: PreparationContext, place: Int, key: UInt64,
    using stream: inout RandomStream
  ) throws -> [MixedSequence] {
    try prepare(example, context, &stream).enumerated().map { ordinal, item in
      var sequence = item.item.sequence
      sequence.key = Self.key(key, place, ordinal)
      return MixedSequence(
        sequence, group: item.item.group, choice: item.item.choice,
        targets: [MixedTarget(objective: place, weight: item.weight, target: item.item.target)])
    }
  }

  /// Adds what this objective asks to a sequence that others share.
  public func joined(
    _ sequence: inout InputSequence, _ example: Example, _ context: PreparationContext,
    place: Int, using stream: inout RandomStream
  ) throws -> MixedTarget? {
    try join(&sequence, example, context, &stream).map {
      MixedTarget(objective: place, weight: $0.1, target: $0.0)
    }
  }

  /// What names the sequences of an example to dropout.
  public static func key(_ example: UInt64, _ place: Int, _ ordinal: Int) -> UInt64 {
    mixed(example ^ mixed(UInt64(place) << 32 | UInt64(ordinal)))
  }

  public func built(_ facts: ModelFacts, at root: ParameterPath) throws -> any ObjectiveRunner {
    try build(facts, root, title)
  }

  /// Whether it is learned in an epoch, counted from 0 in parts.
  public func isLearned(inEpoch epoch: Double) -> Bool {
    epoch >= epochs.from && (epochs.until <= 0 || epoch < epochs.until)
  }
}

/// An objective with its weights, its target type hidden.
public protocol ObjectiveRunner {
  /// The loss over those targets of the batch that belong to objective `place`.
  func loss(
    _ encoding: Encoding, _ sequences: [MixedSequence], place: Int, denominator: Double
  ) throws -> LossReport?
  /// What the objective keeps of those targets after their backward pass.
  func remember(_ encoding: Encoding, _ sequences: [MixedSequence], place: Int) throws
  /// Which of each group of candidates the objective keeps.
  func choose(
    _ groups: [[MixedSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int]
  /// The objective itself, if it is of this type.
  func typed<O: Objective>(_ type: O.Type) -> O?
}

extension ObjectiveRunner {
  public func remember(_ encoding: Encoding, _ sequences: [MixedSequence], place: Int) throws {}
  public func choose(
    _ groups: [[MixedSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int] { groups.map { _ in 0 } }
}

struct Runner<O: Objective>: ObjectiveRunner {
  let objective: O
  let title: String

  func typed<Other: Objective>(_ type: Other.Type) -> Other? { objective as? Other }

  func loss(
    _ encoding: Encoding, _ sequences: [MixedSequence], place: Int, denominator: Double
  ) throws -> LossReport? {
    let targets = own(sequences, place)
    guard !targets.isEmpty, denominator > 0 else { return nil }
    var report = try objective.loss(encoding, targets, denominator: denominator)
    guard title != O.name else { return report }
    report.metrics = try report.metrics.map {
      let own = $0.name.hasPrefix(O.name + ".") ? $0.name.dropFirst(O.name.count) : ".\($0.name)"
      return try PendingMetric(title + own, sum: $0.sum, count: $0.count)
    }
    return report
  }

  func remember(_ encoding: Encoding, _ sequences: [MixedSequence], place: Int) throws {
    let targets = own(sequences, place)
    guard !targets.isEmpty else { return }
    try withoutGradients { try objective.remember(encoding, targets) }
  }

  func choose(
    _ groups: [[MixedSequence]], _ scout: Scout, using stream: inout RandomStream
  ) throws -> [Int] {
    try objective.choose(groups.map { $0.map(\.sequence) }, scout, using: &stream)
  }

  private func own(_ sequences: [MixedSequence], _ place: Int) -> [Placed<O.Target>] {
    sequences.enumerated().flatMap { index, item in
      item.targets.compactMap { target in
        target.objective == place
          ? (target.target as? O.Target).map { Placed(sequence: index, target: $0) } : nil
      }
    }
  }
}
