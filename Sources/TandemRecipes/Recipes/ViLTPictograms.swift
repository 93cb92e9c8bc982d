// ViLT on the pictograms: pre-training on 9 000 pictures with names, then retrieval.
//
//   tandem pretrain vilt/pictograms-pretrain --output runs/pictograms-pretrain
//   tandem finetune vilt/pictograms-retrieval --from runs/pictograms-pretrain --output runs/pictograms

internal import TandemCore

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
    recipe.steps = 2000
    return recipe
  }

  static var retrieval: Recipe {
    var recipe = base
    recipe.name = "vilt/pictograms-retrieval"
    recipe.summary = "find the name of a picture and the picture of a name"
    recipe.stage = .finetune
    recipe.objectives = [Recipe.ObjectiveChoice("retrieval")]
    recipe.batch.examples = 16
    recipe.steps = 1000
    return recipe
  }

  private static var base: Recipe {
    var recipe = Recipe()
    recipe.model.preset = "medium"
    recipe.data.dataset = "pictograms"
    recipe.optimizer.learningRate = 5e-4
    recipe.optimizer.clip = 1
    recipe.batch.examples = 64
    recipe.evaluation.every = 500
    recipe.evaluation.records = 500
    return recipe
  }
}
