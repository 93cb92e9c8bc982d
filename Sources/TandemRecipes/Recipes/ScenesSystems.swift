// The systems of the field on Scenes, at about half a million weights each beside the word table:
// pre-training on captions as the papers have it, then questions or retrieval.
//
//   tandem pretrain uniter/scenes --output runs/uniter
//   tandem finetune uniter/scenes-questions --from runs/uniter --output runs/uniter-questions
//
// Two cores: 0.05 to 0.2 s a step. docs/results has what to expect.

internal import TandemCore
internal import TandemNN

/// What sets a system apart from the others in a comparison: its model and its objectives.
struct ScenesSystem {
  var model: String
  var title: String
  var objectives: [Recipe.ObjectiveChoice]
  var steps = Recipe.Mixing.Steps.all
  var masking = Recipe.Mixing.Masking.conditional
  /// Where the pictures' features lie; empty for a model that reads pixels.
  var regions = "data/scenes/regions/crops"
  var config: [String: JSONValue] = [:]

  static let all = [vilt, vlbert, lxmert, uniter, visualbert, vilbert, pixelbert, clip, vse]

  /// Masked words of a caption of about eight: with three in five hidden the picture is needed early,
  /// where the papers' 15 % are guessed from the words around them for thousands of steps. Where
  /// matching shares the masked sequence it is the other way round: it needs the words, and learns
  /// with the papers' 15 % (docs/results has what either costs).
  ///
  /// - Parameter share: of the words.
  static func words(
    _ share: Double = 0.6, ratio: Double = 1, _ options: [String: JSONValue] = [:]
  ) -> Recipe.ObjectiveChoice {
    choice(
      "mlm", ratio: ratio,
      options.merging(["probability": .number(share), "atLeastOne": .bool(true)]) { $1 })
  }

  private static func choice(
    _ name: String, weight: Double = 1, ratio: Double = 1, _ options: [String: JSONValue] = [:]
  ) -> Recipe.ObjectiveChoice {
    Recipe.ObjectiveChoice(name, weight: weight, ratio: ratio, options: .object(options))
  }

  /// Masked words, matching, alignment (Kim et al. 2021).
  static let vilt = ScenesSystem(
    model: "vilt", title: "ViLT",
    objectives: [words(), choice("itm"), choice("wpa", weight: 0.1)], regions: "",
    // 16 to 24 patches: as good as twice as many of 16 pixels, at half the cost (docs/results).
    config: ["patchSize": .integer(24), "shorterSide": .integer(96), "grid": .integer(4)])

  /// Masked words and masked regions' classes in one sequence; no matching (Su et al. 2020).
  static let vlbert = ScenesSystem(
    model: "vl-bert", title: "VL-BERT",
    objectives: [
      words(0.4),
      choice(
        "mrc",
        [
          "loss": .string("crossEntropy"), "reduction": .string("rows"),
          "masking": .object(["maskShare": .number(0.9)]),
        ]),
    ], masking: .joint,
    // 0, as published, begins as the BERT that its weights come from; from random weights the
    // picture would be found late.
    config: ["visualGain": .number(0.1)])

  /// Words, regions' features and labels, and matching in one sequence (Tan & Bansal 2019). Its
  /// image question answering needs answers, which the others do not see: left out here.
  static let lxmert = ScenesSystem(
    model: "lxmert", title: "LXMERT",
    objectives: [
      words(0.15, ["wholeWords": .bool(false)]),
      choice("itm", ["negatives": .string("text")]),
      choice(
        "mrfr",
        [
          "loss": .string("smoothL1"), "divisor": .string("all"), "scale": .number(1 / 0.15),
          "masking": .object(["maskShare": .number(0.8), "otherShare": .number(0.1)]),
        ]),
      choice(
        "labels",
        [
          "scale": .number(1 / 0.15),
          "masking": .object(["maskShare": .number(0.8), "otherShare": .number(0.1)]),
        ]),
    ], masking: .together)

  /// One of four tasks a step, never hiding both words and regions (Chen et al. 2020). The published
  /// code divides the losses of regions by every number of a feature and every class: beside masked
  /// words they would weigh a hundredth and learn nothing in so few steps. Here each begins at about
  /// the size of the words' loss.
  static let uniter = ScenesSystem(
    model: "uniter", title: "UNITER",
    objectives: [
      words(ratio: 2, ["wholeWords": .bool(false)]),
      choice("itm", ratio: 2),
      choice("wpa", weight: 0.1, ["transport": .object(["keepsSpecials": .bool(true)])]),
      choice("mrfr", weight: 10, ["masking": .object(["atLeastOne": .bool(true)])]),
      choice(
        "mrc",
        [
          "loss": .string("kl"), "reduction": .string("rows"),
          "masking": .object(["atLeastOne": .bool(true)]),
        ]),
    ], steps: .one)

  /// Masked words in two captions, and whether the second is the picture's too (Li et al. 2019).
  static let visualbert = ScenesSystem(
    model: "visualbert", title: "VisualBERT",
    objectives: [
      words(0.15, ["wholeWords": .bool(false)]),
      choice("itm", ["negatives": .string("second")]),
    ], masking: .together,
    // Of pairs of captions 98 % are whole in 40 rows.
    config: ["textLength": .integer(40)])

  /// Masked words, masked regions' classes and matching; nothing is asked of false pairs (Lu et
  /// al. 2019).
  static let vilbert = ScenesSystem(
    model: "vilbert", title: "ViLBERT",
    objectives: [
      words(0.15, ["wholeWords": .bool(false), "onFalsePairs": .bool(false)]),
      choice(
        "mrc",
        [
          "loss": .string("kl"), "reduction": .string("rows"),
          "masking": .object(["maskShare": .number(0.9), "onFalsePairs": .bool(false)]),
        ]),
      choice("itm", ["negatives": .string("either")]),
    ], masking: .together)

  /// Masked words and matching over a grid (Huang et al. 2020).
  static let pixelbert = ScenesSystem(
    model: "pixel-bert", title: "Pixel-BERT",
    objectives: [words(0.6, ["wholeWords": .bool(false)]), choice("itm")],
    regions: "data/scenes/regions/grid")

  /// Contrast alone (Radford et al. 2021).
  static let clip = ScenesSystem(
    model: "clip", title: "CLIP", objectives: [choice("itc")], regions: "")

  /// Ranking by hardest negatives (Faghri et al. 2018).
  static let vse = ScenesSystem(
    model: "vse", title: "VSE", objectives: [choice("triplet")])
}

enum ScenesRecipes {
  static var all: [Recipe] {
    ScenesSystem.all.flatMap { [pretraining($0), questions($0), retrieval($0)] }
  }

  static func pretraining(_ system: ScenesSystem) -> Recipe {
    var recipe = base(system)
    recipe.name = "\(system.model)/scenes"
    recipe.summary = "\(system.title)'s objectives on captions of composed scenes"
    recipe.stage = .pretrain
    recipe.objectives = system.objectives
    recipe.mixture.steps = system.steps
    recipe.mixture.masking = system.masking
    recipe.data.dataset = "scenes-captions"
    if system.objectives.contains(where: { $0.name == "mlm" }) { learnQuestionsWords(&recipe) }
    // Masked words are learned faster by twice the rate that suits questions.
    recipe.optimizer.learningRate = 1e-3
    recipe.steps = 8000
    recipe.evaluation.every = 2000
    return recipe
  }

  /// A few questions beside the captions, their words masked, their answers unseen (LXMERT reads
  /// questions as sentences too; the others start from BERT, which knows their words). A word that
  /// pre-training never shows loses itself: all such words are pushed to one vector by the softmax
  /// over the vocabulary that they share with the captions' words, and "how many" reads as "what
  /// color" (docs/results).
  private static func learnQuestionsWords(_ recipe: inout Recipe) {
    let isOneAStep = recipe.mixture.steps == .one
    recipe.streams = [
      Recipe.Stream(
        "questions", dataset: "scenes-questions",
        examples: isOneAStep ? recipe.batch.examples : recipe.batch.examples / 8)
    ]
    var choice = ScenesSystem.words(ratio: 0.5)
    choice.stream = "questions"
    recipe.objectives.append(choice)
  }

  static func questions(_ system: ScenesSystem) -> Recipe {
    var recipe = base(system)
    recipe.name = "\(system.model)/scenes-questions"
    recipe.summary = "\(system.title) answers questions about composed scenes"
    recipe.stage = .finetune
    recipe.objectives = [
      Recipe.ObjectiveChoice(
        "vqa",
        options: .object([
          "targets": .string("soft"), "minimumCount": .integer(9), "dropsUnknown": .bool(true),
          "startsAtPriors": .bool(true),
        ]))
    ]
    recipe.data.dataset = "scenes-questions"
    recipe.steps = 3000
    recipe.evaluation.every = 1000
    return recipe
  }

  static func retrieval(_ system: ScenesSystem) -> Recipe {
    var recipe = base(system)
    recipe.name = "\(system.model)/scenes-retrieval"
    recipe.summary = "\(system.title) finds the scene of a caption and the caption of a scene"
    recipe.stage = .finetune
    recipe.objectives = [
      Recipe.ObjectiveChoice("retrieval", options: .object(["falseTexts": .integer(7)]))
    ]
    recipe.data.dataset = "scenes-captions"
    recipe.batch.examples = 16
    recipe.steps = 1000
    recipe.evaluation.every = 500
    return recipe
  }

  private static func base(_ system: ScenesSystem) -> Recipe {
    var recipe = Recipe()
    recipe.model.name = system.model
    recipe.model.preset = "small"
    recipe.model.initialization = .fanIn
    // As many words as the data have: BERT's 30 522 would be six times the model.
    recipe.model.config = .object(
      system.config.merging(["vocabulary": .integer(0)]) { own, _ in own })
    recipe.data.vocabulary = "data/scenes/vocab.txt"
    recipe.data.regions = system.regions
    recipe.data.standardizesFeatures = !system.regions.isEmpty
    // Of 2.5e-4, 5e-4, 1e-3 and 2e-3 this answers best after 2 000 steps from random weights
    // (UNITER, validation).
    recipe.optimizer.learningRate = 5e-4
    recipe.optimizer.clip = 1
    recipe.batch.examples = 64
    recipe.evaluation.records = 1000
    return recipe
  }
}
