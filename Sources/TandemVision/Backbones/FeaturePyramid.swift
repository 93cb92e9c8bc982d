// Feature pyramid (Lin et al. 2017, "Feature pyramid networks for object detection"), with
// torchvision's names: a 1×1 convolution a level, added to the coarser level twice enlarged, then a
// 3×3 convolution; the coarsest level is halved once more.

public import TandemNN
public import TandemTorch

/// A backbone with a pyramid over all of its levels: maps of equal channels.
public struct FeaturePyramid<Body: Backbone>: Backbone {
  public let body: Body
  public let channels: Int
  private let inner: [Convolution]
  private let layers: [Convolution]

  /// Claims `inner_blocks.N.0` and `layer_blocks.N.0`, each with a bias.
  ///
  /// - Parameter path: torchvision's is `fpn`, beside the backbone's `body`.
  public init(_ body: Body, channels: Int = 256, at path: ParameterPath) throws {
    self.body = body
    self.channels = channels
    inner = try body.levels.enumerated().map { place, level in
      try Convolution(
        ConvolutionShape(level.channels, channels, size: 1), at: path / "inner_blocks" / place / 0)
    }
    layers = try body.levels.indices.map { place in
      try Convolution(
        ConvolutionShape(channels, channels, size: 3), at: path / "layer_blocks" / place / 0)
    }
  }

  /// As many as the backbone has, and one of twice the coarsest stride.
  public var levels: [FeatureLevel] {
    let strides = body.levels.map(\.stride)
    return (strides + [2 * (strides.last ?? 1)]).map {
      FeatureLevel(channels: channels, stride: $0)
    }
  }

  public func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor] {
    try pyramid(body(pictures, mode))
  }

  /// The pyramid over the backbone's maps, the finest first.
  public func pyramid(_ maps: [Tensor]) throws -> [Tensor] {
    guard maps.count == inner.count, var top = try maps.last.map({ try inner[maps.count - 1]($0) })
    else {
      throw VisionError("the pyramid has \(inner.count) levels, \(maps.count) maps were given")
    }
    var levels = [try layers[maps.count - 1](top)]
    for place in maps.indices.dropLast().reversed() {
      let side = try inner[place](maps[place])
      top = try side + top.resizedNearest(height: side.size(2), width: side.size(3))
      levels.append(try layers[place](top))
    }
    levels.reverse()
    let coarsest = levels[levels.count - 1]
    return levels + [try coarsest.maxPooled(1, Window2D(stride: 2))]
  }
}
