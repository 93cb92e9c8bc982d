// Where the objects of a scene stand.

/// An object with its place: the left upper corner of its sprite.
struct SceneSpot: Sendable {
  let actor: SceneActor
  let sprite: Sprite
  let x: Int
  let y: Int

  /// The box around its solid pixels, as far as they reach, in the picture's pixels.
  var box: SceneBox {
    SceneBox(
      x1: sprite.box.x1 + x, y1: sprite.box.y1 + y, x2: sprite.box.x2 + x, y2: sprite.box.y2 + y)
  }
}

/// Places objects one after another, back to front.
struct SceneLayout {
  let width: Int
  let height: Int
  var spots: [SceneSpot] = []

  /// Of the smaller of two boxes, at most this part may be shared.
  static let sharedLimit = 0.15
  private static let tries = 48
  private static let choices = 6

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// Places an object, or leaves it out when no place is found.
  mutating func place(
    _ actor: SceneActor, index: Int, stand: (subject: Int, support: Int)?,
    using rng: inout some RandomNumberGenerator
  ) {
    if let stand, stand.subject == index, stand.support < spots.count,
      let spot = standing(actor, on: spots[stand.support], using: &rng)
    {
      spots.append(spot)
      return
    }
    let box = actor.sprite.box
    // Room above what will be stood on.
    let low = stand?.support == index ? height / 3 : 0
    let bottom = height - box.height
    var best: (spot: SceneSpot, cost: Double)?
    var found = 0
    for _ in 0..<Self.tries where found < Self.choices {
      let left = width >= box.width ? rng.integer(0, width - box.width) : (width - box.width) / 2
      let top = bottom >= 0 ? rng.integer(min(low, bottom), bottom) : bottom / 2
      let spot = SceneSpot(
        actor: actor, sprite: actor.sprite, x: left - box.x1, y: top - box.y1)
      guard let cost = cost(of: spot) else { continue }
      found += 1
      if cost < best?.cost ?? .infinity { best = (spot, cost) }
    }
    if let best { spots.append(best.spot) }
  }

  /// How unclear the relations to the objects placed so far would be; nil where it overlaps one too
  /// much.
  private func cost(of spot: SceneSpot) -> Double? {
    let a = spot.box
    var cost = 0.0
    for other in spots {
      let b = other.box
      let across = min(a.x2, b.x2) - max(a.x1, b.x1)
      let down = min(a.y2, b.y2) - max(a.y1, b.y1)
      if across > 0, down > 0,
        Double(across * down) > Self.sharedLimit * Double(min(a.area, b.area))
      {
        return nil
      }
      let dx = Double(abs(a.x1 + a.x2 - b.x1 - b.x2)) / Double(2 * width)
      let dy = Double(abs(a.y1 + a.y2 - b.y1 - b.y2)) / Double(2 * height)
      if dx < 0.2, dy < 0.2 { cost += 1 }
      // Just short of the margin from which "left of" and "above" hold.
      if (0.14..<0.2).contains(dx) { cost += 0.4 }
      if (0.14..<0.2).contains(dy) { cost += 0.4 }
    }
    return cost
  }

  /// The object with its foot on the other's upper edge, a little sunk in; nil when it does not fit.
  private func standing(
    _ actor: SceneActor, on support: SceneSpot, using rng: inout some RandomNumberGenerator
  ) -> SceneSpot? {
    let own = actor.sprite.box
    let base = support.box
    // A thin thing carries nothing.
    guard 5 * base.width >= 4 * own.width else { return nil }
    for _ in 0..<12 {
      let middle = base.x1 + Int((Double(base.width) * rng.number(0.28, 0.72)).rounded())
      guard let surface = support.surface(column: middle) else { continue }
      let sunk = surface + 2 + Int(Double(base.height) * rng.number(0.02, 0.12))
      let foot = min(sunk, base.y1 + base.height * 2 / 5)
      let x = middle - (own.x1 + own.x2) / 2
      let y = foot - own.y2
      let spot = SceneSpot(actor: actor, sprite: actor.sprite, x: x, y: y)
      let box = spot.box
      guard box.x1 >= 0, box.x2 <= width, box.y1 >= 0, box.y2 <= height, box.y1 < base.y1 - 4,
        box.y2 > base.y1 + 2
      else { continue }
      // The others are kept clear of.
      var others = self
      others.spots.removeAll { $0.x == support.x && $0.y == support.y }
      if others.cost(of: spot) != nil { return spot }
    }
    return nil
  }
}

extension SceneSpot {
  /// The uppermost solid row of a column, both in the picture's pixels.
  fileprivate func surface(column: Int) -> Int? {
    let image = sprite.image
    let local = column - x
    guard local >= 0, local < image.width else { return nil }
    for row in 0..<image.height
    where image.pixels[(row * image.width + local) * 4 + 3] >= AlphaImage.solidAlpha {
      return row + y
    }
    return nil
  }
}
