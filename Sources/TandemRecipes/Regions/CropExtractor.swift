internal import TandemCore
public import TandemImage
public import TandemNN
public import TandemRegions
internal import TandemTorch
public import TandemVision

/// Features of given boxes from a network that was trained on whole pictures: each box is cut out,
/// stretched to the network's size and classified. EfficientNet-Lite0's 1280 numbers and its 1000
/// ImageNet classes as soft labels.
public final class CropExtractor: RegionExtractor {
  /// Pixels a side of what the network sees.
  public static let side = 224
  /// Crops that go through the network together.
  private static let batch = 32

  private static let preparation = PicturePreparation(
    shorter: [side], longer: side, scale: 1 / 255,
    mean: Array(repeating: EfficientNetLite.mean, count: 3),
    deviation: Array(repeating: EfficientNetLite.deviation, count: 3), multiple: 32)

  private let network: EfficientNetLiteClassifier
  private let title: String
  /// A box around the whole picture comes after the others.
  public let addsWholePicture: Bool

  /// - Parameter source: the published weights, by the names that they were published with.
  public init(
    source: any WeightSource, title: String, addsWholePicture: Bool = false
  ) throws {
    let store = ParameterStore(seed: 0, source: source)
    network = try EfficientNetLiteClassifier(at: store.root)
    try store.loadReport().check()
    self.title = title
    self.addsWholePicture = addsWholePicture
  }

  public func header(_ type: FeatureType) -> FeatureStoreHeader {
    FeatureStoreHeader(
      featureType: type, featureWidth: EfficientNetLite.headChannels, classCount: 1001,
      fields: [
        .imageSize, .boxes, .features, .objectIDs, .objectConfidences, .classProbabilities,
      ],
      detector: [
        "crops": title, "side": "\(Self.side)", "whole picture": addsWholePicture ? "yes" : "no",
      ])
  }

  public func regions(
    _ images: [Image], ids: [String], boxes: [[Box]]?
  ) throws -> [RegionRecord] {
    try images.indices.map { place in
      let image = images[place]
      var own = boxes?[place] ?? []
      if addsWholePicture || boxes == nil { own.append(FasterRCNN.wholePicture(image.size)) }
      let seen = try look(own.map { try crop(image, $0) })
      let record = RegionRecord(
        id: ids[place], width: image.width, height: image.height,
        boxes: own.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] }, features: seen.features,
        featureWidth: EfficientNetLite.headChannels, classProbabilities: seen.probabilities,
        classCount: 1001)
      return record.derivingObjects()
    }
  }

  private func crop(_ image: Image, _ box: Box) throws -> Image {
    let left = min(max(0, Int(box.x1.rounded(.down))), image.width - 1)
    let top = min(max(0, Int(box.y1.rounded(.down))), image.height - 1)
    let right = min(max(left + 1, Int(box.x2.rounded(.up))), image.width)
    let bottom = min(max(top + 1, Int(box.y2.rounded(.up))), image.height)
    return try image.cropped(x: left, y: top, width: right - left, height: bottom - top)
      .resized(width: Self.side, height: Self.side)
  }

  /// Features and probabilities, the background's (always 0) first.
  private func look(_ crops: [Image]) throws -> (features: [Float], probabilities: [Float]) {
    var features: [Float] = []
    var probabilities: [Float] = []
    try withoutGradients {
      for start in stride(from: 0, to: crops.count, by: Self.batch) {
        let part = Array(crops[start..<min(crops.count, start + Self.batch)])
        let pixels = try Self.preparation.batch(part).pixels
        let seen = try network.described(pixels, .inference)
        features += try seen.features.floats()
        let classes = try seen.logits.softmax(-1).floats()
        for row in 0..<part.count {
          probabilities.append(0)
          probabilities += classes[row * 1000..<(row + 1) * 1000]
        }
      }
    }
    return (features, probabilities)
  }
}
