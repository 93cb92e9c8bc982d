import TandemTorch
import Testing
import TestSupport

@Suite struct RowDropoutTests {
  private let keys = (0..<64).map { Int64(bitPattern: mixed(UInt64($0))) }

  @Test(arguments: [0.1, 0.5, 0.9]) func theShareIsRight(_ probability: Double) throws {
    let columns = 1300
    let ones = try Tensor.ones([64, columns])
    let values = try ones.rowDropout(RowDropout(probability, rowKeys: Tensor(keys), seed: 7))
      .floats()
    let scale = Float(1 / (1 - probability))
    #expect(values.allSatisfy { $0 == 0 || abs($0 - scale) < scale * 1e-6 })
    // Five standard deviations of a binomial count, over all, over each row, over each column.
    func bound(_ count: Int) -> Double {
      5 * (Double(count) * probability * (1 - probability)).squareRoot()
    }
    func dropped(_ places: some Sequence<Int>) -> Int { places.count { values[$0] == 0 } }
    let all = dropped(0..<64 * columns)
    #expect(abs(Double(all) - probability * Double(64 * columns)) < bound(64 * columns))
    for row in 0..<64 {
      let count = dropped(row * columns..<(row + 1) * columns)
      #expect(abs(Double(count) - probability * Double(columns)) < bound(columns))
    }
    for column in stride(from: 0, to: columns, by: 97) {
      let count = dropped(stride(from: column, to: 64 * columns, by: columns))
      #expect(abs(Double(count) - probability * 64) < bound(64))
    }
  }

  @Test func neighboursAreIndependent() throws {
    let values = try Tensor.ones([64, 1024])
      .rowDropout(RowDropout(0.5, rowKeys: Tensor(keys), seed: 3)).floats()
    let signs = values.map { $0 == 0 ? -1.0 : 1.0 }
    for lag in [1, 2, 512, 1024] {
      let pairs = zip(signs, signs.dropFirst(lag))
      let mean = pairs.reduce(0) { $0 + $1.0 * $1.1 } / Double(signs.count - lag)
      #expect(abs(mean) < 5 / Double(signs.count - lag).squareRoot())
    }
  }

  @Test func bitsBelongToTheKey() throws {
    let x = try randomTensor([64, 40], seed: 1)
    let y = try x.rowDropout(RowDropout(0.3, rowKeys: Tensor(keys), seed: 11))
    #expect(
      try y.floats() == x.rowDropout(RowDropout(0.3, rowKeys: Tensor(keys), seed: 11)).floats())
    #expect(
      try y.floats() != x.rowDropout(RowDropout(0.3, rowKeys: Tensor(keys), seed: 12)).floats())
    let order = try Tensor((0..<64).map { ($0 * 37 + 5) % 64 })
    let moved = try x.rows(order).rowDropout(
      RowDropout(0.3, rowKeys: Tensor(keys).rows(order), seed: 11))
    #expect(try moved.floats() == y.rows(order).floats())
    let part = try x.narrow(0, from: 9, 3)
      .rowDropout(RowDropout(0.3, rowKeys: Tensor(Array(keys[9..<12])), seed: 11))
    #expect(try part.floats() == y.narrow(0, from: 9, 3).floats())
  }

  @Test func backwardUsesTheSameBits() throws {
    let x = try leaf(Tensor.ones([64, 700]))
    let y = try x.rowDropout(RowDropout(0.4, rowKeys: Tensor(keys), seed: 2))
    try y.sum().backward()
    #expect(try x.gradient()?.floats() == y.floats())
  }

  @Test func bfloat16HasTheSameBits() throws {
    let ones = try Tensor.ones([64, 33])
    let wide = try ones.rowDropout(RowDropout(0.5, rowKeys: Tensor(keys), seed: 2)).floats()
    let narrow = try ones.to(.bfloat16).rowDropout(RowDropout(0.5, rowKeys: Tensor(keys), seed: 2))
      .floats()
    #expect(wide == narrow)
  }

  @Test func zeroKeepsAndOneIsRefused() throws {
    let x = try randomTensor([64, 5], seed: 1)
    #expect(try x.rowDropout(RowDropout(0, rowKeys: Tensor(keys), seed: 1)).floats() == x.floats())
    #expect(throws: TorchError.self) {
      try x.rowDropout(RowDropout(1, rowKeys: Tensor(keys), seed: 1))
    }
    #expect(throws: TorchError.self) {
      try x.rowDropout(RowDropout(0.1, rowKeys: Tensor([1]), seed: 1))
    }
  }
}
