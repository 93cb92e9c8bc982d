// How an object of a scene is told from all others, or just described.

extension SceneFacts {
  func className(_ place: Int) -> String { scene.objects[place].className }

  /// The tint as a word that is clearly true, nil for an object in its own colours.
  func tint(_ place: Int) -> SceneTint? {
    let tint = scene.objects[place].tint
    return tint == .natural ? nil : tint
  }

  /// A class's hypernym that means several classes, chosen among all it has.
  func hypernym(_ place: Int, _ random: inout TextRandom) -> String? {
    random.pick(lexicon.hypernymsOfClass[classes[place]])
  }

  /// The object with some of its attributes: each is said with the chance given.
  func described(
    _ place: Int, noun: String? = nil, attributes: Double, _ random: inout TextRandom
  ) -> SceneDescription {
    var description = SceneDescription(noun ?? className(place))
    if random.chance(attributes) { description.size = scene.objects[place].size }
    if random.chance(attributes) { description.tint = tint(place) }
    return description
  }

  /// The object with one attribute at least.
  func adorned(_ place: Int, noun: String? = nil, _ random: inout TextRandom) -> SceneDescription {
    var description = described(place, noun: noun, attributes: 0.6, &random)
    if description.size == nil && description.tint == nil {
      description.size = scene.objects[place].size
    }
    return description
  }

  /// The shortest way to name the object alone: "the cat" if there is one, otherwise with
  /// attributes or a superlative that make it unique; nil if nothing does.
  func name(
    _ place: Int, noun: String? = nil, usesTint: Bool = true, _ random: inout TextRandom
  ) -> SceneDescription? {
    let noun = noun ?? className(place)
    let plain = SceneDescription(noun)
    if only(plain) == place { return plain }
    let object = scene.objects[place]
    var candidates: [SceneDescription] = [SceneDescription(noun, size: object.size)]
    if usesTint, let tint = tint(place) { candidates.append(SceneDescription(noun, tint: tint)) }
    candidates = random.shuffled(candidates)
    if usesTint, let tint = tint(place) {
      candidates.append(SceneDescription(noun, size: object.size, tint: tint))
    }
    for candidate in candidates where only(candidate) == place { return candidate }
    return superlative(place, plain, &random)
  }

  /// "The largest cat", where there is more than one and it is.
  func superlative(
    _ place: Int, _ description: SceneDescription, _ random: inout TextRandom
  ) -> SceneDescription? {
    guard let rivals = objects(description), rivals.least > 1 else { return nil }
    for extreme in random.shuffled(SceneDescription.Extreme.allCases) {
      var candidate = description
      candidate.extreme = extreme
      if only(candidate) == place { return candidate }
    }
    return nil
  }

  /// What clearly holds between two objects, in the words of sentences.
  func bearings(_ subject: Int, _ object: Int) -> [Bearing] {
    Bearing.allCases.filter { scene.clearly(bearing: $0, subject, object) == true }
  }

  /// A pair of objects, chosen evenly.
  func pair(_ random: inout TextRandom) -> (Int, Int)? {
    let count = scene.objects.count
    guard count > 1 else { return nil }
    let first = random.below(count)
    let second = (first + 1 + random.below(count - 1)) % count
    return (first, second)
  }
}
