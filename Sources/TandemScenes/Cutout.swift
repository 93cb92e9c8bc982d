// One cut-out, ready to be drawn at any size and turn.

/// A picture of a thing without its surroundings, as a source offers it.
public struct CutoutCandidate: Sendable, Equatable {
  /// Unique over the sources: "tuxpaint/animals-mammals-cats-kitten", "openmoji/1f408".
  public var name: String
  /// "tuxpaint", "openmoji", "tanuki-emoji".
  public var source: String
  /// What the source calls it: a sentence, or an emoji's name.
  public var caption: String
  /// A PNG file.
  public var path: String

  public init(name: String, source: String, caption: String, path: String) {
    self.name = name
    self.source = source
    self.caption = caption
    self.path = path
  }
}

/// A cut-out of a class, with its picture at several sizes.
public struct Cutout: Sendable {
  public let name: String
  public let source: String
  public let caption: String
  public let className: String
  /// Kept for the split of cut-outs never seen.
  public let isHeldOut: Bool
  /// The tint that its own colours look like, if any: drawn in that tint it would look natural.
  public let look: SceneTint?
  /// The longer side of its solid part, in pixels of the picture it was read from (halved where that
  /// is large).
  public let longestSide: Double
  /// Size and middle of the solid part in `levels[0]`, in pixels without the border.
  let solid: SceneBox
  /// The picture, each `levelStep` times the one before, each with a border of one empty pixel.
  let levels: [AlphaImage]

  /// So close that a bilinear sample of the next larger level skips nothing that is seen.
  static let levelStep = 0.707_106_781_186_547_6
  static let smallestLevel = 24

  /// - Parameter image: trimmed to its pixels that are not empty, without a border.
  init(
    _ candidate: CutoutCandidate, className: String, isHeldOut: Bool, image: AlphaImage,
    solid: SceneBox
  ) {
    name = candidate.name
    source = candidate.source
    caption = candidate.caption
    self.className = className
    self.isHeldOut = isHeldOut
    self.solid = solid
    look = SceneTint.look(of: image)
    longestSide = Double(max(solid.width, solid.height))
    var levels: [AlphaImage] = []
    var scale = 1.0
    while levels.isEmpty || longestSide * scale >= Double(Self.smallestLevel) {
      let width = max(1, Int((Double(image.width) * scale).rounded()))
      let height = max(1, Int((Double(image.height) * scale).rounded()))
      let level = levels.isEmpty ? image : image.shrunk(width: width, height: height)
      let whole = SceneBox(x1: 0, y1: 0, x2: level.width, y2: level.height)
      levels.append(level.cropped(to: whole, border: 1))
      scale *= Self.levelStep
    }
    self.levels = levels
  }
}
