import TandemTorch
import Testing
import TestSupport

/// Against float64 values of the reference library, see make_training.py.
@Suite struct ReferenceOperatorTests {
  private struct Losses: Decodable { let losses: [String: Double] }

  @Test func gelu() throws {
    let file = try Fixtures.tensors("training/operators.safetensors")
    let x = try leaf(file.tensor("gelu.input"))
    let y = try x.gelu()
    try (y * file.tensor("gelu.cotangent")).sum().backward()
    #expect(try difference(y, file.tensor("gelu.output")) < Tolerance.rounding)
    let gradient = try #require(try x.gradient())
    #expect(try relativeDifference(gradient, file.tensor("gelu.grad.input")) < Tolerance.gradient)
  }

  @Test(arguments: [1e-12, 1e-6, 1e-5]) func layerNorm(_ epsilon: Double) throws {
    let name = "layer_norm_" + [1e-12: "1e-12", 1e-6: "1e-6", 1e-5: "1e-5"][epsilon, default: ""]
    let file = try Fixtures.tensors("training/operators.safetensors")
    let x = try leaf(file.tensor(name + ".input"))
    let weight = try leaf(file.tensor(name + ".weight"))
    let bias = try leaf(file.tensor(name + ".bias"))
    let y = try x.layerNorm(weight, bias, epsilon: epsilon)
    try (y * file.tensor(name + ".cotangent")).sum().backward()
    #expect(try difference(y, file.tensor(name + ".output")) < Tolerance.output)
    for (leaf, part) in [(weight, "weight"), (bias, "bias")] {
      let found = try #require(try leaf.gradient())
      #expect(
        try relativeDifference(found, file.tensor("\(name).grad.\(part)")) < Tolerance.gradient)
    }
    // Rows of very different spread: each row against its own largest value.
    let found = try #require(try x.gradient())
    let expected = try file.tensor(name + ".grad.input")
    for row in 0..<5 {
      let gap = try relativeDifference(
        found.narrow(0, from: row, 1), expected.narrow(0, from: row, 1), floor: 1e-30)
      #expect(gap < 5 * Tolerance.gradient, "row \(row)")
    }
  }

  @Test func crossEntropy() throws {
    let file = try Fixtures.tensors("training/operators.safetensors")
    let expected = try Fixtures.json(Losses.self, "training/operators.json").losses
    let logits = try leaf(file.tensor("cross_entropy.logits"))
    let labels = try file.tensor("cross_entropy.labels")
    let counted = try labels.array(of: Int64.self).count { $0 != -100 }
    #expect(counted == 4)
    let loss = try logits.crossEntropySum(labels) / Double(counted)
    try loss.backward()
    let wanted = try #require(expected["cross_entropy"])
    #expect(abs(try loss.item() - wanted) < wanted * Tolerance.loss)
    let gradient = try #require(try logits.gradient())
    #expect(
      try relativeDifference(gradient, file.tensor("cross_entropy.grad.logits"))
        < Tolerance.gradient)
  }

  @Test(arguments: [("bce_mean", 21.0), ("bce_times_classes", 3.0)])
  func binaryCrossEntropy(name: String, divisor: Double) throws {
    let file = try Fixtures.tensors("training/operators.safetensors")
    let expected = try Fixtures.json(Losses.self, "training/operators.json").losses
    let logits = try leaf(file.tensor(name + ".logits"))
    let loss =
      try logits.binaryCrossEntropySum(file.tensor(name + ".targets")) / divisor
    try loss.backward()
    let wanted = try #require(expected[name])
    #expect(abs(try loss.item() - wanted) < wanted * Tolerance.loss)
    let gradient = try #require(try logits.gradient())
    #expect(
      try relativeDifference(gradient, file.tensor(name + ".grad.logits")) < Tolerance.gradient)
  }

  /// Loshchilov & Hutter 2019, algorithm 2, written out in Double.
  @Test func fusedAdamW() throws {
    let start = try randomTensor([37], seed: 1)
    let weights = try start.clone()
    let first = try Tensor.zeros([37])
    let second = try Tensor.zeros([37])
    var expected = try start.floats().map(Double.init)
    var m = [Double](repeating: 0, count: 37)
    var v = m
    for step in 1...5 {
      let gradient = try randomTensor([37], seed: UInt64(step + 10))
      try Tensor.fusedAdamW(
        parameters: weights, gradients: gradient, first: first, second: second,
        stepCount: Tensor([Float(step)], []), learningRate: 0.01, betas: (0.9, 0.98), decay: 0.1,
        epsilon: 1e-8)
      for (i, g) in try gradient.floats().map(Double.init).enumerated() {
        m[i] = 0.9 * m[i] + 0.1 * g
        v[i] = 0.98 * v[i] + 0.02 * g * g
        var powers = (1.0, 1.0)
        for _ in 0..<step { powers = (powers.0 * 0.9, powers.1 * 0.98) }
        expected[i] *= 1 - 0.01 * 0.1
        expected[i] -=
          0.01 * (m[i] / (1 - powers.0)) / ((v[i] / (1 - powers.1)).squareRoot() + 1e-8)
      }
    }
    #expect(try difference(weights.floats(), expected.map { Float($0) }) < Tolerance.rounding)
  }
}
