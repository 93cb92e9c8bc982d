/// What the patterns of CLIP and GPT-2 tell apart: `\p{L}`, `\p{N}`, `\s` and the rest.
enum ScalarKind: UInt8, Sendable {
  case letter
  case number
  case space
  case other

  init(_ value: UInt32) {
    self = Unicode.Scalar(value).map(ScalarKind.init) ?? .other
  }

  private init(_ scalar: Unicode.Scalar) {
    if scalar.properties.isWhitespace {
      self = .space
      return
    }
    switch scalar.properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      self = .letter
    case .decimalNumber, .letterNumber, .otherNumber:
      self = .number
    default:
      self = .other
    }
  }
}

/// The kinds of all scalars: those of the Basic Multilingual Plane worked out once, those beyond
/// each time.
///
/// They follow the Unicode version of the Swift library, as the references follow that of theirs:
/// only scalars that Unicode added lately can differ.
struct ScalarKinds: Sendable {
  static let all = ScalarKinds()

  private let table: [ScalarKind]

  private init() {
    table = (UInt32(0)..<0x10000).map { ScalarKind($0) }
  }

  @inline(__always)
  subscript(value: UInt32) -> ScalarKind {
    value < 0x10000 ? table[Int(value)] : Self.beyond(value)
  }

  @inline(never)
  private static func beyond(_ value: UInt32) -> ScalarKind {
    ScalarKind(value)
  }
}
