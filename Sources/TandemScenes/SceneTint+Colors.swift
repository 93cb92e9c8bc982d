// What a tint does to colours, and which tint colours look like.

import Foundation

extension SceneTint {
  /// Hue in degrees and saturation of a tint; nil for `natural`.
  var hue: (degrees: Double, saturation: Double)? {
    switch self {
    case .natural: nil
    case .red: (0, 0.85)
    case .yellow: (52, 0.95)
    case .green: (122, 0.70)
    case .blue: (218, 0.85)
    case .purple: (284, 0.65)
    case .gray: (0, 0)
    }
  }

  /// For each lightness of 0 to 255, three bytes of the tinted colour: the tint from its darker to
  /// its lighter shades. Black and white are moved towards the middle, where a hue can be seen.
  static let shades: [SceneTint: [UInt8]] = {
    var shades: [SceneTint: [UInt8]] = [:]
    for tint in SceneTint.allCases {
      guard let (degrees, saturation) = tint.hue else { continue }
      // Yellow is only seen as yellow when it is light.
      let (dark, light) =
        switch tint {
        case .yellow: (0.38, 0.74)
        case .gray: (0.16, 0.86)
        default: (0.22, 0.76)
        }
      shades[tint] = (0..<256).flatMap { level -> [UInt8] in
        let lightness = dark + (light - dark) * Double(level) / 255
        return bytes(hue: degrees, saturation: saturation, lightness: lightness)
      }
    }
    return shades
  }()

  /// HSL to sRGB (Joblove and Greenberg, 1978).
  static func bytes(hue: Double, saturation: Double, lightness: Double) -> [UInt8] {
    let chroma = (1 - abs(2 * lightness - 1)) * saturation
    return [0.0, 8, 4].map { offset in
      let k = (offset + hue / 30).truncatingRemainder(dividingBy: 12)
      let value = lightness - chroma / 2 * max(-1, min(k - 3, 9 - k, 1))
      return UInt8(min(max((value * 255).rounded(), 0), 255))
    }
  }

  /// Recolours premultiplied pixels in place.
  ///
  /// A pixel's lightness (ITU-R BT.601 luma) chooses the shade; an eighth of its own colour stays,
  /// which keeps eyes and outlines apart.
  func apply(to pixels: inout [UInt8]) {
    guard let shades = SceneTint.shades[self] else { return }
    let kept = self == .gray ? 0 : 32
    shades.withUnsafeBufferPointer { shades in
      pixels.withUnsafeMutableBufferPointer { pixels in
        for start in stride(from: 0, to: pixels.count, by: 4) {
          let alpha = Int(pixels[start + 3])
          if alpha == 0 { continue }
          let (r, g, b) = (Int(pixels[start]), Int(pixels[start + 1]), Int(pixels[start + 2]))
          let luma = min((299 * r + 587 * g + 114 * b) * 255 / (1000 * alpha), 255)
          for channel in 0..<3 {
            let shade = Int(shades[3 * luma + channel]) * alpha / 255
            let own = Int(pixels[start + channel])
            pixels[start + channel] = UInt8((shade * (256 - kept) + own * kept) >> 8)
          }
        }
      }
    }
  }

  /// The tint that a picture's own colours look like; nil where they are of several hues.
  static func look(of image: AlphaImage) -> SceneTint? {
    var (x, y, chromas, count) = (0.0, 0.0, 0.0, 0)
    for start in stride(from: 0, to: image.pixels.count, by: 4)
    where image.pixels[start + 3] >= AlphaImage.solidAlpha {
      let scale = 1 / Double(image.pixels[start + 3])
      let rgb = (0..<3).map { Double(image.pixels[start + $0]) * scale }
      let (hue, chroma) = hueAndChroma(rgb[0], rgb[1], rgb[2])
      x += chroma * cos(hue * .pi / 180)
      y += chroma * sin(hue * .pi / 180)
      chromas += chroma
      count += 1
    }
    guard count > 0 else { return nil }
    if chromas / Double(count) < 0.12 { return .gray }
    guard (x * x + y * y).squareRoot() > 0.6 * chromas else { return nil }
    return near(hue: atan2(y, x) * 180 / .pi)
  }

  /// The tint whose name people give to a hue in degrees.
  static func near(hue: Double) -> SceneTint? {
    switch (hue + 360).truncatingRemainder(dividingBy: 360) {
    case ..<28, 338...: .red
    case ..<70: .yellow
    case 75..<165: .green
    case 185..<255: .blue
    case 260..<338: .purple
    default: nil
    }
  }

  /// Hue in degrees and chroma of 0 to 1 of a colour with channels of 0 to 1.
  static func hueAndChroma(_ r: Double, _ g: Double, _ b: Double) -> (Double, Double) {
    let high = max(r, g, b)
    let chroma = high - min(r, g, b)
    guard chroma > 0 else { return (0, 0) }
    let sector =
      if high == r {
        (g - b) / chroma
      } else if high == g {
        (b - r) / chroma + 2
      } else {
        (r - g) / chroma + 4
      }
    return ((sector * 60 + 360).truncatingRemainder(dividingBy: 360), chroma)
  }
}
