internal import TandemCore
public import TandemImage
public import TandemRegions
public import TandemVision

/// Features as another extractor makes them, with the classes and attributes that the annotations
/// give the boxes: what a network that never saw the classes could not know.
///
/// Class probabilities are 1 for the known class. Of an object's attributes the one that the fewest
/// objects have says the most of it and is kept.
public final class LabelledExtractor: RegionExtractor {
  private let base: any RegionExtractor
  private let annotations: String
  private let classNames: [String]
  private let attributeNames: [String]
  /// In the order of the boxes that `AnnotatedPictures.boxes` gives.
  private let objects: [String: [(label: Int, attribute: Int)]]

  /// - Parameter annotations: an instances file.
  public init(_ base: any RegionExtractor, annotations: String) throws {
    let file = try AnnotatedPictures.known(annotations: annotations)
    self.base = base
    self.annotations = annotations
    classNames = file.classNames
    attributeNames = file.attributeNames
    var counts = [Int](repeating: 0, count: file.attributeNames.count + 1)
    for entry in file.entries {
      for attribute in entry.objects.flatMap(\.attributes) { counts[attribute] += 1 }
    }
    objects = file.objectsByPicture().mapValues { objects in
      objects.map { ($0.label, $0.attributes.min { counts[$0] < counts[$1] } ?? 0) }
    }
  }

  public func header(_ type: FeatureType) -> FeatureStoreHeader {
    let own = base.header(type)
    var fields: Set<RegionField> = [
      .imageSize, .boxes, .features, .objectIDs, .objectConfidences, .classProbabilities,
    ]
    if !attributeNames.isEmpty { fields.formUnion([.attributeIDs, .attributeConfidences]) }
    return FeatureStoreHeader(
      featureType: type, featureWidth: own.featureWidth, classCount: classNames.count + 1,
      fields: fields, classNames: classNames,
      attributeNames: attributeNames.isEmpty ? nil : attributeNames,
      detector: own.detector.merging(["labels": "known"]) { $1 })
  }

  public func regions(
    _ images: [Image], ids: [String], boxes: [[Box]]?
  ) throws -> [RegionRecord] {
    try zip(ids, base.regions(images, ids: ids, boxes: boxes)).map { id, record in
      guard let known = objects[PictureList.id(id)] ?? objects[id] else {
        throw DataError(file: annotations, "has no picture \(id)")
      }
      return labelled(record, known)
    }
  }

  /// A box beyond the known ones, such as one around the whole picture, shows the background.
  private func labelled(
    _ record: RegionRecord, _ known: [(label: Int, attribute: Int)]
  ) -> RegionRecord {
    var record = record
    let labels = (0..<record.count).map { $0 < known.count ? known[$0] : (label: 0, attribute: 0) }
    record.objectIDs = labels.map { Int32($0.label - 1) }
    record.objectConfidences = labels.map { $0.label > 0 ? 1 : 0 }
    record.attributeIDs = attributeNames.isEmpty ? nil : labels.map { Int32($0.attribute - 1) }
    record.attributeConfidences =
      attributeNames.isEmpty ? nil : labels.map { $0.attribute > 0 ? 1 : 0 }
    record.classCount = classNames.count + 1
    record.classProbabilities = labels.flatMap { one in
      (0...classNames.count).map { $0 == one.label ? 1 : 0 }
    }
    return record
  }
}
