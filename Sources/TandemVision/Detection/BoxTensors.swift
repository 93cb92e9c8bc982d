// Boxes as tensors [N, 4] of x1, y1, x2, y2, and back.

internal import TandemImage
internal import TandemTorch

extension Tensor {
  /// Boxes [N, 4].
  static func boxes(_ boxes: [Box], on device: Device) throws -> Tensor {
    try Tensor(boxes.coordinates, [boxes.count, 4], on: device)
  }

  /// These boxes [..., 4] cut off at the edges of a picture.
  func clipped(to size: PixelSize, isInclusive: Bool = false) throws -> Tensor {
    let last = rank - 1
    let more = isInclusive ? 1.0 : 0.0
    func side(_ index: Int, _ most: Int) throws -> Tensor {
      try narrow(last, from: index, 1).clamped(from: 0, to: Double(most) - more)
    }
    return try Tensor.concatenated(
      [side(0, size.width), side(1, size.height), side(2, size.width), side(3, size.height)], last)
  }

  /// True for those of these boxes [..., 4] that are at least so wide and so high.
  func areAtLeast(_ side: Double, isInclusive: Bool = false) throws -> Tensor {
    let last = rank - 1
    let more = isInclusive ? 1.0 : 0.0
    func column(_ index: Int) throws -> Tensor {
      try narrow(last, from: index, 1).squeezed(last)
    }
    let width = try column(2) - column(0) + more
    let height = try column(3) - column(1) + more
    return try width.isAtLeast(side).and(height.isAtLeast(side))
  }

  /// Boxes of this tensor [N, 4].
  func asBoxes() throws -> [Box] {
    let numbers = try detached().floats()
    return stride(from: 0, to: numbers.count, by: 4).map {
      Box(x1: numbers[$0], y1: numbers[$0 + 1], x2: numbers[$0 + 2], y2: numbers[$0 + 3])
    }
  }
}

extension [Box] {
  /// x1, y1, x2, y2 of each.
  var coordinates: [Float] { flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] } }
}

extension Box {
  /// Whether the corners are numbers that lie in order and within what a picture may have.
  var isUsable: Bool {
    let limit: Float = 1e7
    return [x1, y1, x2, y2].allSatisfy { $0.isFinite && abs($0) < limit } && x2 >= x1 && y2 >= y1
  }

  /// In the pixels of a picture that was resized.
  func scaled(x: Float, y: Float) -> Box {
    Box(x1: x1 * x, y1: y1 * y, x2: x2 * x, y2: y2 * y)
  }
}
