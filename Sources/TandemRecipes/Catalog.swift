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

  static func definition(
    _ choice: Recipe.ObjectiveChoice, _ masking: Recipe.Mixing.Masking = .conditional
  ) throws -> ObjectiveDefinition {
    func make<O: Objective>(_ type: O.Type) throws -> ObjectiveDefinition {
      var definition = try ObjectiveDefinition(
        type, weight: choice.weight, options: choice.options)
      definition.stream = choice.stream
      definition.ratio = choice.ratio
      definition.epochs = (choice.fromEpoch, choice.untilEpoch)
      definition.pass = pass(choice, type, masking)
      return definition
    }
    return try make(objective(choice.name))
  }

  /// Objectives that hide something share a sequence under joint masking; under `together` those
  /// that only look at it do too.
  private static func pass<O: Objective>(
    _ choice: Recipe.ObjectiveChoice, _ type: O.Type, _ masking: Recipe.Mixing.Masking
  ) -> String {
    guard choice.pass.isEmpty else { return choice.pass }
    switch (masking, O.part) {
    case (.joint, .masks), (.together, .masks), (.together, .pairs), (.together, .reads):
      return "shared"
    default: return O.pass
    }
  }
}
