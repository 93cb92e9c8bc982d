// A scene that descriptions and claims can be evaluated against.

/// A scene with its classes looked up: it says which objects a description fits and whether a
/// claim is true.
///
/// Evaluation knows three values (Kleene's strong logic): true, false and nil, "not clear". An
/// object in its own colours may look red or not; a relation has a grey zone; a hidden property is
/// never decided; and "the cat" means nothing where there are two.
public struct SceneFacts: Sendable {
  public let scene: Scene
  public let lexicon: Lexicon
  /// The class of each object.
  let classes: [Int]
  /// What is taken for granted of hidden properties.
  var hidden = HiddenReading.undecided

  /// Whether objects have the hidden properties that are said of them.
  enum HiddenReading: Sendable { case undecided, all, none }

  /// - Throws: `SceneTextError` for a class that the lexicon lacks, an empty box or picture, or
  ///   more than 64 objects.
  public init(_ scene: Scene, _ lexicon: Lexicon) throws {
    guard scene.objects.count <= 64 else {
      throw SceneTextError(
        "scene \(scene.id).objects: expected at most 64, found \(scene.objects.count)")
    }
    guard scene.width > 0, scene.height > 0 else {
      throw SceneTextError(
        "scene \(scene.id): expected a width and height above 0, found "
          + "\(scene.width) x \(scene.height)")
    }
    classes = try scene.objects.enumerated().map { place, object in
      guard let number = lexicon.place(of: object.className) else {
        throw SceneTextError(
          "scene \(scene.id).objects[\(place)].className: '\(object.className)' is not one of the "
            + "\(lexicon.classes.count) classes; add it to the table of classes")
      }
      guard object.box.width > 0, object.box.height > 0 else {
        throw SceneTextError(
          "scene \(scene.id).objects[\(place)].box: expected a width and height above 0, found "
            + "\(object.box.width) x \(object.box.height)")
      }
      return number
    }
    self.scene = scene
    self.lexicon = lexicon
  }

  /// Objects, one bit each.
  struct Objects: Equatable {
    /// Those that fit.
    var certain: UInt64 = 0
    /// Those that fit or may fit.
    var possible: UInt64 = 0

    var least: Int { certain.nonzeroBitCount }
    var most: Int { possible.nonzeroBitCount }
    var isClear: Bool { certain == possible }
    /// The only object that fits, where none else may.
    var only: Int? {
      isClear && certain.nonzeroBitCount == 1 ? certain.trailingZeroBitCount : nil
    }
  }

  /// The objects that fit a description; nil where it has no meaning in this scene: a noun that is
  /// unknown, or "the cat" where not exactly one fits.
  func objects(_ description: SceneDescription) -> Objects? {
    guard let noun = lexicon.nouns[description.noun] else { return nil }
    var found = Objects()
    for (place, object) in scene.objects.enumerated() where lexicon.members[noun][classes[place]] {
      let bit = UInt64(1) << UInt64(place)
      if let size = description.size, object.size != size { continue }
      if description.hidden != nil && hidden == .none { continue }
      var isCertain = description.hidden == nil || hidden == .all
      if let tint = description.tint, object.tint != tint {
        if object.tint != .natural && tint != .natural { continue }
        isCertain = false
      }
      found.possible |= bit
      if isCertain { found.certain |= bit }
    }
    for relative in description.relatives {
      guard apply(relative, to: &found) else { return nil }
    }
    if let extreme = description.extreme { found = leader(extreme, of: found) }
    return found
  }

  /// Leaves out what does not fit the relative; false where it has no meaning.
  private func apply(_ relative: SceneDescription.Relative, to found: inout Objects) -> Bool {
    guard let landmarks = objects(relative.landmark) else { return false }
    if relative.isDefinite && landmarks.only == nil { return false }
    for place in scene.objects.indices where found.possible >> UInt64(place) & 1 == 1 {
      let bit = UInt64(1) << UInt64(place)
      switch bears(relative.bearing, place, landmarks) {
      case true?: break
      case nil: found.certain &= ~bit
      case false?:
        found.certain &= ~bit
        found.possible &= ~bit
      }
    }
    return true
  }

  /// Whether the object bears so to some landmark.
  private func bears(_ bearing: Bearing, _ subject: Int, _ landmarks: Objects) -> Bool? {
    var result: Bool? = false
    for place in scene.objects.indices where landmarks.possible >> UInt64(place) & 1 == 1 {
      switch scene.clearly(bearing: bearing, subject, place) {
      case true?:
        if landmarks.certain >> UInt64(place) & 1 == 1 { return true }
        result = nil
      case nil: result = nil
      case false?: break
      }
    }
    return result
  }

  /// The one that leads all others that may fit; where none clearly does, all may.
  private func leader(_ extreme: SceneDescription.Extreme, of found: Objects) -> Objects {
    for place in scene.objects.indices where found.certain >> UInt64(place) & 1 == 1 {
      let leadsAll = scene.objects.indices.allSatisfy {
        $0 == place || found.possible >> UInt64($0) & 1 == 0 || scene.leads(extreme, place, $0)
      }
      if leadsAll {
        let bit = UInt64(1) << UInt64(place)
        return Objects(certain: bit, possible: bit)
      }
    }
    return Objects(certain: 0, possible: found.possible)
  }

  /// The indices of the objects that fit for certain and of those that may; nil where the
  /// description has no meaning here: a noun that is unknown, or a landmark that is not unique.
  public func fitting(_ description: SceneDescription) -> (certain: [Int], possible: [Int])? {
    guard let found = objects(description) else { return nil }
    let indices = { (bits: UInt64) in scene.objects.indices.filter { bits >> UInt64($0) & 1 == 1 } }
    return (indices(found.certain), indices(found.possible))
  }

  /// The index of the only object that fits, where none else may.
  public func only(_ description: SceneDescription) -> Int? { objects(description)?.only }

  /// How many objects fit; nil where that is not clear.
  public func count(_ description: SceneDescription) -> Int? {
    guard let found = objects(description), found.isClear else { return nil }
    return found.least
  }

  /// Whether the claim is true; nil where the picture does not clearly decide it.
  public func truth(_ claim: SceneClaim) -> Bool? {
    switch claim {
    case .count(let quantity, let description):
      return objects(description).flatMap { quantity.decides($0.least, $0.most) }
    case .relation(let subject, let bearing, let landmark):
      guard let subject = only(subject), let landmark = only(landmark), subject != landmark else {
        return nil
      }
      return scene.clearly(bearing: bearing, subject, landmark)
    case .more(let more, let fewer):
      guard let more = objects(more), let fewer = objects(fewer) else { return nil }
      return more.least > fewer.most ? true : more.most <= fewer.least ? false : nil
    case .asMany(let first, let second):
      guard let first = objects(first), let second = objects(second) else { return nil }
      if first.least > second.most || first.most < second.least { return false }
      return first.least == first.most && second.least == second.most ? true : nil
    case .identity(let subject, let description):
      guard let subject = only(subject), let found = objects(description) else { return nil }
      let bit = UInt64(1) << UInt64(subject)
      return found.certain & bit != 0 ? true : found.possible & bit == 0 ? false : nil
    case .not(let claim): return truth(claim).map(!)
    case .all(let claims): return Self.all(claims.lazy.map(truth))
    case .any(let claims): return Self.all(claims.lazy.map { truth($0).map(!) }).map(!)
    }
  }

  static func all(_ truths: some Sequence<Bool?>) -> Bool? {
    var result: Bool? = true
    for truth in truths {
      if truth == false { return false }
      if truth == nil { result = nil }
    }
    return result
  }
}

extension PairClaim {
  /// Whether the statement is true of two scenes; nil where they do not clearly decide it.
  public func truth(left: SceneFacts, right: SceneFacts) -> Bool? {
    switch self {
    case .one(let side, let claim): return (side == .left ? left : right).truth(claim)
    case .both(let claim): return SceneFacts.all([left.truth(claim), right.truth(claim)])
    case .neither(let claim):
      return SceneFacts.all([left.truth(claim).map(!), right.truth(claim).map(!)])
    case .either(let claim):
      return PairClaim.neither(claim: claim).truth(left: left, right: right).map(!)
    case .exactlyOne(let claim):
      guard let left = left.truth(claim), let right = right.truth(claim) else { return nil }
      return left != right
    case .more(let side, let description):
      guard let here = (side == .left ? left : right).objects(description),
        let there = (side == .left ? right : left).objects(description)
      else { return nil }
      return here.least > there.most ? true : here.most <= there.least ? false : nil
    case .asMany(let description):
      guard let left = left.objects(description), let right = right.objects(description) else {
        return nil
      }
      if left.least > right.most || left.most < right.least { return false }
      return left.isClear && right.isClear ? true : nil
    case .total(let quantity, let description):
      guard let left = left.objects(description), let right = right.objects(description) else {
        return nil
      }
      return quantity.decides(left.least + right.least, left.most + right.most)
    }
  }
}
