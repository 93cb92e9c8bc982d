import Foundation
import TandemFiles
import TandemImage
import TandemScenes
import TandemTorch
import TandemVision

/// A folder that is removed with its owner.
final class Folder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.path + "/tandem-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Rectangles of three colours, which are their classes, on grey noise: a data set that a tiny
/// detector learns in seconds.
enum DrawnPictures {
  static let names = ["red", "green", "blue"]
  static let colors = [RGB(230, 40, 40), RGB(40, 200, 60), RGB(50, 60, 230)]

  static func drawn(_ index: Int) throws -> (image: Image, objects: [(box: Box, color: Int)]) {
    var stream = RandomStream(seed: UInt64(1000 + index))
    var pixels = (0..<64 * 64 * 3).map { _ in UInt8(100 + stream.below(40)) }
    var objects: [(box: Box, color: Int)] = []
    while objects.count < 3 {
      let (width, height) = (12 + stream.below(20), 12 + stream.below(20))
      let (x, y) = (stream.below(64 - width), stream.below(64 - height))
      let box = Box(x1: Float(x), y1: Float(y), x2: Float(x + width), y2: Float(y + height))
      guard objects.allSatisfy({ $0.box.overlap(box) == 0 }) else { continue }
      let color = stream.below(3)
      objects.append((box, color))
      for row in y..<y + height {
        for column in x..<x + width {
          let place = 3 * (row * 64 + column)
          (pixels[place], pixels[place + 1], pixels[place + 2]) = (
            colors[color].red, colors[color].green, colors[color].blue
          )
        }
      }
    }
    return (try Image(width: 64, height: 64, pixels: pixels), objects)
  }

  /// Writes `count` pictures and `instances.json` into a folder.
  static func write(_ count: Int, to folder: String) throws {
    let categories = names.enumerated().map {
      COCOCategory(id: $0 + 1, name: $1, supercategory: "color")
    }
    try COCOInstances.write(to: folder + "/instances.json", categories: categories) { writer in
      for index in 0..<count {
        let (image, objects) = try drawn(index)
        try AtomicFile.write(image.pngData(), to: "\(folder)/\(index).png")
        try writer.add(
          COCOImage(id: index, fileName: "\(index).png", width: 64, height: 64),
          objects.enumerated().map { place, object in
            COCOAnnotation(
              id: 10 * index + place + 1, imageID: index, categoryID: object.color + 1,
              x: Double(object.box.x1), y: Double(object.box.y1), width: Double(object.box.width),
              height: Double(object.box.height), area: Double(object.box.area),
              attributes: [object.box.width > object.box.height ? "wide" : "tall"])
          })
      }
    }
  }
}
