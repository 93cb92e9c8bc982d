public import TandemCore

/// BERT of transformers, and the files of 2018 with their own names of norms.
public enum BERTAdapter: FamilyAdapter {
  public typealias Model = BERT
  public static let modelType = "bert"
  public static let marks = ["bert.embeddings.word_embeddings.weight"]
  public static let basePrefix = "bert."

  /// What the norms of BERT were first called.
  static let oldNorms: [(theirs: String, ours: String)] = [
    ("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias"),
  ]
  /// The decoder of masked words is the table of words, and its bias the head's.
  static func tiedWords(_ table: String) -> [String: String] {
    [
      "cls.predictions.decoder.weight": table,
      "cls.predictions.decoder.bias": "cls.predictions.bias",
    ]
  }

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> BERT.Config {
    try json.needGELU()
    try json.need("position_embedding_type", .string("absolute"))
    var config = BERT.Config()
    config.width = try json.integer("hidden_size")
    config.layers = try json.integer("num_hidden_layers")
    config.heads = try json.integer("num_attention_heads")
    config.feedForward = try json.integer("intermediate_size")
    config.vocabulary = try json.integer("vocab_size")
    config.places = try json.integer("max_position_embeddings", or: 512)
    config.textLength = config.places
    config.types = try json.integer("type_vocab_size", or: 2)
    config.dropout = try json.number("hidden_dropout_prob", or: 0.1)
    config.attentionDropout = try json.number("attention_probs_dropout_prob", or: 0.1)
    config.normEpsilon = try json.number("layer_norm_eps", or: 1e-12)
    config.hasPooler = shapes.keys.contains { $0.hasSuffix("pooler.dense.weight") }
    return config
  }

  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    var table = originalNames
    if isBase {
      table.parts = ["embeddings.", "encoder.", "pooler."].map { ("^\($0)", "^bert.\($0)") }
    }
    return table
  }

  public static func exported(
    _ config: BERT.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    let architecture =
      switch (heads.vocabulary != nil, heads.matching != nil) {
      case (true, true): "BertForPreTraining"
      case (true, false): "BertForMaskedLM"
      case (false, true): "BertForNextSentencePrediction"
      case (false, false): "BertModel"
      }
    return HuggingFaceExport(
      architecture: architecture,
      fields: [
        "hidden_size": .integer(config.width), "num_hidden_layers": .integer(config.layers),
        "num_attention_heads": .integer(config.heads),
        "intermediate_size": .integer(config.feedForward),
        "vocab_size": .integer(config.vocabulary),
        "max_position_embeddings": .integer(config.places),
        "type_vocab_size": .integer(config.types),
        "hidden_dropout_prob": .number(config.dropout),
        "attention_probs_dropout_prob": .number(config.attentionDropout),
        "layer_norm_eps": .number(config.normEpsilon), "hidden_act": .string("gelu"),
      ], leftOut: architecture == "BertForMaskedLM" ? ["bert.pooler."] : [])
  }

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    table.spellings = oldNorms
    table.tied = tiedWords("bert.embeddings.word_embeddings.weight")
    return table
  }

  public static func config(_ shapes: Shapes) throws -> BERT.Config {
    let words = "bert.embeddings.word_embeddings.weight"
    var config = BERT.Config()
    config.width = try shapes.side(1, of: words)
    config.heads = max(1, config.width / 64)
    config.layers = shapes.layers("bert.encoder.layer.")
    config.feedForward = try shapes.side(
      0, of: "bert.encoder.layer.0.intermediate.dense.weight")
    config.vocabulary = try shapes.side(0, of: words)
    config.places = try shapes.side(0, of: "bert.embeddings.position_embeddings.weight")
    config.textLength = config.places
    config.types = try shapes.side(0, of: "bert.embeddings.token_type_embeddings.weight")
    config.hasPooler = shapes.has("bert.pooler.dense.weight")
    return config
  }
}
