/// A mistake in what a detector is given or told: the message names it and says what to do.
public struct DetectionError: Error, CustomStringConvertible, Equatable {
  public let description: String
  public init(_ description: String) { self.description = description }
}
