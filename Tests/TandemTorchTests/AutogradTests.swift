import TandemTorch
import Testing
import TestSupport

private struct Refusal: Error, CustomStringConvertible {
  let description: String
}

@Suite struct AutogradTests {
  @Test func recordingIsAScope() throws {
    #expect(isRecordingGradients)
    withoutGradients {
      #expect(!isRecordingGradients)
      withGradientMode(true) { #expect(isRecordingGradients) }
      #expect(!isRecordingGradients)
    }
    #expect(isRecordingGradients)
    #expect(throws: Refusal.self) { try withoutGradients { throw Refusal(description: "no") } }
    #expect(isRecordingGradients)
    let x = try leaf(Tensor([2] as [Float]))
    #expect(try withoutGradients { try x * 2 }.requiresGradient == false)
    #expect(try (x * 2).requiresGradient)
  }

  @Test func backwardAddsUp() throws {
    let x = try leaf(Tensor([1, 2, 3] as [Float]))
    #expect(try x.gradient() == nil)
    try (x * x).sum().backward()
    #expect(try x.gradient()?.floats() == [2, 4, 6])
    try (x * x).sum().backward()
    #expect(try x.gradient()?.floats() == [4, 8, 12])
  }

  @Test func backwardFromSeveralRoots() throws {
    let x = try leaf(Tensor([1, 2] as [Float]))
    try Tensor.backward(
      [x * 2, x * x], [Tensor([1, 0] as [Float]), Tensor([10, 100] as [Float])])
    #expect(try x.gradient()?.floats() == [22, 400])
  }

  @Test func gradientsGoIntoABuffer() throws {
    let flat = try Tensor.zeros([4])
    let x = try leaf(Tensor([1, 2] as [Float]))
    try x.setGradient(flat.narrow(0, from: 2, 2))
    try (x * x).sum().backward()
    #expect(try flat.floats() == [0, 0, 2, 4])
  }

  @Test func gradientsOfInputs() throws {
    let x = try leaf(Tensor([3] as [Float]))
    let other = try leaf(Tensor([5] as [Float]))
    let found = try (x * x * x).sum().gradients(of: [x, other])
    #expect(try found[0]?.floats() == [27])
    #expect(found[1] == nil)
    #expect(try x.gradient() == nil)
  }

  @Test func rootsNeedTheirGradients() throws {
    let x = try leaf(Tensor([1, 2] as [Float]))
    #expect(throws: TorchError.self) { try Tensor.backward([x * 2, x * 3], [.ones([2])]) }
  }

  @Test func backwardWithoutAGraphThrows() throws {
    #expect(throws: TorchError.self) { try Tensor([1] as [Float]).sum().backward() }
  }

  // MARK: recomputation

  private func body(_ weight: Tensor) -> (Tensor) throws -> Tensor {
    { x in try (x.matmul(weight)).gelu().matmul(weight.transposed(0, 1)).tanh() }
  }

  @Test func recomputedEqualsKept() throws {
    let values = try randomTensor([5, 4], seed: 1)
    let weights = try randomTensor([4, 6], seed: 2)
    var results: [[Float]] = []
    for recomputes in [false, true] {
      let x = try leaf(values)
      let weight = try leaf(weights)
      let body = body(weight)
      let y = try recomputes ? recomputed(x, body) : body(x)
      try (y * y).sum().backward()
      results.append(
        try y.floats() + (x.gradient()?.floats() ?? []) + (weight.gradient()?.floats() ?? []))
    }
    #expect(results[0].count == 20 + 20 + 24)
    #expect(results[0] == results[1])
  }

  @Test func weightsLearnUnderAFrozenInput() throws {
    let x = try randomTensor([5, 4], seed: 1)
    let weight = try leaf(randomTensor([4, 6], seed: 2))
    try recomputed(x, body(weight)).sum().backward()
    let found = try #require(try weight.gradient())
    let other = try leaf(weight)
    try body(other)(x).sum().backward()
    #expect(try found.floats() == other.gradient()?.floats())
    #expect(try largest(found) > 0)
  }

  @Test func theBodyRunsOnceEachWay() throws {
    var runs: [Bool] = []
    let x = try leaf(Tensor([2] as [Float]))
    let y = try recomputed(x) {
      runs.append(isRecordingGradients)
      return try $0 * $0
    }
    #expect(runs == [false])
    try y.sum().backward()
    #expect(runs == [false, true])
    #expect(try x.gradient()?.floats() == [4])
  }

  @Test func anErrorInsideComesOut() throws {
    let x = try leaf(Tensor([2] as [Float]))
    let forward = message { _ = try recomputed(x) { _ in throw Refusal(description: "too far") } }
    #expect(forward?.contains("too far") == true)
    var calls = 0
    let y = try recomputed(x) {
      calls += 1
      guard calls == 1 else { throw Refusal(description: "not again") }
      return try $0 * 2
    }
    let backward = message { try y.sum().backward() }
    #expect(backward?.contains("not again") == true)
    #expect(isRecordingGradients)
  }
}
