// How ViT's kin read pictures (Dosovitskiy et al. 2021): a class token and patches, each with its place
// in a table that is resized to the picture's grid. Shapes: T packed rows, P patches of distinct
// pictures, L rows of the table, D width.

internal import TandemCore
internal import TandemNN
internal import TandemTorch

/// Claims `patch_embed.proj`, `cls_token`, `pos_embed` and, where patches can be hidden, `mask_token`.
struct PatchEmbedding {
  let patches: Linear
  let classToken: Parameter
  let positions: Parameter
  let maskToken: Parameter?
  private let width: Int
  private let patchSize: Int
  private let grid: PatchGrid

  /// - Parameter grid: patches down and across in the table of places.
  init(
    width: Int, patchSize: Int, grid: (height: Int, width: Int), hidesPatches: Bool,
    at path: ParameterPath
  ) throws {
    let projection = path / "patch_embed" / "proj"
    patches = Linear(
      weight: try projection("weight", [width, 3, patchSize, patchSize], .product),
      bias: try projection("bias", [width], .zeros, decay: false))
    classToken = try path("cls_token", [1, 1, width])
    positions = try path("pos_embed", [1, 1 + grid.height * grid.width, width])
    maskToken = hidesPatches ? try path("mask_token", [1, width]) : nil
    self.width = width
    self.patchSize = patchSize
    self.grid = PatchGrid(height: grid.height, width: grid.width)
  }

  var device: Device { positions.value.device }

  /// The class token's row, the patches' rows [P, D], and a row for each hidden patch; none without
  /// pictures.
  func rows(_ batch: PackedBatch, _ plan: EmbeddingPlan) throws -> [Tensor] {
    guard batch.unitCount > 0 else { return [] }
    let pixels = 3 * patchSize * patchSize
    let table_LD = try positions.value.view([1 + grid.count, width])
    let class_1D = try classToken.value.view([1, width]) + table_LD.narrow(0, from: 0, 1)
    let tables = try plan.grids.map { try places($0, table_LD) }
    let place_PD = try Tensor.concatenated(tables).rows(Tensor(plan.patchPositions, on: device))
    let content_PD = try patches(batch.patches.tensor([batch.unitCount, pixels], on: device))
    var parts = [class_1D, try content_PD + place_PD]
    if !plan.hidden.isEmpty {
      guard let maskToken else {
        throw ParameterError("hidden patches need a model with model.config.maskToken=true")
      }
      parts.append(try place_PD.rows(Tensor(plan.hidden, on: device)) + maskToken.value)
    }
    return parts
  }

  /// The table of places resized to one grid, [height·width, D]: corners stay corners.
  private func places(_ wanted: PatchGrid, _ table_LD: Tensor) throws -> Tensor {
    let square_LD = try table_LD.narrow(0, from: 1, grid.count)
    if wanted == grid { return square_LD }
    return try square_LD.transposed(0, 1).reshaped([1, width, grid.height, grid.width])
      .upsampledBilinear(height: wanted.height, width: wanted.width)
      .reshaped([width, wanted.count]).transposed(0, 1)
  }
}

/// Where each row of the packed order comes from: rows of [texts; class token; patches; hidden].
struct EmbeddingPlan {
  /// For each packed row, its row among the embedded ones.
  var order: [Int] = []
  /// For each packed row 0 for text, 1 for a picture, 2 for a statement's second one.
  var modalities: [Int] = []
  /// Distinct grids, and for each patch its row among their tables laid end to end.
  var grids: [PatchGrid] = []
  var patchPositions: [Int] = []
  /// For each hidden patch of a sequence, its patch.
  var hidden: [Int] = []

  init(_ batch: PackedBatch) {
    order.reserveCapacity(batch.layout.rowCount)
    modalities.reserveCapacity(batch.layout.rowCount)
    let firstPatchRow = batch.tokens.count + 1
    let firstHiddenRow = firstPatchRow + batch.unitCount
    for sequence in 0..<batch.sequenceCount {
      let tokens = batch.textLayout.rows(of: sequence)
      order += tokens
      modalities += repeatElement(0, count: tokens.count)
      guard batch.pictureOfSequence[sequence] >= 0 else { continue }
      let picture = batch.pictures[batch.pictureOfSequence[sequence]]
      order.append(batch.tokens.count)
      let start = order.count
      let firstRow = firstPatchRow + picture.firstUnit
      order += firstRow..<firstRow + picture.grid.count
      modalities += repeatElement(
        1 + batch.pictureOrders[sequence], count: 1 + picture.grid.count)
      for patch in batch.hidden[sequence] {
        order[start + patch] = firstHiddenRow + hidden.count
        hidden.append(picture.firstUnit + patch)
      }
    }
    var firstRows: [PatchGrid: Int] = [:]
    var next = 0
    for picture in batch.pictures {
      if firstRows[picture.grid] == nil {
        firstRows[picture.grid] = next
        grids.append(picture.grid)
        next += picture.grid.count
      }
      let first = firstRows[picture.grid] ?? 0
      patchPositions += first..<(first + picture.grid.count)
    }
  }
}
