/// Splits a text into words by the pattern of a style.
///
/// CLIP, which ignores case:
/// `<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+`.
/// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
struct WordSplitter {
  struct Word {
    enum Kind { case text, start, end }

    let kind: Kind
    let bytes: Range<Int>
    let scalars: Range<Int32>
  }

  let text: UnsafeBufferPointer<UInt8>
  private let style: BytePairEncoding.Style
  private let kinds = ScalarKinds.all
  /// The stretch of the original text each scalar came from; nil when this is the original.
  private let origins: [Range<Int32>]?
  private var cursor: ScalarCursor

  /// `text` is valid UTF-8.
  init(
    _ text: UnsafeBufferPointer<UInt8>, style: BytePairEncoding.Style, origins: [Range<Int32>]?
  ) {
    self.text = text
    self.style = style
    self.origins = origins
    cursor = ScalarCursor(text)
  }

  /// The stretch of the original text that `scalars`, not empty, came from.
  @inline(__always)
  func original(_ scalars: Range<Int32>) -> Range<Int32> {
    guard let origins else { return scalars }
    let first = origins[Int(scalars.lowerBound)]
    let last = origins[Int(scalars.upperBound) - 1]
    return first.lowerBound..<last.upperBound
  }

  /// The next word, or nil at the end.
  mutating func next() -> Word? {
    switch style {
    case .clip: nextOfClip()
    case .gpt2: nextOfGPT2()
    }
  }

  private mutating func nextOfClip() -> Word? {
    while let first = cursor.next() {
      switch kind(of: first.value) {
      case .space:
        continue
      case .number:
        return word(from: first)
      case .letter:
        pass(.letter)
        return word(from: first)
      case .other:
        if first.value == UInt32(ascii: "<"), let special = special(at: first) { return special }
        if first.value == UInt32(ascii: "'"), passContraction(longS: true) {
          return word(from: first)
        }
        pass(.other)
        return word(from: first)
      }
    }
    return nil
  }

  private mutating func nextOfGPT2() -> Word? {
    guard let first = cursor.next() else { return nil }
    let kind = self.kind(of: first.value)
    switch kind {
    case .letter, .number:
      pass(kind)
    case .other:
      if first.value == UInt32(ascii: "'"), passContraction(longS: false) { break }
      pass(.other)
    case .space:
      if let second = cursor.peek() {
        let follower = self.kind(of: second.value)
        if follower == .space {
          passSpaces()
        } else if first.value == UInt32(ascii: " ") {
          pass(follower)
        }
      }
    }
    return word(from: first)
  }

  @inline(__always)
  private func word(from first: ScalarCursor.Element, kind: Word.Kind = .text) -> Word {
    Word(
      kind: kind, bytes: first.position..<cursor.position, scalars: first.index..<cursor.index)
  }

  /// The kind of a scalar. U+0345, a mark whose capital is a letter, is in no part of CLIP's pattern
  /// when case is ignored, and only separates words there.
  @inline(__always)
  private func kind(of value: UInt32) -> ScalarKind {
    style == .clip && value == 0x345 ? .space : kinds[value]
  }

  /// Passes the scalars of one kind.
  @inline(__always)
  private mutating func pass(_ kind: ScalarKind) {
    while cursor.position < text.count {
      let before = cursor
      guard let scalar = cursor.next() else { return }
      if self.kind(of: scalar.value) != kind {
        cursor = before
        return
      }
    }
  }

  /// Passes white space up to the text's end, or up to the last one before something else.
  private mutating func passSpaces() {
    pass(.space)
    if cursor.peek() != nil { cursor.back() }
  }

  /// Passes what follows an apostrophe in `'s`, `'t`, `'m`, `'d`, `'re`, `'ve` or `'ll`.
  ///
  /// - Parameter longS: whether `ſ` is an s, as where case is ignored.
  private mutating func passContraction(longS: Bool) -> Bool {
    let before = cursor
    let first = cursor.next()?.value ?? 0
    switch first {
    case UInt32(ascii: "s"), UInt32(ascii: "t"), UInt32(ascii: "m"), UInt32(ascii: "d"):
      return true
    case 0x17F where longS:
      return true
    case UInt32(ascii: "r"), UInt32(ascii: "v"):
      if cursor.next()?.value == UInt32(ascii: "e") { return true }
    case UInt32(ascii: "l"):
      if cursor.next()?.value == UInt32(ascii: "l") { return true }
    default:
      break
    }
    cursor = before
    return false
  }

  /// A special token that begins with the `<` at `first`. One with a `ſ` is a word of its own,
  /// as where case is ignored, but not special.
  private mutating func special(at first: ScalarCursor.Element) -> Word? {
    let names: [(name: StaticString, kind: Word.Kind)] = [
      ("|startoftext|>", .start), ("|endoftext|>", .end),
    ]
    for (name, kind) in names {
      let before = cursor
      var isExact = true
      let matches = name.withUTF8Buffer { name in
        name.allSatisfy { byte in
          let found = cursor.next()?.value
          if found == 0x17F && byte == UInt8(ascii: "s") {
            isExact = false
            return true
          }
          return found == UInt32(byte)
        }
      }
      if matches { return word(from: first, kind: isExact ? kind : .text) }
      cursor = before
    }
    return nil
  }
}
