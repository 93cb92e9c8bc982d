// Operations that look at single bytes, at histograms, or at the next neighbours.

/// `from + factor * (to - from)`, cut off to a byte without rounding; beyond 0 ... 1 the line is
/// followed further and clamped.
@inline(__always)
func blended(_ from: UInt8, _ to: UInt8, _ factor: Float) -> UInt8 {
  let value = Float(from) + factor * Float(Int(to) - Int(from))
  return value <= 0 ? 0 : value >= 255 ? 255 : UInt8(value)
}

/// Maps the lowest byte that occurs to 0 and the highest to 255.
func stretchTable(_ histogram: [Int]) -> [UInt8] {
  let identity = (0...255).map { UInt8($0) }
  guard let low = histogram.firstIndex(where: { $0 > 0 }),
    let high = histogram.lastIndex(where: { $0 > 0 }), low < high
  else { return identity }
  let scale = 255.0 / Double(high - low)
  let offset = Double(-low) * scale
  return (0...255).map { UInt8(min(max(Double($0) * scale + offset, 0), 255)) }
}

/// Maps bytes so that each step of 1/255 holds about as many pixels.
func equalizeTable(_ histogram: [Int]) -> [UInt8] {
  let identity = (0...255).map { UInt8($0) }
  let occurring = histogram.filter { $0 > 0 }
  guard occurring.count > 1, let last = occurring.last else { return identity }
  let step = (histogram.reduce(0, +) - last) / 255
  guard step > 0 else { return identity }
  var sum = step / 2
  return histogram.map { count in
    defer { sum += count }
    return UInt8(min(sum / step, 255))
  }
}

extension Image {
  /// Every byte through one function.
  func mapped(_ change: (UInt8) -> UInt8) -> Image {
    let table = (0...255).map { change(UInt8($0)) }
    return mapped(channels: [table, table, table])
  }

  /// Each channel through the table that `table` makes of its histogram of 256 counts.
  func mappedByHistogram(_ table: ([Int]) -> [UInt8]) -> Image {
    var counts = [Int](repeating: 0, count: 3 * 256)
    counts.withUnsafeMutableBufferPointer { counts in
      pixels.withUnsafeBufferPointer { source in
        for start in stride(from: 0, to: source.count, by: 3) {
          counts[Int(source[start])] += 1
          counts[256 + Int(source[start + 1])] += 1
          counts[512 + Int(source[start + 2])] += 1
        }
      }
    }
    return mapped(channels: (0..<3).map { table(Array(counts[$0 * 256..<($0 + 1) * 256])) })
  }

  private func mapped(channels tables: [[UInt8]]) -> Image {
    let flat = tables.flatMap { $0 }
    let result = flat.withUnsafeBufferPointer { table in
      pixels.withUnsafeBufferPointer { source in
        Image.bytes(source.count) { target in
          for start in stride(from: 0, to: source.count, by: 3) {
            target[start] = table[Int(source[start])]
            target[start + 1] = table[256 + Int(source[start + 1])]
            target[start + 2] = table[512 + Int(source[start + 2])]
          }
        }
      }
    }
    return Image(checkedWidth: width, height: height, pixels: result)
  }

  /// Brightness as seen by the eye (ITU-R BT.601), in 16-bit fixed point.
  @inline(__always)
  private static func luma(_ red: UInt8, _ green: UInt8, _ blue: UInt8) -> UInt8 {
    var sum: UInt32 = 0x8000
    sum += UInt32(red) * 19595
    sum += UInt32(green) * 38470
    sum += UInt32(blue) * 7471
    return UInt8(sum >> 16)
  }

  /// The mean luma, rounded.
  func meanLuma() -> UInt8 {
    let sum = pixels.withUnsafeBufferPointer { source in
      var sum = 0
      for start in stride(from: 0, to: source.count, by: 3) {
        sum += Int(Image.luma(source[start], source[start + 1], source[start + 2]))
      }
      return sum
    }
    return UInt8(Double(sum) / Double(width * height) + 0.5)
  }

  /// Blends from grey (0) through unchanged (1).
  func saturated(by factor: Float) -> Image {
    let result = pixels.withUnsafeBufferPointer { source in
      Image.bytes(source.count) { target in
        for start in stride(from: 0, to: source.count, by: 3) {
          let gray = Image.luma(source[start], source[start + 1], source[start + 2])
          target[start] = blended(gray, source[start], factor)
          target[start + 1] = blended(gray, source[start + 1], factor)
          target[start + 2] = blended(gray, source[start + 2], factor)
        }
      }
    }
    return Image(checkedWidth: width, height: height, pixels: result)
  }

  /// Blends from smoothed (0) through unchanged (1). Smoothing weighs the pixel 5 and its eight
  /// neighbours 1 each, of 13; the outermost pixels stay.
  func sharpened(by factor: Float) -> Image {
    guard width >= 3, height >= 3 else { return self }
    let rowBytes = width * 3
    let result = pixels.withUnsafeBufferPointer { source in
      Image.bytes(source.count) { target in
        _ = target.update(fromContentsOf: source)
        for y in 1..<height - 1 {
          for position in y * rowBytes + 3..<(y + 1) * rowBytes - 3 {
            let sum =
              4 * Int(source[position]) + triple(source, position - rowBytes)
              + triple(source, position) + triple(source, position + rowBytes)
            let smooth = UInt8((2 * sum + 13) / 26)
            target[position] = blended(smooth, source[position], factor)
          }
        }
      }
    }
    return Image(checkedWidth: width, height: height, pixels: result)
  }

  /// A byte and those of the same channel left and right of it.
  @inline(__always)
  private func triple(_ source: UnsafeBufferPointer<UInt8>, _ position: Int) -> Int {
    Int(source[position - 3]) + Int(source[position]) + Int(source[position + 3])
  }
}
