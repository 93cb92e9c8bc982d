internal import Foundation

/// Makes items on worker threads, a bounded number ahead, and hands them out in order.
///
/// An error is handed out at its item's turn, so nothing is lost before it. The workers end when
/// all is made, on ``cancel()``, and when the prefetch is dropped: they hold its queue only.
public final class OrderedPrefetch<Item: Sendable>: Sendable {
  private let queue: PrefetchQueue<Item>

  /// - Parameters:
  ///   - range: the numbers of the items, asked for in order.
  ///   - workers: threads; at least one.
  ///   - capacity: how many items may be made and not yet taken.
  ///   - make: called on worker threads, for several numbers at once.
  public init(
    _ range: Range<Int>, workers: Int, capacity: Int, make: @escaping @Sendable (Int) throws -> Item
  ) {
    let queue = PrefetchQueue<Item>(range, capacity: max(1, capacity))
    self.queue = queue
    for number in 0..<max(1, workers) {
      let thread = Thread {
        while let item = queue.claim() {
          let start = processorSeconds()
          let made = Result { try make(item) }
          queue.deliver(item, made, seconds: processorSeconds() - start)
        }
      }
      thread.name = "loader-\(number)"
      thread.stackSize = 8 << 20
      thread.start()
    }
  }

  deinit { queue.cancel() }

  /// Seconds the consumer has waited for items.
  public var waited: Double { queue.secondsWaited }

  /// Seconds of a processor that the workers have taken to make items.
  public var worked: Double { queue.secondsWorked }

  /// The next item, in order; nil after the last one.
  public func next() throws -> Item? { try queue.next() }

  /// Lets the workers end; items in the making are dropped.
  public func cancel() { queue.cancel() }
}

/// Seconds of a processor that the calling thread has had.
private func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
  return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
}

/// What the consumer and the workers share.
private final class PrefetchQueue<Item: Sendable>: @unchecked Sendable {
  // Every stored variable below is read and written between `condition.lock` and `unlock`.
  private let condition = NSCondition()
  private var ready: [Int: Result<Item, any Error>] = [:]
  private var nextToMake: Int
  private var nextToGive: Int
  private var isCancelled = false
  private var waited = 0.0
  private var worked = 0.0
  private let end: Int
  private let capacity: Int

  init(_ range: Range<Int>, capacity: Int) {
    nextToMake = range.lowerBound
    nextToGive = range.lowerBound
    end = range.upperBound
    self.capacity = capacity
  }

  var secondsWaited: Double {
    condition.lock()
    defer { condition.unlock() }
    return waited
  }

  var secondsWorked: Double {
    condition.lock()
    defer { condition.unlock() }
    return worked
  }

  func next() throws -> Item? {
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

  func cancel() {
    condition.lock()
    isCancelled = true
    condition.broadcast()
    condition.unlock()
  }

  /// The number of the next item to make, once there is room for it; nil when there is none.
  func claim() -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while !isCancelled, nextToMake < end, nextToMake >= nextToGive + capacity { condition.wait() }
    guard !isCancelled, nextToMake < end else { return nil }
    nextToMake += 1
    return nextToMake - 1
  }

  func deliver(_ item: Int, _ result: Result<Item, any Error>, seconds: Double) {
    condition.lock()
    worked += seconds
    if !isCancelled { ready[item] = result }
    condition.broadcast()
    condition.unlock()
  }
}
