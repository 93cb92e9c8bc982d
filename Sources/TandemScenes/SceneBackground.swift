// What lies behind the objects: quiet colours and patterns, all drawn here.

import Foundation

/// The kinds of backgrounds.
public enum SceneBackground: String, Sendable, Codable, CaseIterable {
  case plain, gradient, stripes, checks, noise

  /// Interleaved RGB of one background: two colours of one hue that lie close to each other.
  public func drawn(
    width: Int, height: Int, using rng: inout some RandomNumberGenerator
  ) -> [UInt8] {
    let colors = BackgroundColors(using: &rng)
    switch self {
    case .plain:
      return fill(width, height, colors) { _, _ in 0 }
    case .gradient:
      let angle = rng.number(0, 2 * .pi)
      let (dx, dy) = (cos(angle) / Double(width), sin(angle) / Double(height))
      return fill(width, height, colors) { x, y in
        0.5 + 0.7 * ((Double(x) - Double(width) / 2) * dx + (Double(y) - Double(height) / 2) * dy)
      }
    case .stripes:
      let period = rng.number(14, 40) * Double(width) / 320
      let angle = [0, 45, 90, 135][rng.below(4)] * Double.pi / 180
      let (dx, dy) = (cos(angle) / period, sin(angle) / period)
      return fill(width, height, colors) { x, y in
        let phase = Double(x) * dx + Double(y) * dy
        return phase - phase.rounded(.down) < 0.5 ? 0 : 1
      }
    case .checks:
      let side = max(2, Int(rng.number(12, 32) * Double(width) / 320))
      return fill(width, height, colors) { x, y in (x / side + y / side) % 2 == 0 ? 0 : 1 }
    case .noise:
      let cell = max(2, Int(rng.number(6, 40) * Double(width) / 320))
      let columns = width / cell + 2
      let heights = (0..<columns * (height / cell + 2)).map { _ in rng.unit() }
      // Values of a grid, smoothly blended (value noise).
      return fill(width, height, colors) { x, y in
        let fx = Double(x % cell) / Double(cell)
        let fy = Double(y % cell) / Double(cell)
        let start = y / cell * columns + x / cell
        let upper = heights[start] + (heights[start + 1] - heights[start]) * fx
        let lower =
          heights[start + columns]
          + (heights[start + columns + 1] - heights[start + columns]) * fx
        return upper + (lower - upper) * fy
      }
    }
  }

  private func fill(
    _ width: Int, _ height: Int, _ colors: BackgroundColors, _ share: (Int, Int) -> Double
  ) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: width * height * 3) { target, filled in
      var place = 0
      for y in 0..<height {
        for x in 0..<width {
          // 256 steps between the two colours.
          let step = Int(min(max(share(x, y), 0), 1) * 255)
          target[place] = colors.table[3 * step]
          target[place + 1] = colors.table[3 * step + 1]
          target[place + 2] = colors.table[3 * step + 2]
          place += 3
        }
      }
      filled = width * height * 3
    }
  }
}

/// Two quiet colours and what lies between.
private struct BackgroundColors {
  let table: [UInt8]

  init(using rng: inout some RandomNumberGenerator) {
    let hue = rng.number(0, 360)
    let saturation = rng.number(0.05, 0.32)
    // Not so light that white things vanish, nor so dark that black ones do.
    let lightness = rng.number(0.58, 0.86)
    let other = lightness + (rng.chance(0.5) ? 1 : -1) * rng.number(0.04, 0.10)
    let first = SceneTint.bytes(hue: hue, saturation: saturation, lightness: lightness)
    let second = SceneTint.bytes(
      hue: (hue + rng.number(-25, 25) + 360).truncatingRemainder(dividingBy: 360),
      saturation: saturation, lightness: other)
    var table: [UInt8] = []
    for step in 0..<256 {
      for (low, high) in zip(first, second) {
        let sum = Int(low) * (255 - step) + Int(high) * step
        table.append(UInt8(sum / 255))
      }
    }
    self.table = table
  }
}
