/// A composed picture and the truth about it.
public struct Scene: Sendable, Codable, Equatable {
  /// The number of the scene in its split, from 0.
  public var id: Int
  public var width: Int
  public var height: Int
  public var background: String
  /// Back to front.
  public var objects: [SceneObject]

  public init(id: Int, width: Int, height: Int, background: String, objects: [SceneObject]) {
    self.id = id
    self.width = width
    self.height = height
    self.background = background
    self.objects = objects
  }
}

/// One cut-out in a scene.
public struct SceneObject: Sendable, Codable, Equatable {
  /// The leaf class, "cat".
  public var className: String
  /// The cut-out's name, unique over the sources.
  public var cutout: String
  /// The smallest box around the pixels of it that are seen.
  public var box: SceneBox
  public var size: SceneSize
  public var tint: SceneTint
  /// Degrees, clockwise.
  public var turn: Int
  public var isMirrored: Bool
  /// The part of its opaque pixels that no other object covers and the frame does not cut, 0 to 1.
  public var visible: Double

  public init(
    className: String, cutout: String, box: SceneBox, size: SceneSize, tint: SceneTint,
    turn: Int, isMirrored: Bool, visible: Double
  ) {
    self.className = className
    self.cutout = cutout
    self.box = box
    self.size = size
    self.tint = tint
    self.turn = turn
    self.isMirrored = isMirrored
    self.visible = visible
  }
}

/// A box in pixels; the right and bottom edges lie outside: `x2 - x1` is its width.
public struct SceneBox: Sendable, Codable, Equatable {
  public var x1: Int
  public var y1: Int
  public var x2: Int
  public var y2: Int

  public init(x1: Int, y1: Int, x2: Int, y2: Int) {
    self.x1 = x1
    self.y1 = y1
    self.x2 = x2
    self.y2 = y2
  }

  public var width: Int { x2 - x1 }
  public var height: Int { y2 - y1 }
  public var area: Int { width * height }
}

/// How large an object was drawn, against the picture: a clear gap lies between two sizes.
public enum SceneSize: String, Sendable, Codable, CaseIterable { case small, medium, large }

/// The colour that an object was tinted with; `natural` is its own colours.
public enum SceneTint: String, Sendable, Codable, CaseIterable {
  case natural, red, green, blue, yellow, purple, gray
}

/// A leaf class of objects.
public struct SceneClass: Sendable, Codable, Equatable {
  /// "cat"
  public var name: String
  /// "cats"
  public var plural: String
  /// Other words for it, "kitty".
  public var synonyms: [String]
  /// Nearest first: ["mammal", "animal"].
  public var hypernyms: [String]

  public init(name: String, plural: String, synonyms: [String], hypernyms: [String]) {
    self.name = name
    self.plural = plural
    self.synonyms = synonyms
    self.hypernyms = hypernyms
  }
}

/// What holds between two objects of a scene; each is decided by geometry alone.
public enum SceneRelation: String, Sendable, Codable, CaseIterable {
  case leftOf = "left of"
  case above
  case largerThan = "larger than"
  case on
  case nextTo = "next to"
}

extension Scene {
  /// Whether `relation` holds of the objects at two indices.
  public func holds(_ relation: SceneRelation, _ subject: Int, _ object: Int) -> Bool {
    guard subject != object, objects.indices.contains(subject), objects.indices.contains(object)
    else { return false }
    let a = objects[subject].box
    let b = objects[object].box
    switch relation {
    case .leftOf: return 10 * ((b.x1 + b.x2) - (a.x1 + a.x2)) >= 2 * width
    case .above: return 10 * ((b.y1 + b.y2) - (a.y1 + a.y2)) >= 2 * height
    case .largerThan: return 2 * a.area >= 3 * b.area
    case .on:
      // In front, standing over it, with its foot in the upper half.
      let middle = (a.x1 + a.x2) / 2
      return subject > object && middle >= b.x1 && middle < b.x2 && a.y1 < b.y1
        && a.y2 > b.y1 && 2 * (a.y2 - b.y1) <= b.height
    case .nextTo:
      let gap = max(a.x1, b.x1) - min(a.x2, b.x2)
      let shared = min(a.y2, b.y2) - max(a.y1, b.y1)
      return 10 * abs(gap) <= width && 2 * shared >= min(a.height, b.height)
        && !holds(.on, subject, object) && !holds(.on, object, subject)
    }
  }

  /// Every relation that holds, subject by subject.
  public var relations: [(subject: Int, relation: SceneRelation, object: Int)] {
    var found: [(subject: Int, relation: SceneRelation, object: Int)] = []
    for subject in objects.indices {
      for object in objects.indices {
        for relation in SceneRelation.allCases where holds(relation, subject, object) {
          found.append((subject, relation, object))
        }
      }
    }
    return found
  }
}
