import Foundation
import TandemCore
import TandemModels
import TandemNN
import TandemRecipes
import TandemTorch
import Testing
import TestSupport

/// What training can start from, and how it is brought to the new model's shape.
@Suite struct StartingPointTests {
  private func recipe(_ model: String, vocabulary: String) -> Recipe {
    var recipe = Recipe()
    recipe.model.name = model
    recipe.data.vocabulary = vocabulary
    return recipe
  }

  private static let bert = Fixtures.path("huggingface/bert")
  private static let vocabulary = bert + "/vocab.txt"

  /// The sizes of the tiny BERT, as settings of a model above it.
  private func config<M: VisionLanguageModel>(_ model: M.Type, layers: [String]) throws -> M.Config
  {
    let bert = try ModelFiles.open(Self.bert).config
    var settings = LayeredSettings(
      try JSONValue(encoding: #require(M.presets["tiny"])), origin: "preset")
    for key in ["width", "heads", "feedForward", "vocabulary"] {
      try settings.set("\(key)=\(#require(bert[key]).compact)")
    }
    for key in layers { try settings.set("\(key)=2") }
    for key in ["places", "positions"] where settings.value[key] != nil {
      try settings.set("\(key)=10")
      try settings.set("textLength=8")
    }
    if settings.value["connectionWidth"] != nil {
      for key in ["visualWidth", "connectionWidth"] { try settings.set("\(key)=24") }
    }
    return try settings.value.decoded(M.Config.self)
  }

  /// Text layers come from BERT, number for number; what BERT has not is drawn.
  @Test(arguments: ["uniter", "visualbert", "vl-bert", "lxmert", "vilbert", "pixel-bert"])
  func textLayersOfBERT(_ name: String) throws {
    let start = try StartingPoint(Self.bert, for: recipe(name, vocabulary: Self.vocabulary))
    let store = ParameterStore(seed: 1, source: start)
    func build<M: VisionLanguageModel>(_ type: M.Type) throws {
      let layers = name == "lxmert" ? ["languageLayers"] : ["layers"]
      _ = try M(config(type, layers: layers), at: store.root)
    }
    try build(ModelCatalog.find(name))
    let report = store.loadReport()
    try report.check(optional: start.isNew)
    let missing = Set(report.missing)
    let theirs = try SafeTensorsFile(path: Self.bert + "/model.safetensors")
    var compared = 0
    for parameter in store.parameters where !missing.contains(parameter.name) {
      let mapped = try #require(
        StartingNames.of(name, from: "bert")?.theirs(parameter.name), "\(parameter.name)")
      let wanted = try theirs.tensor(String(mapped.dropFirst("bert.".count)))
      let rows = min(wanted.size(0), parameter.shape[0])
      #expect(
        try difference(
          parameter.value.narrow(0, from: 0, rows), wanted.narrow(0, from: 0, rows)) == 0,
        "\(parameter.name)")
      compared += 1
    }
    // Two layers of 16 weights, three tables and their norm, and the pooler where widths agree.
    #expect(compared >= 37, "\(compared)")
    #expect(start.changes.contains { $0.contains("position_embeddings") })
    if name == "vl-bert" {
      let types = try #require(store["vlbert.token_type_embeddings.weight"]?.value)
      #expect(try difference(types.narrow(0, from: 2, 1), types.narrow(0, from: 1, 1)) == 0)
    }
  }

  /// Words go by their names, not by their lines.
  @Test func rowsOfWordsFollowTheVocabulary() throws {
    let temporary = try TemporaryFolder()
    let tokens = try String(contentsOfFile: Self.vocabulary, encoding: .utf8)
      .split(separator: "\n").map(String.init)
    // A part of it, in another order.
    let part = Array(tokens[0..<5]) + [tokens[20], tokens[9], tokens[40]]
    let file = try temporary.file("vocab.txt", Array((part.joined(separator: "\n") + "\n").utf8))
    let start = try StartingPoint(Self.bert, for: recipe("bert", vocabulary: file))
    let words = try #require(
      try start.weight("bert.embeddings.word_embeddings.weight", shape: [8, 24]))
    let whole = try SafeTensorsFile(path: Self.bert + "/model.safetensors")
      .tensor("embeddings.word_embeddings.weight")
    #expect(
      try difference(words, whole.rows(Tensor([0, 1, 2, 3, 4, 20, 9, 40]))) == 0)

    let strange = try temporary.file(
      "other.txt", Array((part.joined(separator: "\n") + "\nzebra\n").utf8))
    let refusal = message {
      _ = try StartingPoint(Self.bert, for: recipe("bert", vocabulary: strange))
    }
    for word in ["other.txt", "line 9", "zebra", "data.vocabulary="] {
      #expect(refusal?.contains(word) == true, "\(word)")
    }
  }

  /// ViLT above ViT: places are resized with corners kept, against torch's own resizing.
  @Test func viltAboveViT() throws {
    let path = Fixtures.path("huggingface/vit")
    let start = try StartingPoint(path, for: recipe("vilt", vocabulary: Self.vocabulary))
    let file = try ModelFiles.open(path)
    let table = try #require(try file.weights.weight("transformer.pos_embed"))
    let width = table.size(2)
    let block = "transformer.blocks.1.attn.qkv.weight"
    let found = try #require(try start.weight(block, shape: [3 * width, width]))
    #expect(try difference(found, #require(try file.weights.weight(block))) == 0)
    #expect(start.isNew("text_embeddings.word_embeddings.weight"))
    #expect(start.isNew("pooler.dense.weight"))
  }

  /// A grid of places grows: every second one of 5×5 is one of 3×3, and its corners are kept.
  @Test func gridsOfPlacesAreResized() throws {
    let path = Fixtures.path("huggingface/vilt")
    let start = try StartingPoint(path, for: recipe("vilt", vocabulary: Self.vocabulary))
    let file = try ModelFiles.open(path)
    let old = try #require(try file.weights.weight("transformer.pos_embed"))
    let width = old.size(2)
    #expect(old.size(1) == 10)
    let new = try #require(try start.weight("transformer.pos_embed", shape: [1, 26, width]))
    let (small, large) = (try old.squeezed(0), try new.squeezed(0))
    #expect(try difference(large.narrow(0, from: 0, 1), small.narrow(0, from: 0, 1)) == 0)
    for row in 0..<3 {
      for column in 0..<3 {
        let gap = try difference(
          large.narrow(0, from: 1 + 2 * row * 5 + 2 * column, 1),
          small.narrow(0, from: 1 + row * 3 + column, 1))
        #expect(gap < Tolerance.rounding, "\(row), \(column)")
      }
    }
    // Halfway between two neighbours lies their mean.
    let middle = try large.narrow(0, from: 2, 1)
    let mean = try (small.narrow(0, from: 1, 1) + small.narrow(0, from: 2, 1)) * 0.5
    #expect(try difference(middle, mean) < Tolerance.rounding)
    #expect(start.changes.contains { $0.contains("pos_embed") })
  }

  /// A score begins as the class of a match, the third row of types as the second.
  @Test func headsAreMadeOfOthers() throws {
    let temporary = try TemporaryFolder()
    let path = temporary.path + "/vilt.safetensors"
    let file = try WeightFiles.open(Fixtures.path("originals/vilt.ckpt"))
    var tensors: [String: Tensor] = [:]
    for name in file.names where !name.hasPrefix("rank_output.") {
      tensors[name] = try file.weight(name)
    }
    try SafeTensors.write(tensors, to: path)
    let start = try StartingPoint(path, for: recipe("vilt", vocabulary: Self.vocabulary))
    let weights = try ModelFiles.open(path).weights
    let matching = try #require(try weights.weight("itm_score.fc.weight"))
    let width = matching.size(1)
    let score = try #require(try start.weight("rank_output.weight", shape: [1, width]))
    #expect(try difference(score, matching.narrow(0, from: 1, 1)) == 0)
    let types = try #require(
      try start.weight("token_type_embeddings.weight", shape: [3, width]))
    #expect(try difference(types.narrow(0, from: 2, 1), types.narrow(0, from: 1, 1)) == 0)

    let vlbert = try StartingPoint(
      Fixtures.path("originals/vlbert.model"), for: recipe("vl-bert", vocabulary: Self.vocabulary))
    let transform = try #require(
      try vlbert.weight("vlbert.mlm_head.predictions.transform.dense.weight"))
    let answers = try #require(
      try vlbert.weight("final_mlp.0.dense.weight", shape: transform.shape))
    #expect(try difference(answers, transform) == 0)
    #expect(vlbert.changes.contains { $0.contains("final_mlp.0.dense.weight") })
  }

  @Test func familiesThatDoNotFitAreRefused() throws {
    let refusal = message {
      _ = try StartingPoint(
        Fixtures.path("huggingface/lxmert"), for: recipe("uniter", vocabulary: Self.vocabulary))
    }
    #expect(refusal?.contains("lxmert") == true && refusal?.contains("uniter, bert") == true)
  }
}
