// The random numbers of the texts: seeded from the caller's generator, the same on every machine
// and with every version of the standard library.

/// A splitmix64 sequence (Steele, Lea and Flood 2014).
struct TextRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// Takes one number from the caller's generator.
  init(from generator: inout some RandomNumberGenerator) { state = generator.next() }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// From 0 to `count - 1`; 0 where `count` is not positive.
  mutating func below(_ count: Int) -> Int {
    guard count > 1 else { return 0 }
    return Int(next().multipliedFullWidth(by: UInt64(count)).high)
  }

  /// From 0 to less than 1.
  mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  mutating func chance(_ probability: Double) -> Bool { fraction() < probability }

  mutating func coin() -> Bool { next() >> 63 == 1 }

  mutating func pick<Element>(_ items: [Element]) -> Element? {
    items.isEmpty ? nil : items[below(items.count)]
  }

  /// One of at least one.
  mutating func pick<Element>(_ first: Element, _ others: Element...) -> Element {
    let place = below(others.count + 1)
    return place == 0 ? first : others[place - 1]
  }

  mutating func shuffled<Element>(_ items: [Element]) -> [Element] {
    var items = items
    for place in stride(from: items.count - 1, to: 0, by: -1) {
      items.swapAt(place, below(place + 1))
    }
    return items
  }
}
