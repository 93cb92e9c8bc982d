internal import TandemCore
internal import TandemData
internal import TandemNN
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

  /// - Parameter rate: billions of operations a second of the model's products; 0 when unknown.
  init(_ assembly: Assembly, _ card: RunCard, rate: Double) throws {
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
    if rate > 0 {
      let seconds = try Self.seconds(assembly, train, rate: rate)
      add("time", "about \(grouped(Int((seconds / 60).rounded(.up)))) min on a machine left alone")
    }
    add("memory", "about \(grouped(Self.megabytes(assembly))) MB")
    let changed = card.origins.filter { $0.value == "--set" }.keys.sorted()
    if !changed.isEmpty { add("changed", "by --set: " + changed.joined(separator: ", ")) }
    self.lines = lines
  }

  /// Six operations a weight and row for forward and backward, over the weights of the layers, at
  /// half the rate of the products alone: the rest goes into norms, attention, heads and updates.
  private static func seconds(
    _ assembly: Assembly, _ train: any Dataset, rate: Double
  ) throws -> Double {
    let recipe = assembly.recipe
    let builder = try assembly.builder(train, training: false)
    var stream = RandomStream(seed: 0)
    var rows = 0
    let sample = min(8, train.count)
    for number in 0..<sample {
      // A bad record is the training's to report.
      guard let example = try? builder.example(at: number * train.count / sample, using: &stream)
      else { continue }
      rows += assembly.input.rowCount(
        InputSequence(
          text: example.texts.first.map { Array($0.ids) } ?? [], picture: example.pictures.first))
    }
    let passes = assembly.objectives.filter { $0.definition.sequencesOf == nil }.count
    let rowsPerStep = Double(rows * recipe.batch.examples * passes) / Double(max(1, sample))
    let weights = assembly.store.parameters
      .filter { $0.shape.count > 1 && $0.name.contains("blocks.") }.reduce(0) { $0 + $1.count }
    return 2 * 6 * Double(weights) * rowsPerStep * Double(recipe.steps) / (rate * 1e9)
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
