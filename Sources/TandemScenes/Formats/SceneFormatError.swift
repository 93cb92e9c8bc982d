/// What is wrong with a file in one of the official formats.
public struct SceneFormatError: Error, CustomStringConvertible, Sendable {
  public let file: String
  /// Where in the file: "annotations[3].bbox".
  public let key: String
  public let problem: String

  public init(file: String, key: String, problem: String) {
    self.file = file
    self.key = key
    self.problem = problem
  }

  public var description: String { "\(file): \(key.isEmpty ? "the top" : key): \(problem)" }
}
