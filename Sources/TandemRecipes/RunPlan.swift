internal import TandemCore
internal import TandemData
internal import TandemNN
internal import TandemObjectives
internal import TandemText
internal import TandemTorch
internal import TandemTrain

/// What a run is about to do, said before its first step.
public struct RunPlan: Sendable {
  public struct Line: Sendable {
    public let title: String
    public let text: String
  }
  public let lines: [Line]

  /// - Parameters:
  ///   - loaders: the run's data; the step after `stepsDone` is prepared to see what a step takes.
  ///   - rate: billions of operations a second of the model's products; 0 when unknown.
  ///   - changes: what was done to weights that it starts from.
  init(
    _ assembly: Assembly, _ card: RunCard, _ loaders: RunLoaders, after stepsDone: Int,
    rate: Double, changes: [String] = []
  ) throws {
    let recipe = assembly.recipe
    let train = loaders.training.index
    let held = loaders.evaluation.index
    let prepared = try loaders.training.prepared(stepsDone)
    let sample = try prepared.choosingFirst()
    var lines: [Line] = []
    func add(_ title: String, _ text: String) { lines.append(Line(title: title, text: text)) }
    let trunk = assembly.store.parameters.filter { !assembly.isHead($0.name) }
    let heads = assembly.store.parameterCount - trunk.reduce(0) { $0 + $1.count }
    add(
      "model",
      "\(recipe.model.name)/\(recipe.model.preset), \(grouped(assembly.store.parameterCount)) "
        + "weights (\(grouped(heads)) in heads)")
    add("weights", card.initializedFrom.isEmpty ? "random" : "from \(card.initializedFrom)")
    for change in changes { add("", change) }
    add(
      "data",
      "\(recipe.data.dataset): \(grouped(train.count)) records to train, \(grouped(held.count)) "
        + "to \(recipe.evaluation.split == .test ? "test" : "validate")")
    add("checks", try Self.checks(loaders, sample))
    add(
      "learns",
      recipe.objectives.map { $0.weight == 1 ? $0.name : "\($0.weight)·\($0.name)" }
        .joined(separator: " + "))
    let epochs = Double(recipe.steps * recipe.batch.examples) / Double(max(1, train.count))
    add(
      "steps",
      "\(grouped(recipe.steps)) of \(recipe.batch.examples) examples: \(rounded(epochs)) epochs")
    let multipliers =
      recipe.optimizer.headMultiplier == 1 ? "" : ", heads ×\(recipe.optimizer.headMultiplier)"
    add(
      "rate",
      "\(recipe.optimizer.kind.rawValue), \(recipe.optimizer.learningRate)\(multipliers), "
        + "\(recipe.schedule.kind.rawValue) after \(rounded(recipe.schedule.warmup * 100)) % warm-up"
    )
    add(
      "compute",
      "\(recipe.compute.device), \(recipe.compute.precision.rawValue), "
        + "\(card.environment.threads) threads, \(card.environment.kernels.title) kernels, "
        + "\(card.environment.cpu)")
    let hasNetwork = assembly.input.regions?.pixels != nil
    if hasNetwork {
      add("time", "not known beforehand: a network over pixels takes most of it")
    } else if rate > 0 {
      // A look at candidates is a forward, a third of what is learned from.
      let rows = sample.rowCount + (prepared.candidates?.rowCount ?? 0) / 3
      let seconds = Self.seconds(assembly, rowsPerStep: rows, rate: rate)
      add("time", "about \(grouped(Int((seconds / 60).rounded(.up)))) min on a machine left alone")
    }
    add(
      "memory",
      "about \(grouped(Self.megabytes(assembly, sample))) MB"
        + (hasNetwork ? ", and what the network over pixels keeps of its layers" : ""))
    let changed = card.origins.filter { $0.value == "--set" }.keys.sorted()
    if !changed.isEmpty { add("changed", "by --set: " + changed.joined(separator: ", ")) }
    self.lines = lines
  }

  /// What reading the data once has shown.
  private static func checks(
    _ loaders: RunLoaders, _ sample: PreparedStep
  ) throws -> String {
    let unreadable =
      loaders.training.index.unreadableCount + loaders.evaluation.index.unreadableCount
    let shared = try loaders.training.index.sharedPictureCount(with: loaders.evaluation.index)
    return [
      "all records read" + (unreadable == 0 ? "" : ", \(grouped(unreadable)) cannot be used"),
      shared == 0
        ? "no picture in both splits" : "ATTENTION: \(grouped(shared)) pictures are in both splits",
      "\(grouped(sample.exampleCount)) examples of the first step decoded"
        + (sample.skipped.isEmpty ? "" : ", \(grouped(sample.skipped.count)) left out"),
    ].joined(separator: "; ")
  }

  /// Six operations a weight and row for forward and backward, over the weights of the layers, at
  /// half the rate of the products alone: the rest goes into norms, attention, heads and updates.
  private static func seconds(_ assembly: Assembly, rowsPerStep: Int, rate: Double) -> Double {
    let weights = assembly.store.parameters
      .filter { $0.shape.count > 1 && $0.name.contains("blocks.") }.reduce(0) { $0 + $1.count }
    let operations =
      6 * Double(weights) * Double(rowsPerStep) * Double(assembly.recipe.steps)
    return 2 * operations / (rate * 1e9)
  }

  /// Weights, gradients and two moments in float32, and what the largest forward keeps: about 34
  /// rows of the width a layer (the inputs of four products, three norms and the attention), and
  /// for each masked piece three rows of the vocabulary (logits, their logarithms, gradients).
  private static func megabytes(_ assembly: Assembly, _ sample: PreparedStep) -> Int {
    let state = assembly.store.parameterCount * 16
    let kept = assembly.recipe.compute.recomputation == .none ? 34 : 8
    let facts = assembly.model.facts
    let rows = sample.microbatches.map { $0.batch.layout.rowCount }.max() ?? 0
    let activations = rows * facts.width * facts.layers * kept * 4
    let masked = zip(assembly.objectives, sample.denominators)
      .filter { $0.0.definition.name == MaskedLanguageModeling.name }
      .reduce(0) { $0 + Int($1.1) }
    let logits = masked * facts.vocabulary * 3 * 4 / max(1, sample.microbatches.count)
    return (state + activations + logits) / 1_000_000 + 300
  }
}

/// 1234567 → "1 234 567"
func grouped(_ number: Int) -> String {
  let digits = Array(String(abs(number)))
  var parts: [String] = []
  var end = digits.count
  while end > 0 {
    parts.insert(String(digits[max(0, end - 3)..<end]), at: 0)
    end -= 3
  }
  return (number < 0 ? "-" : "") + parts.joined(separator: " ")
}

private func rounded(_ value: Double) -> String {
  let tenths = (value * 10).rounded() / 10
  return tenths == tenths.rounded() ? "\(Int(tenths))" : "\(tenths)"
}
