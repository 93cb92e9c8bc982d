public import TandemNN
public import TandemTorch

/// Convolutions of 3×3 with a rectifier, each halving the picture: a backbone small enough for
/// trials, drawn afresh, without norms.
public struct PlainBackbone: Backbone {
  public let levels: [FeatureLevel]
  private let convolutions: [Convolution]
  private let first: Int

  /// Claims `layers.N`.
  ///
  /// - Parameters:
  ///   - widths: channels after each halving.
  ///   - maps: how many of the last maps are given out.
  public init(widths: [Int], maps: Int, at path: ParameterPath) throws {
    guard !widths.isEmpty, widths.allSatisfy({ $0 > 0 }), (1...widths.count).contains(maps) else {
      throw VisionError(
        "a plain backbone needs widths above 0 and one to as many maps; found widths \(widths), "
          + "\(maps) maps")
    }
    convolutions = try widths.enumerated().map { place, width in
      let input = place == 0 ? 3 : widths[place - 1]
      return try Convolution(
        ConvolutionShape(input, width, size: 3, stride: 2), rectifier: .relu,
        initializer: .normal(deviation: (2 / Double(9 * input)).squareRoot()),
        at: path / "layers" / place)
    }
    first = widths.count - maps
    levels = (first..<widths.count).map {
      FeatureLevel(channels: widths[$0], stride: 2 << $0)
    }
  }

  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    var x = pictures
    let maps = try convolutions.map { convolution in
      x = try convolution(x)
      return x
    }
    return Array(maps[first...])
  }
}
