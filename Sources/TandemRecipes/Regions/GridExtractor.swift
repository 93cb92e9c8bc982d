internal import TandemCore
public import TandemImage
public import TandemNN
public import TandemRegions
internal import TandemTorch
public import TandemVision

/// Grid features: each cell of a backbone's last map is a region, its square of the picture is the
/// box (Huang et al. 2020, "Pixel-BERT"; Jiang et al. 2020, "In defense of grid features").
/// EfficientNet-Lite0's 7 × 7 × 1280 of a picture of 224 × 224.
public final class GridExtractor: RegionExtractor {
  private let network: GridFeatures<EfficientNetLiteGrid>
  private let preparation: PicturePreparation
  private let title: String
  private let side: Int

  /// - Parameters:
  ///   - source: the published weights, by the names that they were published with; the classifier
  ///     is not used.
  ///   - side: pixels a side that pictures are stretched to, a multiple of 32.
  public init(source: any WeightSource, title: String, side: Int = 224) throws {
    guard side >= 32, side % 32 == 0 else {
      throw SettingsError("the side of a grid's picture must be a multiple of 32, found \(side)")
    }
    let store = ParameterStore(seed: 0, source: source)
    network = try GridFeatures(EfficientNetLiteGrid(EfficientNetLite(at: store.root)))
    try store.loadReport().check { $0.hasPrefix("_fc.") }
    self.title = title
    self.side = side
    preparation = PicturePreparation(
      shorter: [side], longer: side, scale: 1 / 255,
      mean: Array(repeating: EfficientNetLite.mean, count: 3),
      deviation: Array(repeating: EfficientNetLite.deviation, count: 3), multiple: 32)
  }

  public func header(_ type: FeatureType) -> FeatureStoreHeader {
    FeatureStoreHeader(
      featureType: type, featureWidth: network.channels,
      detector: ["grid": title, "side": "\(side)"])
  }

  public func regions(
    _ images: [Image], ids: [String], boxes: [[Box]]?
  ) throws -> [RegionRecord] {
    guard boxes == nil else {
      throw SettingsError("a grid has its own boxes; leave out the given ones")
    }
    let grid = try withoutGradients {
      try network(
        preparation.batch(images.map { try $0.resized(width: side, height: side) }).pixels,
        .inference)
    }
    let numbers = try grid.rows.floats()
    let cells = grid.height * grid.width
    return images.indices.map { place in
      let (width, height) = (Float(images[place].width), Float(images[place].height))
      let own = place * cells..<(place + 1) * cells
      return RegionRecord(
        id: ids[place], width: images[place].width, height: images[place].height,
        boxes: own.flatMap { index in
          let cell = grid.cells[index]
          return [
            width * Float(cell.column) / Float(grid.width),
            height * Float(cell.row) / Float(grid.height),
            width * Float(cell.column + 1) / Float(grid.width),
            height * Float(cell.row + 1) / Float(grid.height),
          ]
        },
        features: Array(
          numbers[own.lowerBound * network.channels..<own.upperBound * network.channels]),
        featureWidth: network.channels)
    }
  }
}
