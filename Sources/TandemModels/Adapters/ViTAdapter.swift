public import TandemCore

/// ViT of transformers, and timm's files.
public enum ViTAdapter: FamilyAdapter {
  public typealias Model = ViT
  public static let modelType = "vit"
  public static let basePrefix = "vit."

  /// What transformers calls the parts of a pre-norm layer: ViLT has the same.
  static let layerParts: [(theirs: String, ours: String)] = [
    (".layernorm_before.", ".norm1."), (".layernorm_after.", ".norm2."),
    (".attention.output.dense.", ".attn.proj."), (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
  ]
  static let fusedAttention = NameTable.Fused(
    theirs: ["query", "key", "value"].map { ".attention.attention.\($0)." }, ours: ".attn.qkv.")

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> ViT.Config {
    try json.needGELU()
    try json.need("num_channels", .integer(3))
    try json.need("qkv_bias", .bool(true))
    try json.need("pooler_act", .string("tanh"))
    var config = ViT.Config()
    config.width = try json.integer("hidden_size")
    config.layers = try json.integer("num_hidden_layers")
    config.heads = try json.integer("num_attention_heads")
    config.feedForward = try json.integer("intermediate_size")
    config.patchSize = try json.integer("patch_size")
    let size = try json.pair("image_size")
    config.gridHeight = size.height / max(1, config.patchSize)
    config.gridWidth = size.width / max(1, config.patchSize)
    config.dropout = try json.number("hidden_dropout_prob", or: 0)
    config.attentionDropout = try json.number("attention_probs_dropout_prob", or: 0)
    config.normEpsilon = try json.number("layer_norm_eps", or: 1e-12)
    config.hasPooler = shapes.keys.contains { $0.hasSuffix("pooler.dense.weight") }
    return config
  }

  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    let vit = isBase ? "^" : "^vit."
    var table = NameTable()
    // What transformers 5 calls them in memory; save_pretrained writes the first names.
    let inMemory = NameTable.Fused(
      theirs: ["q", "k", "v"].map { ".attention.\($0)_proj." }, ours: ".attn.qkv.")
    table.spellings = [
      ("\(vit)layers.", "\(vit)encoder.layer."),
      (".attention.o_proj.", ".attention.output.dense."),
    ]
    table.fused = [fusedAttention, inMemory]
    table.parts =
      [
        ("\(vit)embeddings.cls_token", "^transformer.cls_token"),
        ("\(vit)embeddings.position_embeddings", "^transformer.pos_embed"),
        ("\(vit)embeddings.patch_embeddings.projection.", "^transformer.patch_embed.proj."),
        ("\(vit)encoder.layer.", "^transformer.blocks."),
        ("\(vit)layernorm.", "^transformer.norm."), ("\(vit)pooler.", "^pooler."),
        ("^classifier.", "^head."),
      ] + layerParts
    return table
  }

  public static func exported(
    _ config: ViT.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    HuggingFaceExport(
      architecture: heads.answers == nil ? "ViTModel" : "ViTForImageClassification",
      fields: [
        "hidden_size": .integer(config.width), "num_hidden_layers": .integer(config.layers),
        "num_attention_heads": .integer(config.heads),
        "intermediate_size": .integer(config.feedForward),
        "patch_size": .integer(config.patchSize),
        "image_size": config.gridHeight == config.gridWidth
          ? .integer(config.gridHeight * config.patchSize)
          : .array([
            .integer(config.gridHeight * config.patchSize),
            .integer(config.gridWidth * config.patchSize),
          ]),
        "num_channels": .integer(3), "qkv_bias": .bool(true), "hidden_act": .string("gelu"),
        "hidden_dropout_prob": .number(config.dropout),
        "attention_probs_dropout_prob": .number(config.attentionDropout),
        "layer_norm_eps": .number(config.normEpsilon),
      ], leftOut: heads.answers == nil ? [] : ["pooler."])
  }
}
