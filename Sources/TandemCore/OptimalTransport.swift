// Inexact proximal point optimal transport (Xie et al. 2020), as UNITER and ViLT use it.
// Shapes: B pairs, M words, N patches, D width.

public import TandemTorch

/// The settings of the transport, and the transport itself. Everything is in float32.
public struct OptimalTransport: Codable, Sendable, Equatable {
  /// The proximal weight.
  public var beta = 0.5
  /// Outer iterations.
  public var iterations = 50
  public init() {}

  /// Keep [CLS] and [SEP] among the words (UNITER does, ViLT does not).
  public var keepsSpecials = false

  /// The transport distance of each of some sequences, [B], from words to patches or regions
  /// without leading rows. The plan is a constant: gradients go through the cost alone.
  public func distances(_ encoding: Encoding, _ sequences: [Int]) throws -> Tensor {
    let words = sequences.map { self.words(encoding, $0) }
    let (x_BMD, padX_BM) = try gathered(encoding.text, words)
    let (y_BND, padY_BN) = try gathered(encoding.visual, sequences.map(encoding.visual.rows))
    return try distances(x_BMD, padX_BM, y_BND, padY_BN).distance_B
  }

  /// The plan of some sequences, [B, N, M], for looking at.
  public func plan(_ encoding: Encoding, _ sequence: Int) throws -> Tensor {
    let (x, padX) = try gathered(encoding.text, [words(encoding, sequence)])
    let (y, padY) = try gathered(encoding.visual, [encoding.visual.rows(of: sequence)])
    return try distances(x, padX, y, padY).plan_BNM
  }

  /// The rows of a sequence's words.
  public func words(_ encoding: Encoding, _ sequence: Int) -> Range<Int> {
    let rows = encoding.text.rows(of: sequence)
    return keepsSpecials
      ? rows : rows.lowerBound + 1..<max(rows.lowerBound + 1, rows.upperBound - 1)
  }

  /// Rows as a block padded with copies of row 0, and where the padding is.
  private func gathered(
    _ states: EncodedRows, _ ranges: [Range<Int>]
  ) throws -> (Tensor, pads: Tensor) {
    let most = ranges.map(\.count).max() ?? 0
    var rows: [Int] = []
    var pads: [Bool] = []
    for range in ranges {
      rows += range
      rows += repeatElement(0, count: most - range.count)
      pads += repeatElement(false, count: range.count)
      pads += repeatElement(true, count: most - range.count)
    }
    let width = states.states_TD.size(1)
    let block = try states(rows).reshaped([ranges.count, most, width])
    return (block, try Tensor(pads, [ranges.count, most], on: block.device))
  }

  /// Distances [B] and plans [B, N, M] between words [B, M, D] and patches [B, N, D]; the Boolean
  /// pads [B, M] and [B, N] are true where there is nothing.
  public func distances(
    _ x_BMD: Tensor, _ padX_BM: Tensor, _ y_BND: Tensor, _ padY_BN: Tensor
  ) throws -> (distance_B: Tensor, plan_BNM: Tensor) {
    let pad_BNM = try withoutGradients {
      try (padX_BM.unsqueezed(1).to(.float32) + padY_BN.unsqueezed(2).to(.float32))
        .clamped(from: 0, to: 1).to(.bool)
    }
    let similarity_BNM = try unit(y_BND).matmul(unit(x_BMD).transposed(1, 2))
    let cost_BNM = try ((-similarity_BNM) + 1).filled(where: pad_BNM, with: 0)
    let plan_BNM = try withoutGradients {
      try plan(cost_BNM.detached(), pad_BNM, padX_BM, padY_BN)
    }
    return (try (cost_BNM * plan_BNM).sum([1, 2]), plan_BNM)
  }

  private func unit(_ x: Tensor) throws -> Tensor {
    let x = try x.to(.float32)
    return try x / x.norm([-1], keep: true).clamped(from: 1e-5, to: .infinity)
  }

  private func plan(
    _ cost_BNM: Tensor, _ pad_BNM: Tensor, _ padX_BM: Tensor, _ padY_BN: Tensor
  ) throws -> Tensor {
    let padX_B1M = try padX_BM.to(.float32).unsqueezed(1)
    let padY_BN1 = try padY_BN.to(.float32).unsqueezed(2)
    let lengthX_B11 = try ((-padX_B1M) + 1).sum([2], keep: true)
    let lengthY_B11 = try ((-padY_BN1) + 1).sum([1], keep: true)
    let farX = try padX_B1M * 1e4
    let farY = try padY_BN1 * 1e4
    let kernel = try (cost_BNM * (-1 / beta)).exp().filled(where: pad_BNM, with: 0)
    var sigma_B1M = try ((-padX_B1M) + 1) / lengthX_B11
    var plan = try Tensor.ones(cost_BNM.shape, on: cost_BNM.device)
      .filled(where: pad_BNM, with: 0)
    for _ in 0..<iterations {
      let q = try kernel * plan
      let delta_BN1 = try ((q * sigma_B1M).sum([2], keep: true) * lengthY_B11 + farY).reciprocal()
      sigma_B1M = try ((q * delta_BN1).sum([1], keep: true) * lengthX_B11 + farX).reciprocal()
      plan = try delta_BN1 * q * sigma_B1M
    }
    return try plan.filled(where: pad_BNM, with: 0)
  }
}
