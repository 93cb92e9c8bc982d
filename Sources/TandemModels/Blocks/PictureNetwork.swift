// A network over whole pictures inside a model, trained along with it.
//
// Pictures are never padded: those of one size go through the network together, others by
// themselves, so that a picture's numbers are the same whatever company it has. (Zeros beside a
// small picture would not stay zeros: every layer's shift, and the picture itself, leak into them,
// and from there back into the picture's last rows.) Norms are fixed for the same reason.

internal import TandemCore
internal import TandemImage
internal import TandemNN
internal import TandemTorch
internal import TandemVision

/// Which network makes a model's features of pixels, and how it is given pictures.
public struct PictureNetworkConfig: Codable, Sendable, Equatable {
  /// A ResNet with fixed norms: resnet10, resnet18, resnet34, resnet50, resnet101 or resnet152;
  /// "none" reads features from a store.
  public var name = "none"
  /// How much of it never learns: 1 the stem, 2 its first stage too, up to 5 for all.
  public var frozenStages = 2
  /// The first convolution of a bottleneck halves the picture, as in the Caffe models, and not the
  /// middle one, as in torchvision's.
  public var stridesFirst = false
  /// Pixels of a picture's shorter side, and the most of its longer one, to which the shorter one
  /// gives way.
  public var shorterSide = 800
  public var longerSide = 1333
  /// What a byte is multiplied with before the mean is taken off.
  public var scale = 1.0 / 255
  /// Of the three channels in the network's order.
  public var mean = [0.485, 0.456, 0.406]
  public var deviation = [0.229, 0.224, 0.225]
  /// The network's order of channels is blue, green, red.
  public var isBlueFirst = false
  public init() {}

  public static let none = PictureNetworkConfig()

  /// Weights, colours and sizes of the detectors of Visual Genome (Anderson et al. 2018), which
  /// VL-BERT starts from.
  static let visualGenome: PictureNetworkConfig = {
    var config = PictureNetworkConfig()
    config.name = "resnet101"
    config.stridesFirst = true
    config.shorterSide = 600
    config.longerSide = 1000
    config.scale = 1
    config.mean = [102.9801, 115.9465, 122.7717]
    config.deviation = [1, 1, 1]
    config.isBlueFirst = true
    return config
  }()

  /// A network that starts from random weights on small pictures.
  static func small(shorterSide: Int, longerSide: Int) -> PictureNetworkConfig {
    var config = PictureNetworkConfig()
    config.name = "resnet10"
    config.frozenStages = 0
    config.shorterSide = shorterSide
    config.longerSide = longerSide
    return config
  }
}

extension PictureNetworkConfig {
  private static let shapes: [(name: String, shape: ResNetShape)] = [
    ("resnet10", .resNet10), ("resnet18", .resNet18), ("resnet34", .resNet34),
    ("resnet50", .resNet50), ("resnet101", .resNet101), ("resnet152", .resNet152),
  ]

  /// The model makes its features itself.
  var isUsed: Bool { name != Self.none.name }

  var resize: ResizeRule? {
    isUsed ? .fit(shorter: shorterSide, longer: longerSide, multiple: 1) : nil
  }

  /// What a packer must know; nil where features are read.
  func input(masksPixels: Bool = false, cells: CellInput? = nil) -> PixelInput? {
    guard isUsed else { return nil }
    return PixelInput(
      scale: Float(scale), mean: mean.map { Float($0) }, deviation: deviation.map { Float($0) },
      isBlueFirst: isBlueFirst, masksPixels: masksPixels, cells: cells)
  }

  func shape() throws -> ResNetShape {
    guard var shape = Self.shapes.first(where: { $0.name == name })?.shape else {
      let known = ["none"] + Self.shapes.map(\.name)
      throw ParameterError(
        "model.config.network.name: there is no '\(name)'; there are "
          + known.joined(separator: ", "))
    }
    shape.stridePlace = stridesFirst ? .first : .middle
    return shape
  }

  /// - Throws: `ParameterError` that names the setting.
  func check(featureWidth: Int) throws {
    guard isUsed else { return }
    let check = ConfigCheck()
    let width = try shape().channels.last ?? 0
    try check.need(
      featureWidth == width,
      "\(name) makes features of width \(width), found featureWidth \(featureWidth)")
    try check.need(
      (0...5).contains(frozenStages),
      "network.frozenStages must be 0 to 5, found \(frozenStages)")
    do {
      try resize?.check()
    } catch {
      throw ParameterError(
        "model.config: network.shorterSide \(shorterSide) and network.longerSide \(longerSide): "
          + "\(error)")
    }
    try check.need(
      scale > 0 && scale.isFinite && mean.count == 3 && deviation.count == 3
        && mean.allSatisfy(\.isFinite) && deviation.allSatisfy { $0 > 0 && $0.isFinite },
      "network needs a scale above 0, three means and three deviations above 0, found "
        + "\(scale), \(mean) and \(deviation)")
  }
}

/// The distinct pictures of a batch, those of one size together. Shapes: P pictures of H × W
/// pixels.
struct PicturesBySize {
  /// As many as go through a network at once: what its layers need in passing grows with them.
  private static let most = 16
  private let batch: PackedBatch

  init(_ batch: PackedBatch) { self.batch = batch }

  /// Calls `body` with places in `batch.pictures` and their pixels [P, 3, H, W].
  func forEach(on device: Device, _ body: ([Int], Tensor) throws -> Void) throws {
    struct Size: Hashable {
      let height: Int
      let width: Int
    }
    var order: [Size] = []
    var places: [Size: [Int]] = [:]
    for (place, picture) in batch.pictures.enumerated() {
      let size = Size(height: picture.pixelHeight, width: picture.pixelWidth)
      if places[size] == nil { order.append(size) }
      places[size, default: []].append(place)
    }
    let numbers = try batch.pixels.tensor([batch.pixels.count], on: device)
    for size in order {
      let all = places[size] ?? []
      for start in stride(from: 0, to: all.count, by: Self.most) {
        let some = Array(all[start..<min(start + Self.most, all.count)])
        let count = 3 * size.height * size.width
        let pixels = try some.map { place in
          try numbers.narrow(0, from: batch.pictures[place].firstPixel, count)
            .view([1, 3, size.height, size.width])
        }
        try body(some, pixels.count == 1 ? pixels[0] : .concatenated(pixels))
      }
    }
  }
}
