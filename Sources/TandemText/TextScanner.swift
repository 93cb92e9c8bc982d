/// Takes what a ``TextScanner`` finds, in the order of the text.
protocol WordReceiver {
  /// A word, never empty.
  mutating func receive(_ word: borrowing WordBuffer)
  /// A special token that stands in the text literally.
  mutating func receive(_ special: SpecialToken, at offsets: Range<Int32>)
}

/// Reads a text once, and hands out its words normalised.
///
/// It does at once what the reference does in passes: BertNormalizer (clean text, space
/// ideographs, strip accents and lower-case where asked) and BertPreTokenizer (split at white
/// space, isolate punctuation). Special tokens are found first, in the raw text, and nothing
/// joins across them. Source: J. Devlin et al., "BERT", 2019, as implemented by `tokenizers`.
struct TextScanner<Receiver: WordReceiver> {
  private let actions: ScalarActions
  private var word = WordBuffer()
  var receiver: Receiver

  init(lowercased: Bool, receiver: Receiver) {
    actions = lowercased ? .lowercasing : .preserving
    self.receiver = receiver
  }

  /// Reads `text`, which is valid UTF-8.
  mutating func scan(_ text: UnsafeBufferPointer<UInt8>) {
    var cursor = ScalarCursor(text)
    var stretchStart = 0
    while let scalar = cursor.next() {
      let entry = actions[scalar.value]
      switch entry.action {
      case .letter:
        word.append(entry.output, origin: scalar.index)
      case .space:
        endWord()
      case .alone:
        endWord()
        if scalar.value == UInt32(ascii: "["), let special = special(in: text, at: scalar) {
          let length = Int32(special.rawValue.utf8.count)
          receiver.receive(special, at: scalar.index..<scalar.index + length)
          cursor.skip(ascii: Int(length) - 1)
          stretchStart = cursor.position
        } else {
          word.append(entry.output, origin: scalar.index)
          endWord()
        }
      case .drop:
        break
      case .hangul:
        let syllable = HangulSyllable(scalar.value)
        word.append(syllable.lead, origin: scalar.index)
        word.append(syllable.vowel, origin: scalar.index)
        if syllable.trail != HangulSyllable.noTrail {
          word.append(syllable.trail, origin: scalar.index)
        }
      case .sequence:
        appendSequence(scalar, then: &cursor, from: stretchStart)
      case .mark:
        cursor.back()
        appendMarks(at: &cursor, from: stretchStart)
      }
    }
    endWord()
  }

  @inline(__always)
  private mutating func endWord() {
    guard !word.isEmpty else { return }
    receiver.receive(word)
    word.removeAll()
  }

  private func special(
    in text: UnsafeBufferPointer<UInt8>, at scalar: ScalarCursor.Element
  ) -> SpecialToken? {
    SpecialToken.allCases.first { special in
      text[scalar.position...].starts(with: special.rawValue.utf8)
    }
  }
}

// The rare part: marks that survive accent stripping, and so are seen in canonical order.
extension TextScanner {
  /// A mark in a run of marks, before the run is put in order.
  private struct Mark {
    let scalar: Unicode.Scalar
    let combiningClass: UInt8
    /// Whether it heads the decomposition of an original scalar, which it then stands for.
    let isHead: Bool
  }

  private mutating func appendSequence(
    _ scalar: ScalarCursor.Element, then cursor: inout ScalarCursor, from stretchStart: Int
  ) {
    for output in actions.sequence(for: scalar.value)
    where !UnicodeRules.isNonspacingMark(output) {
      guard UnicodeRules.combiningClass(output) == 0 else {
        return appendMarks(at: &cursor, from: stretchStart)
      }
      word.append(UnicodeRules.lowercase(output).value, origin: scalar.index)
    }
  }

  /// Takes the whole run of marks around `cursor`, none of which has reached the word yet, in
  /// canonical order, and leaves `cursor` after it.
  ///
  /// Sorting moves marks but not the stretches of text they are said to come from: like the
  /// reference, the n-th head of the sorted run stands for the n-th original scalar of the run,
  /// and what is no head for the same as what comes before it.
  private mutating func appendMarks(at cursor: inout ScalarCursor, from stretchStart: Int) {
    // Back to the scalar that holds the last base, or to where the stretch begins.
    while cursor.position > stretchStart {
      cursor.back()
      if let scalar = cursor.peek(), let parts = parts(of: scalar.value),
        parts.contains(where: { UnicodeRules.combiningClass($0) == 0 })
      {
        break
      }
    }

    var marks: [Mark] = []
    var heads: [Int32] = []
    var origin = cursor.index
    var isFirst = true
    while let scalar = cursor.peek() {
      guard let parts = parts(of: scalar.value) else {
        _ = cursor.next()
        continue
      }
      let base = parts.lastIndex { UnicodeRules.combiningClass($0) == 0 }
      if let base {
        // A second base ends the run; the first one leaves it what follows the base.
        guard isFirst else { break }
        marks += parts[(base + 1)...].map(continuation)
        origin = scalar.index
      } else {
        heads.append(scalar.index)
        marks += parts.prefix(1).map(head) + parts.dropFirst().map(continuation)
      }
      isFirst = false
      _ = cursor.next()
    }

    let sorted = marks.enumerated().sorted {
      ($0.element.combiningClass, $0.offset) < ($1.element.combiningClass, $1.offset)
    }
    var nextHead = heads.makeIterator()
    for (_, mark) in sorted {
      if mark.isHead { origin = nextHead.next() ?? origin }
      if !UnicodeRules.isNonspacingMark(mark.scalar) {
        word.append(mark.scalar.value, origin: origin)
      }
    }
  }

  /// What a scalar decomposes to; nil for one that cleaning removes before that.
  private func parts(of value: UInt32) -> [Unicode.Scalar]? {
    guard let scalar = Unicode.Scalar(value), !UnicodeRules.isRemoved(scalar) else { return nil }
    return UnicodeRules.decomposition(of: scalar)
  }

  private func head(_ scalar: Unicode.Scalar) -> Mark {
    Mark(scalar: scalar, combiningClass: UnicodeRules.combiningClass(scalar), isHead: true)
  }

  private func continuation(_ scalar: Unicode.Scalar) -> Mark {
    Mark(scalar: scalar, combiningClass: UnicodeRules.combiningClass(scalar), isHead: false)
  }
}

extension UInt32 {
  init(ascii scalar: Unicode.Scalar) {
    self = scalar.value
  }
}
