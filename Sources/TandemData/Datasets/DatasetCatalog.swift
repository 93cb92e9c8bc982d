public import TandemCore

/// Every data set, by name.
public enum DatasetCatalog {
  public static let all: [any Dataset.Type] = [
    EasyVQA.self, Pictograms.self, SceneCaptions.self, SceneQuestions.self, WikiExtracts.self,
    TextLines.self, Table.self,
  ]

  /// Opens a split by name; throws with the names there are.
  public static func open(_ name: String, root: String, split: Split) throws -> any Dataset {
    guard let type = all.first(where: { $0.name == name }) else {
      let names = all.map { $0.name }
      throw SettingsError(
        "there is no data set '\(name)'; the nearest is '\(nearest(to: name, among: names) ?? "")'"
          + " (known: \(names.joined(separator: ", ")))")
    }
    let dataset = try type.init(root: root, split: split)
    guard dataset.count > 0 else {
      throw DataError("the data set \(name) under \(root) has no records in \(split.rawValue)")
    }
    return dataset
  }
}
