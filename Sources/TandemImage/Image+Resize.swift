internal import CImageCodecs

/// How a resized pixel is made from those around it. Both widen when shrinking, so that every
/// source pixel counts (no aliasing).
public enum ResizeFilter: String, Sendable, Codable, CaseIterable {
  case bilinear
  /// Keys' cubic convolution with a = -0.5 (Keys 1981).
  case bicubic

  /// Half the width of the filter, in source pixels, when not shrinking.
  var support: Double { self == .bilinear ? 1 : 2 }

  func weight(_ distance: Double) -> Double {
    let x = abs(distance)
    switch self {
    case .bilinear:
      return x < 1 ? 1 - x : 0
    case .bicubic:
      let a = -0.5
      if x < 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
      if x < 2 { return (((x - 5) * x + 8) * x - 4) * a }
      return 0
    }
  }
}

/// The weights along one side: which source pixels make each target pixel, and how much of each.
private struct ResizeAxis {
  /// First source pixel of each target pixel.
  var starts: [Int32]
  /// How many source pixels follow.
  var counts: [Int32]
  /// `taps` places for each target pixel, in fixed point.
  var weights: [Int32]
  let taps: Int

  init(from source: Int, to target: Int, _ filter: ResizeFilter) {
    let scale = Double(source) / Double(target)
    let widening = max(scale, 1)
    let support = filter.support * widening
    taps = Int(support.rounded(.up)) * 2 + 1
    starts = [Int32](repeating: 0, count: target)
    counts = starts
    weights = [Int32](repeating: 0, count: target * taps)
    let one = Double(1 << Int(CIMAGE_WEIGHT_BITS))
    var exact = [Double](repeating: 0, count: taps)
    for index in 0..<target {
      let center = (Double(index) + 0.5) * scale
      let first = max(Int(center - support + 0.5), 0)
      let end = min(Int(center + support + 0.5), source)
      var sum = 0.0
      for k in 0..<end - first {
        exact[k] = filter.weight((Double(first + k) - center + 0.5) / widening)
        sum += exact[k]
      }
      starts[index] = Int32(first)
      counts[index] = Int32(end - first)
      for k in 0..<end - first {
        let share = (sum == 0 ? exact[k] : exact[k] / sum) * one
        weights[index * taps + k] = Int32(share + (share < 0 ? -0.5 : 0.5))
      }
    }
  }

  func withUnsafe(_ body: (CImageAxis) -> Void) {
    starts.withUnsafeBufferPointer { starts in
      counts.withUnsafeBufferPointer { counts in
        weights.withUnsafeBufferPointer { weights in
          // A target has at least one pixel, so none of the three is empty.
          guard let starts = starts.baseAddress, let counts = counts.baseAddress,
            let weights = weights.baseAddress
          else { return }
          body(
            CImageAxis(
              starts: starts, counts: counts, weights: weights, taps: Int32(taps),
              length: Int32(self.starts.count)))
        }
      }
    }
  }
}

extension Image {
  /// The picture at another size: along rows first, then along columns, each rounded to bytes with
  /// weights of 22 fraction bits. Pillow up to version 12 does the same, and the result is equal to
  /// its bit for bit. (Pillow 13 goes along columns first where the height loses more than twice as
  /// many pixels as the width, which moves some bytes by a few steps.)
  ///
  /// - Throws: `ImageError` when a side is below 1 or too long.
  public func resized(
    width: Int, height: Int, filter: ResizeFilter = .bicubic
  ) throws -> Image {
    try Image.check(width: width, height: height, operation: "resized(width:height:filter:)")
    if width == self.width && height == self.height { return self }
    let horizontal = ResizeAxis(from: self.width, to: width, filter)
    let vertical = ResizeAxis(from: self.height, to: height, filter)
    // Four rows are resized at a time, so up to three more than one target row needs are kept.
    let ringRows = Int(vertical.counts.max() ?? 0) + 4
    // Vectors of 16 bytes read past the end of a row.
    let stride = width * 3 + 16
    let result = Image.bytes(width * height * 3) { target in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: ringRows * stride) { ring in
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16 * self.width) { strip in
          pixels.withUnsafeBufferPointer { source in
            guard let input = source.baseAddress, let output = target.baseAddress,
              let rows = ring.baseAddress, let packed = strip.baseAddress
            else { return }
            horizontal.withUnsafe { horizontal in
              vertical.withUnsafe { vertical in
                cimage_resize(
                  input, Int32(self.width), horizontal, vertical, Int32(ringRows), rows, stride,
                  packed, output)
              }
            }
          }
        }
      }
    }
    return Image(checkedWidth: width, height: height, pixels: result)
  }

  /// The picture at the size a rule gives.
  ///
  /// - Throws: `ImageError` when the rule's numbers are out of range.
  public func resized(by rule: ResizeRule, filter: ResizeFilter = .bicubic) throws -> Image {
    let target = try rule.size(for: size)
    return try resized(width: target.width, height: target.height, filter: filter)
  }
}
