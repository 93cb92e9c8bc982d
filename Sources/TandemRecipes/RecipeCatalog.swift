public import TandemCore

/// Every recipe, by name.
public enum RecipeCatalog {
  public static let all: [Recipe] = ViLTEasyVQA.all + ViLTPictograms.all + ScenesRecipes.all

  /// The recipe of a name; throws with the nearest one.
  public static func find(_ name: String) throws -> Recipe {
    guard let recipe = all.first(where: { $0.name == name }) else {
      let names = all.map(\.name)
      throw SettingsError(
        "there is no recipe '\(name)'; the nearest is '\(nearest(to: name, among: names) ?? "")' "
          + "(`tandem recipes list` shows all)")
    }
    return recipe
  }
}
