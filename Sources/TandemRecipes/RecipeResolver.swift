internal import Foundation
public import TandemCore
internal import TandemModels

/// A recipe with every setting filled in, and where each came from.
public struct ResolvedRecipe: Sendable {
  public var recipe: Recipe
  public var origins: [String: String]
}

/// Lays a recipe's layers over one another: defaults, preset, recipe or file, `--set`.
public enum RecipeResolver {
  /// - Parameters:
  ///   - name: a recipe of the catalogue, or a path that ends in `.json`.
  ///   - assignments: `key.path=value`, in order.
  public static func resolve(_ name: String, set assignments: [String] = []) throws
    -> ResolvedRecipe
  {
    if name.hasSuffix(".json") {
      return try resolve(
        JSONValue(contentsOfFile: name), origin: (name as NSString).lastPathComponent,
        set: assignments)
    }
    let recipe = try RecipeCatalog.find(name)
    return try resolve(JSONValue(encoding: recipe), origin: "recipe", set: assignments)
  }

  /// Resolves settings that were read from elsewhere, for example another run's recipe.
  public static func resolve(
    _ changes: JSONValue, origin: String, set assignments: [String]
  ) throws -> ResolvedRecipe {
    let defaults = try JSONValue(encoding: Recipe())
    var settings = LayeredSettings(defaults, origin: "default")
    // The model decides which settings its config has, so it is looked for in all layers first.
    let name = text("model.name", changes, assignments) ?? Recipe().model.name
    let preset = text("model.preset", changes, assignments) ?? Recipe().model.preset
    let config = try presetConfig(name, preset)
    try settings.lay(
      .object(["model": .object(["config": config])]), origin: "preset \(preset)",
      free: { $0 == "model.config" })
    let chosen = changes["model.config"] ?? .object([:])
    // A resolved recipe holds a whole config; under another preset only what differs is its own.
    let isOtherPreset = text("model.preset", .null, assignments).map { new in
      changes["model.preset"] != nil && changes["model.preset"] != .string(new)
    }
    var layer = changes
    if isOtherPreset == true, case .object(let fields) = chosen, !fields.isEmpty {
      layer = try removingConfig(changes)
    }
    try settings.lay(onlyChanged(layer, from: defaults), origin: origin)
    try expandObjectives(&settings)
    for assignment in assignments { try settings.set(assignment) }
    // A larger number would be read as a fraction and come back as another seed.
    guard case .integer(0...)? = settings.value["seed"] else {
      throw SettingsError(
        "seed: expected a whole number from 0 to \(Int.max), found "
          + "\(settings.value["seed"]?.compact ?? "nothing")")
    }
    let recipe: Recipe
    do {
      recipe = try settings.value.decoded(Recipe.self)
    } catch {
      throw SettingsError("the recipe does not fit: \(JSONValue.explained(error))")
    }
    try check(recipe)
    return ResolvedRecipe(recipe: recipe, origins: settings.origins)
  }

  /// A value under a key path, from the last assignment that names it or from the changes.
  private static func text(
    _ path: String, _ changes: JSONValue, _ assignments: [String]
  ) -> String? {
    if let last = assignments.last(where: { $0.hasPrefix(path + "=") }) {
      return String(last.dropFirst(path.count + 1))
    }
    guard case .string(let value)? = changes[path] else { return nil }
    return value
  }

  private static func presetConfig(_ name: String, _ preset: String) throws -> JSONValue {
    func config<M: VisionLanguageModel>(_ type: M.Type) throws -> JSONValue {
      guard let config = M.presets[preset] else {
        let known = M.presets.keys.sorted()
        throw SettingsError(
          "model.preset: \(M.name) has no preset '\(preset)'; the nearest is "
            + "'\(nearest(to: preset, among: known) ?? "")' (known: "
            + "\(known.joined(separator: ", ")))")
      }
      return try JSONValue(encoding: config)
    }
    return try config(ModelCatalog.find(name))
  }

  private static func removingConfig(_ changes: JSONValue) throws -> JSONValue {
    guard case .object(var fields) = changes, case .object(var model)? = fields["model"] else {
      return changes
    }
    model["config"] = nil
    fields["model"] = .object(model)
    return .object(fields)
  }

  /// The fields that differ from the defaults, so that origins tell what a recipe really says.
  private static func onlyChanged(_ value: JSONValue, from base: JSONValue) -> JSONValue {
    guard case .object(let fields) = value, case .object(let known) = base else { return value }
    var changed: [String: JSONValue] = [:]
    for (key, field) in fields {
      guard let old = known[key] else {
        changed[key] = field
        continue
      }
      guard field != old else { continue }
      changed[key] = onlyChanged(field, from: old)
    }
    return .object(changed)
  }

  /// Fills in the options of each objective, so that `--set objectives.0.options.…` finds them.
  private static func expandObjectives(_ settings: inout LayeredSettings) throws {
    guard case .array(let items)? = settings.value["objectives"] else { return }
    for (place, item) in items.enumerated() {
      let choice: Recipe.ObjectiveChoice
      do {
        choice = try item.decoded(Recipe.ObjectiveChoice.self)
      } catch {
        throw SettingsError("objectives.\(place): \(JSONValue.explained(error))")
      }
      let definition = try Catalog.definition(choice)
      let whole = JSONValue.object([
        "name": .string(choice.name), "weight": .number(choice.weight),
        "options": definition.options, "pass": .string(choice.pass),
        "stream": .string(choice.stream), "ratio": .number(choice.ratio),
        "fromEpoch": .number(choice.fromEpoch), "untilEpoch": .number(choice.untilEpoch),
      ])
      try settings.fill("objectives.\(place)", with: whole, origin: "default")
    }
  }

  private static func check(_ recipe: Recipe) throws {
    func need(_ condition: Bool, _ message: @autoclosure () -> String) throws {
      guard condition else { throw SettingsError(message()) }
    }
    try need(!recipe.objectives.isEmpty, "objectives: the recipe has none")
    try need(recipe.steps > 0, "steps: must be at least 1, found \(recipe.steps)")
    try need(
      recipe.batch.examples > 0,
      "batch.examples: must be at least 1, found \(recipe.batch.examples)")
    try need(recipe.batch.rows > 0, "batch.rows: must be at least 1, found \(recipe.batch.rows)")
    try need(
      (0...1).contains(recipe.schedule.warmup),
      "schedule.warmup: a share of the steps from 0 to 1, found \(recipe.schedule.warmup)")
    try need(
      recipe.optimizer.learningRate.isFinite && recipe.optimizer.learningRate >= 0,
      "optimizer.learningRate: must not be negative, found \(recipe.optimizer.learningRate)")
    try need(
      (0...1).contains(recipe.data.wrongTexts),
      "data.wrongTexts: a share from 0 to 1, found \(recipe.data.wrongTexts)")
    try need(
      recipe.data.sampledRegions >= 0,
      "data.sampledRegions: must not be negative, found \(recipe.data.sampledRegions)")
    try need(
      (0..<1).contains(recipe.optimizer.averaging),
      "optimizer.averaging: must be in 0..<1, found \(recipe.optimizer.averaging)")
  }
}
