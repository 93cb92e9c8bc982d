// Which objectives of a recipe help, and do they conflict? The question that VL-BERT's authors leave
// open when they drop matching because their pairs are noisy (Su et al. 2020). And what do the
// switches of pre-training give that papers disagree on?

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
    let (recipe, parts) = try pretraining(name)
    for objective in added { _ = try Catalog.objective(objective) }
    // One that is learned from two streams is switched as one.
    var objectives: [String] = []
    for objective in recipe.objectives.map(\.name) + added where !objectives.contains(objective) {
      objectives.append(objective)
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
    var plan = onQuestions(parts)
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

  /// A comparison of a recipe with itself with one switch turned each: words and regions hidden
  /// together or never (Chen et al. 2020), whole words or pieces (Kim et al. 2021), with or without
  /// alignment; then variants of one's own.
  ///
  /// - Parameter variants: "NAME: key.path=value", more than one setting between spaces.
  public static func plan(ofSwitchesIn name: String, variants: [String]) throws -> ComparisonPlan {
    let (recipe, parts) = try pretraining(name)
    var own: [String] = []
    for name in recipe.objectives.map(\.name) where !own.contains(name) { own.append(name) }
    var entrants = [Entrant(parts[0], name: "as it is")]
    if recipe.objectives.count(where: { ["mlm", "mrfr", "mrc", "labels"].contains($0.name) }) > 1 {
      let isConditional = recipe.mixture.masking == .conditional
      entrants.append(
        Entrant(
          parts[0], name: isConditional ? "joint masking" : "conditional masking",
          settings: ["mixture.masking=\(isConditional ? "joint" : "conditional")"]))
    }
    let words = recipe.objectives.indices.filter { recipe.objectives[$0].name == "mlm" }
    if let first = words.first {
      let isWhole = try wholeWords(recipe.objectives[first])
      entrants.append(
        Entrant(
          parts[0], name: isWhole ? "words by pieces" : "whole words",
          settings: words.map { "objectives.\($0).options.wholeWords=\(!isWhole)" }))
    }
    entrants.append(
      own.contains("wpa")
        ? Entrant(parts[0], name: "without wpa", objectives: own.filter { $0 != "wpa" })
        : Entrant(parts[0], name: "with wpa", objectives: own + ["wpa"]))
    entrants += try variants.map { text in
      let words = text.split(separator: ":", maxSplits: 1)
      guard words.count == 2, words[1].contains("=") else {
        throw SettingsError("--variant: expected 'NAME: key.path=value', found '\(text)'")
      }
      return Entrant(
        parts[0], name: words[0].trimmingPrefix(" ").description,
        settings: words[1].split(separator: " ").map(String.init))
    }
    var plan = onQuestions(parts)
    plan.entrants = entrants
    return plan
  }

  private static func wholeWords(_ choice: Recipe.ObjectiveChoice) throws -> Bool {
    func option<O: Objective>(_ type: O.Type) throws -> Bool {
      try JSONValue(encoding: O.defaults).overlaid(with: choice.options)["wholeWords"]
        == .bool(true)
    }
    return try option(Catalog.objective(choice.name))
  }

  private static func pretraining(_ name: String) throws -> (Recipe, [String]) {
    let recipe = try RecipeCatalog.find(name)
    let parts = name.split(separator: "/").map(String.init)
    guard recipe.stage == .pretrain, parts.count == 2 else {
      throw SettingsError("\(name) is no recipe of pre-training named MODEL/DATA")
    }
    return (recipe, parts)
  }

  private static func onQuestions(_ parts: [String]) -> ComparisonPlan {
    var plan = ComparisonPlan()
    plan.data = parts[1]
    plan.tasks = ["questions"]
    plan.tasksWithoutPretraining = []
    return plan
  }
}
