public import TandemCore

/// VisualBERT of transformers, and the files of uclanlp/visualbert.
public enum VisualBERTAdapter: FamilyAdapter {
  public typealias Model = VisualBERT
  public static let modelType = "visual_bert"
  public static let marks = ["bert.bert.embeddings.token_type_embeddings_visual.weight"]
  public static let basePrefix = "visual_bert."

  private static let questions = "VisualBertForQuestionAnswering"
  private static let reasoning = "VisualBertForVisualReasoning"
  private static let choices = "VisualBertForMultipleChoice"

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> VisualBERT.Config {
    try json.need("type_vocab_size", .integer(2))
    try json.need("bypass_transformer", .bool(false))
    var config = VisualBERT.Config()
    try config.readSizes(json)
    config.layers = try json.integer("num_hidden_layers")
    config.places = try json.integer("max_position_embeddings", or: 512)
    config.textLength = min(config.textLength, config.places)
    config.featureWidth = try json.integer("visual_embedding_dim", or: 512)
    config.normEpsilon = try json.number("layer_norm_eps", or: 1e-12)
    return config
  }

  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    var table = NameTable()
    table.spellings = BERTAdapter.oldNorms
    table.tied = BERTAdapter.tiedWords("visual_bert.embeddings.word_embeddings.weight")
    if isBase {
      table.parts = ["embeddings.", "encoder.", "pooler."].map { ("^\($0)", "^visual_bert.\($0)") }
    }
    return table
  }

  /// Answers, statements and choices are read by one linear layer, `cls`.
  public static func heads(
    _ heads: HeadSpecifications, _ architecture: String
  ) -> HeadSpecifications {
    switch architecture {
    case questions:
      HeadSpecifications(answers: .linear("cls", reads: .answerPlace))
    case reasoning: HeadSpecifications(answers: .linear("cls"))
    case choices: HeadSpecifications(ranking: RankingHead.Specification(path: "cls"))
    default: heads
    }
  }

  public static func exported(
    _ config: VisualBERT.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    let architecture: String
    switch (heads.answers, heads.ranking) {
    case (let answers?, _):
      guard answers.first.isEmpty else {
        throw SettingsError(
          "visualbert: transformers reads answers with one linear layer, these have two")
      }
      architecture = answers.reads == .answerPlace ? questions : reasoning
    case (nil, _?): architecture = choices
    case (nil, nil):
      architecture =
        heads.vocabulary != nil && heads.matching != nil
        ? "VisualBertForPreTraining" : "VisualBertModel"
    }
    let isPretraining = architecture == "VisualBertForPreTraining"
    return HuggingFaceExport(
      architecture: architecture,
      fields: config.sizeFields.merging([
        "num_hidden_layers": .integer(config.layers),
        "max_position_embeddings": .integer(max(config.places, config.textLength)),
        "type_vocab_size": .integer(2),
        "visual_embedding_dim": .integer(config.featureWidth),
        "layer_norm_eps": .number(config.normEpsilon),
      ]) { _, own in own },
      leftOut: ["cls.imagePredictions.", "rank_output.", "vqa_classifier."]
        + (isPretraining ? [] : ["cls.predictions.", "cls.seq_relationship."]))
  }

  public static var originalNames: NameTable {
    var table = huggingFaceNames("", isBase: false)
    table.prefixes = ["module."]
    table.spellings += [
      (".token_type_embeddings_visual.", ".visual_token_type_embeddings."),
      (".position_embeddings_visual.", ".visual_position_embeddings."),
      ("^bert.bert.embeddings.projection.", "^visual_bert.embeddings.visual_projection."),
      ("^bert.bert.", "^visual_bert."), ("^bert.cls.", "^cls."), ("^bert.classifier.", "^cls."),
    ]
    return table
  }

  public static func config(_ shapes: Shapes) throws -> VisualBERT.Config {
    var config = VisualBERT.Config()
    try config.readSizes(
      shapes, words: "visual_bert.embeddings.word_embeddings.weight",
      layers: "visual_bert.encoder.layer.")
    config.layers = shapes.layers("visual_bert.encoder.layer.")
    config.places = try shapes.side(0, of: "visual_bert.embeddings.position_embeddings.weight")
    config.textLength = min(config.textLength, config.places)
    config.featureWidth = try shapes.side(
      1, of: "visual_bert.embeddings.visual_projection.weight")
    // The published code is told no types of regions: row 0.
    config.visualType = 0
    return config
  }
}
