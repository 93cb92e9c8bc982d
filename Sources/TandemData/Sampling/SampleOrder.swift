internal import TandemTorch

/// The order of samples as a pure function of (seed, epoch, position).
///
/// A keyed permutation with random access (a four-round Feistel network over the next power of
/// four, walked until it falls inside): no list is shuffled or stored, so resuming needs one
/// integer, and the order depends neither on workers nor on how many of them there are.
public struct SampleOrder: Sendable {
  public let count: Int
  public let seed: UInt64
  /// False keeps the order of the data.
  public let isShuffled: Bool
  private let halfBits: UInt64
  private let mask: UInt64

  public init(count: Int, seed: UInt64, isShuffled: Bool = true) {
    self.count = count
    self.seed = seed
    self.isShuffled = isShuffled
    var bits: UInt64 = 1
    while (UInt64(1) << (2 * bits)) < UInt64(max(count, 1)) { bits += 1 }
    halfBits = bits
    mask = (1 << bits) - 1
  }

  /// The epoch that a position of the run lies in, and the record it asks for.
  public subscript(_ position: Int) -> (epoch: Int, index: Int) {
    guard count > 0 else { return (0, 0) }
    let epoch = position / count
    let place = position % count
    guard isShuffled, count > 1 else { return (epoch, place) }
    let key = mixed(seed ^ mixed(UInt64(epoch)))
    var value = UInt64(place)
    repeat { value = permuted(value, key) } while value >= UInt64(count)
    return (epoch, Int(value))
  }

  private func permuted(_ value: UInt64, _ key: UInt64) -> UInt64 {
    var left = value >> halfBits
    var right = value & mask
    for round in 0..<4 as Range<UInt64> {
      (left, right) = (right, left ^ (mixed(right ^ mixed(key &+ round)) & mask))
    }
    return left << halfBits | right
  }
}
