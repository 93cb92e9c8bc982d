public import TandemCore

/// LXMERT of transformers, and the files of airsplay/lxmert.
public enum LXMERTAdapter: FamilyAdapter {
  public typealias Model = LXMERT
  public static let modelType = "lxmert"
  public static let marks = ["bert.encoder.visn_fc.visn_fc.weight"]
  public static let basePrefix = "lxmert."

  public static func config(
    _ json: HuggingFaceConfig, _ shapes: [String: [Int]]
  ) throws -> LXMERT.Config {
    try json.need("visual_pos_dim", .integer(4))
    try json.need("type_vocab_size", .integer(2))
    var config = LXMERT.Config()
    try config.readSizes(json)
    config.languageLayers = try json.integer("l_layers", or: 9)
    config.objectLayers = try json.integer("r_layers", or: 5)
    config.crossLayers = try json.integer("x_layers", or: 5)
    config.places = try json.integer("max_position_embeddings", or: 512)
    config.textLength = min(config.textLength, config.places)
    config.featureWidth = try json.integer("visual_feat_dim", or: 2048)
    return config
  }

  public static func huggingFaceNames(_ architecture: String, isBase: Bool) -> NameTable {
    var table = originalNames
    table.parts =
      isBase
      ? ["embeddings.", "encoder.", "pooler."].map { ("^\($0)", "^bert.\($0)") }
      : [("^lxmert.", "^bert.")]
    return table
  }

  public static func exported(
    _ config: LXMERT.Config, _ heads: HeadSpecifications
  ) throws -> HuggingFaceExport {
    let architecture =
      if heads.vocabulary != nil || heads.matching != nil {
        "LxmertForPreTraining"
      } else if heads.answers != nil {
        "LxmertForQuestionAnswering"
      } else {
        "LxmertModel"
      }
    let isPretraining = architecture == "LxmertForPreTraining"
    var left = ["rank_output.", "logit_fc."]
    if architecture == "LxmertModel" { left.append("answer_head.") }
    if !isPretraining { left += ["cls.", "obj_predict_head."] }
    let hasRegions =
      heads.regionFeatures != nil || heads.regionClasses != nil || heads.regionAttributes != nil
    return HuggingFaceExport(
      architecture: architecture,
      fields: config.sizeFields.merging([
        "l_layers": .integer(config.languageLayers),
        "r_layers": .integer(config.objectLayers), "x_layers": .integer(config.crossLayers),
        "max_position_embeddings": .integer(max(config.places, config.textLength)),
        "type_vocab_size": .integer(2), "visual_pos_dim": .integer(4),
        "visual_feat_dim": .integer(config.featureWidth),
        "task_mask_lm": .bool(heads.vocabulary != nil),
        "task_matched": .bool(heads.matching != nil), "task_obj_predict": .bool(hasRegions),
        "task_qa": .bool(heads.answers != nil),
        "visual_obj_loss": .bool(heads.regionClasses != nil),
        "visual_attr_loss": .bool(heads.regionAttributes != nil),
        "visual_feat_loss": .bool(heads.regionFeatures != nil),
      ]) { _, own in own }, leftOut: left, classesField: "num_qa_labels")
  }

  public static func field(_ head: HeadKind, _ architecture: String) -> String {
    switch head {
    case .vocabulary: "prediction_logits"
    case .matching: "cross_relationship_score"
    case .answers: "question_answering_score"
    case .ranking, .statements, .choices: "logits"
    }
  }

  public static var originalNames: NameTable {
    var table = NameTable()
    table.prefixes = ["module."]
    table.spellings = BERTAdapter.oldNorms
    table.tied = BERTAdapter.tiedWords("bert.embeddings.word_embeddings.weight")
    return table
  }

  public static func config(_ shapes: Shapes) throws -> LXMERT.Config {
    var config = LXMERT.Config()
    try config.readSizes(
      shapes, words: "bert.embeddings.word_embeddings.weight", layers: "bert.encoder.layer.")
    config.languageLayers = shapes.layers("bert.encoder.layer.")
    config.objectLayers = shapes.layers("bert.encoder.r_layers.")
    config.crossLayers = shapes.layers("bert.encoder.x_layers.")
    config.places = try shapes.side(0, of: "bert.embeddings.position_embeddings.weight")
    config.textLength = min(config.textLength, config.places)
    config.featureWidth = try shapes.side(1, of: "bert.encoder.visn_fc.visn_fc.weight")
    return config
  }
}
