// What models share that keep texts and pictures in streams of their own until layers cross them.
// Shapes: N text rows, R visual rows, D width of the text's rows, E of the visual ones.

internal import TandemCore
internal import TandemNN
internal import TandemTorch

/// A stream of text rows and a stream of visual rows: where they lie, and who sees whom. Made once
/// for a batch.
struct TwoStreams {
  /// Rows of one kind, which see the others of their sequence.
  struct Stream {
    let rows: PackedRows
    let attention: AttentionPlan

    init(_ layout: PackedLayout, on device: Device) throws {
      rows = try PackedRows(layout, on: device)
      attention = try AttentionPlan(
        .full(layout), queryRows: rows.count, keyRows: rows.count, on: device)
    }
  }

  /// What both streams hold between two layers.
  struct States {
    /// [N, D]
    var text_ND: Tensor
    /// [R, E]; nil where no sequence of the batch has a picture.
    var visual_RE: Tensor?

    /// A layer that reads both streams, keeping or recomputing its intermediate values.
    func run(
      recomputing: Bool, _ layer: @escaping (States) throws -> States
    ) throws -> States {
      guard recomputing && isRecordingGradients else { return try layer(self) }
      // What is recomputed is a function of one tensor: both streams end to end.
      let (text, visual) = (text_ND.shape, visual_RE?.shape)
      func parted(_ flat: Tensor) throws -> States {
        let count = text.reduce(1, *)
        return States(
          text_ND: try flat.narrow(0, from: 0, count).reshaped(text),
          visual_RE: try visual.map {
            try flat.narrow(0, from: count, $0.reduce(1, *)).reshaped($0)
          })
      }
      return try parted(recomputed(joined()) { try layer(parted($0)).joined() })
    }

    private func joined() throws -> Tensor {
      let text = try text_ND.reshaped([-1])
      return try visual_RE.map { try Tensor.concatenated([text, $0.reshaped([-1])]) } ?? text
    }
  }

  let text: Stream
  let visual: Stream
  /// Text rows ask the visual rows of their sequence, and the other way round. A text without a
  /// picture asks nobody: attention gives it 0.
  let textToVisual: AttentionPlan
  let visualToText: AttentionPlan
  /// Bool [N, 1], true where a text has a picture; nil where all have.
  let hasPicture: Tensor?
  private let firstRows: Tensor

  init(_ batch: PackedBatch, on device: Device) throws {
    text = try Stream(batch.textLayout, on: device)
    visual = try Stream(batch.visualLayout, on: device)
    textToVisual = try AttentionPlan(
      .cross(from: batch.textLayout, to: batch.visualLayout), queryRows: text.rows.count,
      keyRows: visual.rows.count, on: device)
    visualToText = try AttentionPlan(
      .cross(from: batch.visualLayout, to: batch.textLayout), queryRows: visual.rows.count,
      keyRows: text.rows.count, on: device)
    firstRows = try Tensor(Array(batch.textLayout.offsets.dropLast()), on: device)
    hasPicture = try Self.hasPicture(batch, on: device)
  }

  private static func hasPicture(_ batch: PackedBatch, on device: Device) throws -> Tensor? {
    guard batch.pictureOfSequence.contains(-1) else { return nil }
    let flags: [Float] = (0..<batch.sequenceCount).flatMap {
      let flag: Float = batch.pictureOfSequence[$0] < 0 ? 0 : 1
      return Array(repeating: flag, count: batch.textLayout.rows(of: $0).count)
    }
    return try Tensor(flags, [flags.count, 1], on: device).isGreater(than: 0.5)
  }

  /// The rows of [CLS], [S, D].
  func first(_ text_ND: Tensor) throws -> Tensor { try text_ND.rows(firstRows) }

  /// What text rows ask: the visual rows, or one row that no span names, because a product has to
  /// have rows.
  func keys(for states: States) throws -> Tensor {
    try states.visual_RE
      ?? Tensor.zeros(
        [1, states.text_ND.size(1)], states.text_ND.dtype, on: states.text_ND.device)
  }
}
