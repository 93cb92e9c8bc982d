internal import TandemCore
internal import TandemNN
public import TandemImage
public import TandemRegions
internal import TandemTorch
public import TandemVision

/// Makes the regions of pictures: a detector, a network over crops, or a grid.
public protocol RegionExtractor: AnyObject {
  /// What a store of its regions says of itself.
  func header(_ type: FeatureType) -> FeatureStoreHeader

  /// The regions of each picture. `boxes` are those given for it, in its pixels, where the settings
  /// ask for given boxes; they are kept in their order.
  func regions(
    _ images: [Image], ids: [String], boxes: [[Box]]?
  ) throws -> [RegionRecord]
}

/// Regions as a detector finds them, or as it describes given boxes.
public final class DetectorExtractor: RegionExtractor {
  public let detector: FasterRCNN
  public let selection: RegionSelection
  /// A box around the whole picture comes after the others.
  public let addsWholePicture: Bool
  public let keepsProbabilities: Bool
  private let classNames: [String]?
  private let attributeNames: [String]?
  private let title: String
  private let precision: Precision

  public init(
    _ detector: LoadedDetector, selection: RegionSelection, addsWholePicture: Bool = false,
    keepsProbabilities: Bool = true
  ) {
    self.detector = detector.network
    self.selection = selection
    self.addsWholePicture = addsWholePicture
    self.keepsProbabilities = keepsProbabilities
    classNames = detector.classNames
    attributeNames = detector.attributeNames
    title = detector.title
    precision = detector.precision
  }

  public func header(_ type: FeatureType) -> FeatureStoreHeader {
    var fields: Set<RegionField> = [
      .imageSize, .boxes, .features, .objectIDs, .objectConfidences,
    ]
    if keepsProbabilities { fields.insert(.classProbabilities) }
    if detector.config.attributes > 0 {
      fields.formUnion([.attributeIDs, .attributeConfidences])
    }
    return FeatureStoreHeader(
      featureType: type, featureWidth: detector.featureWidth,
      classCount: detector.config.classes + 1, fields: fields, classNames: classNames,
      attributeNames: attributeNames,
      detector: [
        "detector": title, "products": precision.rawValue,
        "least confidence": "\(selection.leastConfidence)",
        "boxes": "\(selection.least) to \(selection.most)", "overlap": "\(selection.overlap)",
        "whole picture": addsWholePicture ? "yes" : "no",
      ])
  }

  public func regions(
    _ images: [Image], ids: [String], boxes: [[Box]]?
  ) throws -> [RegionRecord] {
    if let boxes {
      let all =
        addsWholePicture
        ? zip(boxes, images).map { $0 + [FasterRCNN.wholePicture($1.size)] } : boxes
      return zip(ids, try detector.regions(images, boxes: all)).map { record($0, [$1]) }
    }
    let found = try detector.regions(images, selection)
    guard addsWholePicture else { return zip(ids, found).map { record($0, [$1]) } }
    let whole = try detector.regions(
      images, boxes: images.map { [FasterRCNN.wholePicture($0.size)] })
    return ids.indices.map { record(ids[$0], [found[$0], whole[$0]]) }
  }

  private func record(_ id: String, _ parts: [PictureRegions]) -> RegionRecord {
    let hasAttributes = detector.config.attributes > 0
    let size = parts.first?.size ?? PixelSize(width: 1, height: 1)
    return RegionRecord(
      id: id, width: size.width, height: size.height,
      boxes: parts.flatMap { $0.boxes.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] } },
      features: parts.flatMap(\.features), featureWidth: detector.featureWidth,
      objectIDs: parts.flatMap { $0.labels.map { Int32($0 - 1) } },
      objectConfidences: parts.flatMap(\.scores),
      attributeIDs: hasAttributes ? parts.flatMap { $0.attributes.map { Int32($0 - 1) } } : nil,
      attributeConfidences: hasAttributes ? parts.flatMap(\.attributeScores) : nil,
      classProbabilities: keepsProbabilities ? parts.flatMap(\.classProbabilities) : nil,
      classCount: keepsProbabilities ? detector.config.classes + 1 : 0)
  }
}
