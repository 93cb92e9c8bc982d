internal import TandemFiles
public import TandemImage
public import TandemRegions
public import TandemVision

/// A picture with its regions: boxes, names, confidences.
public enum RegionDrawing {
  /// Colours that stay apart on most pictures, also for people who do not tell red from green
  /// (Okabe & Ito's palette without its black).
  private static let colors = [
    RGB(230, 159, 0), RGB(86, 180, 233), RGB(0, 158, 115), RGB(240, 228, 66), RGB(0, 114, 178),
    RGB(213, 94, 0), RGB(204, 121, 167),
  ]

  /// Draws at most `most` regions, those that come first in front.
  ///
  /// - Parameters:
  ///   - names: of the object ids; the ids themselves where nil.
  ///   - leastConfidence: regions below it are left out, where the record has confidences.
  public static func drawn(
    _ record: RegionRecord, on picture: Image, names: [String]?, attributes: [String]? = nil,
    leastConfidence: Float = 0, most: Int = 36
  ) -> Image {
    let picture = picture.enlarged(toAtLeast: 480)
    var image = picture
    let scaleX = Float(image.width) / (record.sizeIsKnown ? Float(record.width) : 1)
    let scaleY = Float(image.height) / (record.sizeIsKnown ? Float(record.height) : 1)
    let shown = (0..<record.count).filter { row in
      record.objectConfidences.map { $0[row] >= leastConfidence } ?? true
    }.prefix(most)
    for row in shown.reversed() {
      let corners = (0..<4).map {
        Int((record.boxes[4 * row + $0] * ($0 % 2 == 0 ? scaleX : scaleY)).rounded())
      }
      let color = colors[(record.objectIDs.map { Int($0[row]) } ?? row) % colors.count]
      image.drawBox(
        x: corners[0], y: corners[1], width: corners[2] - corners[0],
        height: corners[3] - corners[1], color: color)
      let text = label(record, row, names, attributes)
      if !text.isEmpty {
        image.drawLabel(
          text, x: corners[0], y: corners[1] - Image.labelSize(text).height, color: color)
      }
    }
    return image
  }

  /// Draws what a detector found.
  public static func drawn(
    _ objects: [DetectedObject], on picture: Image, names: [String]?, leastConfidence: Float = 0,
    most: Int = 36
  ) -> Image {
    drawn(
      RegionRecord(
        id: "", width: picture.width, height: picture.height,
        boxes: objects.flatMap { [$0.box.x1, $0.box.y1, $0.box.x2, $0.box.y2] }, features: [],
        featureWidth: 0, objectIDs: objects.map { Int32($0.label - 1) },
        objectConfidences: objects.map(\.score)),
      on: picture, names: names, leastConfidence: leastConfidence, most: most)
  }

  /// Writes a PNG aside and renames it. Throws `ImageError` or `FileError`.
  public static func write(_ image: Image, to path: String) throws {
    try AtomicFile.write(image.pngData(), to: path)
  }

  /// "small red cat 0.98"
  private static func label(
    _ record: RegionRecord, _ row: Int, _ names: [String]?, _ attributes: [String]?
  ) -> String {
    func name(_ ids: [Int32]?, _ names: [String]?) -> String? {
      guard let ids else { return nil }
      let id = Int(ids[row])
      guard let names, names.indices.contains(id) else { return "\(id)" }
      return names[id]
    }
    var words: [String] = []
    if let attributes, let word = name(record.attributeIDs, attributes) { words.append(word) }
    if let word = name(record.objectIDs, names) { words.append(word) }
    if let confidences = record.objectConfidences {
      let hundredths = Int((confidences[row] * 100).rounded())
      words.append(
        "\(hundredths / 100)." + (hundredths % 100 < 10 ? "0" : "") + "\(hundredths % 100)")
    }
    return words.joined(separator: " ")
  }
}

extension Image {
  /// A small picture grows by a whole factor, so that labels have room.
  fileprivate func enlarged(toAtLeast side: Int) -> Image {
    let factor = max(1, (side + max(width, height) - 1) / max(width, height))
    guard factor > 1, factor <= 8 else { return self }
    return (try? resized(width: width * factor, height: height * factor)) ?? self
  }
}
