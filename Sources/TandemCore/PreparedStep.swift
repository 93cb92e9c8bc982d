internal import TandemNN

/// Some sequences of a step in one packed forward.
public struct Microbatch: Sendable {
  public let batch: PackedBatch
  public let sequences: [MixedSequence]

  public init(batch: PackedBatch, sequences: [MixedSequence]) {
    self.batch = batch
    self.sequences = sequences
  }
}

/// Everything that one step of training needs, made before its turn.
public struct PreparedStep: Sendable {
  public let step: Int
  public let epoch: Int
  /// None while there are candidates to choose among.
  public let microbatches: [Microbatch]
  public let candidates: Candidates?
  /// For each objective what its losses are divided by, counted over the whole step.
  public let denominators: [Double]
  public let exampleCount: Int
  /// What was wrong with the records that were left out.
  public let skipped: [String]

  public init(
    step: Int, epoch: Int, microbatches: [Microbatch], candidates: Candidates? = nil,
    denominators: [Double], exampleCount: Int, skipped: [String]
  ) {
    self.step = step
    self.epoch = epoch
    self.microbatches = microbatches
    self.candidates = candidates
    self.denominators = denominators
    self.exampleCount = exampleCount
    self.skipped = skipped
  }

  public var rowCount: Int { microbatches.reduce(0) { $0 + $1.batch.layout.rowCount } }
}
