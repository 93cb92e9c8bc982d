import TandemTorch
import Testing

@Suite struct RandomStreamTests {
  /// The first numbers of Vigna's splitmix64.c from the states 0 and 1234567.
  @Test(arguments: known) func theNumbersAreSplitMix(_ known: Known) {
    var stream = RandomStream(seed: known.seed)
    #expect(known.numbers.map { _ in stream.next() } == known.numbers)
  }

  struct Known: Sendable {
    let seed: UInt64
    let numbers: [UInt64]
  }

  static let known = [
    Known(
      seed: 0, numbers: [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4, 0x06C4_5D18_8009_454F]),
    Known(
      seed: 1_234_567,
      numbers: [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]),
  ]

  /// Test vectors of the FNV page (Fowler, Noll & Vo).
  @Test func hashesNeverChange() {
    #expect(stableHash("") == 0xCBF2_9CE4_8422_2325)
    #expect(stableHash("a") == 0xAF63_DC4C_8601_EC8C)
    #expect(stableHash("foobar") == 0x8594_4171_F739_67E8)
    #expect(stableHash(Array("foobar".utf8)) == stableHash("foobar"))
  }

  @Test func childrenStandAlone() {
    var parent = RandomStream(seed: 5)
    let before = parent.child("a").key
    _ = parent.next()
    #expect(parent.child("a").key == before)
    let keys = Set(
      (0..<1000).map { parent.child(UInt64($0)).key } + [before, parent.child("b").key])
    #expect(keys.count == 1002)
  }

  @Test func uniformNumbersFillTheirRange() {
    var stream = RandomStream(seed: 8)
    let count = 100_000
    let values = (0..<count).map { _ in stream.uniform() }
    #expect(values.allSatisfy { $0 >= 0 && $0 < 1 })
    // Five standard errors of the mean of a uniform number.
    #expect(
      abs(values.reduce(0, +) / Double(count) - 0.5) < 5 * 0.2887 / Double(count).squareRoot())
    var seen = [Int](repeating: 0, count: 7)
    for _ in 0..<70_000 { seen[stream.below(7)] += 1 }
    // Five standard deviations of a binomial count.
    #expect(seen.allSatisfy { abs($0 - 10_000) < 5 * 93 })
    #expect(stream.below(0) == 0)
  }

  @Test func normalNumbersHaveNormalMoments() {
    var stream = RandomStream(seed: 3)
    let count = 200_000
    let values = (0..<count).map { _ in stream.normal() }
    func moment(_ power: Int) -> Double {
      values.reduce(0) { sum, x in sum + (0..<power).reduce(1) { product, _ in product * x } }
        / Double(count)
    }
    let error = 5 / Double(count).squareRoot()
    #expect(abs(moment(1)) < error)
    #expect(abs(moment(2) - 1) < error * 2.0.squareRoot())
    #expect(abs(moment(3)) < error * 15.0.squareRoot())
    #expect(abs(moment(4) - 3) < error * 96.0.squareRoot())
    let pairs = zip(values, values.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / Double(count)
    #expect(abs(pairs) < error)
  }
}
