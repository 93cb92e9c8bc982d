// What a model's weights are called in another family that it can start from: BERT for texts, ViT for
// pictures; and what its heads can be made of.

/// The names of one family's weights in a file of another.
public struct StartingNames: Sendable {
  /// Beginnings of our names, and what stands there for them.
  let starts: [(ours: String, theirs: String)]

  /// The name there; nil for a weight that such files do not have.
  public func theirs(_ ours: String) -> String? {
    for (own, other) in starts where ours.hasPrefix(own) {
      return other + ours.dropFirst(own.count)
    }
    return nil
  }

  /// nil where `model` cannot start from `origin`.
  public static func of(_ model: String, from origin: String) -> StartingNames? {
    switch origin {
    case model: return StartingNames(starts: [("", "")])
    case "bert": return textStarts[model].map(StartingNames.init)
    case "vit" where model == "vilt":
      return StartingNames(starts: [("transformer.", "transformer.")])
    default: return nil
    }
  }

  /// Families that a model can start from, its own first.
  public static func origins(of model: String) -> [String] {
    [model] + ["bert", "vit"].filter { $0 != model && of(model, from: $0) != nil }
  }

  private static let heads = [("cls.predictions.", "cls.predictions.")]

  private static let textStarts: [String: [(ours: String, theirs: String)]] = [
    "uniter": [
      ("uniter.embeddings.", "bert.embeddings."), ("uniter.encoder.", "bert.encoder."),
      ("uniter.pooler.", "bert.pooler."),
    ] + heads,
    "visualbert": [
      // Places and types of regions begin as those of words (Li et al. 2019).
      (
        "visual_bert.embeddings.visual_token_type_embeddings.",
        "bert.embeddings.token_type_embeddings."
      ),
      (
        "visual_bert.embeddings.visual_position_embeddings.",
        "bert.embeddings.position_embeddings."
      ),
      ("visual_bert.embeddings.word_embeddings.", "bert.embeddings.word_embeddings."),
      ("visual_bert.embeddings.position_embeddings.", "bert.embeddings.position_embeddings."),
      (
        "visual_bert.embeddings.token_type_embeddings.",
        "bert.embeddings.token_type_embeddings."
      ),
      ("visual_bert.embeddings.LayerNorm.", "bert.embeddings.LayerNorm."),
      ("visual_bert.encoder.", "bert.encoder."), ("visual_bert.pooler.", "bert.pooler."),
    ] + heads,
    "vl-bert": [
      ("vlbert.embedding_LayerNorm.", "bert.embeddings.LayerNorm."),
      ("vlbert.word_embeddings.", "bert.embeddings.word_embeddings."),
      ("vlbert.position_embeddings.", "bert.embeddings.position_embeddings."),
      ("vlbert.token_type_embeddings.", "bert.embeddings.token_type_embeddings."),
      ("vlbert.encoder.", "bert.encoder."), ("vlbert.pooler.", "bert.pooler."),
      ("vlbert.mlm_head.predictions.", "cls.predictions."),
    ],
    "lxmert": [
      ("bert.embeddings.", "bert.embeddings."), ("bert.encoder.layer.", "bert.encoder.layer."),
      ("bert.pooler.", "bert.pooler."),
    ] + heads,
    "vilbert": [
      ("bert.embeddings.", "bert.embeddings."), ("bert.encoder.layer.", "bert.encoder.layer."),
    ] + heads,
    "pixel-bert": [
      ("pixelbert.embeddings.", "bert.embeddings."), ("pixelbert.encoder.", "bert.encoder."),
      ("pixelbert.pooler.", "bert.pooler."),
    ] + heads,
  ]

  /// A head's weight that a file without it can give: rows of another's, or all of them.
  public struct Stand: Sendable {
    public let name: String
    /// The one row; nil for all.
    public let row: Int?
  }

  /// The published starts of heads: scores from the class of a match (ViLT, UNITER), answers from the
  /// transform of masked words (VL-BERT), and the third row of types from the second.
  public static func stand(for ours: String, of model: String) -> Stand? {
    let name = String(ours.drop { $0 != "." }.dropFirst())
    switch (model, ours) {
    case ("vilt", "rank_output.\(name)"): return Stand(name: "itm_score.fc.\(name)", row: 1)
    case ("uniter", "rank_output.\(name)"): return Stand(name: "itm_output.\(name)", row: 1)
    case ("vl-bert", _) where ours.hasPrefix("final_mlp.0."):
      return Stand(
        name: "vlbert.mlm_head.predictions.transform." + ours.dropFirst("final_mlp.0.".count),
        row: nil)
    default: return nil
    }
  }
}
