// Where the settings that families have from BERT are written down.

internal import TandemCore

extension BERTSizes {
  /// Reads them from a config.json of transformers.
  mutating func readSizes(_ json: HuggingFaceConfig) throws {
    try json.needGELU()
    width = try json.integer("hidden_size")
    heads = try json.integer("num_attention_heads")
    feedForward = try json.integer("intermediate_size")
    vocabulary = try json.integer("vocab_size")
    dropout = try json.number("hidden_dropout_prob", or: 0.1)
    attentionDropout = try json.number("attention_probs_dropout_prob", or: 0.1)
  }

  /// Reads them from weights: a head is 64 numbers wide in all published ones.
  ///
  /// - Parameters:
  ///   - words: the table of words.
  ///   - layers: what the names of the text's layers begin with.
  mutating func readSizes(_ shapes: Shapes, words: String, layers: String) throws {
    width = try shapes.side(1, of: words)
    heads = max(1, width / 64)
    feedForward = try shapes.side(0, of: layers + "0.intermediate.dense.weight")
    vocabulary = try shapes.side(0, of: words)
  }

  /// Of a config.json of transformers.
  var sizeFields: [String: JSONValue] {
    [
      "hidden_size": .integer(width), "num_attention_heads": .integer(heads),
      "intermediate_size": .integer(feedForward), "vocab_size": .integer(vocabulary),
      "hidden_dropout_prob": .number(dropout),
      "attention_probs_dropout_prob": .number(attentionDropout), "hidden_act": .string("gelu"),
    ]
  }
}
