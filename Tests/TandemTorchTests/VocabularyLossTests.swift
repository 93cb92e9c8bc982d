// The vocabulary's loss against libtorch's own operators, and against finite differences.

import TandemTorch
import TestSupport
import Testing

@Suite struct VocabularyLossTests {
  private static let rows = 7
  private static let width = 12
  private static let words = 1500

  private struct Result {
    var values: [Tensor]
    var right: Double
  }

  private let labels = try? Tensor([0, 3, 1499, 512, 511, 77, 1024])

  private func parts(_ dtype: DType) throws -> (x: Tensor, weight: Tensor, bias: Tensor) {
    (
      try leaf(randomTensor([Self.rows, Self.width], seed: 1).to(dtype)),
      try leaf(randomTensor([Self.words, Self.width], seed: 2).to(dtype)),
      try leaf(randomTensor([Self.words], seed: 3).to(dtype))
    )
  }

  /// The loss, then the gradients of rows, weight and bias.
  private func learned(
    _ dtype: DType, factor: Double,
    _ loss: (Tensor, Tensor, Tensor) throws -> (sum: Tensor, right: Tensor)
  ) throws -> Result {
    let (x, weight, bias) = try parts(dtype)
    let (sum, right) = try loss(x, weight, bias)
    try (sum * factor).backward()
    let gradients = try [x, weight, bias].map { try #require(try $0.gradient()).to(.float32) }
    return Result(values: [try sum.detached()] + gradients, right: try right.item())
  }

  private func plain(_ dtype: DType, factor: Double) throws -> Result {
    let labels = try #require(labels)
    return try learned(dtype, factor: factor) { x, weight, bias in
      let logits = try x.linear(weight, bias).to(.float32)
      return (try logits.crossEntropySum(labels), try logits.hits(labels))
    }
  }

  @Test(
    arguments: [DType.float32, .bfloat16],
    [(256, LinearKernels.plain), (256, .oneDNN), (3, .plain), (3, .oneDNN), (1, .plain)])
  func sameAsOperators(_ dtype: DType, _ way: (stretch: Int, kernels: LinearKernels)) throws {
    let labels = try #require(labels)
    let expected = try plain(dtype, factor: 0.25)
    let found = try learned(dtype, factor: 0.25) { x, weight, bias in
      try x.vocabularyLoss(
        weight, bias, labels: labels, kernels: way.kernels, rowsAtATime: way.stretch)
    }
    let limit = dtype == .float32 ? Tolerance.gradient : Tolerance.bfloat16
    for (a, b) in zip(found.values, expected.values) {
      #expect(try relativeDifference(a, b) < limit)
    }
    #expect(found.right == expected.right)
  }

  /// Rows that are right, rows that are not, and one whose label shares the largest logit with a
  /// word before it.
  @Test func hitsAreCounted() throws {
    let x = try Tensor([1, 0, 0, 1, 1, 1] as [Float], [3, 2])
    let weight = try Tensor([1, 0, 0, 2, -1, 0, 0, 2] as [Float], [4, 2])
    let bias = try Tensor.zeros([4])
    for (labels, hits) in [([0, 1, 1], 3.0), ([0, 3, 3], 1), ([2, 0, 0], 0)] {
      let right = try x.vocabularyLoss(weight, bias, labels: Tensor(labels)).right
      #expect(try right.item() == hits)
    }
  }

  @Test func finiteDifferences() throws {
    let labels = try #require(labels)
    let (x, weight, bias) = try parts(.float32)
    func loss(_ x: Tensor) throws -> Tensor {
      try x.vocabularyLoss(weight, bias, labels: labels, rowsAtATime: 4).sum
    }
    try loss(x).backward()
    let slopes = try slopes(at: x, gradient: #require(try x.gradient()), seed: 5) {
      try loss($0).item()
    }
    #expect(
      abs(slopes.difference - slopes.gradient)
        < Tolerance.finiteDifference * abs(slopes.gradient))
  }

  @Test func labelsOutsideAreRefused() throws {
    let (x, weight, bias) = try parts(.float32)
    for label in [-1, Self.words] {
      let labels = try Tensor([0, 0, 0, label, 0, 0, 0])
      #expect {
        try x.vocabularyLoss(weight, bias, labels: labels)
      } throws: {
        "\($0)".contains("label \(label) of row 3 is outside a vocabulary of 1500")
      }
    }
  }
}
