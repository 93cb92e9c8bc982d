public import TandemCore

/// CLIP of transformers, and OpenAI's archives.
public enum CLIPAdapter: FamilyAdapter {
  public typealias Model = CLIP
  public static let modelType = "clip"
  public static let marks = ["visual.conv1.weight", "text_projection"]

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> CLIP.Config {
    let (text, vision) = (json.part("text_config"), json.part("vision_config"))
    for part in [text, vision] { try part.need("hidden_act", .string("quick_gelu")) }
    try vision.need("num_channels", .integer(3))
    var config = CLIP.Config()
    config.width = try vision.integer("hidden_size", or: 768)
    config.layers = try vision.integer("num_hidden_layers", or: 12)
    config.heads = try vision.integer("num_attention_heads", or: 12)
    config.feedForward = try vision.integer("intermediate_size", or: 3072)
    config.patchSize = try vision.integer("patch_size", or: 32)
    config.imageSize = try vision.integer("image_size", or: 224)
    config.textWidth = try text.integer("hidden_size", or: 512)
    config.textLayers = try text.integer("num_hidden_layers", or: 12)
    config.textHeads = try text.integer("num_attention_heads", or: 8)
    config.textFeedForward = try text.integer("intermediate_size", or: 2048)
    config.vocabulary = try text.integer("vocab_size", or: 49408)
    // transformers: 2 stands for the greatest id of a text.
    let end = try text.integer("eos_token_id", or: 2)
    config.endToken = end == 2 || end == config.vocabulary - 1 ? nil : end
    config.textLength = try text.integer("max_position_embeddings", or: 77)
    config.embedding = try json.integer("projection_dim", or: 512)
    config.normEpsilon = try vision.number("layer_norm_eps", or: 1e-5)
    config.attentionDropout = try vision.number("attention_dropout", or: 0)
    try text.need(
      "layer_norm_eps", .number(config.normEpsilon), or: .number(1e-5))
    return config
  }

  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    var table = NameTable()
    table.fused = ["weight", "bias"].map { kind in
      NameTable.Fused(
        theirs: ["q", "k", "v"].map { ".self_attn.\($0)_proj.\(kind)" },
        ours: ".attn.in_proj_\(kind)")
    }
    table.transposed = ["visual.proj", "text_projection"]
    table.parts = [
      ("^text_model.embeddings.token_embedding.", "^token_embedding."),
      ("^text_model.embeddings.position_embedding.weight", "^positional_embedding"),
      ("^text_model.final_layer_norm.", "^ln_final."),
      ("^text_model.encoder.layers.", "^transformer.resblocks."),
      ("^vision_model.embeddings.class_embedding", "^visual.class_embedding"),
      ("^vision_model.embeddings.patch_embedding.", "^visual.conv1."),
      (
        "^vision_model.embeddings.position_embedding.weight", "^visual.positional_embedding"
      ),
      ("^vision_model.pre_layrnorm.", "^visual.ln_pre."),
      ("^vision_model.post_layernorm.", "^visual.ln_post."),
      ("^vision_model.encoder.layers.", "^visual.transformer.resblocks."),
      ("^visual_projection.weight", "^visual.proj"),
      ("^text_projection.weight", "^text_projection"),
      (".layer_norm1.", ".ln_1."), (".layer_norm2.", ".ln_2."),
      (".self_attn.out_proj.", ".attn.out_proj."), (".mlp.fc1.", ".mlp.c_fc."),
      (".mlp.fc2.", ".mlp.c_proj."),
    ]
    return table
  }

  public static func exported(
    _ config: CLIP.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    let shared: [String: JSONValue] = [
      "hidden_act": .string("quick_gelu"), "layer_norm_eps": .number(config.normEpsilon),
      "attention_dropout": .number(config.attentionDropout),
      "projection_dim": .integer(config.embedding),
    ]
    let text = shared.merging([
      "model_type": .string("clip_text_model"), "hidden_size": .integer(config.textWidth),
      "num_hidden_layers": .integer(config.textLayers),
      "num_attention_heads": .integer(config.textHeads),
      "intermediate_size": .integer(config.textFeedForward),
      "vocab_size": .integer(config.vocabulary),
      "max_position_embeddings": .integer(config.textLength),
      "bos_token_id": .integer(config.vocabulary - 2),
      "eos_token_id": .integer(config.endToken ?? 2),
      "pad_token_id": .integer(config.vocabulary - 1),
    ]) { $1 }
    let vision = shared.merging([
      "model_type": .string("clip_vision_model"), "hidden_size": .integer(config.width),
      "num_hidden_layers": .integer(config.layers),
      "num_attention_heads": .integer(config.heads),
      "intermediate_size": .integer(config.feedForward),
      "patch_size": .integer(config.patchSize), "image_size": .integer(config.imageSize),
      "num_channels": .integer(3),
    ]) { $1 }
    return HuggingFaceExport(
      architecture: "CLIPModel",
      fields: [
        "text_config": .object(text), "vision_config": .object(vision),
        "projection_dim": .integer(config.embedding),
      ], leftOut: ["vqa_classifier."])
  }

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    return table
  }

  public static func config(_ shapes: Shapes) throws -> CLIP.Config {
    var config = CLIP.Config()
    config.width = try shapes.side(0, of: "visual.conv1.weight")
    config.patchSize = try shapes.side(2, of: "visual.conv1.weight")
    config.heads = max(1, config.width / 64)
    config.layers = shapes.layers("visual.transformer.resblocks.")
    config.feedForward = try shapes.side(
      0, of: "visual.transformer.resblocks.0.mlp.c_fc.weight")
    let places = try shapes.side(0, of: "visual.positional_embedding") - 1
    config.imageSize = Int(Double(max(0, places)).squareRoot()) * config.patchSize
    config.textWidth = try shapes.side(1, of: "token_embedding.weight")
    config.vocabulary = try shapes.side(0, of: "token_embedding.weight")
    config.textHeads = max(1, config.textWidth / 64)
    config.textLayers = shapes.layers("transformer.resblocks.")
    config.textFeedForward = try shapes.side(0, of: "transformer.resblocks.0.mlp.c_fc.weight")
    config.textLength = try shapes.side(0, of: "positional_embedding")
    config.embedding = try shapes.side(1, of: "text_projection")
    return config
  }
}
