// What detectors and grid models ask of a network over pictures.

public import TandemNN
public import TandemTorch

/// A mistake in the shape of a vision network or in what it is given.
public struct VisionError: Error, CustomStringConvertible, Equatable {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// One of a backbone's feature maps.
public struct FeatureLevel: Hashable, Sendable {
  public let channels: Int
  /// Pixels of the picture per pixel of the map.
  public let stride: Int

  public init(channels: Int, stride: Int) {
    self.channels = channels
    self.stride = stride
  }
}

/// A network that makes feature maps of pictures.
public protocol Backbone {
  /// Its maps, the finest first.
  var levels: [FeatureLevel] { get }

  /// Pictures [N, 3, H, W], normalised as the weights want them → one map [N, C, H / stride,
  /// W / stride] a level, rounded as the network's padding has it.
  func callAsFunction(_ pictures: Tensor, _ mode: Mode) throws -> [Tensor]
}
