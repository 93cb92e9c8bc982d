// What a fetcher tells its caller while it works.

/// One report of a running fetch: a step, and how far it is.
public struct FetchProgress: Sendable, Equatable, CustomStringConvertible {
  /// The data set or package being worked on.
  public let subject: String
  /// The step, as words: "downloading", "drawing OpenMoji".
  public let step: String
  /// Things done so far, of `total`; both 0 where a step cannot be counted.
  public let completed: Int
  public let total: Int

  public init(subject: String, step: String, completed: Int = 0, total: Int = 0) {
    self.subject = subject
    self.step = step
    self.completed = completed
    self.total = total
  }

  public var description: String {
    total > 0 ? "\(subject): \(step) \(completed)/\(total)" : "\(subject): \(step)"
  }
}
