// What the comparison with the reference library times: the same weights, the same inputs, read
// from the folder that `Benchmarks/prepare.py` wrote.

internal import Foundation
internal import TandemCore
internal import TandemImage
internal import TandemModels
internal import TandemNN
internal import TandemObjectives
internal import TandemTorch
internal import TandemTrain

/// One row of the comparison.
protocol ComparisonCase {
  /// What both sides compute with dropout off, to be held against one another.
  func check() throws -> [Double]
  /// One run, to be timed.
  func run() throws
  /// The matrix products of a run; none where it is about something else.
  var products: [CountedProduct] { get }
  /// Where it runs; data preparation runs on the processor.
  var device: Device { get }
}

extension ComparisonCase {
  var products: [CountedProduct] { [] }
  var device: Device { .cpu }
}

/// Matrix products, and how often a run has them.
struct CountedProduct {
  enum Kind {
    /// Of a linear layer: forward only, without the gradient of an input that needs none, or all.
    case forward(LinearProduct)
    case forwardAndWeights(LinearProduct)
    case all(LinearProduct)
    /// Of attention: scores and sums, and backward their four gradients.
    case attention(AttentionProduct, isTraining: Bool)
  }
  let kind: Kind
  let count: Int

  /// Seconds of the best kernels alone.
  func seconds() throws -> Double {
    let once =
      switch kind {
      case .forward(let product): try product.measured().forward
      case .forwardAndWeights(let product):
        try { $0.forward + $0.weightGradient }(product.measured())
      case .all(let product): try product.measured().seconds
      case .attention(let product, let isTraining):
        try { isTraining ? $0.forward + $0.backward : $0.forward }(product.measured())
      }
    return Double(count) * once
  }
}

/// The batched products of attention over sequences of one length.
struct AttentionProduct {
  let sequences: Int
  let heads: Int
  let length: Int
  let width: Int
  let precision: Precision

  /// Seconds of the two products forward and of the four backward, each the least of some rounds.
  func measured(rounds: Int = 3) throws -> (forward: Double, backward: Double) {
    try withoutGradients {
      let dtype: DType = precision == .bfloat16 ? .bfloat16 : .float32
      let count = sequences * heads
      let rows = try Tensor.full([count, length, width], 0.5, dtype)
      let weights = try Tensor.full([count, length, length], 0.01, dtype)
      let scores = try least(rounds) { try rows.matmul(rows.transposed(1, 2)) }
      let sums = try least(rounds) { try weights.matmul(rows) }
      let turned = try least(rounds) { try weights.transposed(1, 2).matmul(rows) }
      return (scores + sums, scores + sums + 2 * turned)
    }
  }

  private func least(_ rounds: Int, _ product: () throws -> Tensor) throws -> Double {
    var result = Double.infinity
    for round in 0...rounds {
      let start = ContinuousClock.now
      _ = try product()
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      if round > 0 { result = min(result, seconds) }
    }
    return result
  }

  /// One for each length among the sequences of a layout.
  static func all(
    _ layout: PackedLayout, _ shape: (width: Int, heads: Int), _ precision: Precision
  ) -> [AttentionProduct] {
    Dictionary(grouping: 0..<layout.sequenceCount) { layout.rows(of: $0).count }
      .sorted { $0.key < $1.key }
      .map { length, members in
        AttentionProduct(
          sequences: members.count, heads: shape.heads, length: length,
          width: shape.width / shape.heads, precision: precision)
      }
  }
}

/// ViLT: inference, a step of masked words, or a step of pre-training.
final class ViLTComparison: ComparisonCase {
  enum Kind: String { case inference, mlm, pretrain }

  private typealias Part = (
    batch: PackedBatch, words: [Placed<MaskedLanguageModeling.Target>],
    pairs: [Placed<ImageTextMatching.Match>]
  )

  private struct Heads {
    let words: MaskedLanguageModeling
    let matching: ImageTextMatching
    let alignment: WordPatchAlignment
  }

  let kind: Kind
  let store: ParameterStore
  private let model: ViLT
  private let heads: Heads?
  private let optimizer: Optimizer?
  private var parts: [Part] = []
  private var wordCount = 0
  private var pairCount = 0

  var device: Device { store.device }

  init(
    _ kind: Kind, batch: Int, _ precision: Precision, on device: Device, folder: String
  ) throws {
    self.kind = kind
    let checkpoint = try ModelFiles.open(folder + "/vilt")
    let config = try checkpoint.config.decoded(ViLT.Config.self)
    let more = SafeTensorsSource(try SafeTensorsFile(path: folder + "/vilt/heads.safetensors"))
    store = ParameterStore(
      seed: 1, precision: precision, device: device, keepsMasters: kind != .inference,
      source: JoinedSource(first: checkpoint.weights, second: more))
    model = try ViLT(config, at: store.root)
    heads =
      try kind == .inference
      ? nil
      : Heads(
        words: MaskedLanguageModeling(.init(), model.facts, at: store.root),
        matching: ImageTextMatching(.init(), model.facts, at: store.root),
        alignment: WordPatchAlignment(.init(), model.facts, at: store.root))
    try store.loadReport().check { name in
      kind == .inference && (name.hasPrefix("mlm_score.") || name.hasPrefix("itm_score."))
    }
    let inputs = try ComparisonInputs("\(folder)/\(kind.rawValue)-\(batch).safetensors")
    parts = try inputs.parts(kind).map { part in
      (
        // On the device before the clock starts, as the reference's inputs are.
        try PackedBatch(part.sequences, ViLT.input(config, Self.specials))
          .placed(on: device),
        part.words, part.pairs
      )
    }
    wordCount = parts.reduce(0) { $0 + $1.words.reduce(0) { $0 + $1.target.pieces.count } }
    pairCount = parts.reduce(0) { $0 + $1.pairs.count }
    let rows = parts.map { $0.batch.layout.rowCount }.max() ?? 1
    store.kernels = try KernelMeasurement.of(
      store, .measured, rows: rows, isTraining: kind != .inference, cache: nil
    ).table
    guard kind != .inference else {
      optimizer = nil
      return
    }
    try store.seal { _ in ParameterGroup(decays: true) }
    var settings = Recipe.Optimizer()
    settings.beta2 = 0.999
    optimizer = try Optimizer(settings, store)
  }

  private static let specials = SpecialTokens(
    classification: 101, separator: 102, mask: 103, vocabularyCount: 30522, reserved: [])

  func check() throws -> [Double] {
    try withoutGradients {
      guard kind != .inference else {
        return try parts.flatMap { try model.encode($0.batch, .inference).pooled_SD.floats() }
          .map(Double.init)
      }
      var sums = [Double](repeating: 0, count: kind == .mlm ? 1 : 3)
      for part in parts {
        for (place, loss) in try losses(part, .inference).enumerated() {
          sums[place] += try loss.item()
        }
      }
      return sums
    }
  }

  func run() throws {
    guard let optimizer else {
      for part in parts {
        _ = try withoutGradients { try model.encode(part.batch, .inference).pooled_SD.floats() }
      }
      return
    }
    try store.clearGradients()
    for part in parts {
      let losses = try losses(part, Mode(isTraining: true, seed: 1))
      var total = losses[0]
      if losses.count == 3 { total = try total + losses[1] + losses[2] * 0.1 }
      try total.backward()
    }
    try optimizer.update(rate: 1e-5, norm: Tensor.zeros([], on: device))
  }

  /// Masked words; in pre-training also matching and alignment.
  private func losses(_ part: Part, _ mode: Mode) throws -> [Tensor] {
    guard let heads else { return [] }
    let encoding = try model.encode(part.batch, mode)
    var losses = [
      try heads.words.loss(encoding, part.words, denominator: Double(wordCount)).total
    ]
    if kind == .pretrain {
      let count = Double(pairCount)
      losses.append(try heads.matching.loss(encoding, part.pairs, denominator: count).total)
      losses.append(try heads.alignment.loss(encoding, part.pairs, denominator: count).total)
    }
    return losses
  }

  var products: [CountedProduct] {
    let config = model.config
    let width = config.width
    let trains = kind != .inference
    return parts.flatMap { part in
      let rows = part.batch.layout.rowCount
      let patch = 3 * config.patchSize * config.patchSize
      func product(
        _ input: Int, _ output: Int, _ rows: Int, times: Int = 1, isFirst: Bool = false
      ) -> CountedProduct {
        let product = LinearProduct(
          shape: LinearShape(input: input, output: output), rows: rows, precision: store.precision,
          isTraining: trains)
        return CountedProduct(
          kind: !trains ? .forward(product) : isFirst ? .forwardAndWeights(product) : .all(product),
          count: times)
      }
      var all = [
        product(patch, width, part.batch.unitCount, isFirst: true),
        product(width, 3 * width, rows, times: config.layers),
        product(width, width, rows, times: config.layers),
        product(width, config.feedForward, rows, times: config.layers),
        product(config.feedForward, width, rows, times: config.layers),
      ]
      if kind != .mlm { all.append(product(width, width, part.batch.sequenceCount)) }
      if trains {
        let masked = part.words.reduce(0) { $0 + $1.target.pieces.count }
        all += [product(width, width, masked), product(width, config.vocabulary, masked)]
      }
      all += AttentionProduct.all(part.batch.layout, (width, config.heads), store.precision).map {
        CountedProduct(kind: .attention($0, isTraining: trains), count: config.layers)
      }
      return all
    }
  }
}

/// Post-norm layers of BERT with dropout in the attention: forward and backward.
final class LayersComparison: ComparisonCase {
  let store: ParameterStore
  private let layers: [PostNormLayer]
  private let shape: TransformerShape
  private let layout: PackedLayout
  private let rows: PackedRows
  private let input_TD: Tensor
  var device: Device { store.device }

  init(batch: Int, _ precision: Precision, on device: Device, folder: String) throws {
    let config = try JSONValue(contentsOfFile: folder + "/bert/config.json")
      .decoded(BertSizes.self)
    store = ParameterStore(
      seed: 1, precision: precision, device: device,
      source: SafeTensorsSource(try SafeTensorsFile(path: folder + "/bert/layers.safetensors")))
    let shape = TransformerShape(
      width: config.hidden_size, heads: config.num_attention_heads,
      feedForward: config.intermediate_size, epsilon: config.layer_norm_eps,
      dropout: config.hidden_dropout_prob, attentionDropout: config.attention_probs_dropout_prob)
    self.shape = shape
    layers = try (0..<config.num_hidden_layers).map { [store] in
      try PostNormLayer(shape, at: store.root / "layer" / $0)
    }
    try store.loadReport().check()
    let file = try SafeTensorsFile(path: "\(folder)/layers-\(batch).safetensors")
    let lengths = try file.tensor("lengths").array(of: Int.self)
    layout = PackedLayout(
      lengths: lengths, sequenceKeys: lengths.indices.map { UInt64($0) })
    rows = try PackedRows(layout, on: device)
    input_TD = try file.tensor("rows").clone().to(device)
    store.kernels = try KernelMeasurement.of(
      store, .measured, rows: layout.rowCount, cache: nil
    ).table
    try store.seal { _ in ParameterGroup(decays: true) }
  }

  func check() throws -> [Double] {
    try withoutGradients {
      try output(input_TD, .inference).narrow(0, from: 0, 1).floats().map(Double.init)
    }
  }

  func run() throws {
    try store.clearGradients()
    let x_TD = try input_TD.clone()
    try x_TD.setRequiresGradient(true)
    let y_TD = try output(x_TD, Mode(isTraining: true, seed: 1))
    try ((y_TD * y_TD).sum() / Double(layout.rowCount)).backward()
  }

  private func output(_ x_TD: Tensor, _ mode: Mode) throws -> Tensor {
    let plan = try AttentionPlan(
      .full(layout), queryRows: rows.count, keyRows: rows.count, on: store.device)
    return try TandemNN.run(
      layers.map { layer in { [rows] in try layer($0, rows, plan, mode) } }, x_TD, mode)
  }

  var products: [CountedProduct] {
    let sizes = [
      (shape.width, shape.width, 4), (shape.width, shape.feedForward, 1),
      (shape.feedForward, shape.width, 1),
    ]
    let linear = sizes.map { input, output, times in
      CountedProduct(
        kind: .all(
          LinearProduct(
            shape: LinearShape(input: input, output: output), rows: layout.rowCount,
            precision: store.precision)),
        count: times * layers.count)
    }
    let attention = AttentionProduct.all(layout, (shape.width, shape.heads), store.precision).map {
      CountedProduct(kind: .attention($0, isTraining: true), count: layers.count)
    }
    return linear + attention
  }
}

/// What is read of transformers' configuration of BERT; its names.
private struct BertSizes: Decodable {
  let hidden_size: Int
  let num_attention_heads: Int
  let num_hidden_layers: Int
  let intermediate_size: Int
  let layer_norm_eps: Double
  let hidden_dropout_prob: Double
  let attention_probs_dropout_prob: Double
}

/// The weights of two sources; the first one counts.
private struct JoinedSource: WeightSource {
  let first: any WeightSource
  let second: any WeightSource
  var title: String { first.title }
  var names: [String] { first.names + second.names }
  func weight(_ name: String) throws -> Tensor? {
    try first.weight(name) ?? second.weight(name)
  }
}
