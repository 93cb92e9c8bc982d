// Layers of settings: defaults, a recipe, files, flags. Each may name only keys that exist.

/// Settings as JSON, with the layer that each leaf came from.
public struct LayeredSettings: Sendable {
  public private(set) var value: JSONValue
  /// From a leaf's key path to the name of the layer that set it last.
  public private(set) var origins: [String: String] = [:]

  public init(_ value: JSONValue, origin: String) {
    self.value = value
    for (path, _) in value.leaves() { origins[path] = origin }
  }

  /// Lays `changes` over the settings. A key that they do not have is an error that names the
  /// nearest one. A list replaces a list, and so does a value that has no fixed keys (`free`).
  public mutating func lay(
    _ changes: JSONValue, origin: String, free: (String) -> Bool = { _ in false }
  ) throws {
    value = try JSONValue.overlaid(value, with: changes, at: "", free: free)
    let known = Set(value.leaves().map(\.0))
    origins = origins.filter { known.contains($0.key) }
    for (path, _) in changes.leaves() where known.contains(path) { origins[path] = origin }
    for path in known where origins[path] == nil { origins[path] = origin }
  }

  /// Puts a whole value at a path that exists; leaves that were not there come from `origin`.
  public mutating func fill(_ path: String, with new: JSONValue, origin: String) throws {
    value = try value.replacing(path.split(separator: ".").map(String.init), by: new)
    for (leaf, _) in JSONValue.nested(path, new).leaves() where origins[leaf] == nil {
      origins[leaf] = origin
    }
    let known = Set(value.leaves().map(\.0))
    origins = origins.filter { known.contains($0.key) }
  }

  /// Lays `key.path=value`; the value is JSON where it can be read as such, else text.
  public mutating func set(_ assignment: String, free: (String) -> Bool = { _ in false }) throws {
    guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
      throw SettingsError("--set \(assignment): expected key.path=value")
    }
    let path = String(assignment[..<equals])
    let text = String(assignment[assignment.index(after: equals)...])
    let parsed = JSONValue(parsing: text) ?? .string(text)
    value = try value.setting(path.split(separator: ".").map(String.init), to: parsed, at: "", free)
    origins = origins.filter { !$0.key.hasPrefix(path + ".") }
    for (leaf, _) in JSONValue.nested(path, parsed).leaves() { origins[leaf] = "--set" }
  }
}

extension JSONValue {
  /// JSON text as a value; nil when it is not JSON.
  public init?(parsing text: String) {
    guard let value = try? Self.parse(text) else { return nil }
    self = value
  }

  /// Every leaf with its key path, in order of the paths.
  public func leaves(_ prefix: String = "") -> [(String, JSONValue)] {
    func join(_ key: String) -> String { prefix.isEmpty ? key : "\(prefix).\(key)" }
    switch self {
    case .object(let fields) where !fields.isEmpty:
      return fields.sorted { $0.key < $1.key }.flatMap { $1.leaves(join($0)) }
    case .array(let items) where !items.isEmpty:
      return items.enumerated().flatMap { $1.leaves(join("\($0)")) }
    default: return prefix.isEmpty ? [] : [(prefix, self)]
    }
  }

  /// A value of the base's type with these fields in place of its own.
  static func merged<T: Codable>(_ base: T, with changes: JSONValue, at path: String) throws -> T {
    let value = try overlaid(JSONValue(encoding: base), with: changes, at: path) { _ in false }
    do {
      return try value.decoded(T.self)
    } catch {
      throw SettingsError("\(path): \(explained(error))")
    }
  }

  /// These settings with `changes` in place of theirs, known or not.
  public func overlaid(with changes: JSONValue) throws -> JSONValue {
    try JSONValue.overlaid(self, with: changes, at: "") { _ in true }
  }

  static func nested(_ path: String, _ value: JSONValue) -> JSONValue {
    path.split(separator: ".").reversed().reduce(value) { .object([String($1): $0]) }
  }

  static func overlaid(
    _ base: JSONValue, with changes: JSONValue, at path: String, free: (String) -> Bool
  ) throws -> JSONValue {
    guard case .object(var fields) = base, case .object(let new) = changes else { return changes }
    for (key, value) in new {
      let place = path.isEmpty ? key : "\(path).\(key)"
      if let old = fields[key] {
        fields[key] = try overlaid(old, with: value, at: place, free: free)
      } else if free(path) {
        fields[key] = value
      } else {
        throw unknown(key, at: place, known: Array(fields.keys))
      }
    }
    return .object(fields)
  }

  func setting(
    _ path: [String], to new: JSONValue, at place: String, _ free: (String) -> Bool
  ) throws -> JSONValue {
    guard let key = path.first else {
      return try JSONValue.overlaid(self, with: new, at: place, free: free)
    }
    let here = place.isEmpty ? key : "\(place).\(key)"
    let rest = Array(path.dropFirst())
    switch self {
    case .object(var fields):
      if let old = fields[key] {
        fields[key] = try old.setting(rest, to: new, at: here, free)
      } else if free(place) {
        fields[key] = JSONValue.nested(rest.joined(separator: "."), new)
      } else {
        throw JSONValue.unknown(key, at: here, known: Array(fields.keys))
      }
      return .object(fields)
    case .array(var items):
      guard let index = Int(key), items.indices.contains(index) else {
        throw SettingsError(
          "'\(here)': expected a place from 0 to \(items.count - 1), found '\(key)'")
      }
      items[index] = try items[index].setting(rest, to: new, at: here, free)
      return .array(items)
    default:
      throw SettingsError("'\(here)': '\(place)' is a value and has no fields")
    }
  }

  fileprivate func replacing(_ path: [String], by new: JSONValue) throws -> JSONValue {
    guard let key = path.first else { return new }
    let rest = Array(path.dropFirst())
    switch self {
    case .object(var fields):
      fields[key] = try (fields[key] ?? .object([:])).replacing(rest, by: new)
      return .object(fields)
    case .array(var items):
      guard let index = Int(key), items.indices.contains(index) else {
        throw SettingsError("there is no place '\(key)' in the list")
      }
      items[index] = try items[index].replacing(rest, by: new)
      return .array(items)
    default: throw SettingsError("'\(key)' stands under a value that has no fields")
    }
  }

  private static func unknown(_ key: String, at place: String, known: [String]) -> SettingsError {
    let names = known.sorted()
    guard let nearest = nearest(to: key, among: names) else {
      return SettingsError("there is no setting '\(place)'")
    }
    let prefix = place.dropLast(key.count)
    return SettingsError(
      "there is no setting '\(place)'; the nearest is '\(prefix)\(nearest)' "
        + "(here: \(names.joined(separator: ", ")))")
  }
}

/// The candidate with the smallest edit distance to `word`, if there is any candidate.
public func nearest(to word: String, among candidates: [String]) -> String? {
  candidates.min { (distance(word, $0), $0) < (distance(word, $1), $1) }
}

/// Levenshtein's distance in which two letters that changed places count once, letters compared
/// without case.
private func distance(_ a: String, _ b: String) -> Int {
  let a = Array(a.lowercased())
  let b = Array(b.lowercased())
  var rows = [Array(0...b.count)]
  for (i, letter) in a.enumerated() {
    var row = [i + 1]
    for (j, other) in b.enumerated() {
      var best = min(rows[i][j] + (letter == other ? 0 : 1), min(row[j], rows[i][j + 1]) + 1)
      if i > 0, j > 0, letter == b[j - 1], a[i - 1] == other {
        best = min(best, rows[i - 1][j - 1] + 1)
      }
      row.append(best)
    }
    rows.append(row)
  }
  return rows[a.count][b.count]
}
