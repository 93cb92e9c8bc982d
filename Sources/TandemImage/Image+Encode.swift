internal import CImageCodecs

extension Image {
  /// The picture as a PNG file: 8-bit RGB, not interlaced, lossless.
  ///
  /// - Throws: `ImageError` when there is no memory for it.
  public func pngData() throws -> [UInt8] {
    try encoded("pngData()") { rgb, result, length, message in
      cimage_png_encode(rgb, Int32(width), Int32(height), result, length, message)
    }
  }

  /// The picture as a baseline JPEG file with halved chroma (4:2:0).
  ///
  /// - Parameter quality: 1 to 100, on the usual scale of libjpeg.
  /// - Throws: `ImageError` when the quality is outside that, or a side is over 65500, the limit of
  ///   libjpeg.
  public func jpegData(quality: Int = 90) throws -> [UInt8] {
    guard (1...100).contains(quality) else {
      throw ImageError(.argument, "jpegData(quality:)", "quality is 1 to 100, \(quality) was given")
    }
    return try encoded("jpegData(quality:)") { rgb, result, length, message in
      cimage_jpeg_encode(
        rgb, Int32(width), Int32(height), Int32(quality), result, length, message)
    }
  }

  private func encoded(
    _ operation: String,
    _ body: (
      UnsafePointer<UInt8>, UnsafeMutablePointer<UnsafeMutablePointer<UInt8>?>,
      UnsafeMutablePointer<Int>, UnsafeMutablePointer<CChar>
    ) -> CImageStatus
  ) throws -> [UInt8] {
    var memory: UnsafeMutablePointer<UInt8>?
    var length = 0
    defer { cimage_free(memory) }
    try pixels.withUnsafeBufferPointer { source in
      guard let rgb = source.baseAddress else { return }
      try Image.throwing(operation) { body(rgb, &memory, &length, $0) }
    }
    return [UInt8](UnsafeBufferPointer(start: memory, count: length))
  }
}
