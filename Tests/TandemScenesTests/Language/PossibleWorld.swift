// A scene with every doubt settled by chance, in which each sentence is plainly true or false: the
// tests' own account of what sentences mean, apart from the library's.

import TandemScenes

/// A noun phrase, as read from English.
struct ReadPhrase: Equatable {
  var classes: Set<String>
  var size: SceneSize?
  var tint: SceneTint?
  var hidden: String?
  var extreme: String?
  var relatives: [Relative] = []

  struct Relative: Equatable {
    var bearing: String
    var isDefinite: Bool
    var landmark: ReadPhrase
  }
}

struct PossibleWorld {
  let scene: Scene
  /// The colour that each object looks to have; nil for none that has a word here.
  let tints: [SceneTint?]
  /// Which objects have the hidden property, whatever it is.
  let hidden: Set<Int>
  /// Turns each grey zone one way.
  let doubt: UInt64

  init(_ scene: Scene, hidden: Set<Int>? = nil, _ random: inout some RandomNumberGenerator) {
    self.scene = scene
    tints = scene.objects.map { object in
      if object.tint != .natural { return object.tint }
      return SceneTint.allCases.filter { $0 != .natural }.randomElement(using: &random)
        .flatMap { Bool.random(using: &random) ? $0 : nil }
    }
    self.hidden =
      hidden ?? Set(scene.objects.indices.filter { _ in Bool.random(using: &random) })
    doubt = random.next()
  }

  /// The objects that fit, or nil where a "the" fails.
  func fitting(_ phrase: ReadPhrase) -> [Int]? {
    var found = scene.objects.indices.filter { place in
      let object = scene.objects[place]
      return phrase.classes.contains(object.className)
        && (phrase.size.map { $0 == object.size } ?? true)
        && (phrase.tint.map { $0 == tints[place] } ?? true)
        && (phrase.hidden == nil || hidden.contains(place))
    }
    for relative in phrase.relatives {
      guard let landmarks = fitting(relative.landmark) else { return nil }
      if relative.isDefinite && landmarks.count != 1 { return nil }
      found = found.filter { place in
        landmarks.contains { $0 != place && bears(relative.bearing, place, $0) }
      }
    }
    guard let extreme = phrase.extreme, found.count > 1 else { return found }
    let measure = { (place: Int) -> Int in
      let box = scene.objects[place].box
      switch extreme {
      case "largest", "biggest": return (box.x2 - box.x1) * (box.y2 - box.y1)
      case "smallest": return -(box.x2 - box.x1) * (box.y2 - box.y1)
      case "leftmost": return -(box.x1 + box.x2)
      case "rightmost": return box.x1 + box.x2
      case "highest", "topmost": return -(box.y1 + box.y2)
      default: return box.y1 + box.y2
      }
    }
    let best = found.map(measure).max()
    return found.filter { measure($0) == best }
  }

  func only(_ phrase: ReadPhrase) -> Int? {
    fitting(phrase).flatMap { $0.count == 1 ? $0[0] : nil }
  }

  func bears(_ bearing: String, _ a: Int, _ b: Int) -> Bool {
    switch bearing {
    case "left of", "to the left of": return isLeft(a, b)
    case "right of", "to the right of": return isLeft(b, a)
    case "above": return isAbove(a, b)
    case "below": return isAbove(b, a)
    case "larger than", "bigger than": return isLarger(a, b)
    case "smaller than": return isLarger(b, a)
    case "on", "on top of": return isOn(a, b)
    default: return isBeside(a, b)
    }
  }

  private func settled(_ a: Int, _ b: Int, _ kind: Int) -> Bool {
    doubt >> UInt64((a * 31 + b * 7 + kind) % 64) & 1 == 1
  }

  private func centre(_ place: Int) -> (x: Double, y: Double) {
    let box = scene.objects[place].box
    return (Double(box.x1 + box.x2) / 2, Double(box.y1 + box.y2) / 2)
  }

  private func isLeft(_ a: Int, _ b: Int) -> Bool {
    let distance = (centre(b).x - centre(a).x) / Double(scene.width)
    return distance >= 0.1 ? true : distance <= 0 ? false : settled(a, b, 0)
  }

  private func isAbove(_ a: Int, _ b: Int) -> Bool {
    let distance = (centre(b).y - centre(a).y) / Double(scene.height)
    return distance >= 0.1 ? true : distance <= 0 ? false : settled(a, b, 1)
  }

  private func isLarger(_ a: Int, _ b: Int) -> Bool {
    let (one, other) = (scene.objects[a].box, scene.objects[b].box)
    let ratio = Double(one.width * one.height) / Double(other.width * other.height)
    return ratio >= 1.5 ? true : ratio <= 1 ? false : settled(a, b, 2)
  }

  private func isOn(_ a: Int, _ b: Int) -> Bool {
    if scene.holds(.on, a, b) { return true }
    let (one, other) = (scene.objects[a].box, scene.objects[b].box)
    let isApart =
      one.x2 < other.x1 || other.x2 < one.x1 || one.y2 < other.y1 || other.y2 < one.y1
    return isApart || one.y2 >= other.y2 ? false : settled(a, b, 3)
  }

  private func isBeside(_ a: Int, _ b: Int) -> Bool {
    if scene.holds(.nextTo, a, b) { return true }
    let (one, other) = (scene.objects[a].box, scene.objects[b].box)
    let across = Double(max(one.x1, other.x1) - min(one.x2, other.x2)) / Double(scene.width)
    let down = Double(max(one.y1, other.y1) - min(one.y2, other.y2)) / Double(scene.height)
    return across >= 0.3 || down >= 0.3 ? false : settled(a, b, 4)
  }
}
