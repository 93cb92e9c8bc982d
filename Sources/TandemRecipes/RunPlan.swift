internal import TandemCore
internal import TandemData
internal import TandemNN
internal import TandemTrain

/// What a run is about to do, said before its first step.
public struct RunPlan: Sendable {
  public struct Line: Sendable {
    public let title: String
    public let text: String
  }
  public let lines: [Line]

  init(_ assembly: Assembly, _ card: RunCard) throws {
    let recipe = assembly.recipe
    let train = try assembly.dataset(.train)
    let held = try assembly.dataset(recipe.evaluation.split)
    var lines: [Line] = []
    func add(_ title: String, _ text: String) { lines.append(Line(title: title, text: text)) }
    let trunk = assembly.store.parameters.filter { !assembly.isHead($0.name) }
    let heads = assembly.store.parameterCount - trunk.reduce(0) { $0 + $1.count }
    add(
      "model",
      "\(recipe.model.name)/\(recipe.model.preset), \(grouped(assembly.store.parameterCount)) "
        + "weights (\(grouped(heads)) in heads)")
    add("weights", card.initializedFrom.isEmpty ? "random" : "from \(card.initializedFrom)")
    add(
      "data",
      "\(recipe.data.dataset): \(grouped(train.count)) records to train, \(grouped(held.count)) "
        + "to \(recipe.evaluation.split == .test ? "test" : "validate")")
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
        + "\(card.environment.threads) threads, \(card.environment.linearKernel) kernel, "
        + "\(card.environment.cpu)")
    add("memory", "about \(grouped(Self.megabytes(assembly))) MB")
    let changed = card.origins.filter { $0.value == "--set" }.keys.sorted()
    if !changed.isEmpty { add("changed", "by --set: " + changed.joined(separator: ", ")) }
    self.lines = lines
  }

  /// Weights, gradients and two moments in float32, and the activations of one micro-batch: about
  /// 34 rows of the width a layer (the inputs of four products, three norms and the attention).
  private static func megabytes(_ assembly: Assembly) -> Int {
    let recipe = assembly.recipe
    let state = assembly.store.parameterCount * 16
    let kept = recipe.compute.recomputation == .none ? 34 : 8
    let facts = assembly.model.facts
    let activations = recipe.batch.rows * facts.width * facts.layers * kept * 4
    return (state + activations) / 1_000_000 + 300
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
