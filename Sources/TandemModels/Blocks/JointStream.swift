internal import TandemCore
internal import TandemNN
internal import TandemTorch

/// One stream of text rows and visual rows: where they lie, and who sees whom.
struct JointStream {
  let batch: PackedBatch
  let rows: PackedRows
  let attention: AttentionPlan
  private let order: Tensor
  private let firstRows: Tensor

  init(_ batch: PackedBatch, on device: Device) throws {
    self.batch = batch
    rows = try PackedRows(batch.layout, on: device)
    attention = try AttentionPlan(
      batch.spans, queryRows: rows.count, keyRows: rows.count, on: device)
    order = try Tensor(batch.jointOrder(), on: device)
    firstRows = try Tensor(Array(batch.layout.offsets.dropLast()), on: device)
  }

  /// All text rows [N, D] and all visual rows [R, D] in the stream's order, [N + R, D].
  func joined(_ text_ND: Tensor, _ visual_RD: Tensor?) throws -> Tensor {
    guard let visual_RD else { return text_ND }
    return try Tensor.concatenated([text_ND, visual_RD]).rows(order)
  }

  /// Runs BERT's layers.
  func run(_ layers: [PostNormLayer], _ x_TD: Tensor, _ mode: Mode) throws -> Tensor {
    try TandemNN.run(
      layers.map { layer in { try layer($0, rows, attention, mode) } }, x_TD, mode)
  }

  /// The rows of [CLS], [S, D].
  func first(_ x_TD: Tensor) throws -> Tensor { try x_TD.rows(firstRows) }
}
