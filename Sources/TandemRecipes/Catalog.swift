// What can be named in a recipe, from all the libraries that know nothing of one another.

public import TandemCore
internal import TandemModels
internal import TandemObjectives
internal import TandemTasks

public enum Catalog {
  /// Pre-training objectives and downstream tasks.
  public static let objectives: [any Objective.Type] =
    ObjectiveCatalog.all + TaskCatalog.all.map { $0 as any Objective.Type }

  public static let models: [any VisionLanguageModel.Type] = ModelCatalog.all

  /// The objective or task of a name; throws with the names there are.
  public static func objective(_ name: String) throws -> any Objective.Type {
    guard let type = objectives.first(where: { $0.name == name }) else {
      let names = objectives.map { $0.name }
      throw SettingsError(
        "there is no objective '\(name)'; the nearest is '\(nearest(to: name, among: names) ?? "")'"
          + " (known: \(names.joined(separator: ", ")))")
    }
    return type
  }

  static func definition(_ choice: Recipe.ObjectiveChoice) throws -> ObjectiveDefinition {
    func make<O: Objective>(_ type: O.Type) throws -> ObjectiveDefinition {
      try ObjectiveDefinition(type, weight: choice.weight, options: choice.options)
    }
    return try make(objective(choice.name))
  }
}
