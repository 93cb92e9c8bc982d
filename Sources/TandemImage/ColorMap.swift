#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// Colours for numbers of 0 to 1, dark violet over blue and green to bright yellow.
///
/// Built in OKLab (Ottosson 2020), a space in which equal steps look equal: lightness and hue run
/// evenly from end to end, and the chroma is as large as sRGB can show, up to a limit. So equal
/// differences of the number look equal, and the order survives printing in grey.
public enum ColorMap {
  private static let lightness = (low: 0.28, high: 0.93)
  private static let hueDegrees = (low: 310.0, high: 105.0)
  private static let greatestChroma = 0.17

  private static let table: [RGB] = (0...255).map { makeColor(Double($0) / 255) }

  /// The colour of `value`; below 0 counts as 0, above 1 as 1, not-a-number as 0.
  public static func color(_ value: Float) -> RGB {
    let clamped = value > 0 ? min(value, 1) : 0
    return table[Int((clamped * 255).rounded())]
  }

  private static func makeColor(_ position: Double) -> RGB {
    let light = lightness.low + position * (lightness.high - lightness.low)
    let hue = (hueDegrees.low + position * (hueDegrees.high - hueDegrees.low)) * .pi / 180
    // The largest chroma that sRGB holds at this lightness and hue, by halving.
    var low = 0.0
    var high = greatestChroma
    for _ in 0..<20 {
      let middle = (low + high) / 2
      let linear = linearRGB(light, middle * cos(hue), middle * sin(hue))
      if linear.allSatisfy({ $0 >= 0 && $0 <= 1 }) { low = middle } else { high = middle }
    }
    let bytes = linearRGB(light, low * cos(hue), low * sin(hue)).map(encodedByte)
    return RGB(bytes[0], bytes[1], bytes[2])
  }

  /// Linear-light sRGB of a colour in OKLab.
  private static func linearRGB(_ light: Double, _ a: Double, _ b: Double) -> [Double] {
    func cube(_ value: Double) -> Double { value * value * value }
    let long = cube(light + 0.3963377774 * a + 0.2158037573 * b)
    let medium = cube(light - 0.1055613458 * a - 0.0638541728 * b)
    let short = cube(light - 0.0894841775 * a - 1.2914855480 * b)
    return [
      4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
      -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
      -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    ]
  }

  /// The sRGB transfer curve (IEC 61966-2-1).
  private static func encodedByte(_ linear: Double) -> UInt8 {
    let value = min(max(linear, 0), 1)
    let encoded = value <= 0.0031308 ? 12.92 * value : 1.055 * pow(value, 1 / 2.4) - 0.055
    return UInt8((encoded * 255).rounded())
  }
}
