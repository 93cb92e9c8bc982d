// Which objectives of a recipe help, and do they conflict? The question that VL-BERT's authors leave
// open when they drop matching because their pairs are noisy (Su et al. 2020).

internal import TandemCore

public enum Ablation {
  /// A comparison of a recipe with itself: all its objectives, each left out, each alone; each of
  /// these with so many wrong captions.
  ///
  /// - Parameters:
  ///   - name: "MODEL/DATA", a recipe of pre-training.
  ///   - added: objectives beside the recipe's own.
  ///   - shares: of training captions that belong to other pictures; 0 for clean pairs.
  /// - Throws: `SettingsError` where there is nothing to switch.
  public static func plan(
    of name: String, adding added: [String], wrongTexts shares: [Double]
  ) throws -> ComparisonPlan {
    let recipe = try RecipeCatalog.find(name)
    let parts = name.split(separator: "/").map(String.init)
    guard recipe.stage == .pretrain, parts.count == 2 else {
      throw SettingsError("\(name) is no recipe of pre-training named MODEL/DATA")
    }
    for objective in added { _ = try Catalog.objective(objective) }
    let objectives =
      recipe.objectives.map(\.name)
      + added.filter { name in
        !recipe.objectives.contains { $0.name == name }
      }
    guard objectives.count > 1 else {
      throw SettingsError("\(name) has one objective: there is nothing to switch")
    }
    guard !shares.isEmpty, shares.allSatisfy({ (0...1).contains($0) }) else {
      throw SettingsError("shares of wrong captions lie between 0 and 1, found \(shares)")
    }
    var subsets = [("all", objectives)]
    subsets += objectives.map { left in ("without \(left)", objectives.filter { $0 != left }) }
    // With two objectives, one left out is the other alone.
    if objectives.count > 2 { subsets += objectives.map { ("only \($0)", [$0]) } }
    var plan = ComparisonPlan()
    plan.data = parts[1]
    plan.tasks = ["questions"]
    plan.tasksWithoutPretraining = []
    plan.entrants = shares.flatMap { share in
      subsets.map { title, kept in
        let percent = Int((100 * share).rounded())
        return Entrant(
          parts[0], name: share == 0 ? title : "\(title), \(percent) % wrong",
          objectives: kept, settings: share == 0 ? [] : ["data.wrongTexts=\(share)"])
      }
    }
    return plan
  }
}
