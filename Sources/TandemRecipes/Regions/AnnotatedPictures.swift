internal import Foundation
internal import TandemCore
internal import TandemImage
internal import TandemScenes
public import TandemVision

/// Pictures with the objects that somebody has marked in them: COCO's instances and a folder.
public struct AnnotatedPictures: Sendable {
  public struct Entry: Sendable {
    public let file: String
    public let objects: [AnnotatedObject]
  }

  public let title: String
  public let entries: [Entry]
  /// The class of label 1, 2, …
  public let classNames: [String]
  /// The word of attribute 1, 2, …; empty where the file has none.
  public let attributeNames: [String]
  /// Marked boxes that teach nothing: without area.
  public let leftOut: Int

  public var count: Int { entries.count }

  /// - Parameters:
  ///   - annotations: an instances file.
  ///   - pictures: the folder that its file names lie in; nil for the folder of the annotations.
  ///   - classNames: the labels to use instead of the file's own, in order: those of a detector. A
  ///     category that is not among them counts as `other`.
  ///   - other: a label for categories that are not known; nil refuses them.
  /// - Throws: `SceneFormatError` or `FileError` for the file, `DataError` for what it names.
  public init(
    annotations: String, pictures: String? = nil, classNames: [String]? = nil, other: Int? = nil
  ) throws {
    try self.init(
      annotations: annotations, pictures: pictures, classNames: classNames, other: other,
      opensPictures: true)
  }

  private init(
    annotations: String, pictures: String? = nil, classNames: [String]? = nil, other: Int? = nil,
    opensPictures: Bool
  ) throws {
    let file = try COCOInstances(path: annotations)
    let folder =
      pictures ?? (annotations as NSString).deletingLastPathComponent
    let categories = file.categories.sorted { $0.id < $1.id }
    let names = classNames ?? categories.map(\.name)
    var labels: [Int: Int] = [:]
    for category in categories {
      if let place = names.firstIndex(of: category.name) {
        labels[category.id] = place + 1
      } else if let other {
        labels[category.id] = other
      } else {
        throw DataError(
          file: annotations,
          "the category '\(category.name)' is not one of the detector's \(names.count) classes")
      }
    }
    let words = Set(file.annotations.flatMap(\.attributes)).sorted()
    let places = Dictionary(uniqueKeysWithValues: words.enumerated().map { ($1, $0 + 1) })
    var objects: [Int: [AnnotatedObject]] = [:]
    var leftOut = 0
    for one in file.annotations {
      guard one.width > 0, one.height > 0, let label = labels[one.categoryID] else {
        leftOut += 1
        continue
      }
      objects[one.imageID, default: []].append(
        AnnotatedObject(
          box: Box(
            x1: Float(one.x), y1: Float(one.y), x2: Float(one.x + one.width),
            y2: Float(one.y + one.height)),
          label: label, attributes: one.attributes.compactMap { places[$0] },
          isCrowd: one.isCrowd, area: one.area))
    }
    title = annotations
    self.leftOut = leftOut
    self.classNames = names
    attributeNames = words
    entries = file.images.sorted { $0.id < $1.id }.map {
      Entry(
        file: folder.isEmpty ? $0.fileName : "\(folder)/\($0.fileName)",
        objects: objects[$0.id] ?? [])
    }
    guard let first = entries.first else {
      throw DataError(file: annotations, "has no pictures")
    }
    guard !opensPictures || FileManager.default.fileExists(atPath: first.file) else {
      throw DataError(
        file: annotations,
        "the picture \(first.file) does not exist; name the folder of the pictures")
    }
  }

  /// An instances file whose pictures may lie anywhere.
  static func known(annotations: String) throws -> AnnotatedPictures {
    try AnnotatedPictures(annotations: annotations, opensPictures: false)
  }

  /// The single objects of every picture by the picture's name without an ending.
  func objectsByPicture() -> [String: [AnnotatedObject]] {
    var objects: [String: [AnnotatedObject]] = [:]
    for entry in entries {
      let name = URL(filePath: entry.file).lastPathComponent
      objects[PictureList.id(name)] = entry.objects.filter { !$0.isCrowd }
    }
    return objects
  }

  /// Their boxes, for features of given boxes.
  public static func boxes(annotations: String) throws -> [String: [Box]] {
    try known(annotations: annotations).objectsByPicture().mapValues { $0.map(\.box) }
  }
}
