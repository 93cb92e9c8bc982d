// Features of a picture's cells, made of pixels: the last map of a ResNet, the largest numbers of a
// few places together (Huang et al. 2020). Shapes: U cells of distinct pictures, F feature width.

package import TandemCore
package import TandemNN
package import TandemTorch
internal import TandemVision

package struct CellNetwork {
  /// Pixels of a picture a side of one of the last map.
  package static let stride = 32

  private let grid: GridFeatures<ResNet>

  /// Claims `backbone.conv1` … `backbone.layer4`.
  ///
  /// - Parameter pooling: places of the map a side of one cell.
  package init(_ config: PictureNetworkConfig, pooling: Int, at path: ParameterPath) throws {
    grid = try GridFeatures(
      ResNet(config.shape(), frozen: config.frozenStages, at: path / "backbone"),
      pooling: pooling)
  }

  /// Features of the cells that the pictures' sequences read, float32 [U, F].
  package func callAsFunction(_ batch: PackedBatch, _ mode: Mode, on device: Device) throws
    -> Tensor
  {
    var parts: [Tensor] = []
    var rows = [Int](repeating: 0, count: batch.unitCount)
    var next = 0
    try PicturesBySize(batch).forEach(on: device) { places, pixels in
      let cells = try grid(pixels, mode)
      for place in places {
        let picture = batch.pictures[place]
        guard cells.height == picture.grid.height, cells.width == picture.grid.width else {
          throw VisionError(
            "a picture of \(picture.pixelWidth)×\(picture.pixelHeight) has "
              + "\(cells.height)×\(cells.width) cells, \(picture.grid.height)×"
              + "\(picture.grid.width) were expected")
        }
        let drawn = picture.cells ?? Array(0..<picture.grid.count)
        for (unit, cell) in drawn.enumerated() { rows[picture.firstUnit + unit] = next + cell }
        next += picture.grid.count
      }
      parts.append(try cells.rows.to(.float32))
    }
    let all = try parts.count == 1 ? parts[0] : Tensor.concatenated(parts)
    return rows == Array(0..<next) ? all : try all.rows(Tensor(rows, on: device))
  }
}
