// Object annotations in the format of MS COCO (Lin et al. 2014): "instances_*.json".

internal import TandemFiles

/// A picture of a COCO file.
public struct COCOImage: Sendable, Equatable {
  public var id: Int
  public var fileName: String
  /// Pixels.
  public var width: Int
  public var height: Int

  public init(id: Int, fileName: String, width: Int, height: Int) {
    self.id = id
    self.fileName = fileName
    self.width = width
    self.height = height
  }
}

/// A class of a COCO file.
public struct COCOCategory: Sendable, Equatable {
  public var id: Int
  public var name: String
  /// Empty where the file gives none.
  public var supercategory: String

  public init(id: Int, name: String, supercategory: String) {
    self.id = id
    self.name = name
    self.supercategory = supercategory
  }
}

/// The outline of an object.
public enum COCOSegmentation: Sendable, Equatable {
  /// Each x1, y1, x2, y2 … in pixels.
  case polygons([[Double]])
  /// Lengths of runs of 0s and 1s in turn, column by column.
  case runs(height: Int, width: Int, counts: [Int])
  /// The same runs in COCO's compressed text.
  case compressedRuns(height: Int, width: Int, counts: String)
}

/// An object of a COCO file.
public struct COCOAnnotation: Sendable, Equatable {
  public var id: Int
  public var imageID: Int
  public var categoryID: Int
  /// The left top corner and the size, in pixels.
  public var x: Double
  public var y: Double
  public var width: Double
  public var height: Double
  /// Of the segmentation, in square pixels; of the box where the file gives none.
  public var area: Double
  /// It stands for a group of objects.
  public var isCrowd: Bool
  /// nil where the file has none, or where it was not asked for.
  public var segmentation: COCOSegmentation?
  /// Words for what it is like, "small", "red": not in COCO's own files, which readers of those
  /// pass over.
  public var attributes: [String]

  public init(
    id: Int, imageID: Int, categoryID: Int, x: Double, y: Double, width: Double, height: Double,
    area: Double, isCrowd: Bool = false, segmentation: COCOSegmentation? = nil,
    attributes: [String] = []
  ) {
    self.id = id
    self.imageID = imageID
    self.categoryID = categoryID
    self.x = x
    self.y = y
    self.width = width
    self.height = height
    self.area = area
    self.isCrowd = isCrowd
    self.segmentation = segmentation
    self.attributes = attributes
  }
}

/// A COCO instances file in memory.
public struct COCOInstances: Sendable {
  public var images: [COCOImage]
  public var annotations: [COCOAnnotation]
  public var categories: [COCOCategory]

  /// Reads a whole file and checks that every annotation names a picture and a category of it.
  ///
  /// - Parameter keepsSegmentation: outlines take most of a file and are left out unless wanted.
  /// - Throws: `SceneFormatError` with the key, what was expected and what was found; `FileError`.
  public init(path: String, keepsSegmentation: Bool = false) throws {
    var images: [COCOImage] = []
    var annotations: [COCOAnnotation] = []
    var categories: [COCOCategory] = []
    try Self.read(path: path, keepsSegmentation: keepsSegmentation) { item in
      switch item {
      case .image(let image): images.append(image)
      case .annotation(let annotation): annotations.append(annotation)
      case .category(let category): categories.append(category)
      }
    }
    let imageIDs = Set(images.map(\.id))
    let categoryIDs = Set(categories.map(\.id))
    for (name, ids, all) in [
      ("images", imageIDs, images.count), ("categories", categoryIDs, categories.count),
    ] where ids.count != all {
      throw SceneFormatError(
        file: path, key: name,
        problem: "expected an id of its own for each of \(all), found \(ids.count) different ids")
    }
    for (place, one) in annotations.enumerated() {
      let key = "annotations[\(place)]"
      guard imageIDs.contains(one.imageID) else {
        throw SceneFormatError(
          file: path, key: key + ".image_id",
          problem: "expected the id of one of the \(images.count) images, found \(one.imageID)")
      }
      guard categoryIDs.contains(one.categoryID) else {
        throw SceneFormatError(
          file: path, key: key + ".category_id",
          problem:
            "expected the id of one of the \(categories.count) categories, found \(one.categoryID)")
      }
    }
    self.images = images
    self.annotations = annotations
    self.categories = categories
  }

  /// One piece of a file.
  public enum Item: Sendable, Equatable {
    case image(COCOImage)
    case annotation(COCOAnnotation)
    case category(COCOCategory)
  }

  /// Passes on the pieces of a file in its order, in constant memory; keys that are not known are
  /// passed over.
  ///
  /// - Throws: `SceneFormatError`, `FileError`, or what `body` throws.
  public static func read(
    path: String, keepsSegmentation: Bool = false, _ body: (Item) throws -> Void
  ) throws {
    try OfficialFile.read(path, needs: ["images", "annotations", "categories"]) { scanner, key in
      switch key {
      case "images": try body(.image(COCOImage(from: &scanner)))
      case "annotations":
        try body(.annotation(COCOAnnotation(from: &scanner, keepsSegmentation)))
      default: try body(.category(COCOCategory(from: &scanner)))
      }
    }
  }

  /// Writes a file in constant memory: `body` adds pictures to the writer.
  ///
  /// - Throws: `FileError`, or what `body` throws; then an earlier file stays as it was.
  public static func write(
    to path: String, categories: [COCOCategory], description: String = "",
    _ body: (Writer) throws -> Void
  ) throws {
    try AtomicFile.write(to: path) { file in
      // Annotations go straight to the file, pictures follow from the spool.
      let sink = JSONSink { try file.write($0) }
      let spool = try JSONSpool(beside: path)
      let writer = Writer(annotations: sink, images: spool.sink)
      try sink.raw("{\"info\":{\"description\":")
      try sink.string(description)
      try sink.raw("},\"licenses\":[],\"categories\":[")
      for (place, category) in categories.enumerated() {
        try sink.raw(place == 0 ? "\n" : ",\n")
        try category.write(to: sink)
      }
      try sink.raw("],\"annotations\":[")
      try body(writer)
      try sink.raw("],\"images\":[")
      try sink.flush()
      try spool.empty(into: file)
      try sink.raw("]}\n")
      try sink.flush()
    }
  }

  /// Takes pictures with their objects, one after the other, on one thread.
  public final class Writer {
    private let annotations: JSONSink
    private let images: JSONSink
    private var hasImages = false
    private var hasAnnotations = false

    init(annotations: JSONSink, images: JSONSink) {
      self.annotations = annotations
      self.images = images
    }

    /// Throws `FileError`.
    public func add(_ image: COCOImage, _ objects: [COCOAnnotation]) throws {
      try images.raw(hasImages ? ",\n" : "\n")
      try image.write(to: images)
      hasImages = true
      for object in objects {
        try annotations.raw(hasAnnotations ? ",\n" : "\n")
        try object.write(to: annotations)
        hasAnnotations = true
      }
    }
  }
}
