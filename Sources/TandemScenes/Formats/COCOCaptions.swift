// Captions in the format of MS COCO (Chen et al. 2015): "captions_*.json".

internal import TandemFiles

/// A caption of a COCO file.
public struct COCOCaption: Sendable, Equatable {
  public var id: Int
  public var imageID: Int
  public var caption: String

  public init(id: Int, imageID: Int, caption: String) {
    self.id = id
    self.imageID = imageID
    self.caption = caption
  }
}

/// A COCO captions file.
public enum COCOCaptions {
  /// One piece of a file.
  public enum Item: Sendable, Equatable {
    case image(COCOImage)
    case caption(COCOCaption)
  }

  /// Passes on the pictures and captions of a file in its order, in constant memory.
  ///
  /// - Throws: `SceneFormatError` with the key, what was expected and what was found; `FileError`;
  ///   or what `body` throws.
  public static func read(path: String, _ body: (Item) throws -> Void) throws {
    try OfficialFile.read(path, needs: ["images", "annotations"]) { scanner, key in
      if key == "images" { return try body(.image(COCOImage(from: &scanner))) }
      var (id, imageID): (Int?, Int?)
      var caption: String?
      try scanner.object { scanner, key in
        switch key {
        case "id": id = try scanner.int()
        case "image_id": imageID = try scanner.int()
        case "caption": caption = try scanner.string()
        default: try scanner.skip()
        }
      }
      try body(
        .caption(
          COCOCaption(
            id: try scanner.need(id, "id"), imageID: try scanner.need(imageID, "image_id"),
            caption: try scanner.need(caption, "caption"))))
    }
  }

  /// Writes a file in constant memory: `body` adds pictures to the writer.
  ///
  /// - Throws: `FileError`, or what `body` throws; then an earlier file stays as it was.
  public static func write(
    to path: String, description: String = "", _ body: (Writer) throws -> Void
  ) throws {
    try AtomicFile.write(to: path) { file in
      let sink = JSONSink { try file.write($0) }
      let spool = try JSONSpool(beside: path)
      try sink.raw("{\"info\":{\"description\":")
      try sink.string(description)
      try sink.raw("},\"licenses\":[],\"annotations\":[")
      try body(Writer(captions: sink, images: spool.sink))
      try sink.raw("],\"images\":[")
      try sink.flush()
      try spool.empty(into: file)
      try sink.raw("]}\n")
      try sink.flush()
    }
  }

  /// Takes pictures with their captions, one after the other, on one thread.
  public final class Writer {
    private let captions: JSONSink
    private let images: JSONSink
    private var hasImages = false
    private var count = 0

    init(captions: JSONSink, images: JSONSink) {
      self.captions = captions
      self.images = images
    }

    /// Captions are numbered from 1 in the order in which they come. Throws `FileError`.
    public func add(_ image: COCOImage, _ texts: [String]) throws {
      try images.raw(hasImages ? ",\n" : "\n")
      try image.write(to: images)
      hasImages = true
      for text in texts {
        try captions.raw(count > 0 ? ",\n" : "\n")
        count += 1
        try captions.raw("{\"id\":\(count),\"image_id\":\(image.id),\"caption\":")
        try captions.string(text)
        try captions.raw("}")
      }
    }
  }
}
