/// The pieces of words spelled before, of bounded size: when it is three quarters full it forgets
/// all and starts anew.
struct WordCache: Sendable {
  /// Longer words, which are rare, are spelled each time.
  static let longestWord = 64

  private static let slotCount = 1 << 16
  /// A word that finds no place so near is not kept, so a hostile text cannot make look-ups slow.
  private static let longestProbe = 8

  private struct Slot {
    var hash: UInt32 = 0
    var wordStart: UInt32 = 0
    var piecesStart: UInt32 = 0
    /// 0 for a slot that is free.
    var wordCount: UInt16 = 0
    var pieceCount: UInt16 = 0
  }

  private var slots: [Slot] = []
  private var words: [UInt8] = []
  private var used = 0
  /// The pieces of all words, one word after another.
  private(set) var pieces: [Int32] = []

  /// FNV-1a of 64 bits, folded to 32.
  @inline(__always)
  static func hash(_ word: UnsafeBufferPointer<UInt8>) -> UInt32 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in word { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
  }

  /// Where in ``pieces`` those of `word` are, or nil.
  @inline(__always)
  func find(_ word: UnsafeBufferPointer<UInt8>, hash: UInt32) -> Range<Int>? {
    guard !slots.isEmpty else { return nil }
    for step in 0..<Self.longestProbe {
      let slot = slots[(Int(hash) + step) & (Self.slotCount - 1)]
      if slot.wordCount == 0 { return nil }
      if slot.hash == hash, Int(slot.wordCount) == word.count, isEqual(word, slot) {
        return Int(slot.piecesStart)..<Int(slot.piecesStart) + Int(slot.pieceCount)
      }
    }
    return nil
  }

  /// Keeps the pieces of `word`, not empty and not there yet.
  mutating func keep(
    _ found: some Collection<Int32>, of word: UnsafeBufferPointer<UInt8>, hash: UInt32
  ) {
    if slots.isEmpty {
      slots = Array(repeating: Slot(), count: Self.slotCount)
    } else if used > Self.slotCount * 3 / 4 {
      forget()
    }
    for step in 0..<Self.longestProbe {
      let place = (Int(hash) + step) & (Self.slotCount - 1)
      guard slots[place].wordCount == 0 else { continue }
      slots[place] = Slot(
        hash: hash, wordStart: UInt32(words.count), piecesStart: UInt32(pieces.count),
        wordCount: UInt16(word.count), pieceCount: UInt16(found.count))
      words.append(contentsOf: word)
      pieces.append(contentsOf: found)
      used += 1
      return
    }
  }

  private mutating func forget() {
    for place in slots.indices { slots[place] = Slot() }
    words.removeAll(keepingCapacity: true)
    pieces.removeAll(keepingCapacity: true)
    used = 0
  }

  @inline(__always)
  private func isEqual(_ word: UnsafeBufferPointer<UInt8>, _ slot: Slot) -> Bool {
    let start = Int(slot.wordStart)
    for place in 0..<word.count where words[start + place] != word[place] { return false }
    return true
  }
}
