// What a model makes of a batch, whatever the order of its rows. Shapes: T rows, S sequences, D
// width, N rows asked for.

internal import TandemNN
public import TandemTorch

/// The last states of one kind of rows, and where each sequence's begin.
public struct EncodedRows {
  /// [T, D]; rows of other kinds may lie between.
  public let states_TD: Tensor
  private let rowsOfSequence: [Range<Int>]

  public init(_ states_TD: Tensor, rows: [Range<Int>]) {
    self.states_TD = states_TD
    rowsOfSequence = rows
  }

  public func rows(of sequence: Int) -> Range<Int> { rowsOfSequence[sequence] }

  /// Some rows, [N, D].
  public func callAsFunction(_ rows: [Int]) throws -> Tensor {
    try states_TD.rows(Tensor(rows, on: states_TD.device))
  }
}

/// What the last layer says of each row.
public struct Encoding {
  public let batch: PackedBatch
  /// Text rows, [CLS] first.
  public let text: EncodedRows
  /// Patches, regions or cells, without leading and trailing rows.
  public let visual: EncodedRows
  /// One vector a sequence, [S, D].
  public let pooled_SD: Tensor
  /// Of models that encode texts and pictures apart: one vector each, [S, E], of length 1.
  public let pair: PairFeatures?
  /// The same of the averaged copy of the weights, without gradients; nil where no objective asks
  /// for it.
  public var follower: PairFeatures?

  /// Of a model with one stream, whose rows lie as `batch.layout` says.
  public init(batch: PackedBatch, joint states_TD: Tensor, pooled_SD: Tensor) {
    let sequences = 0..<batch.sequenceCount
    self.batch = batch
    text = EncodedRows(states_TD, rows: sequences.map(batch.textRows))
    visual = EncodedRows(states_TD, rows: sequences.map(batch.unitRows))
    self.pooled_SD = pooled_SD
    pair = nil
  }

  /// Of a model with a stream of texts and one of pictures.
  public init(
    batch: PackedBatch, text text_TD: Tensor, visual visual_TD: Tensor, pooled_SD: Tensor,
    pair: PairFeatures? = nil
  ) {
    let sequences = 0..<batch.sequenceCount
    self.batch = batch
    text = EncodedRows(text_TD, rows: sequences.map(batch.textLayout.rows))
    visual = EncodedRows(visual_TD, rows: sequences.map(batch.unitRowsInVisualStream))
    self.pooled_SD = pooled_SD
    self.pair = pair
  }

  /// The pooled vectors of some sequences, [N, D].
  public func pooled(_ sequences: [Int]) throws -> Tensor {
    try pooled_SD.rows(Tensor(sequences, on: pooled_SD.device))
  }

  /// The states of text pieces, counted without [CLS], [N, D].
  public func pieces(_ places: [(sequence: Int, piece: Int)]) throws -> Tensor {
    try text(places.map { text.rows(of: $0.sequence).lowerBound + 1 + $0.piece })
  }

  /// The states of patches or regions, [N, D].
  public func units(_ places: [(sequence: Int, unit: Int)]) throws -> Tensor {
    try visual(places.map { visual.rows(of: $0.sequence).lowerBound + $0.unit })
  }
}

/// Vectors of texts and of pictures in one space.
public struct PairFeatures {
  /// [S, E], of length 1.
  public let text_SE: Tensor
  public let picture_SE: Tensor
  /// What similarities are multiplied by, one element.
  public let scale: Tensor

  public init(text_SE: Tensor, picture_SE: Tensor, scale: Tensor) {
    self.text_SE = text_SE
    self.picture_SE = picture_SE
    self.scale = scale
  }
}
