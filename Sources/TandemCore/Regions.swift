// The regions of a picture (boxes of a detector, cut-outs, cells of a grid) as models read them.

/// R regions of one picture. Arrays are flat, a row a region; what the source did not say is empty.
public struct Regions: Sendable, Equatable {
  /// The picture's size in pixels.
  public var width: Int
  public var height: Int
  /// [R, 4]: x1, y1, x2, y2 over the picture's size, in 0...1.
  public var boxes: [Float]
  /// [R, F]
  public var features: [Float]
  public var featureWidth: Int
  /// [R]: object classes, 0 the first that is not background, −1 where there is none.
  public var objects: [Int32]
  public var objectConfidences: [Float]
  /// [R]: attributes, −1 where there is none.
  public var attributes: [Int32]
  public var attributeConfidences: [Float]
  /// [R, C]: the detector's probabilities; column 0 is the background.
  public var classProbabilities: [Float]
  public var classCount: Int

  public init(
    width: Int, height: Int, boxes: [Float], features: [Float], featureWidth: Int,
    objects: [Int32] = [], objectConfidences: [Float] = [], attributes: [Int32] = [],
    attributeConfidences: [Float] = [], classProbabilities: [Float] = [], classCount: Int = 0
  ) {
    self.width = width
    self.height = height
    self.boxes = boxes
    self.features = features
    self.featureWidth = featureWidth
    self.objects = objects
    self.objectConfidences = objectConfidences
    self.attributes = attributes
    self.attributeConfidences = attributeConfidences
    self.classProbabilities = classProbabilities
    self.classCount = classCount
  }

  public var count: Int { boxes.count / 4 }

  /// The feature of one region, [F].
  public func feature(_ region: Int) -> ArraySlice<Float> {
    features[region * featureWidth..<(region + 1) * featureWidth]
  }

  /// The detector's probabilities for one region, [C].
  public func probabilities(_ region: Int) -> ArraySlice<Float> {
    classProbabilities[region * classCount..<(region + 1) * classCount]
  }

  /// The intersection of two regions over their union.
  public func overlap(_ one: Int, _ other: Int) -> Float {
    let a = boxes[one * 4..<one * 4 + 4]
    let b = boxes[other * 4..<other * 4 + 4]
    let (i, j) = (a.startIndex, b.startIndex)
    let width = max(0, min(a[i + 2], b[j + 2]) - max(a[i], b[j]))
    let height = max(0, min(a[i + 3], b[j + 3]) - max(a[i + 1], b[j + 1]))
    let shared = width * height
    let all =
      (a[i + 2] - a[i]) * (a[i + 3] - a[i + 1]) + (b[j + 2] - b[j]) * (b[j + 3] - b[j + 1])
      - shared
    return all > 0 ? shared / all : 0
  }

  /// The regions of the mirrored picture: left is right.
  public func mirrored() -> Regions {
    var result = self
    for start in stride(from: 0, to: boxes.count, by: 4) {
      result.boxes[start] = 1 - boxes[start + 2]
      result.boxes[start + 2] = 1 - boxes[start]
    }
    return result
  }

  /// Some of the regions, in the given order.
  public func selected(_ kept: [Int]) -> Regions {
    func rows<Element>(_ values: [Element], _ width: Int) -> [Element] {
      values.isEmpty ? [] : kept.flatMap { values[$0 * width..<($0 + 1) * width] }
    }
    var result = self
    result.boxes = rows(boxes, 4)
    result.features = rows(features, featureWidth)
    result.objects = rows(objects, 1)
    result.objectConfidences = rows(objectConfidences, 1)
    result.attributes = rows(attributes, 1)
    result.attributeConfidences = rows(attributeConfidences, 1)
    result.classProbabilities = rows(classProbabilities, classCount)
    return result
  }
}
