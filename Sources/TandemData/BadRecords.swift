internal import TandemCore

/// Bad records of a split, counted against what the recipe allows.
public struct BadRecords: Sendable {
  public let allowed: Int
  private var reasons: Set<String> = []

  public init(allowed: Int) { self.allowed = allowed }

  public var count: Int { reasons.count }

  /// Notes a record by what is wrong with it; one that is met again is no other one.
  ///
  /// - Throws: `DataError` with `reason` where that is one too many.
  public mutating func note(_ reason: String) throws {
    reasons.insert(reason)
    guard count <= allowed else {
      throw DataError(
        "\(reason)\n\(count) bad record\(count == 1 ? "" : "s"), data.badRecords allows \(allowed)")
    }
  }
}
