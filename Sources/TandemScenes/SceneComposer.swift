// Composes scenes: who is in them, how they are drawn, where they stand.

public import TandemImage

/// A picture with the truth about it.
public struct ComposedScene: Sendable {
  public let scene: Scene
  public let canvas: Canvas

  /// The picture. Throws `ImageError`.
  public func image() throws -> Image { try canvas.image() }

  /// The mask of every object: COCO's run lengths, column by column.
  public func masks() -> [[Int]] { scene.objects.indices.map(canvas.runLengths) }
}

/// Makes any scene of any split, each from its own random stream.
public struct SceneComposer: Sendable {
  public let settings: ScenesSettings
  private let pools: [SceneSplit: [(class: SceneClass, cutouts: [Cutout])]]

  /// At least this part of every object is seen.
  public static let minimumVisible = 0.6

  /// Throws `SceneError` for settings out of range, or when a split has scenes and no cut-outs.
  public init(_ library: CutoutLibrary, _ settings: ScenesSettings) throws {
    try settings.check()
    var pools: [SceneSplit: [(class: SceneClass, cutouts: [Cutout])]] = [:]
    for split in SceneSplit.allCases {
      let pool = library.pool(for: split)
      guard !pool.isEmpty || settings.count(of: split) == 0 else {
        throw SceneError(
          "scenes.counts.\(split.rawValue) is \(settings.count(of: split)), but the sources have no "
            + "cut-outs for that split; set it to 0")
      }
      pools[split] = pool
    }
    self.settings = settings
    self.pools = pools
  }

  /// Scene `id` of a split. Depends on the seed, the split, `id` and the library only.
  ///
  /// Throws `SceneError` when the split has no cut-outs.
  public func compose(_ split: SceneSplit, id: Int) throws -> ComposedScene {
    var random = SceneRandom(seed: settings.seed, split: split, id: id)
    return try compose(split, id: id, using: &random)
  }

  /// A scene from the caller's random numbers.
  public func compose(
    _ split: SceneSplit, id: Int, using rng: inout some RandomNumberGenerator
  ) throws -> ComposedScene {
    guard let pool = pools[split], !pool.isEmpty else {
      throw SceneError("the split \(split.rawValue) has no cut-outs")
    }
    let (width, height) = (settings.width, settings.height)
    let background = SceneBackground.allCases[rng.below(SceneBackground.allCases.count)]
    let pixels = background.drawn(width: width, height: height, using: &rng)

    var best: ComposedScene?
    // The plan stays, the places are drawn anew: the number of objects and their classes must not
    // depend on what fits easily.
    let plan = ScenePlan(pool, width: width, height: height, using: &rng)
    for attempt in 0..<8 {
      // A crowd that will not fit loses its last.
      let actors = Array(plan.actors.prefix(max(1, plan.actors.count - max(0, attempt - 5))))
      var layout = SceneLayout(width: width, height: height)
      for index in actors.indices {
        layout.place(actors[index], index: index, stand: plan.stand, using: &rng)
      }
      guard layout.spots.count == actors.count else { continue }
      var canvas = try Canvas(width: width, height: height, background: pixels)
      for spot in layout.spots { canvas.lay(spot.sprite, x: spot.x, y: spot.y) }
      guard let objects = objects(layout, canvas.sightings()) else { continue }
      let scene = Scene(
        id: id, width: width, height: height, background: background.rawValue, objects: objects)
      let composed = ComposedScene(scene: scene, canvas: canvas)
      guard let stand = plan.stand, stand.subject < objects.count else { return composed }
      if scene.holds(.on, stand.subject, stand.support) { return composed }
      best = composed
    }
    if let best { return best }
    guard let actor = plan.actors.first else {
      throw SceneError(
        "no cut-out of \(split.rawValue) can be seen in \(width)x\(height) pixels: enlarge the picture"
      )
    }
    return try alone(actor, id: id, background: background, pixels)
  }

  /// The last resort: one object in the middle.
  private func alone(
    _ actor: SceneActor, id: Int, background: SceneBackground, _ pixels: [UInt8]
  ) throws -> ComposedScene {
    let (width, height) = (settings.width, settings.height)
    var canvas = try Canvas(width: width, height: height, background: pixels)
    let image = actor.sprite.image
    let spot = SceneSpot(
      actor: actor, sprite: actor.sprite, x: (width - image.width) / 2,
      y: (height - image.height) / 2)
    canvas.lay(spot.sprite, x: spot.x, y: spot.y)
    var layout = SceneLayout(width: width, height: height)
    layout.spots = [spot]
    guard let objects = objects(layout, canvas.sightings()) else {
      throw SceneError(
        "the cut-out \(actor.cutout.name) does not fit a picture of \(width)x\(height) pixels")
    }
    let scene = Scene(
      id: id, width: width, height: height, background: background.rawValue, objects: objects)
    return ComposedScene(scene: scene, canvas: canvas)
  }

  /// The objects as they are seen; nil when one is hidden too much.
  private func objects(
    _ layout: SceneLayout, _ sightings: [(box: SceneBox, visible: Double)?]
  ) -> [SceneObject]? {
    var objects: [SceneObject] = []
    for (spot, sighting) in zip(layout.spots, sightings) {
      guard let sighting, sighting.visible >= SceneComposer.minimumVisible else { return nil }
      let actor = spot.actor
      objects.append(
        SceneObject(
          className: actor.cutout.className, cutout: actor.cutout.name, box: sighting.box,
          size: actor.size, tint: actor.pose.tint, turn: actor.pose.turn,
          isMirrored: actor.pose.isMirrored,
          visible: (sighting.visible * 10_000).rounded(.down) / 10_000))
    }
    return objects
  }
}
