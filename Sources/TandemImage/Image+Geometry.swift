/// The eight ways a camera may have been held: the value of the EXIF tag 0x0112 (EXIF 2.32,
/// 4.6.4). The name says what must be done to the stored rows to see the picture upright.
enum Orientation: Int {
  case upright = 1
  case mirrored = 2
  case halfTurn = 3
  case flipped = 4
  case transposed = 5
  case quarterTurnRight = 6
  case transversed = 7
  case quarterTurnLeft = 8

  var swapsSides: Bool { rawValue >= 5 }

  func applied(to size: PixelSize) -> PixelSize {
    swapsSides ? PixelSize(width: size.height, height: size.width) : size
  }
}

extension Image {
  /// The part `x ..< x + width`, `y ..< y + height`.
  ///
  /// - Throws: `ImageError` when the part is empty or reaches outside the picture.
  public func cropped(x: Int, y: Int, width: Int, height: Int) throws -> Image {
    guard x >= 0, y >= 0, width >= 1, height >= 1, width <= self.width, height <= self.height,
      x <= self.width - width, y <= self.height - height
    else {
      throw ImageError(
        .argument, "cropped(x:y:width:height:)",
        "the part at (\(x), \(y)) of \(width)x\(height) is not inside a picture of \(size)")
    }
    let stride = self.width * 3
    let result = pixels.withUnsafeBufferPointer { source in
      Image.bytes(width * height * 3) { target in
        for row in 0..<height {
          let start = (y + row) * stride + x * 3
          let line = UnsafeBufferPointer(rebasing: source[start..<start + width * 3])
          _ = UnsafeMutableBufferPointer(rebasing: target[(row * width * 3)...])
            .update(fromContentsOf: line)
        }
      }
    }
    return Image(checkedWidth: width, height: height, pixels: result)
  }

  /// The picture as in a mirror: left and right exchanged.
  public func mirrored() -> Image { oriented(.mirrored) }

  /// The picture with its rows and columns laid out as `orientation` asks.
  func oriented(_ orientation: Orientation) -> Image {
    // Source position of target (x, y), in pixels: start + x * alongX + y * alongY.
    let (w, h) = (width, height)
    let start: Int
    let alongX: Int
    let alongY: Int
    switch orientation {
    case .upright: return self
    case .mirrored: (start, alongX, alongY) = (w - 1, -1, w)
    case .halfTurn: (start, alongX, alongY) = (w * h - 1, -1, -w)
    case .flipped: (start, alongX, alongY) = (w * (h - 1), 1, -w)
    case .transposed: (start, alongX, alongY) = (0, w, 1)
    case .quarterTurnRight: (start, alongX, alongY) = (w * (h - 1), -w, 1)
    case .transversed: (start, alongX, alongY) = (w * h - 1, -w, -1)
    case .quarterTurnLeft: (start, alongX, alongY) = (w - 1, w, -1)
    }
    let target = orientation.applied(to: size)
    let result = pixels.withUnsafeBufferPointer { source in
      Image.bytes(pixels.count) { output in
        var position = 0
        for y in 0..<target.height {
          var from = (start + y * alongY) * 3
          for _ in 0..<target.width {
            output[position] = source[from]
            output[position + 1] = source[from + 1]
            output[position + 2] = source[from + 2]
            position += 3
            from += alongX * 3
          }
        }
      }
    }
    return Image(checkedWidth: target.width, height: target.height, pixels: result)
  }
}
