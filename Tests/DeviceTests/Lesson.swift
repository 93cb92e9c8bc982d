// A tiny model, its objectives and a step's worth of sequences, on any device.

import TandemCore
import TandemModels
import TandemNN
import TandemObjectives
import TandemTorch
import TandemTrain
import TestSupport

/// What a test asks of a training run.
struct LessonSettings {
  var device = Device.cpu
  var precision = Precision.float32
  var dropout = 0.0
  var steps = 4
  var kind = Recipe.Optimizer.Kind.adamW
  var averaging = 0.0
  var recomputation = Recomputation.none
  var kernels = KernelTable.plain
  var rate = 0.01
  var matching = ImageTextMatching.Options()
  var hasAlignment = true
}

/// A model with every pre-training objective, and steps to learn from.
final class Lesson {
  let settings: LessonSettings
  let store: ParameterStore
  let model: ViLT
  let objectives: [(definition: ObjectiveDefinition, runner: any ObjectiveRunner)]
  private let input: InputSpecification
  private(set) var lines: [MetricsLine] = []

  init(_ settings: LessonSettings) throws {
    self.settings = settings
    store = ParameterStore(
      seed: 2, precision: settings.precision, kernels: settings.kernels, device: settings.device)
    guard var config = ViLT.presets["tiny"] else { throw ParameterError("no preset tiny") }
    config.vocabulary = Toy.specials.vocabularyCount
    config.maskToken = true
    config.dropout = settings.dropout
    config.attentionDropout = settings.dropout
    model = try ViLT(config, at: store.root)
    input = ViLT.input(config, Toy.specials)
    var patches = MaskedPatchPrediction.Options()
    patches.kind = .pixels
    var definitions = [
      ObjectiveDefinition(MaskedLanguageModeling.self, typed: .init()),
      ObjectiveDefinition(ImageTextMatching.self, typed: settings.matching),
      ObjectiveDefinition(WordPatchAlignment.self, typed: .init()),
      ObjectiveDefinition(MaskedPatchPrediction.self, typed: patches),
    ]
    if !settings.hasAlignment { definitions.remove(at: 2) }
    objectives = try definitions.map { [model, store] in
      ($0, try $0.built(model.facts, at: store.root))
    }
    try store.seal { ParameterGroup(decays: $0.decays) }
  }

  private func step(_ number: Int) throws -> PreparedStep {
    let mixture = try Mixture(objectives.map(\.definition))
    var sequences: [MixedSequence] = []
    let examples = try (0..<6).map { position in
      try Toy.example(
        position, "playing red star above blue circles",
        Toy.picture(64, 32 + 16 * (position % 3), key: UInt64(10 + position)))
    }
    for (position, example) in examples.enumerated() {
      let context = try Toy.context(
        input, position: position, pair: UInt64(position / 2),
        other: Toy.picture(32, 32, key: 99), step: examples)
      sequences += try mixture.sequences(
        mixture.passes, example, context, RandomStream(seed: UInt64(100 * number + position)))
    }
    let packer = MicrobatchPacker(
      input, rowBudget: 200, isPinned: settings.device != .cpu)
    if let candidates = Candidates(sequences, packer) {
      return PreparedStep(
        step: number, epoch: 0, microbatches: [], candidates: candidates,
        denominators: mixture.denominators(candidates.firstKept), exampleCount: 6, skipped: [])
    }
    let halves = [sequences.prefix(9), sequences.dropFirst(9)].map(Array.init)
    return PreparedStep(
      step: number, epoch: 0,
      microbatches: try halves.map {
        Microbatch(
          batch: try PackedBatch(
            $0.map(\.sequence), input, isPinned: settings.device != .cpu), sequences: $0)
      },
      denominators: mixture.denominators(sequences), exampleCount: 6, skipped: [])
  }

  /// Trains in a run directory of its own.
  ///
  /// - Parameters:
  ///   - began: called when a step has its data.
  ///   - ended: called when the host has asked for all of a step and the update.
  func train(
    began: @escaping () -> Void = {}, ended: @escaping () -> Void = {}
  ) throws {
    let folder = try TemporaryFolder()
    var recipe = Recipe()
    recipe.steps = settings.steps
    recipe.optimizer.kind = settings.kind
    recipe.optimizer.averaging = settings.averaging
    recipe.optimizer.learningRate = settings.rate
    recipe.optimizer.clip = 0.5
    recipe.compute.recomputation = settings.recomputation
    var number = 0
    let parts = Trainer.Parts(
      recipe: recipe, store: store, encode: model.encode,
      objectives: objectives,
      nextStep: { [self] in
        let step = try step(number)
        number += 1
        began()
        return step
      },
      // The trainer asks twice a step: before it begins, and once the update is asked for.
      waited: {
        ended()
        return 0
      },
      evaluate: { [Metric("loss", sum: 1, count: 1)] }, quality: { _ in 0 },
      isInterrupted: { false })
    var trainer = try Trainer(parts, run: RunDirectory.create(at: folder.path + "/run"))
    _ = try trainer.train { [self] event in
      if case .step(let line, _) = event { lines.append(line) }
    }
  }

  /// Losses of a step and the gradients of all weights, by name.
  func gradients() throws -> (losses: [Double], gradients: [String: Tensor]) {
    let step = try step(0)
    var losses: [Double] = []
    for microbatch in step.microbatches {
      let encoding = try model.encode(
        microbatch.batch, Mode(isTraining: true, recomputation: settings.recomputation))
      var total: Tensor?
      for (place, objective) in objectives.enumerated() {
        guard
          let report = try objective.runner.loss(
            encoding, microbatch.sequences, place: place == 2 ? 1 : place,
            denominator: step.denominators[place])
        else { continue }
        losses.append(try report.total.item())
        total = try total.map { try $0 + report.total } ?? report.total
      }
      try total?.backward()
    }
    var gradients: [String: Tensor] = [:]
    for parameter in store.parameters {
      gradients[parameter.name] = try parameter.value.gradient()?.to(.cpu)
    }
    return (losses, gradients)
  }
}
