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
      /// What `body` makes of a record; nothing of a bad one, which is noted.
      func unlessBad<Made>(_ index: Int, _ body: () throws -> Made) throws -> Made? {
        do {
          return try body()
        } catch let error as CancellationError {
          throw error
        } catch {
          let of = source.name.isEmpty ? "" : " of \(source.name)"
          skipped.append("record \(index)\(of): \(error)")
          return nil
        }
      }
      // All of them first: objectives may take from one example for another.
      let examples = try (0..<source.examplesPerStep).compactMap { position in
        let place = source.order[step * source.examplesPerStep + position]
        return try unlessBad(place.index) {
          var picture = random.child(UInt64(position)).child("picture")
          return (position, try source.builder.example(at: place.index, using: &picture))
        }
      }
      let all = examples.map(\.1)
      for (position, example) in examples {
        let context = source.context(
          position: position, pairStream: random.child("pair").child(UInt64(position / 2)),
          step: all, input, specials)
        let made = try unlessBad(example.index) {
          try mixture.sequences(own, example, context, random.child(UInt64(position)))
        }
        guard let made else { continue }
        sequences += made
        exampleCount += 1
      }
    }
    let packer = MicrobatchPacker(input, rowBudget: rowBudget, isPinned: isPinned)
    let candidates = Candidates(sequences, packer)
    return PreparedStep(
      step: step, epoch: order[step * main.examplesPerStep].epoch,
      microbatches: candidates == nil ? try packer.microbatches(sequences) : [],
      candidates: candidates,
      denominators: mixture.denominators(candidates?.firstKept ?? sequences),
      exampleCount: exampleCount, skipped: skipped)
  }
}
