internal import TandemFiles
internal import TandemTorch

/// Which records show the same picture: their numbers in the order of their pictures' hashes, where
/// a `SpilledArray` lies.
struct PictureGroups: Sendable {
  private let pictures: SpilledArray<UInt64>
  private let order: SpilledArray<Int>

  /// - Parameter pictures: the hash of each record's picture.
  init(_ pictures: SpilledArray<UInt64>, leavingOut unreadable: Set<Int>) throws {
    let sorted = (0..<pictures.count).filter { !unreadable.contains($0) }
      .sorted { (pictures[$0], $0) < (pictures[$1], $1) }
    self.pictures = pictures
    order = try SpilledArray(count: sorted.count)
    for (place, record) in sorted.enumerated() { order[place] = record }
    order.release()
  }

  /// Whether two neighbours in a group are as `differ` asks.
  func hasGroup(_ differ: (Int, Int) -> Bool) -> Bool {
    (0..<max(0, order.count - 1)).contains { place in
      let (one, other) = (order[place], order[place + 1])
      return pictures[one] == pictures[other] && differ(one, other)
    }
  }

  /// A record that shows a picture and is as `fits` asks; nil where there is none.
  func member(
    with picture: UInt64, using stream: inout RandomStream, _ fits: (Int) -> Bool
  ) -> Int? {
    let start = firstPlace { pictures[$0] >= picture }
    let count = firstPlace { pictures[$0] > picture } - start
    // Random draws end fast unless almost all have one text; then all are tried.
    for _ in 0..<(count > 1 ? 16 : 0) {
      let record = order[start + stream.below(count)]
      if fits(record) { return record }
    }
    let first = stream.below(count)
    return (0..<count).lazy.map { order[start + (first + $0) % count] }.first(where: fits)
  }

  /// The first place whose record is past a border.
  private func firstPlace(_ isPast: (Int) -> Bool) -> Int {
    var (low, high) = (0, order.count)
    while low < high {
      let middle = (low + high) / 2
      if isPast(order[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}
