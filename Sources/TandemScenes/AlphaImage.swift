// Pictures with transparency.

internal import CImageCodecs

/// A picture in memory: 8-bit red, green, blue and alpha, colours premultiplied by alpha (Porter and
/// Duff, 1984), rows from the top, no gaps.
///
/// `pixels[(y * width + x) * 4 + c]` is channel `c` of column `x` of row `y`.
public struct AlphaImage: Sendable, Equatable {
  public let width: Int
  public let height: Int
  public let pixels: [UInt8]

  /// A pixel with at least this alpha counts as solid: part of the thing, not of its soft edge.
  public static let solidAlpha: UInt8 = 128

  /// Wraps premultiplied pixels. Throws `SceneError` when a side is below 1 or the count of bytes is
  /// not `width * height * 4`.
  public init(width: Int, height: Int, premultiplied pixels: [UInt8]) throws {
    guard width >= 1, height >= 1, pixels.count == width * height * 4 else {
      throw SceneError(
        "a \(width)x\(height) picture with alpha needs \(width * height * 4) bytes, "
          + "\(pixels.count) were given")
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }

  init(checkedWidth width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// Reads a PNG. Throws `SceneError` naming `name` for anything else, a damaged file, or one of
  /// more than `maximumPixels`.
  public init(png bytes: [UInt8], name: String, maximumPixels: Int = 40_000_000) throws {
    var memory: UnsafeMutablePointer<UInt8>?
    var width: Int32 = 0
    var height: Int32 = 0
    var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_SIZE))
    let status = cimage_alpha_png_decode(
      bytes, bytes.count, Int64(maximumPixels), &memory, &width, &height, &message)
    defer { cimage_free(memory) }
    guard status == 0, let memory else {
      let text = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
      throw SceneError(
        "\(name) cannot be read as a PNG: \(String(decoding: text, as: UTF8.self)); fetch its "
          + "package again")
    }
    let count = Int(width) * Int(height) * 4
    let pixels = [UInt8](unsafeUninitializedCapacity: count) { target, filled in
      for start in stride(from: 0, to: count, by: 4) {
        let alpha = Int(memory[start + 3])
        for channel in 0..<3 {
          target[start + channel] = UInt8((Int(memory[start + channel]) * alpha + 127) / 255)
        }
        target[start + 3] = UInt8(alpha)
      }
      filled = count
    }
    self.init(checkedWidth: Int(width), height: Int(height), pixels: pixels)
  }

  /// The smallest box around the pixels with at least this alpha; nil where there are none.
  public func box(alpha threshold: UInt8) -> SceneBox? {
    var box: SceneBox?
    pixels.withUnsafeBufferPointer { pixels in
      for y in 0..<height {
        for x in 0..<width where pixels[(y * width + x) * 4 + 3] >= threshold {
          var grown = box ?? SceneBox(x1: x, y1: y, x2: x + 1, y2: y + 1)
          grown.x1 = min(grown.x1, x)
          grown.x2 = max(grown.x2, x + 1)
          grown.y2 = y + 1
          box = grown
        }
      }
    }
    return box
  }

  /// How many pixels have at least this alpha.
  public func count(alpha threshold: UInt8) -> Int {
    pixels.withUnsafeBufferPointer { pixels in
      stride(from: 3, to: pixels.count, by: 4).reduce(into: 0) {
        if pixels[$1] >= threshold { $0 += 1 }
      }
    }
  }

  /// The part inside `box`, which must lie inside the picture, with an empty border around it.
  func cropped(to box: SceneBox, border: Int) -> AlphaImage {
    let (w, h) = (box.width + 2 * border, box.height + 2 * border)
    var result = [UInt8](repeating: 0, count: w * h * 4)
    for row in 0..<box.height {
      let from = ((box.y1 + row) * width + box.x1) * 4
      let to = ((row + border) * w + border) * 4
      result.replaceSubrange(to..<to + box.width * 4, with: pixels[from..<from + box.width * 4])
    }
    return AlphaImage(checkedWidth: w, height: h, pixels: result)
  }

  /// The picture at a smaller size: each pixel is the average of the area it covers.
  func shrunk(width newWidth: Int, height newHeight: Int) -> AlphaImage {
    let columns = AreaWeights(from: width, to: newWidth)
    let rows = AreaWeights(from: height, to: newHeight)
    // Along rows first.
    var narrow = [Float](repeating: 0, count: newWidth * height * 4)
    var result = [UInt8](repeating: 0, count: newWidth * newHeight * 4)
    pixels.withUnsafeBufferPointer { source in
      narrow.withUnsafeMutableBufferPointer { narrow in
        for y in 0..<height {
          for x in 0..<newWidth {
            var sum = SIMD4<Float>.zero
            for (offset, weight) in columns.weights[x].enumerated() {
              let start = (y * width + columns.starts[x] + offset) * 4
              let pixel = SIMD4<Float>(
                Float(source[start]), Float(source[start + 1]), Float(source[start + 2]),
                Float(source[start + 3]))
              sum += weight * pixel
            }
            for channel in 0..<4 { narrow[(y * newWidth + x) * 4 + channel] = sum[channel] }
          }
        }
      }
    }
    narrow.withUnsafeBufferPointer { narrow in
      result.withUnsafeMutableBufferPointer { result in
        for y in 0..<newHeight {
          for place in 0..<newWidth * 4 {
            var sum: Float = 0
            for (offset, weight) in rows.weights[y].enumerated() {
              sum += weight * narrow[(rows.starts[y] + offset) * newWidth * 4 + place]
            }
            result[y * newWidth * 4 + place] = UInt8(min(max(sum + 0.5, 0), 255))
          }
        }
      }
    }
    return AlphaImage(checkedWidth: newWidth, height: newHeight, pixels: result)
  }
}

/// How much of each source pixel lies under each target pixel, along one side.
private struct AreaWeights {
  var starts: [Int] = []
  var weights: [[Float]] = []

  init(from source: Int, to target: Int) {
    let scale = Double(source) / Double(target)
    for index in 0..<target {
      let (low, high) = (Double(index) * scale, Double(index + 1) * scale)
      let first = min(Int(low), source - 1)
      let end = min(max(Int(high.rounded(.up)), first + 1), source)
      starts.append(first)
      let shares = (first..<end).map { min(Double($0 + 1), high) - max(Double($0), low) }
      let sum = shares.reduce(0, +)
      weights.append(shares.map { Float($0 / sum) })
    }
  }
}
