internal import CImageCodecs

extension Image {
  /// Cuts the picture into square patches of normalised values, ready for a patch projection.
  ///
  /// Row `i` of the result is the patch at column `i % columns`, row `i / columns` of the grid. It
  /// holds `3 * p * p` values in the order (channel, y, x): that of one output row of a convolution
  /// weight `[out, 3, p, p]`, flattened. A value is `(byte / 255 - mean) / std` of its channel.
  ///
  /// - Parameters:
  ///   - p: the side of a patch; both sides of the picture are multiples of it.
  ///   - mean: three values, red, green, blue.
  ///   - std: three positive values.
  ///   - buffer: `[width / p * height / p, 3 * p * p]`, written whole.
  /// - Throws: `ImageError` when an argument breaks one of these rules.
  public func patches(
    size p: Int, mean: [Float], std: [Float], into buffer: UnsafeMutableBufferPointer<Float>
  ) throws {
    let operation = "patches(size:mean:std:into:)"
    guard p >= 1, width % p == 0, height % p == 0 else {
      throw ImageError(
        .argument, operation,
        "a picture of \(size) cannot be cut into patches of \(p)x\(p); resize it to multiples")
    }
    guard mean.count == 3, std.count == 3, mean.allSatisfy(\.isFinite),
      std.allSatisfy({ $0.isFinite && $0 > 0 })
    else {
      throw ImageError(
        .argument, operation,
        "mean and std need three finite values each, std above 0; found \(mean) and \(std)")
    }
    guard buffer.count == pixels.count else {
      throw ImageError(
        .argument, operation,
        "the buffer needs \(pixels.count) values for a picture of \(size), it has \(buffer.count)")
    }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 3 * 256) { table in
      for channel in 0..<3 {
        for byte in 0..<256 {
          table[channel * 256 + byte] = (Float(byte) / 255 - mean[channel]) / std[channel]
        }
      }
      pixels.withUnsafeBufferPointer { source in
        guard let input = source.baseAddress, let values = table.baseAddress,
          let output = buffer.baseAddress
        else { return }
        cimage_patches(input, Int32(width), Int32(height), Int32(p), values, output)
      }
    }
  }
}
