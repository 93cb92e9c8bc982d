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
    try json.need("position_embedding_type", .string("absolute"))
    try json.need("is_decoder", .bool(false))
    var config = BERT.Config()
    try config.readSizes(json)
    config.layers = try json.integer("num_hidden_layers")
    config.places = try json.integer("max_position_embeddings", or: 512)
    config.textLength = config.places
    config.types = try json.integer("type_vocab_size", or: 2)
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
      fields: config.sizeFields.merging([
        "num_hidden_layers": .integer(config.layers),
        "max_position_embeddings": .integer(config.places),
        "type_vocab_size": .integer(config.types),
        "layer_norm_eps": .number(config.normEpsilon),
      ]) { _, own in own }, leftOut: architecture == "BertForMaskedLM" ? ["bert.pooler."] : [])
  }

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    table.spellings = oldNorms
    table.tied = tiedWords("bert.embeddings.word_embeddings.weight")
    return table
  }

  public static func config(_ shapes: Shapes) throws -> BERT.Config {
    var config = BERT.Config()
    try config.readSizes(
      shapes, words: "bert.embeddings.word_embeddings.weight", layers: "bert.encoder.layer.")
    config.layers = shapes.layers("bert.encoder.layer.")
    config.places = try shapes.side(0, of: "bert.embeddings.position_embeddings.weight")
    config.textLength = config.places
    config.types = try shapes.side(0, of: "bert.embeddings.token_type_embeddings.weight")
    config.hasPooler = shapes.has("bert.pooler.dense.weight")
    return config
  }
}
