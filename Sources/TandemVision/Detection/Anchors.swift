// The boxes that proposals start from: at every place of a feature map, some sizes and shapes.

/// How anchors are laid out. Published detectors differ in order, rounding and offset, and their
/// weights fit their own form alone.
public struct AnchorSettings: Sendable, Equatable, Codable {
  public enum Form: String, Sendable, Codable, CaseIterable {
    /// torchvision's: ratio after ratio, each in all sizes; sides are rounded to even pixels around
    /// the corner of a cell; a cell's width is the picture's over the map's, floored.
    case torchvision
    /// Detectron2's: size after size, each in all ratios; not rounded.
    case detectron
    /// The Caffe detectors': ratio after ratio, each in all sizes; made by scaling rounded boxes of
    /// 16 pixels whose last row and column belong to them.
    case caffe
  }

  /// Side lengths in pixels, for each feature map; one list serves all maps.
  public var sizes: [[Double]]
  /// Height over width.
  public var ratios: [Double]
  public var form: Form
  /// Where in a cell anchors have their centre, 0 for its corner to 1.
  public var offset: Double

  public init(
    sizes: [[Double]], ratios: [Double] = [0.5, 1, 2], form: Form = .torchvision,
    offset: Double = 0
  ) {
    self.sizes = sizes
    self.ratios = ratios
    self.form = form
    self.offset = offset
  }

  /// Anchors at each place of a map.
  public func count(level: Int) -> Int { sizes(level: level).count * ratios.count }

  func sizes(level: Int) -> [Double] {
    sizes.count == 1 ? sizes[0] : sizes.indices.contains(level) ? sizes[level] : []
  }
}

/// The anchors of feature maps.
public struct Anchors: Sendable {
  public let settings: AnchorSettings

  /// - Throws: `DetectionError` for settings without sizes or ratios, or with some that are not
  ///   above 0.
  public init(_ settings: AnchorSettings) throws {
    guard !settings.sizes.isEmpty, settings.sizes.allSatisfy({ !$0.isEmpty }),
      !settings.ratios.isEmpty, settings.sizes.joined().allSatisfy({ $0 > 0 }),
      settings.ratios.allSatisfy({ $0 > 0 })
    else {
      throw DetectionError(
        "anchors: need sizes and ratios above 0, found sizes \(settings.sizes), "
          + "ratios \(settings.ratios)")
    }
    self.settings = settings
  }

  /// The anchors around the place (0, 0) of a map.
  public func cell(level: Int) -> [Box] {
    let sizes = settings.sizes(level: level)
    switch settings.form {
    case .torchvision:
      return settings.ratios.flatMap { ratio in
        sizes.map { size in
          // In the same precision and order as the reference: a half is rounded either way else.
          let heights = Float(ratio).squareRoot()
          let width = (1 / heights) * Float(size)
          let height = heights * Float(size)
          return Box(
            x1: (-width / 2).rounded(.toNearestOrEven),
            y1: (-height / 2).rounded(.toNearestOrEven),
            x2: (width / 2).rounded(.toNearestOrEven), y2: (height / 2).rounded(.toNearestOrEven))
        }
      }
    case .detectron:
      return sizes.flatMap { size in
        settings.ratios.map { ratio in
          let width = (size * size / ratio).squareRoot()
          let height = ratio * width
          return Box(
            x1: Float(-width / 2), y1: Float(-height / 2), x2: Float(width / 2),
            y2: Float(height / 2))
        }
      }
    case .caffe:
      return settings.ratios.flatMap { ratio in
        let width = (256 / ratio).squareRoot().rounded(.toNearestOrEven)
        let height = (width * ratio).rounded(.toNearestOrEven)
        return sizes.map { size in
          let scale = size / 16
          let x = (width * scale - 1) / 2
          let y = (height * scale - 1) / 2
          return Box(
            x1: Float(7.5 - x), y1: Float(7.5 - y), x2: Float(7.5 + x), y2: Float(7.5 + y))
        }
      }
    }
  }

  /// All anchors of a map, place after place by rows: x1, y1, x2, y2 of each.
  ///
  /// - Parameters:
  ///   - stride: pixels between the places of the map.
  ///   - picture: the sides in pixels of the padded pictures that the map was made from.
  public func coordinates(
    level: Int, height: Int, width: Int, stride: Int, picture: (height: Int, width: Int)
  ) -> [Float] {
    let cell = cell(level: level)
    let isExact = settings.form != .torchvision
    let stepY = isExact || height == 0 ? stride : picture.height / height
    let stepX = isExact || width == 0 ? stride : picture.width / width
    let count = height * width * cell.count * 4
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      var place = 0
      for row in 0..<height {
        let y = Float((Double(row) + settings.offset) * Double(stepY))
        for column in 0..<width {
          let x = Float((Double(column) + settings.offset) * Double(stepX))
          for box in cell {
            buffer[place] = x + box.x1
            buffer[place + 1] = y + box.y1
            buffer[place + 2] = x + box.x2
            buffer[place + 3] = y + box.y2
            place += 4
          }
        }
      }
      initialized = count
    }
  }
}
