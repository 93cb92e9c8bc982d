import Foundation
import Synchronization
import TandemCore
import TandemData
import TandemTorch
import Testing
import TestSupport

@Suite struct SampleOrderTests {
  @Test func everyEpochIsAPermutation() {
    for count in Array(1...1000) + [100_000] {
      let order = SampleOrder(count: count, seed: UInt64(count))
      let epoch = count % 3
      var seen = [Bool](repeating: false, count: count)
      var isGood = true
      for place in 0..<count {
        let (found, index) = order[epoch * count + place]
        isGood = isGood && found == epoch && index >= 0 && index < count && !seen[index]
        if index >= 0, index < count { seen[index] = true }
      }
      #expect(isGood && seen.allSatisfy { $0 }, "count \(count)")
    }
  }

  @Test func anyPlaceCanBeAskedForFirst() {
    let forward = SampleOrder(count: 257, seed: 3)
    let values = (0..<771).map { forward[$0].index }
    let backward = SampleOrder(count: 257, seed: 3)
    for place in (0..<771).reversed() { #expect(backward[place].index == values[place]) }
  }

  @Test func epochsAndSeedsDiffer() {
    let order = SampleOrder(count: 100, seed: 1)
    let epochs = (0..<20).map { epoch in (0..<100).map { order[epoch * 100 + $0].index } }
    #expect(Set(epochs).count == 20)
    #expect(epochs[0] != Array(0..<100))
    let other = SampleOrder(count: 100, seed: 2)
    #expect((0..<100).map { other[$0].index } != epochs[0])
    let plain = SampleOrder(count: 5, seed: 1, isShuffled: false)
    #expect((0..<10).map { plain[$0].index } == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
    #expect(SampleOrder(count: 0, seed: 1)[7].index == 0)
  }

  /// The first record of an epoch is any of them: over many epochs each comes up as often.
  @Test func placesAreEven() {
    let order = SampleOrder(count: 10, seed: 4)
    var counts = [Int](repeating: 0, count: 10)
    for epoch in 0..<5000 { counts[order[epoch * 10].index] += 1 }
    // Five standard deviations of a binomial count.
    #expect(counts.allSatisfy { abs($0 - 500) < 107 }, "\(counts)")
  }
}

private struct Pairs: Dataset {
  static let name = "pairs"
  static let summary = "for tests"
  let pairs: [(String, String)]
  init(_ pairs: [(String, String)]) { self.pairs = pairs }
  init(root: String, split: Split) throws { pairs = [] }
  var count: Int { pairs.count }
  func record(at index: Int) throws -> Record {
    Record(id: "train/\(index)", pictures: [pairs[index].0], texts: [pairs[index].1])
  }
}

@Suite struct PairIndexTests {
  @Test func strangersNeverBelong() throws {
    let pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "3"), ("c", "2")]
    let index = try PairIndex(Pairs(pairs)) { $0.texts[0] }
    #expect(index.count == 5)
    var stream = RandomStream(seed: 1)
    // By hand: pictures that no record shows with the text, texts that none has with the picture.
    let pictures = [[4], [2, 3], [4], [0, 1, 4], [2, 3]]
    let texts = [[3], [3], [1, 4], [1, 4], [0, 2, 3]]
    for record in 0..<5 {
      var foundPictures: Set<Int> = []
      var foundTexts: Set<Int> = []
      for _ in 0..<200 {
        foundPictures.insert(
          try index.stranger(to: record, replacingPicture: true, using: &stream))
        foundTexts.insert(try index.stranger(to: record, replacingPicture: false, using: &stream))
      }
      #expect(foundPictures.sorted() == pictures[record], "record \(record)")
      #expect(foundTexts.sorted() == texts[record], "record \(record)")
    }
  }

  @Test func theOnlyStrangerIsFound() throws {
    let pairs = (0..<5000).map { ("same", "text \($0)") } + [("other", "else")]
    let index = try PairIndex(Pairs(pairs)) { $0.texts[0] }
    var stream = RandomStream(seed: 2)
    for record in [0, 17, 4999] {
      #expect(
        try index.stranger(to: record, replacingPicture: true, using: &stream) == 5000)
    }
  }

  @Test func siblingsShowThePictureWithAnotherText() throws {
    let pairs = [
      ("a", "1"), ("b", "1"), ("a", "2"), ("c", "3"), ("a", "1"), ("b", "4"), ("d", "5"),
      ("d", "5"),
    ]
    let index = try PairIndex(Pairs(pairs), groupsPictures: true) { $0.texts[0] }
    #expect(index.hasSecondTexts)
    var stream = RandomStream(seed: 1)
    let expected: [Set<Int>] = [[2], [5], [0, 4], [], [2], [1], [], []]
    for (record, siblings) in expected.enumerated() {
      var found: Set<Int> = []
      for _ in 0..<60 {
        if let one = try index.sibling(of: record, using: &stream) { found.insert(one) }
      }
      #expect(found == siblings, "record \(record)")
    }
    // Each of many as often as any other.
    let many = try PairIndex(
      Pairs((0..<9).map { ("p", "\($0)") } + [("q", "0")]), groupsPictures: true
    ) { $0.texts[0] }
    var counts = [Int](repeating: 0, count: 10)
    for _ in 0..<4000 {
      counts[try #require(try many.sibling(of: 3, using: &stream))] += 1
    }
    #expect(counts[3] == 0 && counts[9] == 0)
    #expect((0..<9).filter { $0 != 3 }.allSatisfy { abs(counts[$0] - 500) < 107 }, "\(counts)")
  }

  @Test func theOnlySiblingIsFound() throws {
    let pairs = (0..<3000).map { _ in ("same", "text") } + [("same", "other")]
    let index = try PairIndex(Pairs(pairs), groupsPictures: true) { $0.texts[0] }
    var stream = RandomStream(seed: 2)
    #expect(try index.sibling(of: 17, using: &stream) == 3000)
    #expect(index.hasSecondTexts)
    for lonely in [[("a", "1"), ("b", "2"), ("b", "2")], []] {
      let index = try PairIndex(Pairs(lonely), groupsPictures: true) { $0.texts[0] }
      #expect(!index.hasSecondTexts)
    }
    let plain = try PairIndex(Pairs(pairs)) { $0.texts[0] }
    #expect(message { _ = try plain.sibling(of: 0, using: &stream) }?.contains("grouped") == true)
  }

  @Test func sharedPicturesAreCountedOnce() throws {
    let one = try PairIndex(Pairs([("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")])) { $0.texts[0] }
    let two = try PairIndex(Pairs([("a", "5"), ("c", "6"), ("c", "1"), ("d", "1")])) { $0.texts[0] }
    #expect(try one.sharedPictureCount(with: two) == 2)
    #expect(
      try one.sharedPictureCount(with: try PairIndex(Pairs([("d", "1")])) { $0.texts[0] }) == 0)
  }

  @Test func whereNobodyIsAStranger() throws {
    let index = try PairIndex(Pairs([("a", "1"), ("a", "2"), ("b", "1")])) { $0.texts[0] }
    var stream = RandomStream(seed: 2)
    let found = message {
      _ = try index.stranger(to: 0, replacingPicture: true, using: &stream)
    }
    #expect(found?.contains("record 0") == true)
    let empty = try PairIndex(Pairs([])) { $0.texts[0] }
    #expect(
      message { _ = try empty.stranger(to: 0, replacingPicture: true, using: &stream) } != nil)
  }
}

@Suite struct OrderedPrefetchTests {
  private struct Bad: Error {}

  @Test(arguments: [1, 4]) func itemsComeInOrder(_ workers: Int) throws {
    let prefetch = OrderedPrefetch<Int>(3..<50, workers: workers, capacity: 5) { number in
      // Later items are often ready first.
      Thread.sleep(forTimeInterval: Double((number * 7) % 5) * 0.0005)
      return number * number
    }
    for number in 3..<50 { #expect(try prefetch.next() == number * number) }
    #expect(try prefetch.next() == nil)
    #expect(try prefetch.next() == nil)
    #expect(prefetch.waited >= 0)
  }

  @Test func anErrorWaitsForItsTurn() throws {
    let prefetch = OrderedPrefetch<Int>(0..<6, workers: 3, capacity: 6) { number in
      if number == 2 { throw Bad() }
      return number
    }
    #expect(try prefetch.next() == 0)
    #expect(try prefetch.next() == 1)
    #expect(throws: Bad.self) { try prefetch.next() }
    #expect(try prefetch.next() == 3)
    prefetch.cancel()
  }

  @Test func noMoreThanTheCapacityIsMade() throws {
    let made = Mutex(0)
    let prefetch = OrderedPrefetch<Int>(0..<1000, workers: 2, capacity: 4) { number in
      made.withLock { $0 += 1 }
      return number
    }
    #expect(try prefetch.next() == 0)
    Thread.sleep(forTimeInterval: 0.05)
    #expect(made.withLock { $0 } <= 5)
    prefetch.cancel()
    let last = made.withLock { $0 }
    Thread.sleep(forTimeInterval: 0.05)
    #expect(made.withLock { $0 } <= last + 2)
  }

  @Test func cancellingWakesTheConsumer() throws {
    let gate = DispatchSemaphore(value: 0)
    let prefetch = OrderedPrefetch<Int>(0..<2, workers: 1, capacity: 1) { number in
      gate.wait()
      return number
    }
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: 0.02)
      prefetch.cancel()
    }
    #expect(try prefetch.next() == nil)
    gate.signal()
    gate.signal()
  }

  /// A prefetch that is dropped without being cancelled goes, and with its workers what they hold.
  @Test func aDroppedPrefetchGoes() throws {
    final class Held: Sendable {}
    weak var dropped: OrderedPrefetch<Int>?
    weak var freed: Held?
    do {
      let held = Held()
      let prefetch = OrderedPrefetch<Int>(0..<100, workers: 2, capacity: 2) { number in
        withExtendedLifetime(held) { number }
      }
      freed = held
      dropped = prefetch
      #expect(try prefetch.next() == 0)
    }
    let deadline = ContinuousClock.now + .seconds(10)
    while freed != nil, ContinuousClock.now < deadline { Thread.sleep(forTimeInterval: 0.02) }
    #expect(dropped == nil)
    #expect(freed == nil)
  }
}
