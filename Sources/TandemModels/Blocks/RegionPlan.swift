internal import TandemCore
internal import TandemTorch

/// Where each region row comes from: what its box is, and whose content it shows. Shapes: R region
/// rows, U regions of distinct pictures, X features that stand in for others, F feature width.
struct RegionPlan {
  private let batch: PackedBatch
  /// For each region row, sequence after sequence, its region among those of all pictures.
  private(set) var regions: [Int] = []
  /// For each region row its content: a region, then (U) what stands for hidden ones, then (U + 1…)
  /// the features that stand in for others.
  private(set) var contents: [Int] = []
  /// For each region row whether the sequence must not see it.
  private(set) var isHidden: [Bool] = []
  /// Something stands for hidden ones: not where they are dark in the pixels themselves.
  private(set) var hidesAny = false

  init(_ batch: PackedBatch) {
    self.batch = batch
    let hiddenRow = batch.unitCount
    let masksPixels = batch.specification.regions?.masksPixels ?? false
    var nextReplacement = hiddenRow + 1
    for sequence in 0..<batch.sequenceCount {
      let replaced = batch.replaced[sequence]
      let place = batch.pictureOfSequence[sequence]
      guard place >= 0 else {
        nextReplacement += replaced.count
        continue
      }
      let picture = batch.pictures[place]
      let start = contents.count
      let units = picture.firstUnit..<picture.firstUnit + picture.unitCount
      regions += units
      contents += units
      isHidden += repeatElement(false, count: units.count)
      for unit in batch.hidden[sequence] {
        isHidden[start + unit] = true
        guard !masksPixels else { continue }
        contents[start + unit] = hiddenRow
        hidesAny = true
      }
      for unit in replaced {
        isHidden[start + unit] = false
        contents[start + unit] = nextReplacement
        nextReplacement += 1
      }
    }
  }

  /// Features of the regions of distinct pictures and of those that stand in for others,
  /// [U + X, F].
  ///
  /// - Parameter made: features [U, F] of a network in the model, in place of those that were read.
  func features(on device: Device, made: Tensor? = nil) throws -> Tensor {
    if let made { return made }
    let width = batch.specification.regions?.featureWidth ?? 0
    let own = try batch.features.tensor([batch.unitCount, width], on: device)
    guard batch.replacements.count > 0 else { return own }
    return try Tensor.concatenated([
      own,
      batch.replacements.tensor([batch.replacements.count / width, width], on: device),
    ])
  }

  /// The contents of all region rows, [R, D], from what became of `features` and of a hidden region.
  ///
  /// - Parameters:
  ///   - known_UXD: [U + X, D]
  ///   - hidden_1D: [1, D]
  func rows(_ known_UXD: Tensor, hidden hidden_1D: @autoclosure () throws -> Tensor) throws
    -> Tensor
  {
    let device = known_UXD.device
    let count = batch.unitCount
    if !hidesAny && contents.allSatisfy({ $0 < count }) {
      return try known_UXD.rows(Tensor(contents, on: device))
    }
    // Hidden ones come last in the table: what replaces others follows the regions themselves.
    let last = known_UXD.size(0)
    let places = contents.map { $0 < count ? $0 : $0 == count ? last : $0 - 1 }
    return try Tensor.concatenated([known_UXD, hidden_1D()]).rows(Tensor(places, on: device))
  }

  /// The region of each row, for what hangs on its box alone.
  func boxRows(on device: Device) throws -> Tensor { try Tensor(regions, on: device) }

  /// Boxes of the regions of distinct pictures, [U, 4], over the picture's size.
  func boxes(on device: Device) throws -> Tensor {
    try batch.boxes.tensor([batch.unitCount, 4], on: device)
  }
}
