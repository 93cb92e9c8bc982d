public import TandemCore
internal import TandemText
internal import TandemTorch

/// Turns step numbers into prepared steps: a pure function of the seed, on any thread.
public struct StepLoader: Sendable {
  /// The main data first.
  public let streams: [ExampleStream]
  public let mixture: Mixture
  public let input: InputSpecification
  public let specials: SpecialTokens
  /// The most rows of a forward; groups that are larger by themselves go alone.
  public let rowBudget: Int
  public let seed: UInt64
  /// Whether a GPU is to fetch pixels and features.
  private let isPinned: Bool

  /// - Throws: `SettingsError` for an objective whose stream there is not.
  public init(
    streams: [ExampleStream], mixture: Mixture, input: InputSpecification,
    specials: SpecialTokens, rowBudget: Int, seed: UInt64, isPinned: Bool = false
  ) throws {
    for (place, objective) in mixture.objectives.enumerated() {
      guard streams.contains(where: { $0.name == objective.stream }) else {
        let known = streams.map(\.name).filter { !$0.isEmpty }
        throw SettingsError(
          "objectives.\(place).stream: there is no stream '\(objective.stream)' "
            + "(known: \(known.joined(separator: ", ")))")
      }
    }
    self.streams = streams
    self.mixture = mixture
    self.input = input
    self.specials = specials
    self.rowBudget = rowBudget
    self.seed = seed
    self.isPinned = isPinned
  }

  /// The main data.
  public var main: ExampleStream { streams[0] }
  public var builder: ExampleBuilder { main.builder }
  public var order: SampleOrder { main.order }
  public var index: PairIndex { main.index }

  /// Steps of `range` made ahead by `workers` threads.
  public func prefetching(_ range: Range<Int>, workers: Int) -> OrderedPrefetch<PreparedStep> {
    OrderedPrefetch(range, workers: workers, capacity: workers + 2) { try prepared($0) }
  }

  public func prepared(_ step: Int) throws -> PreparedStep {
    let stream = RandomStream(seed: seed).child("step").child(UInt64(step))
    var draw = stream.child("pass")
    let epoch =
      Double(step * main.examplesPerStep) / Double(max(1, main.order.count))
    let passes = mixture.passes(inEpoch: epoch, draw: draw.uniform())
    var sequences: [MixedSequence] = []
    var skipped: [String] = []
    var exampleCount = 0
    for source in streams {
      let own = passes.filter { mixture.objectives[$0[0]].stream == source.name }
      // The main data count as read even in a step that learns from elsewhere.
      guard !own.isEmpty else { continue }
      let random = source.name.isEmpty ? stream : stream.child(source.name)
      for position in 0..<source.examplesPerStep {
        let place = source.order[step * source.examplesPerStep + position]
        do {
          sequences += try self.sequences(place.index, position, source, own, random)
          exampleCount += 1
        } catch let error as CancellationError {
          throw error
        } catch {
          let of = source.name.isEmpty ? "" : " of \(source.name)"
          skipped.append("record \(place.index)\(of): \(error)")
        }
      }
    }
    return PreparedStep(
      step: step, epoch: order[step * main.examplesPerStep].epoch,
      microbatches: try cut(sequences), denominators: mixture.denominators(sequences),
      exampleCount: exampleCount, skipped: skipped)
  }

  private func sequences(
    _ index: Int, _ position: Int, _ source: ExampleStream, _ passes: [[Int]],
    _ stream: RandomStream
  ) throws -> [MixedSequence] {
    let own = stream.child(UInt64(position))
    var picture = own.child("picture")
    let example = try source.builder.example(at: index, using: &picture)
    let context = source.context(
      position: position, pairStream: stream.child("pair").child(UInt64(position / 2)), input,
      specials)
    return try mixture.sequences(passes, example, context, own)
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
