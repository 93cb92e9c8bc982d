import Foundation
import TandemReport

/// Small pictures drawn in code, so that the tests need no files: shapes on a ground.
struct Scene {
  struct Shape {
    enum Form {
      case disc, square, triangle
    }
    var form: Form
    /// Center and radius in shares of the picture's height.
    var x: Double
    var y: Double
    var radius: Double
    var color: (Double, Double, Double)

    func contains(_ px: Double, _ py: Double) -> Bool {
      let (dx, dy) = (px - x, py - y)
      switch form {
      case .disc: return dx * dx + dy * dy <= radius * radius
      case .square: return max(abs(dx), abs(dy)) <= radius * 0.88
      case .triangle: return dy <= radius * 0.8 && dy >= -radius && abs(dx) <= (dy + radius) * 0.6
      }
    }
  }

  var ground: (Double, Double, Double)
  var shapes: [Shape]
  let width = 120
  let height = 90

  /// The scene as a PNG; with `heat`, dimmed and lit up around the given shapes.
  func picture(heat: [Int]? = nil, alternativeText: String = "") throws -> Picture {
    var pixels: [UInt8] = []
    pixels.reserveCapacity(width * height * 3)
    for row in 0..<height {
      for column in 0..<width {
        let (r, g, b) = color(row: row, column: column)
        guard let heat else {
          pixels += [r, g, b].map { UInt8($0 * 255) }
          continue
        }
        let grey = 0.35 * (0.3 * r + 0.6 * g + 0.1 * b)
        let level = strength(of: heat, row: row, column: column)
        let lit = (min(1, 1.6 * level), 0.85 * level * level, 0.25 * (1 - level))
        pixels += [lit.0, lit.1, lit.2].map { UInt8(min(1, grey + 0.8 * $0 * level) * 255) }
      }
    }
    return try Picture(
      bytes: PNG.encoded(pixels, width: width, height: height), alternativeText: alternativeText)
  }

  private func color(row: Int, column: Int) -> (Double, Double, Double) {
    // Four samples a pixel make soft edges.
    var sum = (0.0, 0.0, 0.0)
    for (ox, oy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
      let x = (Double(column) + ox) / Double(height)
      let y = (Double(row) + oy) / Double(height)
      let shade = 1 - 0.25 * y
      let color =
        shapes.last { $0.contains(x, y) }?.color
        ?? (ground.0 * shade, ground.1 * shade, ground.2 * shade)
      sum = (sum.0 + color.0 / 4, sum.1 + color.1 / 4, sum.2 + color.2 / 4)
    }
    return sum
  }

  private func strength(of heat: [Int], row: Int, column: Int) -> Double {
    let x = Double(column) / Double(height)
    let y = Double(row) / Double(height)
    return heat.map { index in
      let shape = shapes[index]
      let (dx, dy) = (x - shape.x, y - shape.y)
      return exp(-(dx * dx + dy * dy) / (2 * shape.radius * shape.radius))
    }.max() ?? 0.1
  }
}

/// The least PNG encoder: RGB, 8 bits, stored without compression (RFC 2083, RFC 1950, RFC 1951).
enum PNG {
  static func encoded(_ rgb: [UInt8], width: Int, height: Int) -> [UInt8] {
    var rows: [UInt8] = []
    for row in 0..<height {
      rows.append(0)
      rows += rgb[(row * width * 3)..<((row + 1) * width * 3)]
    }
    var stream: [UInt8] = [0x78, 0x01]
    var start = 0
    while start < rows.count {
      let end = min(start + 65535, rows.count)
      let length = UInt16(end - start)
      stream.append(end == rows.count ? 1 : 0)
      for number in [length, ~length] { stream += [UInt8(number & 255), UInt8(number >> 8)] }
      stream += rows[start..<end]
      start = end
    }
    var (a, b) = (UInt32(1), UInt32(0))
    for byte in rows {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    stream += bigEndian(b << 16 | a)
    let header = bigEndian(UInt32(width)) + bigEndian(UInt32(height)) + [8, 2, 0, 0, 0]
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
      + chunk("IHDR", header) + chunk("IDAT", stream) + chunk("IEND", [])
  }

  private static func chunk(_ name: String, _ body: [UInt8]) -> [UInt8] {
    let content = Array(name.utf8) + body
    var remainder = UInt32.max
    for byte in content {
      remainder ^= UInt32(byte)
      for _ in 0..<8 {
        remainder = remainder & 1 == 1 ? remainder >> 1 ^ 0xEDB8_8320 : remainder >> 1
      }
    }
    return bigEndian(UInt32(body.count)) + content + bigEndian(~remainder)
  }

  private static func bigEndian(_ number: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: number >> $0) }
  }
}
