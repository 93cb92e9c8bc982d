import TandemNN
import TandemTorch
import Testing
import TestSupport

@Suite struct ParameterStoreTests {
  @Test func namesAreClaimedOnce() throws {
    let store = ParameterStore(seed: 1)
    let path = store.root / "a" / 3
    _ = try path("weight", [2])
    #expect(message { _ = try path("weight", [2]) }?.contains("'a.3.weight'") == true)
    #expect(message { _ = try path.buffer("weight", .zeros([1])) }?.contains("a.3.weight") == true)
    _ = try path.buffer("queue", .zeros([4]))
    #expect(message { _ = try path("queue", [4]) }?.contains("a.3.queue") == true)
    #expect(store.parameterCount == 2)
    #expect(Set(store.tensors().keys) == ["a.3.weight", "a.3.queue"])
  }

  @Test func sharingNeedsAClaimFirst() throws {
    let store = ParameterStore(seed: 1)
    #expect(message { _ = try store.root.shared("words") }?.contains("'words'") == true)
    let words = try store.root("words", [2, 3])
    let shared = try (store.root / "head").shared("words")
    #expect(shared === words)
    #expect(store.parameters.count == 1)
  }

  @Test func startingValues() throws {
    func made(_ seed: UInt64, _ more: Bool) throws -> ParameterStore {
      let store = ParameterStore(seed: seed)
      if more { _ = try store.root("other", [5]) }
      _ = try store.root("weight", [100, 100], .normal(deviation: 0.5))
      _ = try store.root("zeros", [3], .zeros)
      _ = try store.root("ones", [3], .ones)
      _ = try store.root("constant", [3], .constant(2.5))
      return store
    }
    let store = try made(1, false)
    #expect(try store["zeros"]?.value.floats() == [0, 0, 0])
    #expect(try store["ones"]?.value.floats() == [1, 1, 1])
    #expect(try store["constant"]?.value.floats() == [2.5, 2.5, 2.5])
    let values = try #require(try store["weight"]?.value.floats())
    let squares = values.reduce(0.0) { $0 + Double($1) * Double($1) }
    // Five standard errors of a variance from 10 000 numbers.
    #expect(abs(squares / 10_000 / 0.25 - 1) < 5 * (2.0 / 10_000).squareRoot())
    // A weight's start depends on the seed and its name alone.
    #expect(try made(1, true)["weight"]?.value.floats() == values)
    #expect(try made(2, false)["weight"]?.value.floats() != values)
  }

  @Test func sealingLaysGroupsFlat() throws {
    let store = ParameterStore(seed: 1)
    let linear = try Linear(3, 2, at: store.root / "linear")
    let norm = try LayerNorm(2, epsilon: 1e-5, at: store.root / "norm")
    let frozen = try Linear(3, 3, at: store.root / "frozen")
    let before = try linear.weight.value.floats()
    try store.seal { parameter in
      ParameterGroup(
        decays: parameter.decays, isFrozen: parameter.name.hasPrefix("frozen."))
    }
    #expect(store.groups.map { $0.values.count } == [6, 2 + 2 + 2, 9, 3])
    #expect(store.groups.map(\.group.isFrozen) == [false, false, true, true])
    #expect(store.groups.map(\.group.decays) == [true, false, true, false])
    #expect(try linear.weight.value.floats() == before)
    #expect(try store.groups[0].values.floats() == before)

    let x = try randomTensor([4, 3], seed: 5)
    try norm(linear(frozen(x))).power(3).sum().backward()
    let flat = try #require(store.groups[1].gradients)
    #expect(try largest(flat) > 0)
    #expect(try linear.bias?.value.gradient()?.floats() == Array(flat.floats()[0..<2]))
    #expect(store.groups[2].gradients == nil)
    #expect(try frozen.weight.value.gradient() == nil)

    // The masters are the flat buffer.
    try withoutGradients { try store.groups[0].values.multiply(by: 2) }
    #expect(try linear.weight.value.floats() == before.map { 2 * $0 })
    try store.clearGradients()
    #expect(try largest(flat) == 0)

    #expect(message { _ = try store.root("late", [1]) }?.contains("sealed") == true)
    #expect(message { try store.seal { $0.group } }?.contains("sealed") == true)
  }

  @Test func bfloat16CopiesFollowTheMasters() throws {
    let store = ParameterStore(seed: 1, precision: .bfloat16)
    let weight = try store.root("weight", [1, 2], .ones)
    let linear = Linear(weight: weight, bias: nil)
    try store.seal { $0.group }
    let x = try Tensor([1, 2] as [Float], [1, 2])
    #expect(try withoutGradients { try linear(x).floats() } == [3])
    try withoutGradients { try store.groups[0].values.multiply(by: 2) }
    store.mastersChanged()
    #expect(try withoutGradients { try linear(x).floats() } == [6])
    try linear(x).to(.float32).sum().backward()
    #expect(try store.groups[0].gradients?.floats() == [1, 2])
  }

  @Test func whatALoadSays() throws {
    let source = GivenWeights(
      [
        "norm.weight": try Tensor([3, 4] as [Float]), "norm.bias": try Tensor([1] as [Float]),
        "extra": try .zeros([1]), "queue": try Tensor([5] as [Float]),
      ], title: "some.safetensors")
    let store = ParameterStore(seed: 1, source: source)
    _ = try LayerNorm(2, epsilon: 1e-5, at: store.root / "norm")
    _ = try store.root("head", [1])
    let queue = try store.root.buffer("queue", .zeros([1]))
    #expect(try queue.floats() == [5])
    #expect(try store["norm.weight"]?.value.floats() == [3, 4])
    let report = store.loadReport()
    #expect(report.missing == ["head"])
    #expect(report.unused == ["extra"])
    #expect(report.misshapen == ["norm.bias: expected [2], found [1]"])
    let found = try #require(message { try report.check() })
    for part in ["some.safetensors", "missing: head", "extra", "norm.bias", "[2]", "[1]"] {
      #expect(found.contains(part), "\(part)")
    }
    // A wrong shape is never optional.
    #expect(message { try report.check { _ in true } }?.contains("norm.bias") == true)
  }

  @Test func headsMayBeMissing() throws {
    let store = ParameterStore(seed: 1, source: GivenWeights([:]))
    _ = try store.root("head", [1])
    #expect(message { try store.loadReport().check { $0 == "head" } } == nil)
    #expect(message { try store.loadReport().check() } != nil)
    #expect(message { try ParameterStore(seed: 1).loadReport().check() } == nil)
  }

  @Test func loadingLeavesTheSourceAlone() throws {
    let given = try Tensor([1, 2] as [Float])
    let store = ParameterStore(seed: 1, source: GivenWeights(["w": given]))
    _ = try store.root("w", [2])
    try store.seal { $0.group }
    try withoutGradients { try store.groups[0].values.multiply(by: 9) }
    #expect(try given.floats() == [1, 2])
  }
}
