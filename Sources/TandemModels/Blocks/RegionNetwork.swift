// Features of regions and of whole pictures, made of pixels: a ResNet up to its fourth stage, the
// numbers of each box from its map, its fifth stage on those, and their mean (the C4 head of Ren et
// al. 2015; Su et al. 2020).
//
// Shapes: U regions and P pictures that are distinct, K boxes, C channels, S bins a side, F feature
// width.

package import TandemCore
package import TandemNN
package import TandemTorch
internal import TandemVision

package struct RegionNetwork {
  /// Features that a network has made.
  package struct Features {
    package let regions_UF: Tensor
    package let wholes_PF: Tensor
  }

  /// Pixels of a picture a side of one of the map that boxes are read from.
  private static let stride = 16
  /// The published operator takes one sample a bin and moves no box by half a pixel.
  private static let samplingRatio = 1
  /// Boxes at a time where nothing learns: the last stage takes 4 MB a box.
  private static let most = 64

  private let body: ResNet
  private let head: ResNetStage
  private let bins: Int

  /// Claims `backbone.conv1` … `backbone.layer3` and `head.0`, as published.
  ///
  /// - Parameters:
  ///   - bins: S.
  ///   - isDilated: the last stage spreads its kernels and keeps S × S places; otherwise it halves
  ///     them.
  package init(
    _ config: PictureNetworkConfig, bins: Int, isDilated: Bool, at path: ParameterPath
  ) throws {
    var shape = try config.shape()
    shape.isLastStageDilated = isDilated
    body = try ResNet(shape, stages: 3, frozen: config.frozenStages, at: path / "backbone")
    let headPath = path / "head" / 0
    head = try ResNetStage(
      shape, stage: 5, blocks: config.frozenStages >= 5 ? headPath.fixed : headPath)
    self.bins = bins
  }

  /// - Parameter wholeBoxes: [P, 4], over the picture's size.
  package func callAsFunction(
    _ batch: PackedBatch, wholeBoxes: [Float], _ mode: Mode, on device: Device
  ) throws -> Features {
    let boxes = try batch.boxes.values()
    var parts: [Tensor] = []
    // Rows of `parts`, of regions and of whole pictures.
    var regionRows = [Int](repeating: 0, count: batch.unitCount)
    var wholeRows = [Int](repeating: 0, count: batch.pictures.count)
    var next = 0
    try PicturesBySize(batch).forEach(on: device) { places, pixels in
      var rows: [Float] = []
      for (number, place) in places.enumerated() {
        let picture = batch.pictures[place]
        wholeRows[place] = next
        rows += Self.row(number, wholeBoxes[4 * place..<4 * place + 4], picture)
        for unit in picture.firstUnit..<picture.firstUnit + picture.unitCount {
          next += 1
          regionRows[unit] = next
          rows += Self.row(number, boxes[4 * unit..<4 * unit + 4], picture)
        }
        next += 1
      }
      guard let map = try body(pixels, mode).last else {
        throw VisionError("the picture network made no map")
      }
      parts += try features(map, rows, mode)
    }
    let features_KF = try parts.count == 1 ? parts[0] : Tensor.concatenated(parts)
    return Features(
      regions_UF: try features_KF.rows(Tensor(regionRows, on: device)),
      wholes_PF: try features_KF.rows(Tensor(wholeRows, on: device)))
  }

  /// A box in pixels behind its picture's number; it ends at the last pixel, as published.
  private static func row(
    _ number: Int, _ box: ArraySlice<Float>, _ picture: PackedBatch.PackedPicture
  ) -> [Float] {
    [Float(number)]
      + box.enumerated().map { place, share in
        let side = Float(place % 2 == 0 ? picture.pixelWidth : picture.pixelHeight)
        return min(max(share * side, 0), side - 1)
      }
  }

  /// A map and its boxes [K, 5] → float32 [K, F] in parts.
  private func features(_ map: Tensor, _ rows: [Float], _ mode: Mode) throws -> [Tensor] {
    let count = rows.count / 5
    let most = isRecordingGradients ? count : Self.most
    return try Swift.stride(from: 0, to: count, by: max(1, most)).map { start in
      let end = min(start + most, count)
      let boxes = try Tensor(
        Array(rows[5 * start..<5 * end]), [end - start, 5], on: map.device)
      let bins_KCSS = try map.roiAlign(
        boxes, height: bins, width: bins, scale: 1 / Double(Self.stride),
        samplingRatio: Self.samplingRatio, isAligned: false)
      let seen = try head(bins_KCSS, mode).to(.float32)
      return try seen.averagePooled(toHeight: 1, width: 1).reshaped([end - start, seen.size(1)])
    }
  }
}
