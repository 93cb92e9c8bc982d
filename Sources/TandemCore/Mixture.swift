public import TandemTorch

/// How the objectives of a recipe go together: which of them share a sequence, and which of them a
/// step learns.
public struct Mixture: Sendable {
  public let objectives: [ObjectiveDefinition]
  /// The places of objectives that share sequences, those first that others must wait for.
  public let passes: [[Int]]
  public let learnsOnePass: Bool

  /// - Throws: `SettingsError` for objectives that cannot share a sequence, that learn from
  ///   different streams, or whose ratios sum to nothing.
  public init(_ objectives: [ObjectiveDefinition], learnsOnePass: Bool = false) throws {
    var order: [String] = []
    var members: [String: [Int]] = [:]
    for (place, objective) in objectives.enumerated() {
      // A pass is a sequence of one example: what comes from another stream is another pass.
      let pass = "\(objective.stream)/\(objective.pass)"
      if members[pass] == nil { order.append(pass) }
      members[pass, default: []].append(place)
    }
    self.objectives = objectives
    self.learnsOnePass = learnsOnePass
    passes = order.map { name in
      (members[name] ?? []).sorted {
        (objectives[$0].part.rawValue, $0) < (objectives[$1].part.rawValue, $1)
      }
    }
    for pass in passes where pass.count > 1 {
      if let alone = pass.first(where: { objectives[$0].part == .alone }) {
        throw SettingsError(
          "objectives.\(alone).pass: '\(objectives[alone].name)' makes sequences of its own kind "
            + "and cannot share those of '\(objectives[pass.first { $0 != alone } ?? 0].name)'")
      }
      for place in pass {
        let others = pass.filter { $0 != place }.map { objectives[$0] }
        if let reason = objectives[place].objection(others) { throw SettingsError(reason) }
      }
    }
    if learnsOnePass {
      let ratios = passes.map { Self.ratio($0, objectives) }
      guard ratios.reduce(0, +) > 0, ratios.allSatisfy({ $0 >= 0 && $0.isFinite }) else {
        throw SettingsError(
          "objectives: the ratios \(ratios) sum to nothing; --set objectives.0.ratio=1")
      }
    }
  }

  /// The same objectives in the same places, of which only one makes sequences.
  public func only(_ place: Int) -> Mixture { Mixture(objectives, passes: [[place]]) }

  private init(_ objectives: [ObjectiveDefinition], passes: [[Int]]) {
    self.objectives = objectives
    self.passes = passes
    learnsOnePass = false
  }

  /// The passes that a step learns: all, or one drawn by the objectives' ratios.
  ///
  /// - Parameters:
  ///   - epoch: how often the data have been seen, in parts.
  ///   - draw: uniform in 0..<1, the same on every process.
  public func passes(inEpoch epoch: Double, draw: Double) -> [[Int]] {
    let current = passes.compactMap { pass in
      let learned = pass.filter { objectives[$0].isLearned(inEpoch: epoch) }
      return learned.isEmpty ? nil : learned
    }
    guard learnsOnePass, !current.isEmpty else { return current }
    let ratios = current.map { Self.ratio($0, objectives) }
    var left = draw * ratios.reduce(0, +)
    for (pass, ratio) in zip(current, ratios) {
      left -= ratio
      if left < 0 { return [pass] }
    }
    return [current[current.count - 1]]
  }

  /// The sequences that some passes make of an example; `stream` is the example's own.
  public func sequences(
    _ passes: [[Int]], _ example: Example, _ context: PreparationContext, _ stream: RandomStream
  ) throws -> [MixedSequence] {
    try passes.flatMap { pass in
      guard pass.count > 1 else {
        var random = stream.child(objectives[pass[0]].name)
        return try objectives[pass[0]].prepared(
          example, context, place: pass[0], key: stream.key, using: &random)
      }
      return try shared(pass, example, context, stream)
    }
  }

  /// One sequence for all objectives of a pass; none where none asks anything of it.
  private func shared(
    _ pass: [Int], _ example: Example, _ context: PreparationContext, _ stream: RandomStream
  ) throws -> [MixedSequence] {
    var sequence = InputSequence(example)
    sequence.key = ObjectiveDefinition.key(stream.key, pass[0], 0)
    let targets = try pass.compactMap { place in
      var random = stream.child(objectives[place].name)
      return try objectives[place].joined(
        &sequence, example, context, place: place, using: &random)
    }
    return targets.isEmpty ? [] : [MixedSequence(sequence, group: 0, targets: targets)]
  }

  /// For each objective what its losses are divided by.
  public func denominators(_ sequences: [MixedSequence]) -> [Double] {
    var sums = [Double](repeating: 0, count: objectives.count)
    for target in sequences.lazy.flatMap(\.targets) { sums[target.objective] += target.weight }
    return sums
  }

  /// A pass is taken as often as the largest ratio of its objectives asks.
  private static func ratio(_ pass: [Int], _ objectives: [ObjectiveDefinition]) -> Double {
    pass.map { objectives[$0].ratio }.max() ?? 0
  }
}
