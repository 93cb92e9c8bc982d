// Random numbers that are the same on every machine and with every version of the compiler.

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014), seeded
/// for one scene: the stream depends on the seed, the split and the scene's number only.
public struct SceneRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public init(seed: UInt64, split: SceneSplit, id: Int) {
    var mixed = SceneRandom.mix(seed &+ 0x7363_656E_6573)
    for byte in split.rawValue.utf8 { mixed = SceneRandom.mix(mixed ^ UInt64(byte)) }
    state = SceneRandom.mix(mixed &+ UInt64(bitPattern: Int64(id)))
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return SceneRandom.mix(state)
  }

  private static func mix(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

// The standard library may change how it makes a number of a range from bits; these do not.
extension RandomNumberGenerator {
  /// Evenly from 0 to below 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Evenly from `low` to below `high`.
  mutating func number(_ low: Double, _ high: Double) -> Double { low + (high - low) * unit() }

  /// Evenly from 0 to `count - 1`; 0 for a count below 1. The bias is below `count / 2^64`.
  mutating func below(_ count: Int) -> Int {
    count < 1 ? 0 : Int(next().multipliedFullWidth(by: UInt64(count)).high)
  }

  /// Evenly from `low` to `high`, both included; `low` where the range is empty.
  mutating func integer(_ low: Int, _ high: Int) -> Int { low + below(high - low + 1) }

  mutating func chance(_ probability: Double) -> Bool { unit() < probability }

  /// The index of one of the weights, as often as they say.
  mutating func weighted(_ weights: [Double]) -> Int {
    var rest = unit() * weights.reduce(0, +)
    for (index, weight) in weights.enumerated() {
      rest -= weight
      if rest < 0 { return index }
    }
    return weights.count - 1
  }
}
