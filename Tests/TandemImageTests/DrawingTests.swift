import Foundation
import TandemImage
import Testing

@Suite struct DrawingTests {
  /// CIE lightness L* of an sRGB colour, from its definition.
  static func lightness(_ color: RGB) -> Double {
    func linear(_ byte: UInt8) -> Double {
      let value = Double(byte) / 255
      return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
    }
    let y =
      0.2126 * linear(color.red) + 0.7152 * linear(color.green) + 0.0722 * linear(color.blue)
    return y > 0.008856 ? 116 * cbrt(y) - 16 : 903.3 * y
  }

  @Test func colorsGetLighterEvenly() {
    let steps = (0...16).map { DrawingTests.lightness(ColorMap.color(Float($0) / 16)) }
    let mean = (steps[16] - steps[0]) / 16
    #expect(mean > 4)
    for index in 1...16 {
      // An even scale in one measure of lightness is nearly even in another.
      #expect(abs(steps[index] - steps[index - 1] - mean) < 0.5 * mean)
    }
    #expect(ColorMap.color(-3) == ColorMap.color(0))
    #expect(ColorMap.color(7) == ColorMap.color(1))
    #expect(ColorMap.color(.nan) == ColorMap.color(0))
  }

  @Test func heatIsBlendedAndStretched() throws {
    let image = try noise(8, 4)
    let heat: [Float] = [0, 1]
    #expect(
      try image.overlaid(heat: heat, gridWidth: 2, gridHeight: 1, opacity: 0, keepsColor: true)
        == image)
    let gray = try image.overlaid(heat: heat, gridWidth: 2, gridHeight: 1, opacity: 0)
    #expect(gray == (try AugmentOperation.color.apply(to: image, magnitude: 0)))
    let full = try image.overlaid(heat: heat, gridWidth: 2, gridHeight: 1, opacity: 1)
    // Cell centres lie at columns 2 and 6 (edges): pixel 2 is 1/8 of the way, pixel 3 is 3/8.
    let shares: [Float] = [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]
    for y in 0..<4 {
      for x in 0..<8 { #expect(full[x, y] == ColorMap.color(shares[x])) }
    }
    let flat = try image.overlaid(
      heat: [5, 5, 5, 5], gridWidth: 2, gridHeight: 2, range: 0...10, opacity: 1)
    #expect(flat == (try Image(width: 8, height: 4, color: ColorMap.color(0.5))))
  }

  @Test func badHeatIsRefused() throws {
    let image = try noise(4, 4)
    let bad: [() throws -> Image] = [
      { try image.overlaid(heat: [1, 2, 3], gridWidth: 2, gridHeight: 2) },
      { try image.overlaid(heat: [], gridWidth: 0, gridHeight: 0) },
      { try image.overlaid(heat: [], gridWidth: .max, gridHeight: .max) },
      { try image.overlaid(heat: [.nan], gridWidth: 1, gridHeight: 1) },
      { try image.overlaid(heat: [1], gridWidth: 1, gridHeight: 1, opacity: 2) },
      {
        try image.overlaid(
          heat: [-.greatestFiniteMagnitude, .greatestFiniteMagnitude], gridWidth: 2, gridHeight: 1)
      },
    ]
    for attempt in bad { #expect(throws: ImageError.self) { try attempt() } }
  }

  @Test func boxIsAnOutline() throws {
    var image = try Image(width: 12, height: 10, color: .black)
    image.drawBox(x: 2, y: 1, width: 8, height: 7, color: .white, thickness: 2)
    for y in 0..<10 {
      for x in 0..<12 {
        let isInside = (2..<10).contains(x) && (1..<8).contains(y)
        let isHollow = (4..<8).contains(x) && (3..<6).contains(y)
        #expect(image[x, y] == (isInside && !isHollow ? .white : .black))
      }
    }
  }

  @Test func boxesOutsideAreCut() throws {
    let black = try Image(width: 6, height: 6, color: .black)
    var image = black
    image.drawBox(x: -3, y: -3, width: 6, height: 6, color: .white, thickness: 1)
    #expect(image.pixels.count { $0 == 255 } == 5 * 3)
    for (x, y, w, h) in [
      (100, 100, 5, 5), (.min, .min, .max, .max), (.max, .max, .max, .max), (0, 0, 0, 0),
      (1, 1, -4, -4), (-10, 0, 5, 5),
    ] {
      image = black
      image.drawBox(x: x, y: y, width: w, height: h, color: .white, thickness: .max)
      #expect(image == black)
    }
    image.drawBox(x: -5, y: -5, width: .max, height: .max, color: .white, thickness: .max)
    #expect(image == (try Image(width: 6, height: 6, color: .white)))
  }
}
