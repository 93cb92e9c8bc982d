public import TandemCore

/// ViLT of transformers, and the checkpoints of dandelin/ViLT.
public enum ViLTAdapter: FamilyAdapter {
  public typealias Model = ViLT
  public static let modelType = "vilt"
  public static let marks = [
    "transformer.blocks.0.attn.qkv.weight", "token_type_embeddings.weight",
  ]
  public static let basePrefix = "vilt."

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> ViLT.Config {
    try json.needGELU()
    try json.need("num_channels", .integer(3))
    try json.need("qkv_bias", .bool(true))
    try json.need("max_image_length", .integer(-1))
    var config = ViLT.Config()
    config.width = try json.integer("hidden_size")
    config.layers = try json.integer("num_hidden_layers")
    config.heads = try json.integer("num_attention_heads")
    config.feedForward = try json.integer("intermediate_size")
    config.vocabulary = try json.integer("vocab_size")
    config.textLength = try json.integer("max_position_embeddings", or: 40)
    config.patchSize = try json.integer("patch_size")
    config.shorterSide = try json.integer("image_size")
    config.grid = config.shorterSide / max(1, config.patchSize)
    config.modalities = try json.integer("modality_type_vocab_size", or: 2)
    config.dropout = try json.number("hidden_dropout_prob", or: 0)
    config.attentionDropout = try json.number("attention_probs_dropout_prob", or: 0)
    config.normEpsilon = try json.number("layer_norm_eps", or: 1e-12)
    return config
  }

  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    let vilt = isBase ? "^" : "^vilt."
    var table = NameTable()
    table.fused = [ViTAdapter.fusedAttention]
    // Both names stand in files of transformers 4, the second alone in those of 5.
    table.tied = ["mlm_score.decoder.bias": "mlm_score.bias"]
    table.written = ["mlm_score.bias": "mlm_score.decoder.bias"]
    // Published with a table of its own; transformers 5 writes none where it is the words'.
    table.standIns = [
      (
        "mlm_score.decoder.weight", "text_embeddings.word_embeddings.weight", "mlm_score.bias"
      )
    ]
    table.parts =
      [
        ("\(vilt)embeddings.text_embeddings.", "^text_embeddings."),
        ("\(vilt)embeddings.token_type_embeddings.", "^token_type_embeddings."),
        ("\(vilt)embeddings.patch_embeddings.projection.", "^transformer.patch_embed.proj."),
        ("\(vilt)embeddings.cls_token", "^transformer.cls_token"),
        ("\(vilt)embeddings.position_embeddings", "^transformer.pos_embed"),
        ("\(vilt)encoder.layer.", "^transformer.blocks."),
        ("\(vilt)layernorm.", "^transformer.norm."), ("\(vilt)pooler.", "^pooler."),
        (
          "^classifier.",
          architecture == pairs ? "^nlvr2_classifier." : "^vqa_classifier."
        ),
      ] + ViTAdapter.layerParts
    return table
  }

  private static let pairs = "ViltForImagesAndTextClassification"

  public static func exported(
    _ config: ViLT.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    let architecture =
      if heads.answers != nil {
        "ViltForQuestionAnswering"
      } else if heads.statements != nil {
        pairs
      } else if heads.vocabulary != nil {
        "ViltForMaskedLM"
      } else if heads.ranking != nil {
        "ViltForImageAndTextRetrieval"
      } else {
        "ViltModel"
      }
    var fields: [String: JSONValue] = [
      "hidden_size": .integer(config.width), "num_hidden_layers": .integer(config.layers),
      "num_attention_heads": .integer(config.heads),
      "intermediate_size": .integer(config.feedForward),
      "vocab_size": .integer(config.vocabulary), "type_vocab_size": .integer(2),
      "max_position_embeddings": .integer(config.textLength),
      "patch_size": .integer(config.patchSize),
      "image_size": .integer(config.grid * config.patchSize),
      "modality_type_vocab_size": .integer(config.modalities), "max_image_length": .integer(-1),
      "num_channels": .integer(3), "qkv_bias": .bool(true), "hidden_act": .string("gelu"),
      "hidden_dropout_prob": .number(config.dropout),
      "attention_probs_dropout_prob": .number(config.attentionDropout),
      "layer_norm_eps": .number(config.normEpsilon), "tie_word_embeddings": .bool(false),
    ]
    if architecture == pairs { fields["num_images"] = .integer(2) }
    let held = [
      "ViltForQuestionAnswering": "vqa_classifier.", pairs: "nlvr2_classifier.",
      "ViltForMaskedLM": "mlm_score.", "ViltForImageAndTextRetrieval": "rank_output.",
    ][architecture]
    return HuggingFaceExport(
      architecture: architecture, fields: fields,
      leftOut: [
        "vqa_classifier.", "nlvr2_classifier.", "mlm_score.", "rank_output.", "itm_score.",
        "transformer.mask_token",
      ].filter { $0 != held })
  }

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    return table
  }

  public static func config(_ shapes: Shapes) throws -> ViLT.Config {
    var config = ViLT.Config()
    let words = "text_embeddings.word_embeddings.weight"
    config.width = try shapes.side(1, of: words)
    config.heads = max(1, config.width / 64)
    config.layers = shapes.layers("transformer.blocks.")
    config.feedForward = try shapes.side(0, of: "transformer.blocks.0.mlp.fc1.weight")
    config.vocabulary = try shapes.side(0, of: words)
    config.textLength = try shapes.side(0, of: "text_embeddings.position_embeddings.weight")
    config.patchSize = try shapes.side(2, of: "transformer.patch_embed.proj.weight")
    let places = try shapes.side(1, of: "transformer.pos_embed") - 1
    config.grid = Int(Double(max(0, places)).squareRoot())
    config.shorterSide = config.grid * config.patchSize
    config.modalities = try shapes.side(0, of: "token_type_embeddings.weight")
    return config
  }
}
