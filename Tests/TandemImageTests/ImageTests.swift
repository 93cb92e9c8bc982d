import TandemImage
import Testing

@Suite struct ImageTests {
  @Test func sidesAndBytesAreChecked() throws {
    #expect(throws: ImageError.self) { try Image(width: 2, height: 2, pixels: [0]) }
    #expect(throws: ImageError.self) { try Image(width: 0, height: 2, pixels: []) }
    #expect(throws: ImageError.self) { try Image(width: -1, height: -1, pixels: [0, 0, 0]) }
    #expect(throws: ImageError.self) { try Image(width: .max, height: .max, pixels: []) }
    let image = try Image(width: 2, height: 1, pixels: [1, 2, 3, 4, 5, 6])
    #expect(image[1, 0] == RGB(4, 5, 6))
    #expect(image[2, 0] == nil)
    #expect(image[0, -1] == nil)
  }

  @Test func cropTakesThePart() throws {
    let image = try noise(9, 7)
    let part = try image.cropped(x: 2, y: 3, width: 5, height: 4)
    #expect(part.size == PixelSize(width: 5, height: 4))
    for y in 0..<4 {
      for x in 0..<5 { #expect(part[x, y] == image[x + 2, y + 3]) }
    }
    #expect(try image.cropped(x: 0, y: 0, width: 9, height: 7) == image)
    for (x, y, w, h) in [
      (-1, 0, 2, 2), (0, -1, 2, 2), (8, 0, 2, 2), (0, 6, 2, 2), (0, 0, 0, 2), (0, 0, 2, 0),
      (0, 0, 10, 7), (.max, 0, 1, 1), (0, 0, .max, 1), (1, 0, .min, 1),
    ] {
      #expect(throws: ImageError.self) {
        try image.cropped(x: x, y: y, width: w, height: h)
      }
    }
  }

  @Test func mirrorExchangesLeftAndRight() throws {
    let image = try noise(6, 5)
    let mirror = image.mirrored()
    for y in 0..<5 {
      for x in 0..<6 { #expect(mirror[x, y] == image[5 - x, y]) }
    }
    #expect(mirror.mirrored() == image)
  }

  @Test(arguments: [1, 2, 3, 6])
  func patchesAreLaidOutAsConvolutionWeights(_ side: Int) throws {
    let image = try noise(12, 6)
    let mean: [Float] = [0.5, 0.4, 0.3]
    let std: [Float] = [0.5, 0.25, 0.2]
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 12 * 6 * 3)
    buffer.initialize(repeating: .nan)
    defer { buffer.deallocate() }
    try image.patches(size: side, mean: mean, std: std, into: buffer)
    // Written from the definition: row of the patch, then channel, row and column inside it.
    for y in 0..<6 {
      for x in 0..<12 {
        for channel in 0..<3 {
          let patch = (y / side) * (12 / side) + x / side
          let inside = (channel * side + y % side) * side + x % side
          let byte = Float(image.pixels[(y * 12 + x) * 3 + channel])
          let value = (byte / 255 - mean[channel]) / std[channel]
          #expect(buffer[patch * 3 * side * side + inside] == value)
        }
      }
    }
  }

  @Test func patchesRefuseWhatDoesNotFit() throws {
    let image = try noise(8, 4)
    let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: 96)
    let short = UnsafeMutableBufferPointer(rebasing: buffer[..<95])
    defer { buffer.deallocate() }
    let half: [Float] = [0.5, 0.5, 0.5]
    let bad: [() throws -> Void] = [
      { try image.patches(size: 3, mean: half, std: half, into: buffer) },
      { try image.patches(size: 0, mean: half, std: half, into: buffer) },
      { try image.patches(size: 8, mean: half, std: half, into: buffer) },
      { try image.patches(size: 4, mean: [0.5], std: half, into: buffer) },
      { try image.patches(size: 4, mean: half, std: [1, 0, 1], into: buffer) },
      { try image.patches(size: 4, mean: [.nan, 0, 0], std: half, into: buffer) },
      { try image.patches(size: 4, mean: half, std: half, into: short) },
    ]
    for attempt in bad { #expect(throws: ImageError.self, performing: attempt) }
  }
}
