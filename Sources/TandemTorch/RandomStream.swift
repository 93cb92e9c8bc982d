#if canImport(Glibc)
  internal import Glibc
#endif

/// A seeded stream of random numbers that can be cut into independent named streams.
///
/// The numbers are SplitMix64's (Steele, Lea & Flood 2014): the same on every machine and in every
/// version. A child depends on its parent's seed and its label, never on how many numbers the
/// parent has given, so adding a consumer does not move the others.
public struct RandomStream: RandomNumberGenerator, Sendable {
  private let seed: UInt64
  private var state: UInt64
  private var spareNormal: Double?

  public init(seed: UInt64) {
    self.seed = seed
    state = seed
  }

  /// A number that names this stream, whatever it has given so far.
  public var key: UInt64 { mixed(seed) }

  /// The stream of this seed under a number, for example a step or a position.
  public func child(_ label: UInt64) -> RandomStream {
    RandomStream(seed: mixed(seed ^ mixed(label &+ 0x9E37_79B9_7F4A_7C15)))
  }

  /// The stream of this seed under a name, for example a parameter's.
  public func child(_ label: String) -> RandomStream { child(stableHash(label)) }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return finalized(state)
  }

  /// Uniform in 0..<1, with 53 random bits.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in 0..<`bound`; 0 for an empty range.
  public mutating func below(_ bound: Int) -> Int {
    bound > 0 ? Int(next(upperBound: UInt64(bound))) : 0
  }

  /// A standard normal number (Marsaglia's polar method).
  public mutating func normal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return spare
    }
    while true {
      let x = 2 * uniform() - 1
      let y = 2 * uniform() - 1
      let square = x * x + y * y
      if square > 0, square < 1 {
        let scale = (-2 * log(square) / square).squareRoot()
        spareNormal = y * scale
        return x * scale
      }
    }
  }
}

/// A 64-bit mixer: every bit of the input changes about half of the output's.
public func mixed(_ value: UInt64) -> UInt64 { finalized(value &+ 0x9E37_79B9_7F4A_7C15) }

private func finalized(_ value: UInt64) -> UInt64 {
  var z = value
  z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
  z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
  return z ^ (z >> 31)
}

/// FNV-1a over UTF-8: a hash of names that never changes, unlike Swift's own.
public func stableHash(_ text: String) -> UInt64 {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in text.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  return hash
}

/// FNV-1a over bytes.
public func stableHash(_ bytes: some Collection<UInt8>) -> UInt64 {
  var hash: UInt64 = 0xCBF2_9CE4_8422_2325
  for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
  return hash
}
