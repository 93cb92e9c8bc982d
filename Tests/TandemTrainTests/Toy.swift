import TandemCore
import TandemNN
import TandemTorch
import TandemTrain
import TestSupport

/// An objective that needs no example: it stands in for the real ones.
struct Nothing: Objective {
  static let name = "nothing"
  static let summary = "for tests"
  static let defaults = NoOptions()
  static func prepare(
    _ example: Example, _ options: NoOptions, _ context: PreparationContext,
    using stream: inout RandomStream
  ) throws -> [PreparedSequence<Int>] { [] }
  static func weight(of target: Int) -> Double { 1 }
  init(_ options: NoOptions, _ facts: ModelFacts, at root: ParameterPath) throws {}
  func loss(
    _ encoding: Encoding, _ targets: [Placed<Int>], denominator: Double
  ) throws -> LossReport { LossReport(total: try .zeros([]), metrics: []) }
}

/// Draws a weight towards what the step's number says, so that every step's loss is another.
struct Pull: ObjectiveRunner {
  let weight: Parameter
  let target: () -> Double

  func loss(
    _ encoding: Encoding, _ sequences: [MixedSequence], place: Int, denominator: Double
  ) throws -> LossReport? {
    let gap = try weight.value + target()
    let total = try (gap * gap).sum() / denominator
    return LossReport(
      total: total, metrics: [try PendingMetric("pull.loss", sum: total, count: 1)])
  }
  func typed<O: Objective>(_ type: O.Type) -> O? { nil }
}

/// A training run over one weight.
final class ToyRun {
  let store: ParameterStore
  var recipe = Recipe()
  /// What each evaluation says; the last goes on.
  var qualities: [Double] = [0]
  var interruptsAfter = Int.max
  var poisonedStep = -1
  var skipped: [String] = []
  private(set) var step: Int
  private(set) var evaluations = 0
  private(set) var lines: [MetricsLine] = []
  private(set) var checkpoints: [Int] = []

  init(from step: Int = 0, source: (any WeightSource)? = nil) throws {
    self.step = step
    store = ParameterStore(seed: 4, source: source)
    _ = try store.root("weight", [3])
    try store.loadReport().check()
    try store.seal { $0.group }
    recipe.steps = 8
    recipe.optimizer.learningRate = 0.1
    recipe.checkpoints.every = 2
  }

  func train(_ run: RunDirectory, resuming checkpoint: Checkpoint? = nil) throws -> TrainingOutcome
  {
    guard let weight = store["weight"] else { throw RunError("no weight") }
    let input = Toy.input()
    let batch = try PackedBatch([InputSequence(text: [7], picture: nil)], input)
    let parts = Trainer.Parts(
      recipe: recipe, store: store,
      encode: { batch, _ in
        Encoding(batch: batch, joint: try .zeros([3, 1]), pooled_SD: try .zeros([1, 1]))
      },
      objectives: [
        (
          ObjectiveDefinition(Nothing.self, typed: NoOptions()),
          Pull(weight: weight) { [self] in
            step - 1 == poisonedStep ? .nan : Double(step % 3)
          }
        )
      ],
      nextStep: { [self] in
        step += 1
        return PreparedStep(
          step: step - 1, epoch: 0, microbatches: [Microbatch(batch: batch, sequences: [])],
          denominators: [3], exampleCount: 1, skipped: step == 1 ? skipped : [])
      },
      waited: { 0 },
      evaluate: { [self] in
        evaluations += 1
        let quality = qualities[min(evaluations, qualities.count) - 1]
        return [Metric("loss", sum: -quality, count: 1), Metric("q", sum: quality, count: 1)]
      },
      quality: { $0[1].value }, isInterrupted: { [self] in step >= interruptsAfter })
    var trainer = try Trainer(parts, run: run, resuming: checkpoint)
    return try trainer.train { event in
      switch event {
      case .step(let line, _): lines.append(line)
      case .checkpoint(let step): checkpoints.append(step)
      case .evaluation, .skipped: break
      }
    }
  }
}
