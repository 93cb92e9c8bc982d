public import TandemCore

/// Every model, by name.
public enum ModelCatalog {
  public static let all: [any VisionLanguageModel.Type] = [
    ViLT.self, VLBERT.self, LXMERT.self, UNITER.self, VisualBERT.self, ViLBERT.self,
    PixelBERT.self, CLIP.self, VSE.self,
  ]

  /// Models of texts alone and of pictures alone: what the others start from.
  public static let singles: [any VisionLanguageModel.Type] = [BERT.self, ViT.self]

  /// The model of a name; throws with the names there are.
  public static func find(_ name: String) throws -> any VisionLanguageModel.Type {
    guard let type = (all + singles).first(where: { $0.name == name }) else {
      let names = all.map { $0.name }
      throw SettingsError(
        "there is no model '\(name)'; the nearest is '\(nearest(to: name, among: names) ?? "")' "
          + "(known: \(names.joined(separator: ", ")))")
    }
    return type
  }
}
