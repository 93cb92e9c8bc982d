// ViLT on easy-VQA: the demo of `make demo`, and a longer recipe that aims at 99 %.
//
//   tandem pretrain vilt/easy-vqa-demo-pretrain --output runs/demo-pretrain
//   tandem finetune vilt/easy-vqa-demo --from runs/demo-pretrain --output runs/demo

internal import TandemCore
internal import TandemNN

enum ViLTEasyVQA {
  static let all = [demoPretrain, demo, full]

  static var demoPretrain: Recipe {
    var recipe = base
    recipe.name = "vilt/easy-vqa-demo-pretrain"
    recipe.summary = "the demo's pre-training: masked words, matching and alignment, 2 minutes"
    recipe.stage = .pretrain
    recipe.data.joinsAnswers = true
    recipe.objectives = pretrainingObjectives
    recipe.steps = 300
    return recipe
  }

  static var demo: Recipe {
    var recipe = base
    recipe.name = "vilt/easy-vqa-demo"
    recipe.summary = "the demo's fine-tuning for questions: 7 minutes, at least 93 %"
    recipe.stage = .finetune
    recipe.objectives = [Recipe.ObjectiveChoice("vqa")]
    recipe.steps = 3200
    return recipe
  }

  static var full: Recipe {
    var recipe = demo
    recipe.name = "vilt/easy-vqa"
    recipe.summary = "the demo's model from random weights: aims at 99 %"
    return recipe
  }

  private static var pretrainingObjectives: [Recipe.ObjectiveChoice] {
    [
      // Half of the words are hidden: most of a question says nothing of its picture, so at 15 %
      // few steps would have to look.
      Recipe.ObjectiveChoice(
        "mlm", options: .object(["probability": .number(0.5), "atLeastOne": .bool(true)])),
      Recipe.ObjectiveChoice("itm"),
      Recipe.ObjectiveChoice("wpa", weight: 0.1),
    ]
  }

  private static var base: Recipe {
    var recipe = Recipe()
    recipe.model.preset = "small"
    recipe.data.dataset = "easy-vqa"
    // Its questions ask for shapes and colours, never for left or right.
    recipe.data.mirrors = true
    recipe.model.initialization = .fanIn
    // Its pictures are light and pale: measured over the training split.
    recipe.model.config = .object([
      "mean": .array([.number(0.926), .number(0.927), .number(0.918)]),
      "deviation": .array([.number(0.192), .number(0.188), .number(0.207)]),
    ])
    recipe.optimizer.learningRate = 2e-3
    recipe.optimizer.clip = 1
    recipe.batch.examples = 64
    recipe.evaluation.every = 300
    recipe.evaluation.records = 1000
    return recipe
  }
}
