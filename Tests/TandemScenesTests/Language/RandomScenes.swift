// Made-up classes and scenes for the tests of texts.

import TandemScenes

/// A seeded sequence (xorshift64*).
struct LanguageTestRandom: RandomNumberGenerator {
  var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }
}

enum TestScenes {
  /// Regular and irregular plurals, uncounted hypernyms, nested classes, synonyms that clash.
  static let classes: [SceneClass] = {
    let mammal = ["mammal", "animal"]
    let fruit = ["fruit", "food"]
    let road = ["road vehicle", "vehicle"]
    return [
      SceneClass(name: "cat", plural: "cats", synonyms: ["kitty"], hypernyms: mammal),
      SceneClass(name: "dog", plural: "dogs", synonyms: ["hound", "pet"], hypernyms: mammal),
      SceneClass(
        name: "poodle", plural: "poodles", synonyms: ["pet"], hypernyms: ["dog"] + mammal),
      SceneClass(name: "sheep", plural: "sheep", synonyms: [], hypernyms: mammal),
      SceneClass(name: "elephant", plural: "elephants", synonyms: [], hypernyms: mammal),
      SceneClass(name: "mouse", plural: "mice", synonyms: [], hypernyms: mammal),
      SceneClass(name: "owl", plural: "owls", synonyms: [], hypernyms: ["bird", "animal"]),
      SceneClass(name: "goose", plural: "geese", synonyms: [], hypernyms: ["bird", "animal"]),
      SceneClass(name: "fish", plural: "fish", synonyms: [], hypernyms: ["animal"]),
      SceneClass(name: "butterfly", plural: "butterflies", synonyms: [], hypernyms: ["animal"]),
      SceneClass(name: "apple", plural: "apples", synonyms: [], hypernyms: fruit),
      SceneClass(name: "orange", plural: "oranges", synonyms: [], hypernyms: fruit),
      SceneClass(
        name: "bunch of grapes", plural: "bunches of grapes", synonyms: ["cluster of grapes"],
        hypernyms: fruit),
      SceneClass(
        name: "tomato", plural: "tomatoes", synonyms: [], hypernyms: ["vegetable", "food"]),
      SceneClass(
        name: "eggplant", plural: "eggplants", synonyms: ["aubergine"],
        hypernyms: ["vegetable", "food"]),
      SceneClass(name: "ice cream", plural: "ice creams", synonyms: [], hypernyms: ["food"]),
      SceneClass(name: "car", plural: "cars", synonyms: ["automobile"], hypernyms: road),
      SceneClass(name: "bus", plural: "buses", synonyms: ["coach"], hypernyms: road),
      SceneClass(
        name: "fire truck", plural: "fire trucks", synonyms: ["fire engine"], hypernyms: road),
      SceneClass(
        name: "airplane", plural: "airplanes", synonyms: ["plane"], hypernyms: ["vehicle"]),
      SceneClass(name: "scissors", plural: "scissors", synonyms: [], hypernyms: ["tool"]),
      SceneClass(name: "hammer", plural: "hammers", synonyms: ["mallet"], hypernyms: ["tool"]),
      SceneClass(name: "knife", plural: "knives", synonyms: [], hypernyms: ["tool"]),
      SceneClass(name: "T-shirt", plural: "T-shirts", synonyms: ["tee"], hypernyms: ["clothing"]),
      SceneClass(name: "hat", plural: "hats", synonyms: [], hypernyms: ["clothing"]),
      SceneClass(
        name: "umbrella", plural: "umbrellas", synonyms: [], hypernyms: ["household item"]),
      SceneClass(
        name: "hourglass", plural: "hourglasses", synonyms: [], hypernyms: ["household item"]),
      SceneClass(name: "unicorn", plural: "unicorns", synonyms: [], hypernyms: []),
      SceneClass(
        name: "Christmas tree", plural: "Christmas trees", synonyms: [], hypernyms: ["plant"]),
      SceneClass(name: "flower", plural: "flowers", synonyms: ["blossom"], hypernyms: ["plant"]),
    ]
  }()

  /// A scene of up to six objects: sizes apart, some classes twice, some objects on others.
  static func scene(
    _ id: Int, fewest: Int = 1, _ random: inout some RandomNumberGenerator
  ) -> Scene {
    let (width, height) = (240, 200)
    var objects: [SceneObject] = []
    for place in 0..<Int.random(in: fewest...6, using: &random) {
      let name =
        objects.randomElement(using: &random).flatMap {
          Int.random(in: 0..<4, using: &random) == 0 ? $0.className : nil
        } ?? classes.randomElement(using: &random)?.name ?? "cat"
      let size = SceneSize.allCases.randomElement(using: &random) ?? .small
      let side =
        switch size {
        case .small: Int.random(in: 24...34, using: &random)
        case .medium: Int.random(in: 48...64, using: &random)
        case .large: Int.random(in: 84...110, using: &random)
        }
      let (w, h) = (side, side * Int.random(in: 7...13, using: &random) / 10)
      var x = Int.random(in: 0...(width - w), using: &random)
      var y = Int.random(in: 0...(height - min(h, height)), using: &random)
      if let base = objects.last?.box, Int.random(in: 0..<5, using: &random) == 0 {
        x = max(0, min(width - w, (base.x1 + base.x2 - w) / 2))
        y = max(0, base.y1 + base.height / 4 - h)
      }
      objects.append(
        SceneObject(
          className: name, cutout: "made-up/\(name)-\(place)",
          box: SceneBox(x1: x, y1: y, x2: x + w, y2: min(height, y + h)), size: size,
          tint: Int.random(in: 0..<5, using: &random) < 2
            ? .natural : SceneTint.allCases.randomElement(using: &random) ?? .natural,
          turn: 0, isMirrored: false, visible: 1))
    }
    return Scene(id: id, width: width, height: height, background: "plain", objects: objects)
  }

  static func lexicon() throws -> Lexicon { try Lexicon(classes) }

  static func facts(_ count: Int, seed: UInt64, fewest: Int = 1) throws -> [SceneFacts] {
    var random = LanguageTestRandom(seed)
    let lexicon = try lexicon()
    return try (0..<count).map { try SceneFacts(scene($0, fewest: fewest, &random), lexicon) }
  }

  static func pool(_ facts: [SceneFacts], seed: UInt64 = 1) -> ScenePool {
    var random = LanguageTestRandom(seed)
    var pool = ScenePool(capacity: 256)
    for one in facts { pool.add(one, using: &random) }
    return pool
  }
}
