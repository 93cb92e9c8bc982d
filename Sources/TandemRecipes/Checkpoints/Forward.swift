// A model's outputs for tensors as the transformers library takes them, under that library's names.

internal import TandemCore
internal import TandemModels
internal import TandemNN
public import TandemTorch

public enum Forward {
  /// Every output for a file of inputs; with labels among them the losses too.
  ///
  /// Rows at padded places are 0. States of patches stand in raster order behind the class token's,
  /// those of regions where the regions stood.
  ///
  /// - Parameter unread: is told of tensors that the model has no use for.
  /// - Throws: `DataError` that names the tensor that does not fit.
  public static func outputs(
    _ model: LoadedModel, inputs path: String, unread: ([String]) -> Void = { _ in }
  ) throws -> [String: Tensor] {
    let inputs = try RawInputs(path, for: model)
    unread(inputs.unread)
    return try withoutGradients {
      let batch = try inputs.batch(model.input)
      let encoding = try encoded(model.model, batch)
      var writer = OutputWriter(inputs: inputs, encoding: encoding, model: model)
      try writer.states()
      try writer.heads()
      try writer.losses()
      return writer.outputs
    }
  }

  private static func encoded(
    _ model: any VisionLanguageModel, _ batch: PackedBatch
  ) throws -> Encoding { try model.encode(batch, .inference) }
}

/// Puts rows back to where their inputs were.
private struct OutputWriter {
  let inputs: RawInputs
  let encoding: Encoding
  let model: LoadedModel
  var outputs: [String: Tensor] = [:]

  private var batch: PackedBatch { encoding.batch }
  private var all: [Int] { Array(inputs.parts.indices) }
  /// The sides before those of a sequence.
  private var outer: [Int] {
    inputs.choices > 0 ? [inputs.examples, inputs.choices] : [inputs.examples]
  }

  init(inputs: RawInputs, encoding: Encoding, model: LoadedModel) {
    self.inputs = inputs
    self.encoding = encoding
    self.model = model
    textRows = inputs.parts.indices.map { Array(encoding.text.rows(of: $0)) }
    let readsRegions = model.input.regions != nil
    visualRows = inputs.parts.indices.map { sequence in
      let units = encoding.visual.rows(of: sequence)
      guard !readsRegions, !units.isEmpty else { return Array(units) }
      return Array(units.lowerBound - model.input.leadingRows..<units.upperBound)
    }
    visualColumns = zip(inputs.parts, visualRows).map { part, rows in
      readsRegions ? part.regions : Array(rows.indices)
    }
  }

  /// Rows of each sequence among the states, and the places that they are written to.
  private let textRows: [[Int]]
  private let visualRows: [[Int]]
  private let visualColumns: [[Int]]
  private var visualPlaces: Int {
    max(
      inputs.regionPlaces,
      visualColumns.compactMap { $0.last.map { $0 + 1 } }.max() ?? 0)
  }

  // MARK: rows

  /// Rows [N, D] at places of each sequence, [outer…, places, D]; 0 elsewhere.
  private func placed(
    _ rows_ND: Tensor, _ columns: [[Int]], places: Int
  ) throws -> Tensor {
    let width = rows_ND.size(1)
    let values = try rows_ND.floats()
    var padded = [Float](repeating: 0, count: columns.count * places * width)
    var row = 0
    for (sequence, columns) in columns.enumerated() {
      for column in columns {
        let start = (sequence * places + column) * width
        padded.replaceSubrange(start..<start + width, with: values[row * width..<(row + 1) * width])
        row += 1
      }
    }
    return try Tensor(padded, outer + [places, width])
  }

  /// One row a sequence, [outer…, D].
  private func perSequence(_ rows_SD: Tensor) throws -> Tensor {
    try rows_SD.to(.float32).reshaped(outer + [rows_SD.size(1)])
  }

  private func flat(_ rows: [[Int]]) -> [Int] { rows.flatMap { $0 } }

  // MARK: states

  mutating func states() throws {
    let columns = inputs.parts.map(\.columns)
    let hasText = !flat(textRows).isEmpty
    let hasPictures = !flat(visualRows).isEmpty
    let text_ND = try encoding.text(flat(textRows)).to(.float32)
    if hasText {
      outputs["text_states"] = try placed(text_ND, columns, places: inputs.textPlaces)
    }
    let visual_RD = try encoding.visual(flat(visualRows)).to(.float32)
    if hasPictures {
      outputs["visual_states"] = try placed(visual_RD, visualColumns, places: visualPlaces)
    }
    if model.files.model != "clip", hasPooler {
      outputs["pooled"] = try perSequence(encoding.pooled_SD)
    }
    if let pair = encoding.pair {
      outputs["text_embeds"] = pair.text_SE
      outputs["image_embeds"] = pair.picture_SE
      let similarities = try pair.text_SE.matmul(pair.picture_SE.transposed(0, 1)) * pair.scale
      outputs["logits_per_text"] = similarities
      outputs["logits_per_image"] = try similarities.transposed(0, 1).contiguous()
      return
    }
    // Under the library's names too.
    if model.files.model == "lxmert" {
      outputs["language_output"] = outputs["text_states"]
      outputs["vision_output"] = outputs["visual_states"]
      outputs["pooled_output"] = outputs["pooled"]
    } else {
      outputs["last_hidden_state"] = try joined(text_ND, visual_RD)
      outputs["pooler_output"] = outputs["pooled"]
    }
  }

  private var hasPooler: Bool {
    if case .bool(false)? = model.files.config["hasPooler"] { false } else { true }
  }

  /// Text places, then visual ones.
  private func joined(_ text_ND: Tensor, _ visual_RD: Tensor) throws -> Tensor? {
    let parts = [outputs["text_states"], outputs["visual_states"]].compactMap { $0 }
    guard parts.allSatisfy({ $0.size(-1) == parts[0].size(-1) }) else { return nil }
    return parts.count == 1 ? parts[0] : try Tensor.concatenated(parts, outer.count)
  }

  // MARK: heads

  private func field(_ head: HeadKind) -> String {
    AdapterCatalog.find(model: model.files.model)?.field(head, model.files.architecture)
      ?? "\(head)_logits"
  }

  mutating func heads() throws {
    let heads = model.heads
    let columns = inputs.parts.map(\.columns)
    if let head = heads.vocabulary, !flat(textRows).isEmpty {
      let words = try placed(
        head(encoding.text(flat(textRows))), columns, places: inputs.textPlaces)
      // VisualBERT's is asked of regions too.
      if model.files.model == "visualbert", !flat(visualRows).isEmpty {
        let regions = try placed(
          head(encoding.visual(flat(visualRows))), visualColumns, places: visualPlaces)
        outputs[field(.vocabulary)] = try Tensor.concatenated([words, regions], outer.count)
      } else {
        outputs[field(.vocabulary)] = words
      }
    }
    if let head = heads.matching {
      outputs[field(.matching)] = try perSequence(head(encoding.pooled_SD))
    }
    if let head = heads.ranking, encoding.pair == nil {
      let scores = try head(encoding, all)
      outputs[heads.answers == nil ? field(.ranking) : "rank_logits"] = try scores.reshaped(
        inputs.choices > 0 ? outer : [inputs.examples, 1])
    }
    if let head = heads.answers { outputs[field(.answers)] = try perSequence(head(encoding, all)) }
    if let head = heads.choices {
      outputs[heads.answers == nil ? field(.choices) : "choice_logits"] = try perSequence(
        head(encoding, all))
    }
    if let head = heads.statements, inputs.hasPairs {
      let pairs = (0..<inputs.examples).map { (first: 2 * $0, second: 2 * $0 + 1) }
      outputs[field(.statements)] = try head(encoding, pairs, .inference)
    }
    try regions("region_features", heads.regionFeatures)
    try regions("region_logits", heads.regionClasses)
    try regions("attribute_logits", heads.regionAttributes)
  }

  private mutating func regions(_ name: String, _ head: RegionHead?) throws {
    guard let head, !inputs.parts.allSatisfy(\.regions.isEmpty) else { return }
    let rows = all.flatMap { Array(encoding.visual.rows(of: $0)) }
    outputs[name] = try placed(
      head(encoding.visual(rows)), inputs.parts.map(\.regions), places: inputs.regionPlaces)
  }

  // MARK: losses

  private func labels(_ name: String, count: Int) throws -> [Int]? {
    guard inputs.file.entries[name] != nil else { return nil }
    let labels = try inputs.file.tensor(name).to(.int64).array(of: Int64.self).map(Int.init)
    guard labels.count == count else {
      throw DataError(
        "\(inputs.file.path): \(name): expected \(count) labels, found \(labels.count)")
    }
    return labels
  }

  mutating func losses() throws {
    try wordLoss()
    if let head = model.heads.matching,
      let labels = try labels("itm_labels", count: inputs.parts.count)
    {
      let kept = labels.indices.filter { labels[$0] >= 0 }
      outputs["itm_loss"] = try mean(
        head(encoding.pooled_SD).rows(Tensor(kept)), kept.map { labels[$0] }, "itm_labels")
    }
    try regionLoss()
  }

  private mutating func wordLoss() throws {
    guard let head = model.heads.vocabulary,
      let labels = try labels("mlm_labels", count: inputs.parts.count * inputs.textPlaces)
    else { return }
    var (rows, wanted): ([Int], [Int]) = ([], [])
    for (sequence, part) in inputs.parts.enumerated() {
      for (row, column) in zip(textRows[sequence], part.columns) {
        let label = labels[sequence * inputs.textPlaces + column]
        guard label >= 0 else { continue }
        rows.append(row)
        wanted.append(label)
      }
    }
    outputs["mlm_loss"] = try mean(head(encoding.text(rows)), wanted, "mlm_labels")
  }

  /// Of masked regions: the cross-entropy with hard labels (below 0: ignored), or with
  /// probabilities [B, R, C], and then the divergence too.
  private mutating func regionLoss() throws {
    guard let head = model.heads.regionClasses, inputs.file.entries["region_mask"] != nil else {
      return
    }
    let masked = all.flatMap { sequence in
      inputs.parts[sequence].sequence.hidden.map { (sequence, unit: $0) }
    }
    guard !masked.isEmpty else {
      outputs["region_loss"] = try Tensor.zeros([])
      return
    }
    let logits = try head(
      encoding.visual(masked.map { encoding.visual.rows(of: $0.0).lowerBound + $0.unit }))
    let places = masked.map { sequence, unit in
      sequence * inputs.regionPlaces + inputs.parts[sequence].regions[unit]
    }
    let count = inputs.parts.count * inputs.regionPlaces
    if let labels = try labels("region_labels", count: count) {
      let kept = places.indices.filter { labels[places[$0]] >= 0 }
      outputs["region_loss"] = try mean(
        logits.rows(Tensor(kept)), kept.map { labels[places[$0]] }, "region_labels")
    }
    guard inputs.file.entries["region_soft_labels"] != nil else { return }
    let classes = logits.size(1)
    let values = try inputs.file.tensor("region_soft_labels").floats()
    guard values.count == count * classes else {
      throw DataError(
        "\(inputs.file.path): region_soft_labels: expected \(classes) probabilities for each of "
          + "\(count) regions")
    }
    let targets = try Tensor(
      places.flatMap { values[$0 * classes..<($0 + 1) * classes] }, [places.count, classes])
    let entropy = try (targets * targets.clamped(from: 1e-30).log()).sum()
    let cross = try (targets * logits.logSoftmax(1)).sum() * -1
    outputs["region_loss"] = try cross / Double(places.count)
    outputs["region_kl_loss"] = try (cross + entropy) / Double(places.count)
  }

  /// The mean of −log p(label) over rows; 0 for none.
  private func mean(_ logits: Tensor, _ labels: [Int], _ name: String) throws -> Tensor {
    guard !labels.isEmpty else { return try Tensor.zeros([]) }
    let classes = logits.size(1)
    if let wrong = labels.first(where: { $0 >= classes }) {
      throw DataError("\(inputs.file.path): \(name): \(wrong) is none of \(classes) classes")
    }
    return try logits.crossEntropySum(Tensor(labels)) / Double(labels.count)
  }
}
