// What a noun phrase says of an object, as a form that can be evaluated against any scene.

/// What is said of an object: "small red cat that is next to the dog".
public struct SceneDescription: Codable, Sendable, Hashable {
  /// A class, a hypernym or `Lexicon.anything`.
  public var noun: String
  public var size: SceneSize?
  public var tint: SceneTint?
  /// A property that no picture shows, "hungry" or "from Spain": never decided.
  public var hidden: String?
  /// Where it is, against another object.
  public var relatives: [Relative]
  /// Which one of those that fit the rest.
  public var extreme: Extreme?

  public init(
    _ noun: String, size: SceneSize? = nil, tint: SceneTint? = nil, hidden: String? = nil,
    relatives: [Relative] = [], extreme: Extreme? = nil
  ) {
    self.noun = noun
    self.size = size
    self.tint = tint
    self.hidden = hidden
    self.relatives = relatives
    self.extreme = extreme
  }

  /// "next to the dog": of an object, against a landmark.
  public struct Relative: Codable, Sendable, Hashable {
    public var bearing: Bearing
    /// "the dog": exactly one object must fit; otherwise "a dog".
    public var isDefinite: Bool
    public var landmark: SceneDescription

    public init(_ bearing: Bearing, isDefinite: Bool, _ landmark: SceneDescription) {
      self.bearing = bearing
      self.isDefinite = isDefinite
      self.landmark = landmark
    }
  }

  /// A superlative.
  public enum Extreme: String, Codable, Sendable, CaseIterable {
    case largest, smallest, leftmost, rightmost, highest, lowest
  }

  /// Whether anything but the noun is said.
  public var isPlain: Bool {
    size == nil && tint == nil && hidden == nil && relatives.isEmpty && extreme == nil
  }
}

/// A relation between two objects in the words of a sentence: either a relation of the scene or
/// its converse.
public enum Bearing: String, Codable, Sendable, CaseIterable {
  case leftOf, rightOf, above, below, largerThan, smallerThan, on, nextTo

  /// The relation of the scene that decides it, and whether subject and object change places.
  public var relation: (SceneRelation, isConverse: Bool) {
    switch self {
    case .leftOf: (.leftOf, false)
    case .rightOf: (.leftOf, true)
    case .above: (.above, false)
    case .below: (.above, true)
    case .largerThan: (.largerThan, false)
    case .smallerThan: (.largerThan, true)
    case .on: (.on, false)
    case .nextTo: (.nextTo, false)
    }
  }

  /// The bearing of B from A where this is that of A from B; nil for `on`, which has no word.
  public var converse: Bearing? {
    switch self {
    case .leftOf: .rightOf
    case .rightOf: .leftOf
    case .above: .below
    case .below: .above
    case .largerThan: .smallerThan
    case .smallerThan: .largerThan
    case .nextTo: .nextTo
    case .on: nil
    }
  }
}
