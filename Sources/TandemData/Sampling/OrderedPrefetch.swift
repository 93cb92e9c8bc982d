internal import Foundation

/// Makes items on worker threads, a bounded number ahead, and hands them out in order.
///
/// An error is handed out at its item's turn, so nothing is lost before it.
public final class OrderedPrefetch<Item: Sendable>: @unchecked Sendable {
  // Every stored variable below is read and written between `condition.lock` and `unlock`.
  private let condition = NSCondition()
  private var ready: [Int: Result<Item, any Error>] = [:]
  private var nextToMake: Int
  private var nextToGive: Int
  private var isCancelled = false
  private let end: Int
  private let capacity: Int
  /// Seconds the consumer has waited for items.
  public private(set) var waited = 0.0

  /// - Parameters:
  ///   - range: the numbers of the items, asked for in order.
  ///   - workers: threads; at least one.
  ///   - capacity: how many items may be made and not yet taken.
  ///   - make: called on worker threads, for several numbers at once.
  public init(
    _ range: Range<Int>, workers: Int, capacity: Int, make: @escaping @Sendable (Int) throws -> Item
  ) {
    nextToMake = range.lowerBound
    nextToGive = range.lowerBound
    end = range.upperBound
    self.capacity = max(1, capacity)
    for number in 0..<max(1, workers) {
      let thread = Thread { [weak self] in
        while let claim = self?.claim() {
          guard case .item(let item) = claim else { continue }
          let result = Result { try make(item) }
          self?.deliver(item, result)
        }
      }
      thread.name = "loader-\(number)"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  /// The next item, in order; nil after the last one.
  public func next() throws -> Item? {
    condition.lock()
    defer { condition.unlock() }
    guard nextToGive < end else { return nil }
    let start = ContinuousClock.now
    while ready[nextToGive] == nil, !isCancelled { condition.wait() }
    waited += (ContinuousClock.now - start) / .seconds(1)
    guard let result = ready.removeValue(forKey: nextToGive) else { return nil }
    nextToGive += 1
    condition.broadcast()
    return try result.get()
  }

  /// Lets the workers end; items in the making are dropped.
  public func cancel() {
    condition.lock()
    isCancelled = true
    condition.broadcast()
    condition.unlock()
  }

  private enum Claim {
    case item(Int)
    /// Enough is made for now.
    case later
  }

  /// A worker waits here, at most half a second at a time: in between it holds no reference, so
  /// that a prefetch that was dropped without being cancelled goes, and its workers with it.
  private func claim() -> Claim? {
    condition.lock()
    defer { condition.unlock() }
    let limit = Date(timeIntervalSinceNow: 0.5)
    while !isCancelled, nextToMake < end, nextToMake >= nextToGive + capacity {
      guard condition.wait(until: limit) else { return .later }
    }
    guard !isCancelled, nextToMake < end else { return nil }
    nextToMake += 1
    return .item(nextToMake - 1)
  }

  private func deliver(_ item: Int, _ result: Result<Item, any Error>) {
    condition.lock()
    ready[item] = result
    condition.broadcast()
    condition.unlock()
  }
}
