/// Where a target pixel comes from: source x = a x + b y + c, source y = d x + e y + f, between
/// pixel centres at half integers.
struct Affine {
  let a, b, c, d, e, f: Double

  init(_ a: Double, _ b: Double, _ c: Double, _ d: Double, _ e: Double, _ f: Double) {
    (self.a, self.b, self.c, self.d, self.e, self.f) = (a, b, c, d, e, f)
  }

  func source(_ x: Double, _ y: Double) -> (x: Double, y: Double) {
    (a * x + b * y + c, d * x + e * y + f)
  }

  /// Whether 16.16 fixed point holds every source position of a picture of this size.
  func fitsFixedPoint(_ size: PixelSize) -> Bool {
    let (w, h) = (Double(size.width), Double(size.height))
    return [(0, 0), (w, 0), (0, h), (w, h)].allSatisfy { corner in
      let (x, y) = source(corner.0, corner.1)
      return abs(x) < 32768 && abs(y) < 32768
    }
  }
}

extension Image {
  /// The nearest source pixel for each pixel of a picture of the same size; black outside.
  ///
  /// Like Pillow this counts in 16.16 fixed point where a picture turns or shears, and in floating
  /// point where it only moves or is very large, so the pixels are the same.
  func transformed(_ affine: Affine) -> Image {
    let isShift = affine.b == 0 && affine.d == 0
    let usesFixedPoint = !isShift && affine.fitsFixedPoint(size)
    let result = pixels.withUnsafeBufferPointer { source in
      Image.bytes(source.count) { target in
        target.update(repeating: 0)
        if usesFixedPoint {
          copyFixed(affine, source, target)
        } else {
          copyFloating(affine, source, target)
        }
      }
    }
    return Image(checkedWidth: width, height: height, pixels: result)
  }

  private func copyFixed(
    _ affine: Affine, _ source: UnsafeBufferPointer<UInt8>,
    _ target: UnsafeMutableBufferPointer<UInt8>
  ) {
    func fixed(_ value: Double) -> Int { Int((value * 65536 + 0.5).rounded(.down)) }
    let (a, b, d, e) = (fixed(affine.a), fixed(affine.b), fixed(affine.d), fixed(affine.e))
    let start = affine.source(0.5, 0.5)
    var rowX = fixed(start.x)
    var rowY = fixed(start.y)
    var position = 0
    for _ in 0..<height {
      var (sourceX, sourceY) = (rowX, rowY)
      for _ in 0..<width {
        let (x, y) = (sourceX >> 16, sourceY >> 16)
        if x >= 0, x < width, y >= 0, y < height {
          copyPixel(source, (y * width + x) * 3, target, position)
        }
        position += 3
        sourceX += a
        sourceY += d
      }
      rowX += b
      rowY += e
    }
  }

  private func copyFloating(
    _ affine: Affine, _ source: UnsafeBufferPointer<UInt8>,
    _ target: UnsafeMutableBufferPointer<UInt8>
  ) {
    var position = 0
    for row in 0..<height {
      for column in 0..<width {
        let from = affine.source(Double(column) + 0.5, Double(row) + 0.5)
        if from.x >= 0, from.y >= 0, from.x < Double(width), from.y < Double(height) {
          copyPixel(source, (Int(from.y) * width + Int(from.x)) * 3, target, position)
        }
        position += 3
      }
    }
  }

  @inline(__always)
  private func copyPixel(
    _ source: UnsafeBufferPointer<UInt8>, _ from: Int,
    _ target: UnsafeMutableBufferPointer<UInt8>, _ to: Int
  ) {
    target[to] = source[from]
    target[to + 1] = source[from + 1]
    target[to + 2] = source[from + 2]
  }
}
