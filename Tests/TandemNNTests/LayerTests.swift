import TandemNN
import TandemTorch
import Testing
import TestSupport

@Suite struct LayerTests {
  @Test func postNormAgainstBert() throws {
    let file = try Fixtures.tensors("training/layers.safetensors")
    let run = try LayerRun(.post)
    #expect(try difference(run.output, file.tensor("post.output")) < Tolerance.output)
    let gradient = try #require(try run.input.gradient())
    #expect(try relativeDifference(gradient, file.tensor("post.grad.input")) < Tolerance.gradient)
    let names = file.entries.keys.filter { $0.hasPrefix("post.grad.") && $0 != "post.grad.input" }
    #expect(names.count == run.store.parameters.count)
    for parameter in run.store.parameters {
      let found = try #require(try parameter.value.gradient())
      let expected = try file.tensor("post.grad." + parameter.name)
      #expect(
        try relativeDifference(found, expected, floor: 1) < Tolerance.gradient,
        "\(parameter.name)")
    }
  }

  @Test func preNormAgainstTheReference() throws {
    let file = try Fixtures.tensors("training/layers.safetensors")
    let run = try LayerRun(.pre)
    #expect(try difference(run.output, file.tensor("pre.output")) < Tolerance.output)
    let gradient = try #require(try run.input.gradient())
    #expect(try relativeDifference(gradient, file.tensor("pre.grad.input")) < Tolerance.gradient)
    for (old, new) in LayerRun.preNames {
      for part in old.hasSuffix("LayerNorm") ? ["weight", "bias"] : ["bias"] {
        let found = try #require(try run.store["\(new).\(part)"]?.value.gradient())
        let expected = try file.tensor("pre.grad.\(old).\(part)")
        #expect(try relativeDifference(found, expected) < Tolerance.gradient, "\(new).\(part)")
      }
    }
    let fused = try #require(try run.store["attn.qkv.bias"]?.value.gradient())
    for (place, part) in ["query", "key", "value"].enumerated() {
      let expected = try file.tensor("pre.grad.attention.self.\(part).bias")
      let found = try fused.narrow(0, from: 32 * place, 32)
      #expect(try relativeDifference(found, expected, floor: 1) < Tolerance.gradient, "\(part)")
    }
  }

  private static let wet = TransformerShape(
    width: 32, heads: 4, feedForward: 64, epsilon: 1e-12, dropout: 0.1, attentionDropout: 0.1)

  @Test(arguments: [LayerRun.Kind.post, .pre]) func oneDNNEqualsPlain(_ kind: LayerRun.Kind) throws
  {
    let plain = try LayerRun(kind).results()
    let fast = try LayerRun(kind, kernels: .oneDNN).results()
    for (name, tensor) in plain {
      let found = try #require(fast[name])
      #expect(try relativeDifference(found, tensor, floor: 1) < Tolerance.gradient, "\(name)")
    }
  }

  @Test(arguments: [LayerRun.Kind.post, .pre]) func recomputedEqualsKept(
    _ kind: LayerRun.Kind
  ) throws {
    let mode = Mode(isTraining: true, seed: 4)
    let kept = try LayerRun(kind, shape: Self.wet, mode: mode).results()
    let again = try LayerRun(
      kind, shape: Self.wet, mode: Mode(isTraining: true, seed: 4, recomputation: .layer)
    ).results()
    for (name, tensor) in kept { #expect(try again[name]?.floats() == tensor.floats(), "\(name)") }
    let dry = try LayerRun(kind).results()
    #expect(try dry["output"]?.floats() != kept["output"]?.floats())
  }

  @Test func whichLayersAreRecomputed() {
    #expect((0..<4).map { Recomputation.none.covers(layer: $0) } == [false, false, false, false])
    #expect((0..<4).map { Recomputation.layer.covers(layer: $0) } == [true, true, true, true])
    #expect(
      (0..<4).map { Recomputation.everySecondLayer.covers(layer: $0) }
        == [false, true, false, true])
  }

  @Test(
    arguments: [LayerRun.Kind.post, .pre], [KernelTable.plain, .oneDNN])
  func bfloat16IsClose(_ kind: LayerRun.Kind, _ kernels: KernelTable) throws {
    let wide = try LayerRun(kind).results()
    let narrow = try LayerRun(kind, kernels: kernels, precision: .bfloat16).results()
    for name in ["output", "input"] + (kind == .pre ? ["mlp.fc1.weight"] : ["output.dense.weight"])
    {
      let expected = try #require(wide[name])
      let gap = try relativeDifference(#require(narrow[name]), expected)
      #expect(gap < Tolerance.bfloat16 && gap > 0, "\(name): \(gap)")
    }
    #expect(narrow["output"]?.dtype == .float32)
  }

  @Test func linearAgainstItsDefinition() throws {
    let x = try randomTensor([5, 7], seed: 1)
    let weight = try randomTensor([3, 7], seed: 2)
    let bias = try randomTensor([3], seed: 3)
    let expected = try x.matmul(weight.transposed(0, 1)) + bias
    for kernel in ProductKernel.allCases {
      let kernels = LinearKernels(forward: kernel, inputGradient: kernel, weightGradient: kernel)
      #expect(try difference(x.linear(weight, bias, kernels: kernels), expected) < Tolerance.output)
      let bare = try x.linear(weight, nil, kernels: kernels)
      #expect(try difference(bare + bias, expected) < Tolerance.output)
      #expect(try x.narrow(0, from: 0, 0).linear(weight, bias, kernels: kernels).shape == [0, 3])
      #expect(throws: TorchError.self) { try x.linear(bias, nil, kernels: kernels) }
    }
  }
}
