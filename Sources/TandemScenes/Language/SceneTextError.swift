/// What is wrong with a scene, a class table or a count that texts were asked for.
public struct SceneTextError: Error, CustomStringConvertible, Sendable {
  /// What was expected, what was found and what to do.
  public let description: String

  public init(_ description: String) { self.description = description }
}
