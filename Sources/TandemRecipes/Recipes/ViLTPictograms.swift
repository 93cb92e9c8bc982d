// ViLT on the pictograms: pre-training on 7 154 pictures with names, then retrieval.
//
//   tandem pretrain vilt/pictograms-pretrain --output runs/pictograms-pretrain
//   tandem finetune vilt/pictograms-retrieval --from runs/pictograms-pretrain --output runs/pictograms

internal import TandemCore
internal import TandemNN

enum ViLTPictograms {
  static let all = [pretrain, retrieval]

  static var pretrain: Recipe {
    var recipe = base
    recipe.name = "vilt/pictograms-pretrain"
    recipe.summary = "masked words, matching and alignment on emoji, stamps and clip art"
    recipe.stage = .pretrain
    recipe.objectives = [
      Recipe.ObjectiveChoice("mlm", options: .object(["atLeastOne": .bool(true)])),
      Recipe.ObjectiveChoice("itm"),
      Recipe.ObjectiveChoice("wpa", weight: 0.1),
    ]
    recipe.steps = 1500
    return recipe
  }

  static var retrieval: Recipe {
    var recipe = base
    recipe.name = "vilt/pictograms-retrieval"
    recipe.summary = "find the name of a picture and the picture of a name"
    recipe.stage = .finetune
    recipe.objectives = [Recipe.ObjectiveChoice("retrieval")]
    recipe.batch.examples = 16
    recipe.optimizer.learningRate = 1e-3
    recipe.steps = 1500
    return recipe
  }

  private static var base: Recipe {
    var recipe = Recipe()
    recipe.model.preset = "small"
    recipe.model.initialization = .fanIn
    // Measured over every fourth picture of the training split.
    recipe.model.config = .object([
      "mean": .array([.number(0.811), .number(0.769), .number(0.723)]),
      "deviation": .array([.number(0.310), .number(0.323), .number(0.370)]),
    ])
    recipe.data.dataset = "pictograms"
    recipe.optimizer.learningRate = 2e-3
    recipe.optimizer.clip = 1
    recipe.batch.examples = 64
    recipe.evaluation.every = 500
    recipe.evaluation.records = 500
    return recipe
  }
}
