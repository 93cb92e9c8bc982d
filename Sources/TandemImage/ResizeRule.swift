/// Which size a picture gets before a network sees it.
///
/// As JSON: `{"rule": "fit", "shorter": 384, "longer": 639, "multiple": 32}`,
/// `{"rule": "square", "side": 384}`, `{"rule": "multiple", "multiple": 32}`.
public enum ResizeRule: Sendable, Equatable {
  /// Keeps the aspect: the shorter side becomes `shorter`; if then the longer is over `longer`, both
  /// shrink until it is not; each is rounded, then floored to a multiple of `multiple`, at least one.
  case fit(shorter: Int, longer: Int, multiple: Int)
  /// Both sides the same, whatever the aspect.
  case square(side: Int)
  /// The picture's own size, each side floored to a multiple, at least one.
  case multiple(of: Int)

  /// ViLT's rule (Kim et al. 2021): 384 and at most 639 for the published models. The factor between
  /// the two sides is that of detectors, 1333 to 800.
  public static func vilt(shorter: Int = 384, multiple: Int = 32) -> ResizeRule {
    .fit(shorter: shorter, longer: Int(1333.0 / 800.0 * Double(shorter)), multiple: multiple)
  }

  /// The size for a picture of `size`.
  ///
  /// - Throws: `ImageError` when a number of the rule or a side of the picture is below 1, or
  ///   `longer` is below `shorter`.
  public func size(for size: PixelSize) throws -> PixelSize {
    guard size.width >= 1, size.height >= 1 else {
      throw ImageError(.argument, "ResizeRule", "a picture of \(size) has no size to start from")
    }
    try check()
    switch self {
    case .square(let side):
      return PixelSize(width: side, height: side)
    case .multiple(let multiple):
      return PixelSize(
        width: ResizeRule.floored(size.width, multiple),
        height: ResizeRule.floored(size.height, multiple))
    case .fit(let shorter, let longer, let multiple):
      let scale = Double(shorter) / Double(min(size.width, size.height))
      // The shorter side is set, not multiplied: a product could fall just below it.
      var width = size.width <= size.height ? Double(shorter) : Double(size.width) * scale
      var height = size.height <= size.width ? Double(shorter) : Double(size.height) * scale
      if max(width, height) > Double(longer) {
        let shrink = Double(longer) / max(width, height)
        width *= shrink
        height *= shrink
      }
      return PixelSize(
        width: ResizeRule.floored(Int(width + 0.5), multiple),
        height: ResizeRule.floored(Int(height + 0.5), multiple))
    }
  }

  /// The largest size, in pixels, that the rule can give; nil when it has none. Useful to bound
  /// memory and sequence lengths before data is read.
  public var longestSide: Int? {
    switch self {
    case .fit(_, let longer, let multiple): ResizeRule.floored(longer, max(multiple, 1))
    case .square(let side): side
    case .multiple: nil
    }
  }

  /// - Throws: `ImageError` when the rule's numbers are out of range.
  public func check() throws {
    let isValid =
      switch self {
      case .fit(let shorter, let longer, let multiple):
        shorter >= 1 && longer >= shorter && multiple >= 1 && longer >= multiple
          && longer <= Image.maximumSide
      case .square(let side): side >= 1 && side <= Image.maximumSide
      case .multiple(let multiple): multiple >= 1 && multiple <= Image.maximumSide
      }
    guard isValid else {
      throw ImageError(
        .argument, "ResizeRule",
        "\(self): every number is at least 1 and at most \(Image.maximumSide), and longer is at "
          + "least shorter and multiple")
    }
  }

  private static func floored(_ side: Int, _ multiple: Int) -> Int {
    max(side / multiple, 1) * multiple
  }
}

extension ResizeRule: Codable {
  private enum Key: String, CodingKey {
    case rule, shorter, longer, multiple, side
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let rule = try container.decode(String.self, forKey: .rule)
    func number(_ key: Key) throws -> Int { try container.decode(Int.self, forKey: key) }
    switch rule {
    case "fit":
      self = .fit(
        shorter: try number(.shorter), longer: try number(.longer),
        multiple: try number(.multiple))
    case "square": self = .square(side: try number(.side))
    case "multiple": self = .multiple(of: try number(.multiple))
    default:
      throw DecodingError.dataCorruptedError(
        forKey: .rule, in: container,
        debugDescription: "resize rule \"\(rule)\": expected fit, square or multiple")
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    switch self {
    case .fit(let shorter, let longer, let multiple):
      try container.encode("fit", forKey: .rule)
      try container.encode(shorter, forKey: .shorter)
      try container.encode(longer, forKey: .longer)
      try container.encode(multiple, forKey: .multiple)
    case .square(let side):
      try container.encode("square", forKey: .rule)
      try container.encode(side, forKey: .side)
    case .multiple(let multiple):
      try container.encode("multiple", forKey: .rule)
      try container.encode(multiple, forKey: .multiple)
    }
  }
}
