// What models share that keep texts and pictures in streams of their own until layers cross them.
// Shapes: N text rows, R visual rows, D width.

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
    /// [R, D]; nil where no sequence of the batch has a picture.
    var visual_RD: Tensor?
  }

  let text: Stream
  let visual: Stream
  /// Text rows ask the visual rows of their sequence, and the other way round. A text without a
  /// picture asks nobody: attention gives it 0.
  let textToVisual: AttentionPlan
  let visualToText: AttentionPlan
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
  }

  /// The rows of [CLS], [S, D].
  func first(_ text_ND: Tensor) throws -> Tensor { try text_ND.rows(firstRows) }

  /// What text rows ask: the visual rows, or one row that no span names, because a product has to
  /// have rows.
  func keys(for states: States) throws -> Tensor {
    try states.visual_RD
      ?? Tensor.zeros(
        [1, states.text_ND.size(1)], states.text_ND.dtype, on: states.text_ND.device)
  }

  /// Runs layers that read both streams, keeping or recomputing their intermediate values. Streams
  /// are of one width.
  func run(
    _ layers: [(States) throws -> States], _ states: States, _ mode: Mode
  ) throws -> States {
    var states = states
    for (index, layer) in layers.enumerated() {
      if mode.recomputation.covers(layer: index) && isRecordingGradients {
        // What is recomputed is a function of one tensor.
        let result = try recomputed(joined(states)) { try joined(layer(parted($0))) }
        states = try parted(result)
      } else {
        states = try layer(states)
      }
    }
    return states
  }

  private func joined(_ states: States) throws -> Tensor {
    guard let visual_RD = states.visual_RD else { return states.text_ND }
    return try Tensor.concatenated([states.text_ND, visual_RD])
  }

  private func parted(_ both: Tensor) throws -> States {
    guard visual.rows.count > 0 else { return States(text_ND: both, visual_RD: nil) }
    return States(
      text_ND: try both.narrow(0, from: 0, text.rows.count),
      visual_RD: try both.narrow(0, from: text.rows.count, visual.rows.count))
  }
}
