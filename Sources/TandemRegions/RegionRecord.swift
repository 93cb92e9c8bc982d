// The regions of one picture, as every format and the store give and take them.

/// One picture's regions: N boxes with N feature vectors, and what else the detector said of them.
///
/// Arrays are flat, one row a region. The first N is `count`; every present array has that many rows.
public struct RegionRecord: Sendable, Equatable {
  /// The picture's name in its data set, without a file ending.
  public var id: String
  /// Pixels. 1 × 1 where the size is not known: boxes are then fractions of the picture.
  public var width: Int
  public var height: Int
  /// N × 4: x1, y1, x2, y2 in pixels (see `width`).
  public var boxes: [Float]
  /// N × `featureWidth`.
  public var features: [Float]
  public var featureWidth: Int
  /// N; 0 is the first object class. The background has no number here.
  public var objectIDs: [Int32]?
  public var objectConfidences: [Float]?
  public var attributeIDs: [Int32]?
  public var attributeConfidences: [Float]?
  /// N × `classCount`; column 0 is the background.
  public var classProbabilities: [Float]?
  public var classCount: Int

  public init(
    id: String, width: Int, height: Int, boxes: [Float], features: [Float], featureWidth: Int,
    objectIDs: [Int32]? = nil, objectConfidences: [Float]? = nil, attributeIDs: [Int32]? = nil,
    attributeConfidences: [Float]? = nil, classProbabilities: [Float]? = nil, classCount: Int = 0
  ) {
    self.id = id
    self.width = width
    self.height = height
    self.boxes = boxes
    self.features = features
    self.featureWidth = featureWidth
    self.objectIDs = objectIDs
    self.objectConfidences = objectConfidences
    self.attributeIDs = attributeIDs
    self.attributeConfidences = attributeConfidences
    self.classProbabilities = classProbabilities
    self.classCount = classCount
  }

  /// Regions.
  public var count: Int { boxes.count / 4 }

  /// False where the picture's size is not known and boxes are fractions of it.
  public var sizeIsKnown: Bool { width != 1 || height != 1 }

  /// The parts this record has.
  public var fields: Set<RegionField> {
    var fields = RegionField.required
    if sizeIsKnown { fields.insert(.imageSize) }
    if objectIDs != nil { fields.insert(.objectIDs) }
    if objectConfidences != nil { fields.insert(.objectConfidences) }
    if attributeIDs != nil { fields.insert(.attributeIDs) }
    if attributeConfidences != nil { fields.insert(.attributeConfidences) }
    if classProbabilities != nil { fields.insert(.classProbabilities) }
    return fields
  }

  /// What is wrong with the arrays' lengths, or nil.
  public var shapeFault: String? {
    let n = count
    if id.isEmpty { return "the identifier is empty" }
    if width < 1 || height < 1 {
      return "expected a picture of at least 1 × 1, found \(width) × \(height)"
    }
    if boxes.count != n * 4 { return "expected boxes of 4 numbers, found \(boxes.count) numbers" }
    if featureWidth < 1 || features.count != n * featureWidth {
      return "expected \(n) × \(featureWidth) feature values, found \(features.count)"
    }
    let rows: [(RegionField, Int?)] = [
      (.objectIDs, objectIDs?.count), (.objectConfidences, objectConfidences?.count),
      (.attributeIDs, attributeIDs?.count), (.attributeConfidences, attributeConfidences?.count),
    ]
    for (field, found) in rows {
      if let found, found != n { return "expected \(n) \(field.label), found \(found)" }
    }
    if let classProbabilities, classCount < 1 || classProbabilities.count != n * classCount {
      return "expected \(n) × \(classCount) class probabilities, found \(classProbabilities.count)"
    }
    return nil
  }
}

extension RegionRecord {
  /// The record with object ids and confidences taken from its class probabilities, where it has
  /// those and not these: the likeliest class other than the background, as the published
  /// extraction scripts do.
  public func derivingObjects() -> RegionRecord {
    guard let classProbabilities, classCount > 1, objectIDs == nil || objectConfidences == nil,
      classProbabilities.count == count * classCount
    else { return self }
    var ids: [Int32] = []
    var confidences: [Float] = []
    for row in 0..<count {
      var best = 1
      for column in 1..<classCount
      where classProbabilities[row * classCount + column]
        > classProbabilities[row * classCount + best]
      {
        best = column
      }
      ids.append(Int32(best - 1))
      confidences.append(classProbabilities[row * classCount + best])
    }
    var record = self
    record.objectIDs = objectIDs ?? ids
    record.objectConfidences = objectConfidences ?? confidences
    return record
  }

  /// The record with the picture's size, its boxes brought from fractions to pixels. A record that
  /// knows its size stays as it is.
  public func givenSize(width: Int, height: Int) -> RegionRecord {
    guard !sizeIsKnown else { return self }
    var record = self
    record.width = width
    record.height = height
    for index in boxes.indices {
      record.boxes[index] *= index % 2 == 0 ? Float(width) : Float(height)
    }
    return record
  }

  /// The regions `rows`, in that order, with everything they have.
  public func selecting(_ rows: [Int]) -> RegionRecord {
    func pick<Value>(_ values: [Value], _ columns: Int) -> [Value] {
      var picked: [Value] = []
      picked.reserveCapacity(rows.count * columns)
      for row in rows { picked += values[(row * columns)..<((row + 1) * columns)] }
      return picked
    }
    var record = self
    record.boxes = pick(boxes, 4)
    record.features = pick(features, featureWidth)
    record.objectIDs = objectIDs.map { pick($0, 1) }
    record.objectConfidences = objectConfidences.map { pick($0, 1) }
    record.attributeIDs = attributeIDs.map { pick($0, 1) }
    record.attributeConfidences = attributeConfidences.map { pick($0, 1) }
    record.classProbabilities = classProbabilities.map { pick($0, classCount) }
    return record
  }

  /// x1, y1, x2, y2, width, height as fractions of the picture, N × 6: the geometry that UNITER and
  /// Oscar store beside the features.
  public var geometry: [Float] {
    var geometry: [Float] = []
    geometry.reserveCapacity(count * 6)
    let (w, h) = (Float(width), Float(height))
    for row in 0..<count {
      let (x1, y1) = (boxes[row * 4] / w, boxes[row * 4 + 1] / h)
      let (x2, y2) = (boxes[row * 4 + 2] / w, boxes[row * 4 + 3] / h)
      geometry += [x1, y1, x2, y2, x2 - x1, y2 - y1]
    }
    return geometry
  }
}
