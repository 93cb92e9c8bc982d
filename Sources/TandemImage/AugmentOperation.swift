#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// One change of a picture that keeps what it shows, as used by RandAugment (Cubuk et al. 2019).
///
/// The list is ViLT's: inversion and cut-out, which can remove what a text speaks of, are not in
/// it. Each operation gives the pixels that Pillow gives for the same value: geometric ones take
/// the nearest pixel and fill with black.
public enum AugmentOperation: String, Sendable, Codable, CaseIterable {
  /// Stretches each channel to 0 ... 255. Takes no value.
  case autoContrast
  /// Evens out each channel's histogram. Takes no value.
  case equalize
  /// Turns counter-clockwise by degrees, around the middle.
  case rotate
  /// Keeps the given number of high bits of each byte, at least 1 and at most 8.
  case posterize
  /// Inverts every byte at or above the value.
  case solarize
  /// Adds the value to each byte, then inverts those at or above 128.
  case solarizeAdd
  /// Saturation: 0 is grey, 1 is unchanged.
  case color
  /// 0 is the mean grey, 1 is unchanged.
  case contrast
  /// 0 is black, 1 is unchanged.
  case brightness
  /// 0 is smoothed, 1 is unchanged.
  case sharpness
  /// Shifts each row by the value times its distance from the top.
  case shearX
  /// Shifts each column by the value times its distance from the left.
  case shearY
  /// Shifts left by pixels.
  case translateX
  /// Shifts up by pixels.
  case translateY

  /// The values at level 0 and at level 30, the top of RandAugment's scale.
  public var range: (low: Double, high: Double) {
    switch self {
    case .autoContrast, .equalize: (0, 1)
    case .rotate: (0, 30)
    case .posterize: (0, 4)
    case .solarize: (0, 256)
    case .solarizeAdd: (0, 110)
    case .color, .contrast, .brightness, .sharpness: (0.1, 1.9)
    case .shearX, .shearY: (0, 0.3)
    case .translateX, .translateY: (0, 100)
    }
  }

  /// Whether the value is negated half of the time.
  public var hasSign: Bool {
    switch self {
    case .rotate, .shearX, .shearY, .translateX, .translateY: true
    default: false
    }
  }

  /// The value at a level of 0 to 30, without sign.
  public func value(atLevel level: Double) -> Double {
    level / 30 * (range.high - range.low) + range.low
  }

  /// - Parameter magnitude: the operation's own value (degrees, bits, factor, pixels), with sign;
  ///   without effect where the operation takes none.
  /// - Throws: `ImageError` when the magnitude is not finite or its absolute value is over 10000.
  public func apply(to image: Image, magnitude: Double) throws -> Image {
    guard magnitude.isFinite, abs(magnitude) <= 10_000 else {
      throw ImageError(
        .argument, "AugmentOperation.\(rawValue)",
        "the magnitude is \(magnitude); expected a finite number between -10000 and 10000")
    }
    switch self {
    case .autoContrast: return image.mappedByHistogram(stretchTable)
    case .equalize: return image.mappedByHistogram(equalizeTable)
    case .posterize:
      let bits = min(max(Int(magnitude), 1), 8)
      let mask = UInt8(truncatingIfNeeded: 0xFF << (8 - bits))
      return image.mapped { $0 & mask }
    case .solarize:
      return image.mapped { Double($0) < magnitude ? $0 : 255 - $0 }
    case .solarizeAdd:
      return image.mapped { byte in
        let sum = UInt8(min(max(Double(byte) + magnitude, 0), 255))
        return sum < 128 ? sum : 255 - sum
      }
    case .brightness: return image.mapped { blended(0, $0, Float(magnitude)) }
    case .contrast:
      let mean = image.meanLuma()
      return image.mapped { blended(mean, $0, Float(magnitude)) }
    case .color: return image.saturated(by: Float(magnitude))
    case .sharpness: return image.sharpened(by: Float(magnitude))
    case .rotate: return image.rotated(degrees: magnitude)
    case .shearX: return image.transformed(Affine(1, magnitude, 0, 0, 1, 0))
    case .shearY: return image.transformed(Affine(1, 0, 0, magnitude, 1, 0))
    case .translateX: return image.transformed(Affine(1, 0, magnitude, 0, 1, 0))
    case .translateY: return image.transformed(Affine(1, 0, 0, 0, 1, magnitude))
    }
  }
}

extension Image {
  /// The picture turned counter-clockwise around its middle, the same size, corners black.
  fileprivate func rotated(degrees: Double) -> Image {
    let turn = degrees.truncatingRemainder(dividingBy: 360)
    if turn == 0 { return self }
    if abs(turn) == 180 { return oriented(.halfTurn) }
    // Rounded at the 15th decimal: the sine of a right angle's multiple is a clean zero.
    func rounded(_ value: Double) -> Double { (value * 1e15).rounded(.toNearestOrEven) / 1e15 }
    let radians = -turn * .pi / 180
    let cosine = rounded(cos(radians))
    let sine = rounded(sin(radians))
    let (x, y) = (Double(width) / 2, Double(height) / 2)
    return transformed(
      Affine(
        cosine, sine, cosine * -x + sine * -y + x,
        -sine, cosine, -sine * -x + cosine * -y + y))
  }
}
