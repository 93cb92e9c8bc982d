internal import TandemTorch

/// Which rows are summed up for each group, and what each sum is divided by. Shapes: T rows, D width,
/// S groups.
struct GroupMeans {
  private var rows: [Int] = []
  private var groups: [Int] = []
  private var shares: [Float] = []

  /// Adds a group of some rows.
  ///
  /// - Parameter divisor: of the sum; nil for how many rows there are. A group without rows is 0.
  mutating func append(_ rows: some Collection<Int>, divisor: Int? = nil) {
    self.rows += rows
    groups += repeatElement(shares.count, count: rows.count)
    shares.append(1 / Float(max(divisor ?? rows.count, 1)))
  }

  /// [T, D] → [S, D], float32.
  func callAsFunction(_ x_TD: Tensor) throws -> Tensor {
    let device = x_TD.device
    let chosen = try x_TD.to(.float32).rows(Tensor(rows, on: device))
    let sums_SD = try Tensor.zeros([shares.count, x_TD.size(1)], on: device)
      .addingRows(chosen, at: Tensor(groups, on: device))
    return try sums_SD * Tensor(shares, [shares.count, 1], on: device)
  }
}

extension Tensor {
  /// Rows [S, D] at length 1; those of zeros stay so.
  func unitLength() throws -> Tensor {
    try self / norm([1], keep: true).clamped(from: 1e-12)
  }
}

/// The vectors of the pictures of a batch's sequences, where not every sequence has one. Shapes: P
/// pictures, S sequences, E width.
struct PictureVectors {
  /// [S, E], 0 for a sequence without a picture.
  let vectors_SE: Tensor
  /// [S, E], 1 for a sequence without a picture: what a product with its text leaves as it is.
  let factors_SE: Tensor

  /// - Parameter pictureOfSequence: for each sequence its row of [P, E]; −1 for none.
  init(_ pictures_PE: Tensor, _ pictureOfSequence: [Int]) throws {
    let device = pictures_PE.device
    let count = pictures_PE.size(0)
    guard pictureOfSequence.contains(-1) else {
      vectors_SE =
        try pictureOfSequence == Array(0..<count)
        ? pictures_PE : pictures_PE.rows(Tensor(pictureOfSequence, on: device))
      factors_SE = vectors_SE
      return
    }
    let none_1E = try Tensor.zeros([1, pictures_PE.size(1)], on: device)
    let places = pictureOfSequence.map { $0 < 0 ? count : $0 }
    let missing: [Float] = pictureOfSequence.map { $0 < 0 ? 1 : 0 }
    vectors_SE = try Tensor.concatenated([pictures_PE, none_1E]).rows(Tensor(places, on: device))
    factors_SE = try vectors_SE + Tensor(missing, [missing.count, 1], on: device)
  }
}
