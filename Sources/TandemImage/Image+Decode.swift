internal import CImageCodecs

/// How pictures are read.
public struct DecodeOptions: Sendable, Equatable {
  /// Whether a JPEG may be decoded smaller than it is.
  public enum Scale: Sendable, Equatable {
    /// Every pixel: the result is the same, bit for bit, as that of Pillow on the same library.
    case exact
    /// By 1/2, 1/4 or 1/8 while both sides stay at least this long. Several times faster on large
    /// photographs that are shrunk anyway; the pixels differ slightly from an exact decode.
    case atLeast(width: Int, height: Int)
  }

  public var scale: Scale
  /// A picture with more pixels is refused before its rows are read or memory is taken.
  public var maximumPixels: Int
  /// A longer file is refused before it is read.
  public var maximumBytes: Int
  /// Turns the picture as its EXIF orientation asks. Boxes in data sets are mostly given for the
  /// upright picture; turn this off for those that are not.
  public var appliesOrientation: Bool

  public init(
    scale: Scale = .exact, maximumPixels: Int = 64_000_000, maximumBytes: Int = 1 << 29,
    appliesOrientation: Bool = true
  ) {
    self.scale = scale
    self.maximumPixels = maximumPixels
    self.maximumBytes = maximumBytes
    self.appliesOrientation = appliesOrientation
  }
}

extension Image {
  /// Reads a JPEG, PNG or WebP file; the format is found by its first bytes, not by its name.
  ///
  /// Grey pictures get three equal channels. CMYK and YCCK JPEGs are taken to hold inverted ink,
  /// as Adobe's programs write them. Transparency is laid over white. A 16-bit sample keeps its
  /// high byte. Gamma and colour profiles are not applied. An animated WebP is refused.
  ///
  /// - Throws: `ImageError` naming the file: missing, a folder, empty, not a picture, truncated,
  ///   broken, or larger than `options` allow (found from the header, before the rest is read).
  public init(contentsOfFile path: String, options: DecodeOptions = DecodeOptions()) throws {
    var source = try ByteSource(path: path)
    try self.init(&source, options)
  }

  /// Reads a picture from memory; `name` is what errors call it.
  ///
  /// - Throws: `ImageError`, as for a file.
  public init(bytes: [UInt8], name: String, options: DecodeOptions = DecodeOptions()) throws {
    var source = try ByteSource(bytes: bytes, name: name)
    try self.init(&source, options)
  }

  /// The size a picture will have once read and turned upright. Only headers are read.
  ///
  /// - Throws: `ImageError` naming the file: missing, a folder, empty, not a picture, or cut
  ///   short inside its header. A huge size is no error here.
  public static func size(ofFile path: String, appliesOrientation: Bool = true) throws -> PixelSize
  {
    var source = try ByteSource(path: path)
    let header = try ImageHeader(&source)
    return appliesOrientation ? header.orientation.applied(to: header.size) : header.size
  }

  private init(_ source: inout ByteSource, _ options: DecodeOptions) throws {
    let header = try ImageHeader(&source)
    try Image.check(header, source, options)
    let orientation = options.appliesOrientation ? header.orientation : .upright
    let denominator = Image.denominator(for: header, orientation, options.scale)
    let width = (header.size.width + denominator - 1) / denominator
    let height = (header.size.height + denominator - 1) / denominator
    let pixels = try Image.decodedPixels(
      try source.all(), header.format, name: source.name, denominator: denominator, width: width,
      height: height)
    let stored = Image(checkedWidth: width, height: height, pixels: pixels)
    self = stored.oriented(orientation)
  }

  private static func check(
    _ header: ImageHeader, _ source: borrowing ByteSource, _ options: DecodeOptions
  ) throws {
    let size = header.size
    let limit = min(options.maximumPixels, maximumPixels)
    let (count, overflows) = size.width.multipliedReportingOverflow(by: size.height)
    if overflows || count > limit {
      throw ImageError(
        .tooLarge, source.name,
        "the \(header.format.rawValue) header says \(size), more than the \(limit) pixels allowed; "
          + "shrink the picture or raise maximumPixels")
    }
    if max(size.width, size.height) > maximumSide {
      throw ImageError(
        .tooLarge, source.name,
        "the \(header.format.rawValue) header says \(size); a side may have \(maximumSide) pixels")
    }
    if source.count > options.maximumBytes {
      throw ImageError(
        .tooLarge, source.name,
        "\(source.count) bytes, more than the \(options.maximumBytes) allowed; "
          + "raise maximumBytes to read it")
    }
  }

  /// The largest of 1, 2, 4, 8 that leaves both sides at least as long as asked.
  private static func denominator(
    for header: ImageHeader, _ orientation: Orientation, _ scale: DecodeOptions.Scale
  ) -> Int {
    guard header.format == .jpeg, case .atLeast(let width, let height) = scale else { return 1 }
    let upright = orientation.applied(to: header.size)
    for denominator in [8, 4, 2] {
      // Compared without rounding up: half a pixel short of twice the size is not twice the size.
      if upright.width / denominator >= width, upright.height / denominator >= height {
        return denominator
      }
    }
    return 1
  }

  private static func decodedPixels(
    _ bytes: [UInt8], _ format: ImageHeader.Format, name: String, denominator: Int, width: Int,
    height: Int
  ) throws -> [UInt8] {
    let (w, h) = (Int32(width), Int32(height))
    return try Image.bytes(width * height * 3) { target in
      guard let rgb = target.baseAddress else { return }
      // A JPEG whose coded data is broken (not missing) leaves no pixel unwritten: libjpeg fills
      // in grey. The others stop with an error.
      try throwing(name) { message in
        switch format {
        case .jpeg:
          cimage_jpeg_decode(bytes, bytes.count, Int32(denominator), w, h, rgb, message)
        case .png: cimage_png_decode(bytes, bytes.count, w, h, rgb, message)
        case .webp: cimage_webp_decode(bytes, bytes.count, w, h, rgb, message)
        }
      }
    }
  }

  /// Runs one function of the C edge and throws what it reports.
  static func throwing(
    _ name: String, _ body: (UnsafeMutablePointer<CChar>) -> CImageStatus
  ) throws {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CIMAGE_MESSAGE_SIZE)) {
      message in
      guard let start = message.baseAddress else { return }
      message.initialize(repeating: 0)
      let kind: ImageError.Kind
      switch body(start) {
      case .OK: return
      case .invalid: kind = .invalid
      case .truncated: kind = .truncated
      case .outOfMemory: kind = .outOfMemory
      }
      let reason = String(cString: start)
      throw ImageError(
        kind, name, kind == .truncated ? "truncated: \(reason); fetch the file again" : reason)
    }
  }
}
