/// Spells a word: its bytes, then the best merge wherever it applies, from left to right, until
/// none applies.
///
/// The pairs wait in a heap by rank and place, so a word of n bytes takes n log n steps, however
/// long. Source: R. Sennrich et al., "Neural Machine Translation of Rare Words with Subword
/// Units", 2016, algorithm 1.
struct WordMerger: Sendable {
  /// The token that begins at each byte, or -1 where a token goes on.
  private var tokens: [Int32] = []
  private var next: [Int32] = []
  private var previous: [Int32] = []
  /// Rank in the high half, place in the low half; the least first.
  private var heap: [UInt64] = []

  /// Appends the tokens of `word`, not empty, to `pieces`.
  mutating func spell(
    _ word: UnsafeBufferPointer<UInt8>, with vocabulary: BytePairVocabulary,
    into pieces: inout [Int32]
  ) {
    let count = word.count
    begin(word, vocabulary)
    for place in 0..<count - 1 { offer(Int32(place), vocabulary.pairs) }

    while let (rank, place) = popLeast() {
      let right = next[Int(place)]
      // An entry is out of date when either of its tokens has been merged since.
      guard tokens[Int(place)] >= 0, right < count,
        let merge = vocabulary.pairs[tokens[Int(place)], tokens[Int(right)]], merge.rank == rank
      else { continue }
      tokens[Int(place)] = merge.result
      tokens[Int(right)] = -1
      let after = next[Int(right)]
      next[Int(place)] = after
      if after < count {
        previous[Int(after)] = place
        offer(place, vocabulary.pairs)
      }
      if previous[Int(place)] >= 0 { offer(previous[Int(place)], vocabulary.pairs) }
    }
    for token in tokens where token >= 0 { pieces.append(token) }
  }

  private mutating func begin(
    _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: BytePairVocabulary
  ) {
    heap.removeAll(keepingCapacity: true)
    tokens.removeAll(keepingCapacity: true)
    next.removeAll(keepingCapacity: true)
    previous.removeAll(keepingCapacity: true)
    for (place, byte) in word.enumerated() {
      let isLast = place == word.count - 1
      tokens.append(
        isLast ? vocabulary.lastByteTokens[Int(byte)] : vocabulary.byteTokens[Int(byte)])
      next.append(Int32(place + 1))
      previous.append(Int32(place - 1))
    }
  }

  /// Puts the pair that begins at `place`, which has a right neighbour, into the heap.
  private mutating func offer(_ place: Int32, _ pairs: PairTable) {
    let right = next[Int(place)]
    guard let merge = pairs[tokens[Int(place)], tokens[Int(right)]] else { return }
    heap.append(UInt64(merge.rank) << 32 | UInt64(UInt32(bitPattern: place)))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child] < heap[parent] else { break }
      heap.swapAt(child, parent)
      child = parent
    }
  }

  private mutating func popLeast() -> (rank: UInt32, place: Int32)? {
    guard let least = heap.first, let last = heap.popLast() else { return nil }
    if !heap.isEmpty {
      heap[0] = last
      var parent = 0
      while true {
        var child = 2 * parent + 1
        guard child < heap.count else { break }
        if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
        guard heap[child] < heap[parent] else { break }
        heap.swapAt(child, parent)
        parent = child
      }
    }
    return (UInt32(least >> 32), Int32(truncatingIfNeeded: least & 0x7FFF_FFFF))
  }
}
