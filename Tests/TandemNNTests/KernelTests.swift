// Which kernels serve changes speed, never results.

import TandemNN
import TandemTorch
import TestSupport
import Testing

@Suite struct KernelTests {
  private static let wet = TransformerShape(
    width: 32, heads: 4, feedForward: 64, epsilon: 1e-12, dropout: 0.1, attentionDropout: 0.1)

  /// Every product on one kernel, or the rows fused, and nothing else changed.
  static let tables: [KernelTable] =
    ProductKernel.allCases.map { kernel in
      KernelTable(
        otherwise: LinearKernels(
          forward: kernel, inputGradient: kernel, weightGradient: kernel), rows: .plain)
    } + [KernelTable(otherwise: .plain, rows: .fused), .oneDNN]

  @Test(arguments: [LayerRun.Kind.post, .pre], tables)
  func withDropoutToo(_ kind: LayerRun.Kind, _ table: KernelTable) throws {
    let mode = Mode(isTraining: true, seed: 17)
    let plain = try LayerRun(kind, shape: Self.wet, mode: mode).results()
    let fast = try LayerRun(kind, shape: Self.wet, kernels: table, mode: mode).results()
    for (name, tensor) in plain {
      let found = try #require(fast[name])
      #expect(try relativeDifference(found, tensor, floor: 1) < Tolerance.gradient, "\(name)")
    }
  }

  /// Where nothing learns, weights may be laid out beforehand and GELU is part of its product.
  @Test(arguments: [LayerRun.Kind.post, .pre], [Precision.float32, .bfloat16])
  func withoutLearning(_ kind: LayerRun.Kind, _ precision: Precision) throws {
    var packed = KernelTable.oneDNN
    packed.otherwise.forward = .oneDNNPrepacked
    let results = try [KernelTable.plain, .oneDNN, packed].map { table in
      try withoutGradients { try LayerRun.inferred(kind, kernels: table, precision: precision) }
    }
    let limit = precision == .float32 ? Tolerance.output : Tolerance.bfloat16
    #expect(try relativeDifference(results[1], results[0]) < limit)
    #expect(try difference(results[2], results[1]) < limit)
  }

  /// A layout of a weight that has changed since is made again.
  @Test func prepackedWeightsFollowTheirMaster() throws {
    var table = KernelTable.oneDNN
    table.otherwise.forward = .oneDNNPrepacked
    let store = ParameterStore(seed: 1, kernels: table)
    let layer = try Linear(24, 40, at: store.root / "a")
    let x = try randomTensor([5, 24], seed: 3)
    let before = try withoutGradients { try layer(x) }
    try withoutGradients { try layer.weight.value.multiply(by: 2) }
    store.mastersChanged()
    let after = try withoutGradients { try layer(x) }
    #expect(try relativeDifference(after, before * 2) < Tolerance.output)
    #expect(try largest(before) > 0)
  }

  @Test func sizesFindTheirEntry() {
    let own = LinearKernels(
      forward: .plain, inputGradient: .oneDNN, weightGradient: .oneDNNTransposed)
    let table = KernelTable(
      entries: [KernelTable.Entry(input: 3, output: 5, kernels: own)], otherwise: .plain,
      rows: .plain)
    #expect(table.linear(input: 3, output: 5) == own)
    #expect(table.linear(input: 5, output: 3) == .plain)
    #expect(table.title == "plain and oneDNN")
    #expect(KernelTable.plain.title == "plain" && KernelTable.oneDNN.title == "oneDNN")
  }

  @Test func theStoreKnowsItsLayers() throws {
    let store = ParameterStore(seed: 1)
    _ = try Linear(4, 6, at: store.root / "a")
    _ = try Linear(4, 6, at: store.root / "b")
    let kernel = try (store.root / "c")("weight", [8, 3, 2, 2])
    let patches = Linear(weight: kernel, bias: nil)
    #expect(
      store.linearShapes == [
        LinearShape(input: 4, output: 6), LinearShape(input: 12, output: 8),
      ])
    let x = try randomTensor([5, 12], seed: 3)
    let expected = try x.matmul(kernel.value.reshaped([8, 12]).transposed(0, 1))
    #expect(try difference(patches(x), expected) < Tolerance.output)
  }
}
