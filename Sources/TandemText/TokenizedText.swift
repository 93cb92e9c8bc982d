/// A text as pieces of a vocabulary: three arrays of equal length, one entry a piece.
public struct TokenizedText: Sendable, Equatable {
  /// The id of each piece.
  public private(set) var ids: [Int32]
  /// The word each piece belongs to, counted from 0 and never falling.
  ///
  /// Words are the stretches between white space, punctuation and ideographs; each punctuation
  /// mark, ideograph and special token is a word of its own.
  public private(set) var words: [Int32]
  /// The stretch of the original text each piece came from, in Unicode scalars.
  ///
  /// Pieces cut from one scalar, such as the letters of a Hangul syllable, share its stretch.
  public private(set) var offsets: [Range<Int32>]

  /// A text of no pieces.
  public init() {
    ids = []
    words = []
    offsets = []
  }

  /// The number of pieces.
  public var count: Int { ids.count }

  /// Whether there is no piece.
  public var isEmpty: Bool { ids.isEmpty }

  /// The first `count` pieces, or all when there are fewer. The last word may lose its end.
  public func prefix(_ count: Int) -> TokenizedText {
    let kept = max(0, min(count, self.count))
    guard kept < self.count else { return self }
    var result = self
    result.removePieces(from: kept)
    return result
  }

  /// Adds the pieces of `other` after these.
  ///
  /// The words of `other` are renumbered to go on where these end. Its offsets stay as they are:
  /// they count in the text that `other` was made of.
  public mutating func append(_ other: TokenizedText) {
    let shift = (words.last ?? -1) + 1
    ids += other.ids
    words += other.words.lazy.map { $0 + shift }
    offsets += other.offsets
  }

  /// The pieces of `left`, then those of `right`; see ``append(_:)``.
  public static func + (left: TokenizedText, right: TokenizedText) -> TokenizedText {
    var result = left
    result.append(right)
    return result
  }

  /// The pieces of each word in turn, as ranges into the three arrays: what whole-word masking
  /// hides together. They cover all pieces without gaps.
  public func wordRanges() -> [Range<Int>] { Self.ranges(ofWords: words) }

  /// The same for the words of pieces that are kept elsewhere.
  public static func ranges(ofWords words: [Int32]) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    var start = 0
    for piece in words.indices
    where piece + 1 == words.count || words[piece + 1] != words[piece] {
      ranges.append(start..<piece + 1)
      start = piece + 1
    }
    return ranges
  }

  mutating func reserveCapacity(_ pieces: Int) {
    ids.reserveCapacity(pieces)
    words.reserveCapacity(pieces)
    offsets.reserveCapacity(pieces)
  }

  @inline(__always)
  mutating func append(id: Int32, word: Int32, offsets range: Range<Int32>) {
    ids.append(id)
    words.append(word)
    offsets.append(range)
  }

  mutating func removePieces(from piece: Int) {
    ids.removeSubrange(piece...)
    words.removeSubrange(piece...)
    offsets.removeSubrange(piece...)
  }
}
