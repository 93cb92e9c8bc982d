// A leaf class and the cut-outs that belong to it, as one line of the table.

/// A class of objects with the names of its cut-outs in every source.
public struct SceneClassRule: Sendable {
  public let sceneClass: SceneClass
  /// Unicode's short names of emoji ("cat face"), and Tux Paint stamps by their place
  /// ("animals/mammals/cats/kitten").
  public let members: [String]
  /// The class is kept for the split of classes never seen.
  public let isSetAside: Bool

  public init(
    _ name: String, _ plural: String, _ synonyms: [String], _ hypernyms: [String],
    setAside: Bool = false, _ members: [String]
  ) {
    sceneClass = SceneClass(
      name: name, plural: plural, synonyms: synonyms, hypernyms: hypernyms)
    self.members = members
    isSetAside = setAside
  }
}

/// The table of classes: parts by kind, and the cut-outs that were looked at and refused.
public enum SceneClasses {
  /// Every class, in the order of the table.
  public static let rules: [SceneClassRule] =
    mammals + otherAnimals + food + clothing + things + outdoors + vehicles
}
