public import TandemCore
internal import TandemText
internal import TandemTorch

/// Turns step numbers into prepared steps: a pure function of the seed, on any thread.
public struct StepLoader: Sendable {
  public let builder: ExampleBuilder
  public let order: SampleOrder
  public let objectives: [ObjectiveDefinition]
  public let input: InputSpecification
  public let specials: SpecialTokens
  public let examplesPerStep: Int
  /// The most rows of a forward; groups that are larger by themselves go alone.
  public let rowBudget: Int
  private let seed: UInt64
  /// Whether a GPU is to fetch the patches.
  private let isPinned: Bool
  public let index: PairIndex

  public init(
    builder: ExampleBuilder, order: SampleOrder, objectives: [ObjectiveDefinition],
    input: InputSpecification, specials: SpecialTokens, examplesPerStep: Int, rowBudget: Int,
    badRecords: Int = 0, seed: UInt64, isPinned: Bool = false
  ) throws {
    self.builder = builder
    self.order = order
    self.objectives = objectives
    self.input = input
    self.specials = specials
    self.examplesPerStep = examplesPerStep
    self.rowBudget = rowBudget
    self.seed = seed
    self.isPinned = isPinned
    index = try PairIndex(builder.dataset, badRecords: badRecords) { builder.text(of: $0) }
  }

  /// Steps of `range` made ahead by `workers` threads.
  public func prefetching(_ range: Range<Int>, workers: Int) -> OrderedPrefetch<PreparedStep> {
    OrderedPrefetch(range, workers: workers, capacity: workers + 2) { try prepared($0) }
  }

  public func prepared(_ step: Int) throws -> PreparedStep {
    let stream = RandomStream(seed: seed).child("step").child(UInt64(step))
    var sequences: [MixedSequence] = []
    var skipped: [String] = []
    for position in 0..<examplesPerStep {
      let place = order[step * examplesPerStep + position]
      do {
        sequences += try self.sequences(place.index, position, stream)
      } catch let error as CancellationError {
        throw error
      } catch {
        skipped.append("record \(place.index): \(error)")
      }
    }
    return PreparedStep(
      step: step, epoch: order[step * examplesPerStep].epoch,
      microbatches: try cut(sequences), denominators: denominators(sequences),
      exampleCount: examplesPerStep - skipped.count, skipped: skipped)
  }

  private func sequences(
    _ index: Int, _ position: Int, _ stream: RandomStream
  ) throws -> [MixedSequence] {
    let own = stream.child(UInt64(position))
    var picture = own.child("picture")
    let example = try builder.example(at: index, using: &picture)
    let context = PreparationContext(
      specials: specials, input: input, positionInStep: position,
      pairStream: stream.child("pair").child(UInt64(position / 2)),
      otherPicture: { [builder, index = self.index] example, stream in
        // A picture that cannot be read counts at its own record's turn: here another one serves.
        var attempts = 0
        while true {
          let other = try index.stranger(
            to: example.index, replacingPicture: true, using: &stream)
          attempts += 1
          do {
            return try builder.picture(at: other, using: &stream)
          } catch  where attempts < 16 {
            continue
          }
        }
      },
      otherText: { [builder, index = self.index] example, stream in
        let other = try index.stranger(
          to: example.index, replacingPicture: false, using: &stream)
        return try builder.tokenized(at: other).first ?? .init()
      })
    var result: [MixedSequence] = []
    for (place, objective) in objectives.enumerated() where source(of: place) == place {
      var random = own.child(objective.name)
      result += try objective.prepared(
        example, context, place: place, key: own.key, using: &random)
    }
    return result
  }

  /// The place whose sequences the objective at `place` judges: mostly its own.
  public func source(of place: Int) -> Int {
    guard let name = objectives[place].sequencesOf else { return place }
    return objectives.firstIndex { $0.name == name } ?? place
  }

  private func denominators(_ sequences: [MixedSequence]) -> [Double] {
    var sums = [Double](repeating: 0, count: objectives.count)
    for sequence in sequences { sums[sequence.objective] += sequence.weight }
    return objectives.indices.map { sums[source(of: $0)] }
  }

  /// Fills packed batches up to the row budget. Sequences of like length come together, so that
  /// attention serves many of them in one call.
  func cut(_ sequences: [MixedSequence]) throws -> [Microbatch] {
    var units: [[MixedSequence]] = []
    var groups: [Int: Int] = [:]
    for sequence in sequences {
      if sequence.group != 0, let unit = groups[sequence.group] {
        units[unit].append(sequence)
      } else {
        if sequence.group != 0 { groups[sequence.group] = units.count }
        units.append([sequence])
      }
    }
    func rows(_ unit: [MixedSequence]) -> Int {
      unit.reduce(0) { $0 + input.rowCount($1.sequence) }
    }
    let sized = units.map { (unit: $0, rows: rows($0)) }
    let order = sized.indices.sorted { (sized[$0].rows, $0) < (sized[$1].rows, $1) }
    var result: [Microbatch] = []
    var current: [MixedSequence] = []
    var filled = 0
    func flush() throws {
      guard !current.isEmpty else { return }
      result.append(
        Microbatch(
          batch: try PackedBatch(current.map(\.sequence), input, isPinned: isPinned),
          sequences: current))
      current = []
      filled = 0
    }
    for place in order {
      if filled > 0, filled + sized[place].rows > rowBudget { try flush() }
      current += sized[place].unit
      filled += sized[place].rows
    }
    try flush()
    return result
  }
}
