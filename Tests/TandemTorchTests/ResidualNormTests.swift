// The one pass over the rows against one operator after another.

import TandemTorch
import TestSupport
import Testing

@Suite struct ResidualNormTests {
  /// Rows that several threads share, columns that fill no vector register.
  static let rows = 150
  static let columns = 333

  struct Case: Sendable, CustomStringConvertible {
    var hasBranch: Bool
    var hasNorm: Bool
    var probability: Double
    var branch: DType
    var normed: DType
    var description: String {
      "branch \(hasBranch ? "\(branch)" : "none"), norm \(hasNorm ? "\(normed)" : "none"), "
        + "dropout \(probability)"
    }
  }

  static let cases: [Case] = [
    Case(hasBranch: true, hasNorm: true, probability: 0, branch: .float32, normed: .float32),
    Case(hasBranch: true, hasNorm: true, probability: 0.3, branch: .float32, normed: .float32),
    Case(hasBranch: true, hasNorm: true, probability: 0.3, branch: .bfloat16, normed: .bfloat16),
    Case(hasBranch: true, hasNorm: true, probability: 0.1, branch: .bfloat16, normed: .float32),
    Case(hasBranch: true, hasNorm: false, probability: 0.3, branch: .float32, normed: .float32),
    Case(hasBranch: true, hasNorm: false, probability: 0, branch: .bfloat16, normed: .float32),
    Case(hasBranch: false, hasNorm: true, probability: 0, branch: .float32, normed: .float32),
    Case(hasBranch: false, hasNorm: true, probability: 0, branch: .float32, normed: .bfloat16),
  ]

  /// Inputs as leaves of the graph: x, branch, weight, bias.
  private func leaves(_ test: Case) throws -> [Tensor] {
    let tensors = [
      try randomTensor([Self.rows, Self.columns], seed: 1),
      try randomTensor([Self.rows, Self.columns], seed: 2).to(test.branch),
      try randomTensor([Self.columns], seed: 3), try randomTensor([Self.columns], seed: 4),
    ]
    for tensor in tensors { try tensor.setRequiresGradient(true) }
    return tensors
  }

  private func bits(_ probability: Double) throws -> RowDropout {
    RowDropout(
      probability, rowKeys: try Tensor((0..<Self.rows).map { Int64($0 * 7 + 3) }), seed: 99)
  }

  private func fused(_ test: Case, _ t: [Tensor]) throws -> (sum: Tensor?, normed: Tensor?) {
    let norm = NormWeights(weight: t[2], bias: t[3], epsilon: 1e-5)
    let dropout = test.probability > 0 ? try bits(test.probability) : nil
    guard test.hasBranch else { return (nil, try t[0].rowNorm(norm, as: test.normed)) }
    guard test.hasNorm else { return (try t[0].residual(t[1], dropout), nil) }
    let both = try t[0].residualNorm(t[1], dropout, norm, as: test.normed)
    return (both.sum, both.normed)
  }

  private func plain(_ test: Case, _ t: [Tensor]) throws -> (sum: Tensor?, normed: Tensor?) {
    var sum = t[0]
    if test.hasBranch {
      let branch = test.probability > 0 ? try t[1].rowDropout(bits(test.probability)) : t[1]
      sum = try t[0] + branch.to(.float32)
    }
    return (
      test.hasBranch ? sum : nil,
      test.hasNorm ? try sum.layerNorm(t[2], t[3], epsilon: 1e-5).to(test.normed) : nil
    )
  }

  @Test(arguments: cases) func equalsOneOperatorAfterAnother(_ test: Case) throws {
    func results(
      _ make: (Case, [Tensor]) throws -> (sum: Tensor?, normed: Tensor?)
    ) throws -> [Tensor?] {
      let inputs = try leaves(test)
      let (sum, normed) = try make(test, inputs)
      let outputs = [sum, normed].compactMap { $0 }
      // Each output is weighed by numbers of its own, so that no part of a gradient cancels.
      let total = try outputs.enumerated().reduce(Tensor([Float(0)], [])) { total, item in
        let weights = try randomTensor(item.element.shape, seed: 10 + UInt64(item.offset))
        return try total + (item.element.to(.float32) * weights).sum()
      }
      let used =
        (test.hasBranch ? [inputs[0], inputs[1]] : [inputs[0]])
        + (test.hasNorm ? [inputs[2], inputs[3]] : [])
      return outputs + (try total.gradients(of: used))
    }
    let fast = try results(fused)
    let slow = try results(plain)
    #expect(fast.count == slow.count)
    let isNarrow = test.branch == .bfloat16 || test.normed == .bfloat16
    for (mine, theirs) in zip(fast, slow) {
      let found = try #require(mine)
      let expected = try #require(theirs)
      #expect(found.dtype == expected.dtype && found.shape == expected.shape)
      let gap = try relativeDifference(
        found.to(.float32), expected.to(.float32), floor: 1)
      #expect(gap < (isNarrow ? 1e-2 : 2e-5), "\(test): \(gap)")
    }
  }

  @Test func onlyOneOfTheTwoOutputsIsUsed() throws {
    let test = Self.cases[1]
    for useSum in [true, false] {
      func gradient(
        _ make: (Case, [Tensor]) throws -> (sum: Tensor?, normed: Tensor?)
      ) throws -> Tensor {
        let inputs = try leaves(test)
        let (sum, normed) = try make(test, inputs)
        let output = try #require(useSum ? sum : normed)
        let weights = try randomTensor(output.shape, seed: 20)
        return try #require(try (output * weights).sum().gradients(of: [inputs[1]])[0])
      }
      #expect(try relativeDifference(gradient(fused), gradient(plain), floor: 1) < 2e-5)
    }
  }

  @Test func finiteDifferences() throws {
    let test = Self.cases[1]
    let weights = try randomTensor([Self.rows, Self.columns], seed: 30)
    func value(_ inputs: [Tensor]) throws -> Tensor {
      let (sum, normed) = try fused(test, inputs)
      return try (try #require(normed) * weights).sum() + (try #require(sum) * weights).sum()
    }
    let inputs = try leaves(test)
    let gradients = try value(inputs).gradients(of: inputs)
    for (place, input) in inputs.enumerated() {
      let direction = try randomTensor(input.shape, seed: 40 + UInt64(place))
      let step = 1e-3
      func moved(_ amount: Double) throws -> Double {
        try withoutGradients {
          var others = inputs
          others[place] = try input + direction * amount
          return try value(others).to(.float64).item()
        }
      }
      let numeric = try (moved(step) - moved(-step)) / (2 * step)
      let analytic = try (try #require(gradients[place]) * direction).sum().item()
      #expect(abs(numeric - analytic) < 0.02 * max(10, abs(analytic)), "input \(place)")
    }
  }

  @Test func threadsAndRowsTogetherChangeNothing() throws {
    let test = Self.cases[1]
    let inputs = try leaves(test)
    let norm = NormWeights(weight: inputs[2], bias: inputs[3], epsilon: 1e-5)
    let whole = try #require(try fused(test, inputs).normed)
    let keys = try bits(0.3).rowKeys
    let part = try inputs[0].narrow(0, from: 100, 7).residualNorm(
      inputs[1].narrow(0, from: 100, 7),
      RowDropout(0.3, rowKeys: keys.narrow(0, from: 100, 7), seed: 99), norm, as: .float32
    ).normed
    #expect(try part.floats() == whole.narrow(0, from: 100, 7).floats())
  }

  @Test(arguments: [DType.float32, .bfloat16], [0.0, 0.3])
  func geluEqualsOneOperatorAfterAnother(_ dtype: DType, _ probability: Double) throws {
    // Far out on both sides too, where the exponential is 0.
    let x = try (randomTensor([Self.rows, 1300], seed: 5) * 4).to(dtype)
    try x.setRequiresGradient(true)
    let weights = try randomTensor(x.shape, seed: 6)
    let dropout = probability > 0 ? try bits(probability) : nil
    let fast = try x.geluRows(dropout)
    let slow = try dropout.map { try x.gelu().rowDropout($0) } ?? x.gelu()
    let tolerance = dtype == .float32 ? 2e-6 : 1e-2
    #expect(fast.dtype == dtype)
    #expect(try relativeDifference(fast.to(.float32), slow.to(.float32), floor: 1) < tolerance)
    let found = try #require(try (fast.to(.float32) * weights).sum().gradients(of: [x])[0])
    let expected = try #require(try (slow.to(.float32) * weights).sum().gradients(of: [x])[0])
    #expect(
      try relativeDifference(found.to(.float32), expected.to(.float32), floor: 1) < tolerance)
    let edges = try Tensor([Float(-1000), -20, -1e-20, 0, 1e-20, 20, 1000, .nan], [1, 8])
    let values = try edges.geluRows(nil).floats()
    #expect(Array(values.prefix(7)) == [0, 0, -5e-21, 0, 5e-21, 20, 1000])
    #expect(values[7].isNaN)
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let x = try randomTensor([4, 6], seed: 1)
    let norm = NormWeights(
      weight: try randomTensor([5], seed: 2), bias: try randomTensor([6], seed: 3), epsilon: 1e-5)
    #expect(throws: TorchError.self) { try x.rowNorm(norm, as: .float32) }
    #expect(throws: TorchError.self) { try x.to(.bfloat16).residual(x, nil) }
    #expect(throws: TorchError.self) { try x.residual(randomTensor([4, 5], seed: 1), nil) }
    let keys = try Tensor([Int64(1)])
    #expect(throws: TorchError.self) {
      try x.residual(x, RowDropout(0.5, rowKeys: keys, seed: 1))
    }
    #expect(throws: TorchError.self) {
      try x.residual(
        x, RowDropout(1, rowKeys: Tensor([Int64(1), 2, 3, 4]), seed: 1))
    }
  }
}
