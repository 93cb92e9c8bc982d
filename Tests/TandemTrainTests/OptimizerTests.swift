import TandemCore
import TandemNN
import TandemTorch
import TandemTrain
import Testing
import TestSupport

/// Against float64 values of the reference libraries, see make_training.py.
@Suite struct OptimizerTests {
  private static let names = ["weight", "norm.weight", "bias"]
  /// Twenty steps in float32.
  private static let tolerance = 1e-5

  private func store(_ file: SafeTensorsFile) throws -> ParameterStore {
    var tensors: [String: Tensor] = [:]
    for name in Self.names { tensors[name] = try file.tensor("start." + name) }
    let store = ParameterStore(seed: 1, source: GivenWeights(tensors))
    _ = try store.root("weight", [3, 4])
    _ = try store.root("norm.weight", [4], .ones, decay: false)
    _ = try store.root("bias", [3], .zeros, decay: false)
    try store.loadReport().check()
    try store.seal { $0.group }
    return store
  }

  private func give(
    _ store: ParameterStore, _ gradient: (String) throws -> Tensor
  ) throws {
    try withoutGradients {
      for group in store.groups {
        let flat = try #require(group.gradients)
        for (place, parameter) in group.parameters.enumerated() {
          try group.slice(flat, place).copy(from: gradient(parameter.name))
        }
      }
    }
  }

  private func row(_ file: SafeTensorsFile, _ name: String, _ step: Int) throws -> Tensor {
    try file.tensor(name).narrow(0, from: step, 1).squeezed(0)
  }

  static let kinds: [(title: String, settings: Recipe.Optimizer)] = {
    func make(_ change: (inout Recipe.Optimizer) -> Void) -> Recipe.Optimizer {
      var settings = Recipe.Optimizer()
      settings.weightDecay = 0.01
      change(&settings)
      return settings
    }
    return [
      ("adamw", make { $0.averaging = 0.99 }),
      (
        "bert_adam",
        make {
          $0.kind = .bertAdam
          $0.beta2 = 0.999
          $0.epsilon = 1e-6
        }
      ),
      (
        "sgd_momentum",
        make {
          $0.kind = .sgd
          $0.weightDecay = 0
        }
      ),
      (
        "sgd_nesterov",
        make {
          $0.kind = .sgd
          $0.weightDecay = 0
          $0.nesterov = true
        }
      ),
      ("sgd_momentum_decay", make { $0.kind = .sgd }),
    ]
  }()

  @Test(arguments: kinds.indices) func everyStep(_ index: Int) throws {
    let (title, settings) = Self.kinds[index]
    let file = try Fixtures.tensors("training/optimisers.safetensors")
    let rates = try file.tensor("rates").floats()
    let store = try store(file)
    let optimizer = try Optimizer(settings, store)
    for (step, rate) in rates.enumerated() {
      try give(store) { try row(file, "gradient." + $0, step) }
      try optimizer.update(rate: Double(rate), norm: optimizer.gradientNorm())
      for name in Self.names {
        let found = try #require(store[name]).value
        #expect(
          try difference(found, row(file, "\(title).\(name)", step)) < Self.tolerance,
          "step \(step), \(name)")
      }
      guard settings.averaging > 0 else { continue }
      let trained = try store.groups.map { try $0.values.floats() }
      try optimizer.withAveragedWeights {
        for name in Self.names {
          let found = try #require(store[name]).value
          #expect(
            try difference(found, row(file, "ema.\(name)", step)) < Self.tolerance,
            "step \(step), average of \(name)")
        }
      }
      #expect(try store.groups.map { try $0.values.floats() } == trained)
    }
    #expect(optimizer.step == rates.count)
  }

  @Test(arguments: ["above", "below"]) func clipping(_ name: String) throws {
    struct Description: Decodable {
      struct Clip: Decodable {
        let max_norm: Double
        let norm: Double
      }
      let clip: [String: Clip]
    }
    let file = try Fixtures.tensors("training/optimisers.safetensors")
    let expected = try #require(
      try Fixtures.json(Description.self, "training/optimisers.json").clip[name])
    let store = try store(file)
    var settings = Recipe.Optimizer()
    settings.clip = expected.max_norm
    let optimizer = try Optimizer(settings, store)
    try give(store) { try file.tensor("clip.\(name).gradient.\($0)") }
    let norm = try optimizer.gradientNorm()
    #expect(abs(try norm.item() - expected.norm) < Tolerance.rounding * expected.norm)
    try optimizer.update(rate: 0, norm: norm)
    for group in store.groups {
      let flat = try #require(group.gradients)
      for (place, parameter) in group.parameters.enumerated() {
        let wanted = try file.tensor("clip.\(name).clipped.\(parameter.name)")
        #expect(try relativeDifference(group.slice(flat, place), wanted) < Tolerance.output)
      }
    }
  }

  @Test func groupsHaveTheirRates() throws {
    let store = ParameterStore(seed: 1)
    for name in ["a", "b", "c"] { _ = try store.root(name, [2], .ones) }
    try store.seal { parameter in
      ParameterGroup(
        decays: false, multiplier: parameter.name == "b" ? 10 : 1,
        isFrozen: parameter.name == "c")
    }
    var settings = Recipe.Optimizer()
    settings.kind = .sgd
    let optimizer = try Optimizer(settings, store)
    try withoutGradients { for group in store.groups { try group.gradients?.add(.ones([1])) } }
    try optimizer.update(rate: 0.01, norm: optimizer.gradientNorm())
    let found = try ["a", "b", "c"].map { try #require(try store[$0]?.value.floats().first) }
    #expect(difference(found, [0.99, 0.9, 1]) < Tolerance.rounding)
    #expect(Set(try optimizer.tensors().keys) == ["first.a", "first.b"])
  }

  @Test func restoredMomentsGoOn() throws {
    let file = try Fixtures.tensors("training/optimisers.safetensors")
    for (_, settings) in Self.kinds {
      func steps(_ optimizer: Optimizer, _ store: ParameterStore, _ range: Range<Int>) throws {
        for step in range {
          try give(store) { try row(file, "gradient." + $0, step) }
          try optimizer.update(rate: 0.01, norm: optimizer.gradientNorm())
        }
      }
      let whole = try store(file)
      try steps(Optimizer(settings, whole), whole, 0..<10)
      let half = try store(file)
      let first = try Optimizer(settings, half)
      try steps(first, half, 0..<5)
      let second = try store(file)
      try withoutGradients {
        for (from, to) in zip(half.groups, second.groups) { try to.values.copy(from: from.values) }
      }
      let resumed = try Optimizer(settings, second)
      let saved = try first.tensors().mapValues { try $0.clone() }
      try resumed.restore(step: 5) { try #require(saved[$0]) }
      try steps(resumed, second, 5..<10)
      for (a, b) in zip(whole.groups, second.groups) {
        #expect(try a.values.floats() == b.values.floats())
      }
    }
  }
}

@Suite struct ScheduleTests {
  private struct Expected: Decodable {
    let steps: Int
    let warmup_steps: Int
    let linear: [Double]
    let cosine: [Double]
  }

  @Test(arguments: [Recipe.Schedule.Kind.linear, .cosine])
  func factors(_ kind: Recipe.Schedule.Kind) throws {
    let expected = try Fixtures.json(Expected.self, "training/schedules.json")
    var schedule = Recipe.Schedule()
    schedule.kind = kind
    schedule.warmup = Double(expected.warmup_steps) / Double(expected.steps)
    let wanted = kind == .linear ? expected.linear : expected.cosine
    #expect(wanted.count == expected.steps + 1)
    for (step, factor) in wanted.enumerated() {
      let found = schedule.factor(step: step, of: expected.steps)
      #expect(abs(found - factor) < Tolerance.double, "step \(step)")
    }
  }

  @Test func edges() {
    var schedule = Recipe.Schedule()
    schedule.kind = .constant
    schedule.warmup = 0
    #expect([0, 5, 9].map { schedule.factor(step: $0, of: 10) } == [1, 1, 1])
    schedule.kind = .linear
    #expect(schedule.factor(step: 0, of: 1) == 1)
    #expect(schedule.factor(step: 12, of: 10) == 0)
    schedule.warmup = 1
    #expect((0...10).allSatisfy { schedule.factor(step: $0, of: 10) <= 1 })
  }
}
