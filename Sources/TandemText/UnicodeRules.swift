import Foundation

/// What Unicode says of a scalar, frozen at the versions the published tokenisers were built with.
///
/// The reference (Hugging Face `tokenizers`) keeps two frozen tables: general categories of
/// Unicode 8.0, decompositions and combining classes of Unicode 9.0. A punctuation mark encoded
/// later is no punctuation to it. Swift's properties follow the newest Unicode, so each answer
/// counts only for scalars that are old enough, with the few corrections made since named here.
enum UnicodeRules {
  /// A control, format or private-use scalar, which cleaning removes; so is U+FFFD.
  ///
  /// Tab, line feed and carriage return count as white space instead.
  static func isRemoved(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control: !isWhitespace(scalar)
    case .privateUse: true
    case .format: isEncoded(scalar, by: 8)
    default: scalar.value == 0xFFFD
    }
  }

  static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x09, 0x0A, 0x0D: true
    case 0x0B, 0x0C, 0x85: false
    default: scalar.properties.isWhitespace
    }
  }

  /// ASCII symbols count as punctuation, such as `$` and `^`; elsewhere the category decides.
  static func isPunctuation(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E:
      return true
    case 0x166D, 0x111C9:  // A symbol and a mark today.
      return true
    default:
      break
    }
    switch scalar.properties.generalCategory {
    case .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return isEncoded(scalar, by: 8)
    default:
      return false
    }
  }

  /// A nonspacing mark, such as an accent, which accent stripping removes.
  static func isNonspacingMark(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x1734, 0x1171E: true  // Spacing marks today.
    case 0x1885, 0x1886, 0xA9BD, 0x111C9: false  // Nonspacing marks since.
    default:
      scalar.properties.generalCategory == .nonspacingMark && isEncoded(scalar, by: 8)
    }
  }

  /// The blocks whose scalars are words by themselves. Hangul and the kana are not among them.
  static func isIdeograph(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x2A6DF,
      0x2A700...0x2B81F, 0x2B920...0x2CEAF, 0x2F800...0x2FA1F:
      true
    default:
      false
    }
  }

  /// The order of a mark among those that follow one base (UAX #44); 0 for what starts anew.
  static func combiningClass(_ scalar: Unicode.Scalar) -> UInt8 {
    guard scalar.value >= 0x300 else { return 0 }
    let value = scalar.properties.canonicalCombiningClass.rawValue
    return value != 0 && isEncoded(scalar, by: 9) ? value : 0
  }

  /// The canonical decomposition in full (NFD of this scalar alone).
  static func decomposition(of scalar: Unicode.Scalar) -> [Unicode.Scalar] {
    if HangulSyllable.all.contains(scalar.value) {
      return HangulSyllable(scalar.value).jamo
    }
    guard mayDecompose(scalar), isEncoded(scalar, by: 9) else { return [scalar] }
    return Array(String(scalar).decomposedStringWithCanonicalMapping.unicodeScalars)
  }

  /// Lower case without regard to neighbours: a final sigma is like any other.
  ///
  /// One scalar each: U+0130, the only one with a longer lower case, has been decomposed before.
  static func lowercase(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    scalar.properties.lowercaseMapping.unicodeScalars.first ?? scalar
  }

  /// Outside these blocks nothing that Unicode 9.0 knows decomposes. Keeps emoji and ideographs
  /// off the slow path.
  private static func mayDecompose(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0xC0..<0x3100, 0xF900..<0xFB50, 0x11000..<0x11600, 0x1D100..<0x1D200, 0x2F800..<0x2FA20:
      true
    default:
      false
    }
  }

  private static func isEncoded(_ scalar: Unicode.Scalar, by version: Int) -> Bool {
    guard let age = scalar.properties.age else { return false }
    return age.major < version || (age.major == version && age.minor == 0)
  }
}

/// A Hangul syllable block, which decomposes by arithmetic (The Unicode Standard, section 3.12).
struct HangulSyllable {
  static let all: ClosedRange<UInt32> = 0xAC00...0xD7A3

  let lead: UInt32
  let vowel: UInt32
  /// U+11A7, one before the first trailing consonant, when there is none.
  let trail: UInt32

  static let noTrail: UInt32 = 0x11A7

  init(_ value: UInt32) {
    let index = value - Self.all.lowerBound
    lead = 0x1100 + index / 588
    vowel = 0x1161 + index % 588 / 28
    trail = Self.noTrail + index % 28
  }

  var jamo: [Unicode.Scalar] {
    let values = trail == Self.noTrail ? [lead, vowel] : [lead, vowel, trail]
    return values.compactMap(Unicode.Scalar.init)
  }
}
