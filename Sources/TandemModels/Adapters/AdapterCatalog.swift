internal import TandemCore

/// Every family that checkpoints can be of.
public enum AdapterCatalog {
  public static let all: [any FamilyAdapter.Type] = [
    BERTAdapter.self, ViTAdapter.self, ViLTAdapter.self, LXMERTAdapter.self,
    VisualBERTAdapter.self, CLIPAdapter.self, UNITERAdapter.self, VLBERTAdapter.self,
    ViLBERTAdapter.self,
  ]

  /// The family of a config.json's `model_type`.
  public static func find(modelType: String) -> (any FamilyAdapter.Type)? {
    all.first { !$0.modelType.isEmpty && $0.modelType == modelType }
  }

  public static func find(model: String) -> (any FamilyAdapter.Type)? {
    all.first { $0.modelName == model }
  }

  /// The family whose original repository's names these are. BERT's names are in other families'
  /// files too, so that it comes last.
  public static func find(names: some Sequence<String>) -> (any FamilyAdapter.Type)? {
    let bare = Set(names.map { $0.hasPrefix("module.") ? String($0.dropFirst(7)) : $0 })
    return all.reversed().first { adapter in
      !adapter.marks.isEmpty && adapter.marks.allSatisfy(bare.contains)
    }
  }
}

extension FamilyAdapter {
  /// Its model's name here.
  public static var modelName: String { Model.name }
}
