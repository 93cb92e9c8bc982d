// Systems that transformers does not have: files of their original repositories alone.

internal import TandemCore

/// The files of ChenRocks/UNITER.
public enum UNITERAdapter: FamilyAdapter {
  public typealias Model = UNITER
  public static let marks = ["uniter.img_embeddings.img_linear.weight"]

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    table.spellings = BERTAdapter.oldNorms
    table.tied = BERTAdapter.tiedWords("uniter.embeddings.word_embeddings.weight")
    table.tied["feat_regress.weight"] = "uniter.img_embeddings.img_linear.weight"
    return table
  }

  public static func config(_ shapes: Shapes) throws -> UNITER.Config {
    var config = UNITER.Config()
    try config.readSizes(
      shapes, words: "uniter.embeddings.word_embeddings.weight", layers: "uniter.encoder.layer.")
    config.layers = shapes.layers("uniter.encoder.layer.")
    config.places = try shapes.side(0, of: "uniter.embeddings.position_embeddings.weight")
    config.textLength = min(config.textLength, config.places)
    config.types = try shapes.side(0, of: "uniter.embeddings.token_type_embeddings.weight")
    config.featureWidth = try shapes.side(1, of: "uniter.img_embeddings.img_linear.weight")
    return config
  }
}

/// The files of jackroos/VL-BERT.
public enum VLBERTAdapter: FamilyAdapter {
  public typealias Model = VLBERT
  public static let marks = ["object_linguistic_embeddings.weight"]

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    table.spellings = BERTAdapter.oldNorms + [("vlbert._module.", "vlbert.")]
    table.tied = [
      "vlbert.mlm_head.predictions.decoder.weight": "vlbert.word_embeddings.weight"
    ]
    return table
  }

  /// Boxes are 2048 numbers wide whatever the appearance is: 4 numbers, sine and cosine of each
  /// frequency.
  public static func config(_ shapes: Shapes) throws -> VLBERT.Config {
    var config = VLBERT.Config()
    try config.readSizes(
      shapes, words: "vlbert.word_embeddings.weight", layers: "vlbert.encoder.layer.")
    config.layers = shapes.layers("vlbert.encoder.layer.")
    config.places = try shapes.side(0, of: "vlbert.position_embeddings.weight")
    config.textLength = min(config.textLength, config.places - 2)
    config.featureWidth = try shapes.side(1, of: "object_mask_visual_embedding.weight")
    let inputs = try shapes.side(1, of: "image_feature_extractor.obj_downsample.1.weight")
    config.frequencies = max(1, (inputs - config.featureWidth) / 8)
    // The published code gives [END] nothing to look at.
    config.endCarriesPicture = false
    return config
  }
}

/// The files of ViLBERT (facebookresearch/vilbert-multi-task).
public enum ViLBERTAdapter: FamilyAdapter {
  public typealias Model = ViLBERT
  public static let marks = ["bert.v_embeddings.image_embeddings.weight"]

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    table.spellings = BERTAdapter.oldNorms
    table.tied = BERTAdapter.tiedWords("bert.embeddings.word_embeddings.weight")
    // Made and never used by the published code.
    table.unused = ["q_dense1.weight", "q_dense1.bias", "q_dense2.weight", "q_dense2.bias"]
    return table
  }

  public static func config(_ shapes: Shapes) throws -> ViLBERT.Config {
    var config = ViLBERT.Config()
    try config.readSizes(
      shapes, words: "bert.embeddings.word_embeddings.weight", layers: "bert.encoder.layer.")
    config.layers = shapes.layers("bert.encoder.layer.")
    config.positions = try shapes.side(0, of: "bert.embeddings.position_embeddings.weight")
    config.textLength = min(config.textLength, config.positions)
    config.featureWidth = try shapes.side(1, of: "bert.v_embeddings.image_embeddings.weight")
    config.visualWidth = try shapes.side(0, of: "bert.v_embeddings.image_embeddings.weight")
    config.visualLayers = shapes.layers("bert.encoder.v_layer.")
    config.visualFeedForward = try shapes.side(
      0, of: "bert.encoder.v_layer.0.intermediate.dense.weight")
    config.connectionWidth = try shapes.side(0, of: "bert.t_pooler.dense.weight")
    let connections = shapes.layers("bert.encoder.c_layer.")
    // Visual layers one by one from the first, text layers the last ones.
    config.visualConnections = Array(0..<connections)
    config.textConnections = (0..<connections).map { config.layers - connections + $0 }
    return config
  }
}
