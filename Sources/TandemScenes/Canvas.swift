// The picture being composed, and who is seen at each of its pixels.

public import TandemImage

/// An RGB picture that sprites are laid on, back to front.
public struct Canvas: Sendable {
  public let width: Int
  public let height: Int
  /// Interleaved RGB, rows from the top.
  public private(set) var pixels: [UInt8]
  /// For each pixel the sprite that is seen there, counted from 1; 0 where none is.
  public private(set) var owners: [UInt8]
  /// Solid pixels of each sprite, those outside the picture too.
  public private(set) var solidCounts: [Int] = []

  /// Throws `SceneError` when the count of bytes is not `width * height * 3`.
  public init(width: Int, height: Int, background: [UInt8]) throws {
    guard width >= 1, height >= 1, background.count == width * height * 3 else {
      throw SceneError(
        "a \(width)x\(height) background needs \(width * height * 3) bytes, "
          + "\(background.count) were given")
    }
    self.width = width
    self.height = height
    pixels = background
    owners = [UInt8](repeating: 0, count: width * height)
  }

  /// Lays a sprite over what is there ("over" of Porter and Duff, 1984), its left upper corner at
  /// column `x`, row `y`; what reaches outside is cut. At most 255 sprites fit.
  public mutating func lay(_ sprite: Sprite, x: Int, y: Int) {
    solidCounts.append(sprite.solidCount)
    let owner = UInt8(truncatingIfNeeded: solidCounts.count)
    let image = sprite.image
    let columns = max(0, -x)..<max(max(0, -x), min(image.width, width - x))
    let rows = max(0, -y)..<max(max(0, -y), min(image.height, height - y))
    let width = width
    image.pixels.withUnsafeBufferPointer { source in
      pixels.withUnsafeMutableBufferPointer { target in
        owners.withUnsafeMutableBufferPointer { owners in
          for row in rows {
            for column in columns {
              let from = (row * image.width + column) * 4
              let alpha = Int(source[from + 3])
              if alpha == 0 { continue }
              let pixel = (y + row) * width + x + column
              if alpha >= AlphaImage.solidAlpha { owners[pixel] = owner }
              for channel in 0..<3 {
                let below = Int(target[pixel * 3 + channel]) * (255 - alpha) + 127
                // Rounding can pass 255 by one step.
                target[pixel * 3 + channel] = UInt8(
                  min(Int(source[from + channel]) + below / 255, 255))
              }
            }
          }
        }
      }
    }
  }

  /// What is seen of each sprite: the box around it and its part; nil for one that is not seen.
  public func sightings() -> [(box: SceneBox, visible: Double)?] {
    var boxes = [SceneBox](
      repeating: SceneBox(x1: width, y1: height, x2: 0, y2: 0), count: solidCounts.count)
    var counts = [Int](repeating: 0, count: solidCounts.count)
    owners.withUnsafeBufferPointer { owners in
      boxes.withUnsafeMutableBufferPointer { boxes in
        for y in 0..<height {
          for x in 0..<width {
            let owner = Int(owners[y * width + x])
            if owner == 0 { continue }
            counts[owner - 1] += 1
            boxes[owner - 1].x1 = min(boxes[owner - 1].x1, x)
            boxes[owner - 1].x2 = max(boxes[owner - 1].x2, x + 1)
            boxes[owner - 1].y1 = min(boxes[owner - 1].y1, y)
            boxes[owner - 1].y2 = y + 1
          }
        }
      }
    }
    return boxes.indices.map { index in
      counts[index] == 0
        ? nil : (boxes[index], Double(counts[index]) / Double(max(1, solidCounts[index])))
    }
  }

  /// The visible pixels of sprite `index` (from 0) as COCO writes masks: lengths of alternating runs
  /// of other and of own pixels, column by column.
  public func runLengths(of index: Int) -> [Int] {
    var runs: [Int] = []
    var isInside = false
    var length = 0
    for x in 0..<width {
      for y in 0..<height {
        let isOwn = Int(owners[y * width + x]) == index + 1
        if isOwn != isInside {
          runs.append(length)
          length = 0
          isInside = isOwn
        }
        length += 1
      }
    }
    runs.append(length)
    return runs
  }

  /// The picture. Throws `ImageError` when a side is longer than pictures may be.
  public func image() throws -> Image {
    try Image(width: width, height: height, pixels: pixels)
  }
}
