/// From a pair of tokens to their merge: its rank, lower first, and the token it makes.
///
/// Open addressing with linear probing over a table at most half full.
struct PairTable: Sendable {
  struct Merge {
    let rank: UInt32
    let result: Int32
  }

  private struct Entry {
    var pair: UInt64
    var merge: Merge
  }

  /// No pair: ids are not negative.
  private static let empty = UInt64.max

  private var entries: [Entry]
  private let mask: Int

  /// A table for up to `count` pairs.
  init(count: Int) {
    var size = 16
    while size < 2 * count { size *= 2 }
    mask = size - 1
    entries = Array(
      repeating: Entry(pair: Self.empty, merge: Merge(rank: 0, result: 0)), count: size)
  }

  /// The merge of `left` and `right`, or nil.
  @inline(__always)
  subscript(left: Int32, right: Int32) -> Merge? {
    let pair = Self.pair(left, right)
    var place = slot(of: pair)
    while entries[place].pair != Self.empty {
      if entries[place].pair == pair { return entries[place].merge }
      place = (place + 1) & mask
    }
    return nil
  }

  /// Adds a pair, which must not be there, to a table that has room.
  mutating func insert(_ left: Int32, _ right: Int32, _ merge: Merge) {
    let pair = Self.pair(left, right)
    var place = slot(of: pair)
    while entries[place].pair != Self.empty { place = (place + 1) & mask }
    entries[place] = Entry(pair: pair, merge: merge)
  }

  @inline(__always)
  private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
    UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
  }

  /// Fibonacci hashing: the high bits of a product with 2^64 over the golden ratio.
  @inline(__always)
  private func slot(of pair: UInt64) -> Int {
    Int(truncatingIfNeeded: (pair &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
  }
}
