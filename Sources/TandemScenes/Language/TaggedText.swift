// Texts that point at objects of a scene, and what they claim (the manner of VCR: Zellers et al.
// 2019).

/// A text of words and of pointers to objects; in JSON a list of strings and of lists of numbers,
/// as in VCR's files.
public struct TaggedText: Codable, Sendable, Hashable {
  public enum Token: Sendable, Hashable {
    case word(String)
    /// Indices of objects in their scene.
    case objects([Int])
  }

  public var tokens: [Token]

  public init(tokens: [Token]) {
    self.tokens = tokens
  }

  /// Splits a template at spaces; `pointers` stand for its "#"s in order.
  init(_ template: String, _ pointers: [[Int]] = []) {
    var rest = pointers[...]
    tokens = template.split(separator: " ").map { word in
      word == "#" ? .objects(rest.popFirst() ?? []) : .word(String(word))
    }
  }

  /// As one string: "[0] is to the left of [1]."
  public var text: String {
    var text = ""
    for token in tokens {
      switch token {
      case .word(let word):
        let isMark = word == "." || word == "?" || word == ","
        text += (text.isEmpty || isMark ? "" : " ") + word
      case .objects(let objects):
        text += (text.isEmpty ? "" : " ") + English.list(objects.map { "[\($0)]" })
      }
    }
    return text
  }

  public init(from decoder: any Decoder) throws {
    var container = try decoder.unkeyedContainer()
    tokens = []
    while !container.isAtEnd {
      if let word = try? container.decode(String.self) {
        tokens.append(.word(word))
      } else {
        tokens.append(.objects(try container.decode([Int].self)))
      }
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.unkeyedContainer()
    for token in tokens {
      switch token {
      case .word(let word): try container.encode(word)
      case .objects(let objects): try container.encode(objects)
      }
    }
  }
}

/// A ninth of a picture.
public struct PicturePlace: Codable, Sendable, Hashable {
  public enum Row: String, Codable, Sendable, CaseIterable { case top, middle, bottom }
  public enum Column: String, Codable, Sendable, CaseIterable { case left, middle, right }

  public var row: Row
  public var column: Column

  public init(_ row: Row, _ column: Column) {
    self.row = row
    self.column = column
  }

  /// Whether an object here bears so to one at another place, beyond doubt.
  func shows(_ bearing: Bearing, _ other: PicturePlace) -> Bool {
    let columns = Column.allCases
    let rows = Row.allCases
    let across = (columns.firstIndex(of: other.column) ?? 0) - (columns.firstIndex(of: column) ?? 0)
    let down = (rows.firstIndex(of: other.row) ?? 0) - (rows.firstIndex(of: row) ?? 0)
    switch bearing {
    case .leftOf: return across > 0
    case .rightOf: return across < 0
    case .above: return down > 0
    case .below: return down < 0
    default: return false
    }
  }

  static let all = Row.allCases.flatMap { row in Column.allCases.map { PicturePlace(row, $0) } }

  /// "in the top left of the picture"
  var phrase: String {
    switch (row, column) {
    case (.middle, .middle): "in the middle of the picture"
    case (.middle, let column): "at the \(column.rawValue) of the picture"
    case (let row, .middle): "at the \(row.rawValue) of the picture"
    default: "in the \(row.rawValue) \(column.rawValue) of the picture"
    }
  }
}

/// What an answer or a rationale says of objects that it points at.
public indirect enum TaggedClaim: Codable, Sendable, Hashable {
  case description(of: Int, is: SceneDescription)
  case bearing(subject: Int, bearing: Bearing, object: Int)
  case extreme(of: Int, is: SceneDescription.Extreme)
  /// These and no others fit.
  case exactly(objects: [Int], description: SceneDescription)
  case place(of: Int, is: PicturePlace)
  case all(claims: [TaggedClaim])
}

extension SceneFacts {
  /// Whether the claim is true; nil where the picture does not clearly decide it.
  public func truth(_ claim: TaggedClaim) -> Bool? {
    switch claim {
    case .description(let place, let description):
      guard scene.objects.indices.contains(place), let found = objects(description) else {
        return nil
      }
      if found.certain >> UInt64(place) & 1 == 1 { return true }
      return found.possible >> UInt64(place) & 1 == 0 ? false : nil
    case .bearing(let subject, let bearing, let object):
      guard scene.objects.indices.contains(subject), scene.objects.indices.contains(object) else {
        return nil
      }
      return scene.clearly(bearing: bearing, subject, object)
    case .extreme(let place, let extreme):
      return only(SceneDescription(Lexicon.anything, extreme: extreme)).map { $0 == place }
    case .exactly(let places, let description):
      guard let found = objects(description), found.isClear else { return nil }
      return Set(places)
        == Set(scene.objects.indices.filter { found.certain >> UInt64($0) & 1 == 1 })
    case .place(let place, let ninth):
      guard scene.objects.indices.contains(place), let found = self.place(place) else { return nil }
      return found == ninth
    case .all(let claims): return Self.all(claims.lazy.map(truth))
    }
  }

  /// The ninth that an object's centre clearly lies in; nil near the lines between.
  func place(_ place: Int) -> PicturePlace? {
    let box = scene.objects[place].box
    guard let row = third(box.y1 + box.y2, of: 2 * scene.height, PicturePlace.Row.allCases),
      let column = third(box.x1 + box.x2, of: 2 * scene.width, PicturePlace.Column.allCases)
    else { return nil }
    return PicturePlace(row, column)
  }

  /// Up to 0.30, from 0.37 to 0.63, from 0.70.
  private func third<Part>(_ value: Int, of whole: Int, _ parts: [Part]) -> Part? {
    let hundredths = 100 * value
    if hundredths <= 30 * whole { return parts[0] }
    if hundredths >= 37 * whole && hundredths <= 63 * whole { return parts[1] }
    return hundredths >= 70 * whole ? parts[2] : nil
  }
}
