/// A failed step of making scenes: what was done, what was found, what to do.
public struct SceneError: Error, CustomStringConvertible, Sendable, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
