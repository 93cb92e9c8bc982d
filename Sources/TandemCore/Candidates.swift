// Steps that choose what they learn: of several candidates one is kept, by what the model makes of
// them as it is. Candidates are encoded without gradients and without dropout, as UNITER's code does
// (Chen et al. 2020); the kept ones are encoded again with the rest of the step.

public import TandemNN
public import TandemTorch

/// The sequences of a step of which some are candidates.
public struct Candidates: Sendable {
  /// What is learned in any case.
  package let settled: [MixedSequence]
  /// Of each group one is learned.
  package let groups: [[MixedSequence]]
  let packer: MicrobatchPacker

  /// nil where there is nothing to choose.
  public init?(_ sequences: [MixedSequence], _ packer: MicrobatchPacker) {
    struct Choice: Hashable {
      var objective: Int
      var number: Int
    }
    var groups: [[MixedSequence]] = []
    var places: [Choice: Int] = [:]
    var settled: [MixedSequence] = []
    for sequence in sequences {
      guard sequence.choice != 0, let objective = sequence.targets.first?.objective else {
        settled.append(sequence)
        continue
      }
      let choice = Choice(objective: objective, number: sequence.choice)
      let place = places[choice] ?? groups.count
      if place == groups.count {
        places[choice] = place
        groups.append([])
      }
      groups[place].append(sequence)
    }
    guard !groups.isEmpty else { return nil }
    self.settled = settled
    self.groups = groups
    self.packer = packer
  }

  /// Rows of all candidates.
  public var rowCount: Int {
    groups.joined().reduce(0) { $0 + packer.input.rowCount($1.sequence) }
  }

  /// What would be learned if the first candidate of each group were kept.
  public var firstKept: [MixedSequence] { settled + groups.map { $0[0] } }

  /// What is learned: of each group the candidate that its objective chooses.
  ///
  /// - Parameter choose: the places of the kept candidates in some groups of one objective.
  func kept(
    _ choose: (_ objective: Int, _ groups: [[MixedSequence]]) throws -> [Int]
  ) throws -> [MixedSequence] {
    let byObjective = Dictionary(grouping: groups) { $0[0].targets[0].objective }
    return try settled
      + byObjective.sorted { $0.key < $1.key }.flatMap { objective, groups in
        let places = try choose(objective, groups)
        guard places.count == groups.count,
          zip(groups, places).allSatisfy({ $0.indices.contains($1) })
        else {
          throw ParameterError(
            "objective \(objective) chose \(places) of \(groups.map(\.count)) candidates")
        }
        return zip(groups, places).map { $0[$1] }
      }
  }
}

/// Encodes sequences for a look at them: without gradients and without dropout.
public struct Scout {
  let packer: MicrobatchPacker
  let encode: (PackedBatch, Mode) throws -> Encoding

  public init(
    _ packer: MicrobatchPacker, encode: @escaping (PackedBatch, Mode) throws -> Encoding
  ) {
    self.packer = packer
    self.encode = encode
  }

  /// What `read` makes of each sequence, [S, …], in the order they are given in, however many
  /// forwards that takes.
  public func callAsFunction(
    _ sequences: [InputSequence], _ read: (Encoding) throws -> Tensor
  ) throws -> Tensor {
    try withoutGradients {
      let cuts = packer.cuts(rows: sequences.map(packer.input.rowCount))
      let found = try Tensor.concatenated(
        cuts.map { try read(encode(packer.batch($0.map { sequences[$0] }), .inference)) })
      var places = [Int](repeating: 0, count: sequences.count)
      for (place, sequence) in cuts.joined().enumerated() { places[sequence] = place }
      return try found.rows(Tensor(places, on: found.device))
    }
  }
}

extension PreparedStep {
  /// The step with its candidates chosen; itself where it has none. A GPU is waited for.
  ///
  /// - Parameters:
  ///   - seed: of the run: what is drawn hangs on it and on the step's number alone.
  public func chosen(
    by objectives: [(definition: ObjectiveDefinition, runner: any ObjectiveRunner)], seed: UInt64,
    encode: @escaping (PackedBatch, Mode) throws -> Encoding
  ) throws -> PreparedStep {
    guard let candidates else { return self }
    let scout = Scout(candidates.packer, encode: encode)
    let random = RandomStream(seed: seed).child("candidates").child(UInt64(step))
    return try learning(
      candidates.kept { place, groups in
        var stream = random.child(UInt64(place))
        return try objectives[place].runner.choose(groups, scout, using: &stream)
      }, candidates.packer)
  }

  /// The step with the first candidate of each group, for one who asks what a step takes.
  public func choosingFirst() throws -> PreparedStep {
    guard let candidates else { return self }
    return try learning(candidates.firstKept, candidates.packer)
  }

  private func learning(
    _ sequences: [MixedSequence], _ packer: MicrobatchPacker
  ) throws -> PreparedStep {
    PreparedStep(
      step: step, epoch: epoch, microbatches: try packer.microbatches(sequences),
      denominators: denominators, exampleCount: exampleCount, skipped: skipped)
  }
}
