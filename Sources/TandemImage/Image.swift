/// The sides of a picture in pixels.
public struct PixelSize: Sendable, Hashable, Codable, CustomStringConvertible {
  public var width: Int
  public var height: Int

  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  public var description: String { "\(width)x\(height)" }
}

/// One colour: red, green and blue of 0 to 255, in sRGB.
public struct RGB: Sendable, Hashable, Codable {
  public var red: UInt8
  public var green: UInt8
  public var blue: UInt8

  public init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
    self.red = red
    self.green = green
    self.blue = blue
  }

  public static let black = RGB(0, 0, 0)
  public static let white = RGB(255, 255, 255)
}

/// A picture in memory: 8-bit RGB, interleaved, rows from the top, no gaps between rows.
///
/// `pixels[(y * width + x) * 3 + c]` is channel `c` (red, green, blue) of column `x` of row `y`.
public struct Image: Sendable, Equatable {
  public let width: Int
  public let height: Int
  /// `width * height * 3` bytes.
  public internal(set) var pixels: [UInt8]

  /// No side is longer than this, the limit of libpng: row tables stay small.
  public static let maximumSide = 1_000_000
  /// No picture in memory has more pixels than this (1.5 GB).
  public static let maximumPixels = 1 << 29

  /// Wraps pixels that are already in the layout of this type.
  ///
  /// - Throws: `ImageError` when a side is below 1 or too long, or the count of bytes is not
  ///   `width * height * 3`.
  public init(width: Int, height: Int, pixels: [UInt8]) throws {
    try Image.check(width: width, height: height, operation: "Image(width:height:pixels:)")
    guard pixels.count == width * height * 3 else {
      throw ImageError(
        .argument, "Image(width:height:pixels:)",
        "a \(width)x\(height) RGB picture needs \(width * height * 3) bytes, "
          + "\(pixels.count) were given")
    }
    self.init(checkedWidth: width, height: height, pixels: pixels)
  }

  /// A picture of one colour.
  ///
  /// - Throws: `ImageError` when a side is below 1 or too long.
  public init(width: Int, height: Int, color: RGB) throws {
    try Image.check(width: width, height: height, operation: "Image(width:height:color:)")
    self.init(
      checkedWidth: width, height: height,
      pixels: Image.bytes(width * height * 3) { target in
        for pixel in 0..<width * height {
          target[3 * pixel] = color.red
          target[3 * pixel + 1] = color.green
          target[3 * pixel + 2] = color.blue
        }
      })
  }

  /// For callers inside the module that made the sides and the bytes themselves.
  init(checkedWidth width: Int, height: Int, pixels: [UInt8]) {
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  public var size: PixelSize { PixelSize(width: width, height: height) }

  /// The colour at column `x`, row `y`; nil outside the picture.
  public subscript(x: Int, y: Int) -> RGB? {
    guard x >= 0, x < width, y >= 0, y < height else { return nil }
    let start = (y * width + x) * 3
    return RGB(pixels[start], pixels[start + 1], pixels[start + 2])
  }

  static func check(width: Int, height: Int, operation: String) throws {
    guard width >= 1, height >= 1, width <= maximumSide, height <= maximumSide,
      width * height <= maximumPixels
    else {
      throw ImageError(
        .argument, operation,
        "a picture of \(width)x\(height) was asked for; each side must be 1 to \(maximumSide) "
          + "and the product at most \(maximumPixels)")
    }
  }

  /// `count` bytes written by `fill`, which must write them all. The memory is not cleared first.
  static func bytes(
    _ count: Int, _ fill: (UnsafeMutableBufferPointer<UInt8>) throws -> Void
  ) rethrows -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      try fill(UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
      initialized = count
    }
  }
}
