public import TandemImage
internal import Synchronization

/// Decoded pictures, up to a number of bytes; the first ones stay.
///
/// A run goes through all pictures in a new order every epoch, so throwing out the oldest would
/// throw out every picture just before it is wanted again.
public final class PictureCache: Sendable {
  private struct State {
    var images: [UInt64: Image] = [:]
    var bytes = 0
  }
  private let capacity: Int
  private let state = Mutex(State())

  public init(capacity: Int) { self.capacity = capacity }

  /// The picture under a key, made by `make` where it is not there.
  public func image(_ key: UInt64, _ make: () throws -> Image) rethrows -> Image {
    if let image = state.withLock({ $0.images[key] }) { return image }
    let image = try make()
    state.withLock { state in
      guard state.images[key] == nil, state.bytes + image.pixels.count <= capacity else { return }
      state.images[key] = image
      state.bytes += image.pixels.count
    }
    return image
  }
}
