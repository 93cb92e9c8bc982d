public import TandemTorch

/// A box as four numbers relative to another: how far its centre lies off, in widths and heights of
/// the other, and the logarithms of how much wider and higher it is (Girshick et al. 2014, "R-CNN").
public struct BoxCoding: Sendable, Equatable, Codable {
  /// Factors on the four numbers: x, y, width, height.
  public var weights: [Double]
  /// No decoded box is more than e to this power wider or higher than the one it starts from;
  /// published detectors have log(1000 / 16).
  public var largestGrowth: Double
  /// A box's last row and column belong to it, so that its width is x2 − x1 + 1 (the Caffe
  /// detectors' form).
  public var isInclusive: Bool

  public init(
    weights: [Double] = [1, 1, 1, 1], largestGrowth: Double = 4.135166556742356,
    isInclusive: Bool = false
  ) {
    self.weights = weights
    self.largestGrowth = largestGrowth
    self.isInclusive = isInclusive
  }

  /// - Throws: `DetectionError` unless there are four weights above 0.
  public func check() throws {
    guard weights.count == 4, weights.allSatisfy({ $0 > 0 }), largestGrowth > 0 else {
      throw DetectionError(
        "box coding: needs four weights above 0 and a largest growth above 0, found \(weights), "
          + "\(largestGrowth)")
    }
  }

  /// The numbers [N, 4] of boxes [N, 4] relative to as many others [N, 4].
  public func encode(_ boxes: Tensor, relativeTo others: Tensor) throws -> Tensor {
    try check()
    let from = try Centred(others, isInclusive)
    let to = try Centred(boxes, isInclusive)
    return try Tensor.stacked(
      [
        (to.x - from.x) * weights[0] / from.width,
        (to.y - from.y) * weights[1] / from.height,
        (to.width / from.width).log() * weights[2],
        (to.height / from.height).log() * weights[3],
      ], 1)
  }

  /// The boxes [N, K, 4] that numbers [N, K·4] stand for relative to boxes [N, 4]. Boxes are
  /// returned as they were published: with `isInclusive` too, half the width is added to the centre
  /// for the right edge.
  public func decode(_ numbers: Tensor, relativeTo others: Tensor) throws -> Tensor {
    try check()
    let from = try Centred(others, isInclusive)
    let each = try numbers.reshaped([others.size(0), numbers.size(1) / 4, 4])
    func part(_ index: Int) throws -> Tensor {
      try each.narrow(2, from: index, 1).squeezed(2) / Double(weights[index])
    }
    func column(_ vector: Tensor) throws -> Tensor { try vector.unsqueezed(1) }
    let x = try part(0) * column(from.width) + column(from.x)
    let y = try part(1) * column(from.height) + column(from.y)
    let limited = { (growth: Tensor) in
      try growth.clamped(from: -.infinity, to: largestGrowth).exp()
    }
    let halfWidth = try limited(part(2)) * column(from.width) * 0.5
    let halfHeight = try limited(part(3)) * column(from.height) * 0.5
    return try Tensor.stacked(
      [x - halfWidth, y - halfHeight, x + halfWidth, y + halfHeight], 2)
  }

  /// Boxes [N, 4] by centre, width and height, all [N].
  private struct Centred {
    let x: Tensor
    let y: Tensor
    let width: Tensor
    let height: Tensor

    init(_ boxes: Tensor, _ isInclusive: Bool) throws {
      func column(_ index: Int) throws -> Tensor {
        try boxes.narrow(1, from: index, 1).squeezed(1)
      }
      let more = isInclusive ? 1.0 : 0.0
      width = try column(2) - column(0) + more
      height = try column(3) - column(1) + more
      x = try column(0) + width * 0.5
      y = try column(1) + height * 0.5
    }
  }
}
