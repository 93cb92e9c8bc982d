// Why a data set could not be fetched or checked.

/// A failed step of fetching or checking data: what was done, what was found, what to do.
public struct FetchError: Error, CustomStringConvertible, Sendable {
  public let description: String

  public init(_ description: String) { self.description = description }
}
