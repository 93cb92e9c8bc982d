// Who is in a scene and how each is drawn, before any has a place.

/// One object to be placed.
struct SceneActor: Sendable {
  let cutout: Cutout
  let size: SceneSize
  let pose: CutoutPose
  let sprite: Sprite
}

/// The objects of a scene, back to front, and whether one stands on another.
struct ScenePlan {
  private(set) var actors: [SceneActor] = []
  /// The object that stands, and the one it stands on; `support < subject`.
  private(set) var stand: (subject: Int, support: Int)?

  /// How often scenes have 1, 2, … 6 objects.
  static let counts = [0.10, 0.24, 0.26, 0.19, 0.12, 0.09]
  /// Plans with a stand. Some will not fit; about a third of all scenes remains.
  static let standShare = 0.37
  /// How often an object is of the class of an earlier one, so that there is something to count.
  static let repeatShare = 0.28
  static let naturalShare = 0.6
  /// Classes with writing or faces of dials, which a mirror would betray.
  static let neverMirrored: Set<String> = ["clock", "football", "gravestone"]

  init(
    _ pool: [(class: SceneClass, cutouts: [Cutout])], width: Int, height: Int,
    using rng: inout some RandomNumberGenerator
  ) {
    let count = 1 + rng.weighted(ScenePlan.counts)
    if count >= 2, rng.chance(ScenePlan.standShare) {
      let support = rng.below(count - 1)
      stand = (rng.integer(support + 1, count - 1), support)
    }
    let unit = min(Double(width) / 320, Double(height) / 240)
    var places: [Int] = []
    // Something too thin to be seen at the size asked for is drawn again as something else.
    for _ in 0..<1000 where actors.count < count {
      let index = actors.count
      let isRepeat = index > 0 && rng.chance(ScenePlan.repeatShare)
      var place = isRepeat ? places[rng.below(places.count)] : rng.below(pool.count)
      // A chance repeat would count as one that was meant.
      for _ in 0..<4 where !isRepeat && places.contains(place) { place = rng.below(pool.count) }
      let cutouts = pool[place].cutouts
      let cutout = cutouts[rng.below(cutouts.count)]
      let wanted = size(of: index, count: count, using: &rng)
      guard
        let actor = Self.actor(
          cutout, wanted, isStanding: stand?.subject == index || stand?.support == index,
          unit: unit,
          using: &rng)
      else { continue }
      places.append(place)
      actors.append(actor)
    }
  }

  private func size(
    of index: Int, count: Int, using rng: inout some RandomNumberGenerator
  ) -> SceneSize {
    if let stand {
      // What stands is no larger than what it stands on.
      if index == stand.support { return rng.chance(0.5) ? .large : .medium }
      if index == stand.subject { return rng.chance(0.5) ? .small : .medium }
    }
    let large = actors.count { $0.size == .large }
    let weights = [0.36, 0.38, large >= 2 || count >= 5 && large >= 1 ? 0 : 0.26]
    return SceneSize.allCases[rng.weighted(weights)]
  }

  /// Draws a cut-out. One that is small in its source is not made large: it would be a blur.
  private static func actor(
    _ cutout: Cutout, _ wanted: SceneSize, isStanding: Bool, unit: Double,
    using rng: inout some RandomNumberGenerator
  ) -> SceneActor? {
    var size = wanted
    var side = rng.number(size.range.lowerBound, size.range.upperBound) * unit
    while side > 2.2 * cutout.longestSide, size != .small {
      size = size == .large ? .medium : .small
      side = rng.number(size.range.lowerBound, size.range.upperBound) * unit
    }
    let turn: Int
    switch rng.unit() {
    case ..<0.15: turn = 0
    case ..<0.92: turn = isStanding ? rng.integer(-6, 6) : rng.integer(-20, 20)
    default: turn = isStanding ? 0 : rng.integer(-179, 180)
    }
    let mayMirror = !neverMirrored.contains(cutout.className)
    let isMirrored = rng.chance(0.5) && mayMirror
    var tint = SceneTint.natural
    if !rng.chance(naturalShare) {
      let others = SceneTint.allCases.filter { $0 != .natural && $0 != cutout.look }
      tint = others[rng.below(others.count)]
    }
    let pose = CutoutPose(longestSide: side, turn: turn, isMirrored: isMirrored, tint: tint)
    return cutout.drawn(pose).map {
      SceneActor(cutout: cutout, size: size, pose: pose, sprite: $0)
    }
  }
}

extension SceneSize {
  /// The longer side of an object of this size, in pixels of a 320 by 240 picture.
  public var range: ClosedRange<Double> {
    switch self {
    case .small: 40...56
    case .medium: 72...96
    case .large: 120...150
    }
  }
}
