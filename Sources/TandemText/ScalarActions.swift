/// What tokenisation does on meeting one scalar.
///
/// Cleaning, ideograph spacing, accent stripping, lower-casing and splitting each look at one
/// scalar at a time (the order of stacked marks aside), so all five fold into one answer.
enum ScalarAction: UInt32 {
  /// Take the output scalar into the current word.
  case letter
  /// End the word.
  case space
  /// End the word and make the output scalar a word of its own.
  case alone
  /// Pass over it: a control scalar, or a mark that is stripped.
  case drop
  /// A Hangul syllable, to be taken as two or three jamo.
  case hangul
  /// Several output scalars; see ``ScalarActions/sequence(for:)``.
  case sequence
  /// A mark that is not stripped: canonical order decides its place among its neighbours.
  case mark
}

/// The action for every scalar, with or without lower-casing.
///
/// Those of the Basic Multilingual Plane are worked out once and looked up after; those beyond,
/// such as emoji, are worked out each time.
final class ScalarActions: Sendable {
  /// An action and its output scalar in one word: a table of these is 256 KB.
  struct Entry: Sendable {
    private let bits: UInt32

    init(_ action: ScalarAction, _ output: UInt32) {
      bits = action.rawValue << 24 | output
    }

    @inline(__always)
    var action: ScalarAction { ScalarAction(rawValue: bits >> 24) ?? .drop }

    @inline(__always)
    var output: UInt32 { bits & 0xFF_FFFF }
  }

  static let lowercasing = ScalarActions(lowercased: true)
  static let preserving = ScalarActions(lowercased: false)

  let lowercased: Bool
  private let table: [Entry]

  private init(lowercased: Bool) {
    self.lowercased = lowercased
    table = (UInt32(0)..<0x10000).map { value in
      // Surrogates, which no string holds, are dropped.
      guard let scalar = Unicode.Scalar(value) else { return Entry(.drop, value) }
      return Self.entry(for: scalar, lowercased: lowercased)
    }
  }

  @inline(__always)
  subscript(value: UInt32) -> Entry {
    value < 0x10000 ? table[Int(value)] : supplementary(value)
  }

  /// The output scalars of a `sequence`, and of a `mark` all that it decomposes to.
  func sequence(for value: UInt32) -> [Unicode.Scalar] {
    Unicode.Scalar(value).map(UnicodeRules.decomposition) ?? []
  }

  @inline(never)
  private func supplementary(_ value: UInt32) -> Entry {
    guard let scalar = Unicode.Scalar(value) else { return Entry(.drop, value) }
    return Self.entry(for: scalar, lowercased: lowercased)
  }

  private static func entry(for scalar: Unicode.Scalar, lowercased: Bool) -> Entry {
    // The two large uniform blocks, before anything is asked of Unicode.
    if lowercased, HangulSyllable.all.contains(scalar.value) { return Entry(.hangul, scalar.value) }
    if UnicodeRules.isRemoved(scalar) { return Entry(.drop, scalar.value) }
    if UnicodeRules.isWhitespace(scalar) { return Entry(.space, scalar.value) }
    let isIdeograph = UnicodeRules.isIdeograph(scalar)
    guard lowercased else {
      let isAlone = isIdeograph || UnicodeRules.isPunctuation(scalar)
      return Entry(isAlone ? .alone : .letter, scalar.value)
    }

    let kept = UnicodeRules.decomposition(of: scalar)
      .filter { !UnicodeRules.isNonspacingMark($0) }
    guard let first = kept.first else { return Entry(.drop, scalar.value) }
    if UnicodeRules.combiningClass(first) != 0 { return Entry(.mark, scalar.value) }
    if kept.count > 1 { return Entry(.sequence, scalar.value) }
    let output = UnicodeRules.lowercase(first)
    let isAlone = isIdeograph || UnicodeRules.isPunctuation(output)
    return Entry(isAlone ? .alone : .letter, output.value)
  }
}
