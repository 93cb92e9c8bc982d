// The words for the classes of a scene, and which classes each word means.

/// The nouns that a set of classes gives: the classes' names, their synonyms and their hypernyms.
///
/// A noun means every class that has it as name or hypernym: with the classes "dog" and "poodle"
/// (hypernyms "dog", "animal"), "dog" means both. `Lexicon.anything` means every class.
public struct Lexicon: Sendable {
  /// The noun that means every object.
  public static let anything = "object"

  public let classes: [SceneClass]
  /// Every hypernym that means more than one class and not all of them, in the order in which the
  /// classes name them.
  public let hypernyms: [String]
  /// The number of the noun in `members`.
  let nouns: [String: Int]
  /// For each noun, whether it means each class.
  let members: [[Bool]]
  let forms: [NounForms]
  /// For each noun, other words for the same classes.
  let synonyms: [[String]]
  /// For each class, the numbers of the nouns of its hypernyms, nearest first.
  let hypernymsOfClass: [[String]]
  private let places: [String: Int]

  /// How a noun is said.
  struct NounForms: Sendable {
    /// "sheep", "piece of furniture".
    var singular: String
    var plural: String
  }

  /// - Throws: `SceneTextError` for a class without a name or plural, a name that stands twice, or
  ///   one that is `anything`.
  public init(_ classes: [SceneClass]) throws {
    guard !classes.isEmpty else {
      throw SceneTextError("classes: expected at least one class, found none")
    }
    var places: [String: Int] = [:]
    for (place, one) in classes.enumerated() {
      guard !one.name.isEmpty, !one.plural.isEmpty else {
        throw SceneTextError(
          "classes[\(place)]: expected a name and a plural, found '\(one.name)' and "
            + "'\(one.plural)'; give both")
      }
      guard one.name != Self.anything else {
        throw SceneTextError(
          "classes[\(place)].name: '\(Self.anything)' is the word for every object; rename it")
      }
      guard places.updateValue(place, forKey: one.name) == nil else {
        throw SceneTextError(
          "classes[\(place)].name: '\(one.name)' stands twice; every class needs its own name")
      }
    }
    var table = NounTable(classes: classes, places: places)
    for one in classes { table.add(one.name) }
    for hypernym in classes.flatMap(\.hypernyms) { table.add(hypernym) }
    table.add(Self.anything)
    self.classes = classes
    self.places = places
    nouns = table.nouns
    members = table.members
    forms = table.forms
    synonyms = table.synonyms(leavingOut: Self.anything)
    let wide = { (noun: String) -> Bool in
      guard noun != Self.anything, places[noun] == nil, let number = table.nouns[noun] else {
        return false
      }
      let count = table.members[number].count { $0 }
      return count > 1 && count < classes.count
    }
    var seen: Set<String> = []
    hypernyms = classes.flatMap(\.hypernyms).filter { wide($0) && seen.insert($0).inserted }
    hypernymsOfClass = classes.map { $0.hypernyms.filter(wide) }
  }

  /// The number of the class with this name, if there is one.
  public func place(of className: String) -> Int? { places[className] }

  /// Whether the noun means the class; nil for a noun that is not known.
  public func means(_ noun: String, className: String) -> Bool? {
    guard let number = nouns[noun], let place = places[className] else { return nil }
    return members[number][place]
  }

  /// Whether the two nouns mean some class in common.
  func overlap(_ first: String, _ second: String) -> Bool {
    guard let first = nouns[first], let second = nouns[second] else { return false }
    return zip(members[first], members[second]).contains { $0 && $1 }
  }

  func singular(_ noun: String) -> String { nouns[noun].map { forms[$0].singular } ?? noun }
  func plural(_ noun: String) -> String { nouns[noun].map { forms[$0].plural } ?? noun }
  func synonyms(of noun: String) -> [String] { nouns[noun].map { synonyms[$0] } ?? [] }
}

/// The nouns while they are gathered.
private struct NounTable {
  let classes: [SceneClass]
  let places: [String: Int]
  var nouns: [String: Int] = [:]
  var members: [[Bool]] = []
  var forms: [Lexicon.NounForms] = []

  init(classes: [SceneClass], places: [String: Int]) {
    self.classes = classes
    self.places = places
  }

  mutating func add(_ noun: String) {
    guard !noun.isEmpty, nouns[noun] == nil else { return }
    nouns[noun] = members.count
    let isAnything = noun == Lexicon.anything
    members.append(classes.map { isAnything || $0.name == noun || $0.hypernyms.contains(noun) })
    forms.append(Self.forms(of: noun, plural: places[noun].map { classes[$0].plural }))
  }

  static func forms(of noun: String, plural: String?) -> Lexicon.NounForms {
    guard let measure = English.measure(for: noun) else {
      return Lexicon.NounForms(singular: noun, plural: plural ?? English.plural(of: noun))
    }
    return Lexicon.NounForms(
      singular: "\(measure) of \(noun)", plural: "\(English.plural(of: measure)) of \(noun)")
  }

  /// The synonyms that mean one class only and no noun of the table.
  func synonyms(leavingOut word: String) -> [[String]] {
    var uses: [String: Int] = [:]
    for one in classes { for synonym in Set(one.synonyms) { uses[synonym, default: 0] += 1 } }
    var found = [[String]](repeating: [], count: members.count)
    for one in classes {
      guard let number = nouns[one.name], members[number].count(where: { $0 }) == 1 else {
        continue
      }
      found[number] = one.synonyms.filter {
        !$0.isEmpty && uses[$0] == 1 && nouns[$0] == nil && $0 != word
      }
    }
    return found
  }
}
