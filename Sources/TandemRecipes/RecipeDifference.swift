public import TandemCore

/// A setting in which two recipes differ.
public struct RecipeDifference: Sendable, Equatable {
  public let path: String
  public let left: String
  public let right: String

  /// All settings that differ, in order of their paths; "—" where one has none.
  public static func between(_ left: Recipe, _ right: Recipe) throws -> [RecipeDifference] {
    let first = try leaves(left)
    let second = try leaves(right)
    return Set(first.keys).union(second.keys).sorted().compactMap { path in
      let (a, b) = (first[path], second[path])
      guard a != b else { return nil }
      return RecipeDifference(
        path: path, left: a?.compact ?? "—", right: b?.compact ?? "—")
    }
  }

  private static func leaves(_ recipe: Recipe) throws -> [String: JSONValue] {
    Dictionary(try JSONValue(encoding: recipe).leaves()) { first, _ in first }
  }
}
