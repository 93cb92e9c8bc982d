import Foundation
import TandemCore
import TandemNN
import TandemRecipes
import TandemText
import TandemTorch
import Testing
import TestSupport

/// What transformers computes with tiny models of every class that it shares with this library, see
/// make_huggingface.py.
@Suite struct HuggingFaceTests {
  /// Of the largest value of an output.
  static let tolerance = 2e-5
  static let folders = [
    "bert", "bert-masked-lm", "bert-pretraining", "vit", "vit-classification", "vilt",
    "vilt-masked-lm", "vilt-vqa", "vilt-retrieval", "vilt-nlvr2", "lxmert", "lxmert-pretraining",
    "lxmert-vqa", "visualbert", "visualbert-pretraining", "visualbert-vqa", "visualbert-nlvr2",
    "visualbert-vcr", "clip",
  ]
  /// Outputs of transformers that go by other names here.
  private static let renamed = [
    "obj_scores": "region_logits", "attr_scores": "attribute_logits",
    "feat_scores": "region_features",
  ]
  /// What is not written: losses of labels that are no input, and vectors before their projection.
  private static let leftOut: Set = [
    "ans_loss", "obj_loss", "attr_loss", "feat_loss", "text_pooled", "visual_pooled",
  ]

  static func folder(_ name: String) -> String { Fixtures.path("huggingface/\(name)") }

  static func outputs(_ path: String, inputs name: String) throws -> [String: Tensor] {
    try Forward.outputs(
      LoadedModel(ModelFiles.open(path)), inputs: folder(name) + "/inputs.safetensors")
  }

  /// Compares everything that is expected.
  static func expectSame(_ found: [String: Tensor], as name: String) throws {
    let expected = try SafeTensorsFile(path: folder(name) + "/expected.safetensors")
    var compared = 0
    for field in expected.entries.keys.sorted()
    where !field.hasPrefix("wrong.") && !leftOut.contains(field) {
      let tensor = try #require(found[renamed[field] ?? field], "\(name): \(field)")
      let wanted = try expected.tensor(field)
      let gap = try relativeDifference(tensor.reshaped(wanted.shape), wanted)
      #expect(gap < tolerance, "\(name): \(field): \(gap)")
      compared += 1
    }
    #expect(compared > 0)
  }

  @Test(arguments: folders) func outputsAreTheirs(_ name: String) throws {
    let model = try LoadedModel(ModelFiles.open(Self.folder(name)))
    #expect(model.report.missing.isEmpty && model.report.unused.isEmpty)
    #expect(model.report.numbers == model.store.parameterCount)
    try Self.expectSame(
      Forward.outputs(model, inputs: Self.folder(name) + "/inputs.safetensors"), as: name)
  }

  /// Parts in several files, and in both containers of torch.save.
  @Test(arguments: [
    ("bert-sharded", "bert"), ("vilt-bin", "vilt-vqa"), ("lxmert-bin-sharded", "lxmert-vqa"),
  ])
  func otherContainers(_ name: String, _ same: String) throws {
    try Self.expectSame(Self.outputs(Self.folder(name), inputs: same), as: same)
  }

  /// Import, and the model that is kept gives the same numbers to the last bit.
  @Test(arguments: folders) func importedModelsAreTheSame(_ name: String) throws {
    let temporary = try TemporaryFolder()
    let path = temporary.path + "/model"
    try ModelFolder.write(LoadedModel(ModelFiles.open(Self.folder(name))), to: path)
    let kept = try Self.outputs(path, inputs: name)
    let original = try Self.outputs(Self.folder(name), inputs: name)
    #expect(Set(kept.keys) == Set(original.keys))
    for (field, tensor) in original {
      let found = try #require(kept[field])
      #expect(try difference(found, tensor) == 0, "\(name): \(field)")
    }
  }

  /// Import, export, import: no bit changes.
  @Test(arguments: folders) func roundTrips(_ name: String) throws {
    let temporary = try TemporaryFolder()
    let first = try LoadedModel(ModelFiles.open(Self.folder(name)))
    let exported = temporary.path + "/exported"
    let left = try HuggingFaceFolder.write(first, to: exported)
    #expect(left.isEmpty, "\(left)")
    let second = try LoadedModel(ModelFiles.open(exported))
    #expect(second.report.unused.isEmpty && second.report.missing.isEmpty)
    #expect(second.store.parameters.map(\.name) == first.store.parameters.map(\.name))
    for (one, other) in zip(first.store.parameters, second.store.parameters) {
      #expect(try difference(one.value, other.value) == 0, "\(one.name)")
    }
    #expect(second.files.config == first.files.config)
    #expect(second.files.architecture == first.files.architecture)
    try Self.expectSame(
      Forward.outputs(second, inputs: Self.folder(name) + "/inputs.safetensors"), as: name)
  }

  // MARK: what lies beside the weights

  /// A folder with a fast tokeniser's file alone has the same vocabulary.
  @Test func vocabulariesOfFastTokenisers() throws {
    let temporary = try TemporaryFolder()
    let folder = try changed("bert", [:], in: temporary)
    let lines = try String(contentsOfFile: folder + "/vocab.txt", encoding: .utf8)
      .split(separator: "\n").map(String.init)
    let ids = Dictionary(
      uniqueKeysWithValues: lines.enumerated().map { ($1, JSONValue.integer($0)) })
    let json = JSONValue.object([
      "model": .object(["type": .string("WordPiece"), "vocab": .object(ids)])
    ])
    try Data(json.pretty.utf8).write(to: URL(filePath: folder + "/tokenizer.json"))
    try FileManager.default.removeItem(atPath: folder + "/vocab.txt")
    let kept = temporary.path + "/kept"
    try ModelFolder.write(LoadedModel(ModelFiles.open(folder)), to: kept)
    #expect(
      try String(contentsOfFile: kept + "/vocabulary.txt", encoding: .utf8)
        == lines.joined(separator: "\n") + "\n")
  }

  /// CLIP's merges stand in a file of their own or in the fast tokeniser's, pair by pair or as text.
  @Test func mergesOfFastTokenisers() throws {
    let temporary = try TemporaryFolder()
    let folder = try changed("clip", [:], in: temporary)
    // As many merges as CLIP has: any two letters, the second perhaps at the end of a word.
    let printable: [UInt8] = Array(0x21...0x7E) + Array(0xA1...0xAC) + Array(0xAE...0xFF)
    let letters = printable.map { String(Character(Unicode.Scalar($0))) }
    var pairs: [[String]] = []
    for left in letters {
      for right in letters { pairs += [[left, right], [left, right + "</w>"]] }
    }
    pairs = Array(pairs.prefix(48_894))
    func reader(_ merges: [JSONValue]) throws -> TextReader {
      let model: [String: JSONValue] = [
        "type": .string("BPE"), "end_of_word_suffix": .string("</w>"), "merges": .array(merges),
      ]
      try Data(JSONValue.object(["model": .object(model)]).compact.utf8)
        .write(to: URL(filePath: folder + "/tokenizer.json"))
      return try ModelFiles.open(folder).textReader()
    }
    let asPairs = try reader(pairs.map { .array($0.map(JSONValue.string)) })
    let asText = try reader(pairs.map { .string($0.joined(separator: " ")) })
    #expect(asPairs.count == 49_408)
    let ids = asPairs.tokenizer.encode("!a b").ids
    #expect(ids == asText.tokenizer.encode("!a b").ids)
    #expect(asPairs.tokenizer.token(of: 512) == "!!" && asText.tokenizer.token(of: 513) == "!!</w>")
    #expect(throws: DataError.self) { try reader([.array([.string("a")])]) }
  }

  /// ViT's names in transformers 5's memory, which state_dict() gives, are read too.
  @Test func namesInMemory() throws {
    let file = try SafeTensorsFile(path: Self.folder("vit") + "/model.safetensors")
    let changes = [
      ("encoder.layer.", "layers."), ("attention.output.dense.", "attention.o_proj."),
      ("attention.attention.query.", "attention.q_proj."),
      ("attention.attention.key.", "attention.k_proj."),
      ("attention.attention.value.", "attention.v_proj."), ("intermediate.dense.", "mlp.fc1."),
      ("output.dense.", "mlp.fc2."),
    ]
    var tensors: [String: Tensor] = [:]
    for name in file.entries.keys {
      let renamed = changes.reduce(name) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
      tensors[renamed] = try file.tensor(name)
    }
    #expect(
      tensors["layers.0.attention.o_proj.weight"] != nil && tensors["layers.0.mlp.fc2.bias"] != nil)
    let temporary = try TemporaryFolder()
    let folder = try changed("vit", [:], in: temporary)
    try FileManager.default.removeItem(atPath: folder + "/model.safetensors")
    try SafeTensors.write(tensors, to: folder + "/model.safetensors")
    try Self.expectSame(
      Forward.outputs(
        LoadedModel(ModelFiles.open(folder)), inputs: Self.folder("vit") + "/inputs.safetensors"),
      as: "vit")
  }

  /// Settings that would change numbers without a word.
  @Test(arguments: [
    ("bert", "is_decoder", JSONValue.bool(true)), ("vit", "pooler_act", .string("relu")),
  ])
  func settingsThatAreRefused(_ name: String, _ key: String, _ value: JSONValue) throws {
    let temporary = try TemporaryFolder()
    let folder = try changed(name, [key: value], in: temporary)
    let error = #expect(throws: DataError.self) { try ModelFiles.open(folder) }
    #expect(error?.description.contains(key) == true)
  }

  /// transformers 5 writes the pictures' settings into the processor's.
  @Test func normalisationOfAProcessor() throws {
    let temporary = try TemporaryFolder()
    let folder = try changed("vit", [:], in: temporary)
    try? FileManager.default.removeItem(atPath: folder + "/preprocessor_config.json")
    let processor = JSONValue.object([
      "image_processor": .object(["image_mean": .array([.number(0.1), .number(0.2), .number(0.3)])])
    ])
    try Data(processor.pretty.utf8).write(to: URL(filePath: folder + "/processor_config.json"))
    let mean = try ModelFiles.open(folder).config["mean"]
    #expect(mean == .array([.number(0.1), .number(0.2), .number(0.3)]))
  }

  /// With a token behind the end's id the greatest id is no longer the end: with the id said, the vectors
  /// of texts are as before.
  @Test func endOfText() throws {
    let temporary = try TemporaryFolder()
    let inputs = try SafeTensorsFile(path: Self.folder("clip") + "/inputs.safetensors")
    let before = try Forward.outputs(
      LoadedModel(ModelFiles.open(Self.folder("clip"))), inputs: inputs.path)
    let ids = try inputs.tensor("input_ids")
    var numbers = try ids.to(.int64).array(of: Int64.self)
    let end = numbers.max() ?? 0
    var tensors: [String: Tensor] = [:]
    for name in inputs.entries.keys { tensors[name] = try inputs.tensor(name) }
    func text(_ folder: String) throws -> [Float] {
      tensors["input_ids"] = try Tensor(numbers, ids.shape)
      let file = temporary.path + "/in.safetensors"
      try SafeTensors.write(tensors, to: file)
      return try Forward.outputs(LoadedModel(ModelFiles.open(folder)), inputs: file)["text_embeds"]?
        .floats() ?? []
    }
    // The end's id is swapped with a smaller one, in the texts and in the table of words.
    let smaller: Int64 = 5
    numbers = numbers.map { $0 == end ? smaller : $0 == smaller ? end : $0 }
    let folder = try changed("clip", [:], in: temporary)
    let file = try SafeTensorsFile(path: folder + "/model.safetensors")
    var weights: [String: Tensor] = [:]
    for name in file.entries.keys { weights[name] = try file.tensor(name) }
    let table = "text_model.embeddings.token_embedding.weight"
    let words = try #require(weights[table])
    var rows = Array(0..<words.shape[0])
    rows.swapAt(Int(end), Int(smaller))
    weights[table] = try words.rows(Tensor(rows))
    guard case .object(var fields) = try JSONValue(contentsOfFile: folder + "/config.json"),
      case .object(var part)? = fields["text_config"]
    else { return }
    part["eos_token_id"] = .integer(Int(smaller))
    fields["text_config"] = .object(part)
    try Data(JSONValue.object(fields).pretty.utf8)
      .write(to: URL(filePath: folder + "/config.json"))
    try FileManager.default.removeItem(atPath: folder + "/model.safetensors")
    try SafeTensors.write(weights, to: folder + "/model.safetensors")
    #expect(try text(folder) == before["text_embeds"]?.floats())
  }

  /// Pictures are read with the folder's own mean and deviation.
  @Test func normalisationIsTheFolders() throws {
    let temporary = try TemporaryFolder()
    let folder = try changed("vit", [:], in: temporary)
    let processor: [String: JSONValue] = [
      "image_mean": .array([.number(0.1), .number(0.2), .number(0.3)]),
      "image_std": .array([.number(0.4), .number(0.5), .number(0.6)]),
    ]
    let file = folder + "/preprocessor_config.json"
    try Data(JSONValue.object(processor).pretty.utf8).write(to: URL(filePath: file))
    let config = try ModelFiles.open(folder).config
    #expect(config["mean"] == processor["image_mean"])
    #expect(config["deviation"] == processor["image_std"])
    try Data(#"{"image_mean": 3}"#.utf8).write(to: URL(filePath: file))
    let refusal = message { _ = try ModelFiles.open(folder) }
    #expect(refusal?.contains("image_mean") == true)
  }

  // MARK: mistakes

  /// A copy of a folder with a changed setting.
  private func changed(
    _ name: String, _ changes: [String: JSONValue], in temporary: TemporaryFolder
  ) throws -> String {
    let copy = temporary.path + "/copy"
    try FileManager.default.copyItem(atPath: Self.folder(name), toPath: copy)
    guard case .object(var fields) = try JSONValue(contentsOfFile: copy + "/config.json") else {
      throw DataError("no object")
    }
    fields.merge(changes) { $1 }
    try Data(JSONValue.object(fields).pretty.utf8).write(
      to: URL(filePath: copy + "/config.json"))
    return copy
  }

  /// A wrong epsilon shows, exactly as far as it shows in transformers.
  @Test(arguments: [("bert", "last_hidden_state"), ("vit", "last_hidden_state")])
  func aWrongEpsilonShows(_ name: String, _ field: String) throws {
    let temporary = try TemporaryFolder()
    let wrong = try changed(name, ["layer_norm_eps": .number(1e-5)], in: temporary)
    let found = try #require(try Self.outputs(wrong, inputs: name)[field])
    let expected = try SafeTensorsFile(path: Self.folder(name) + "/expected.safetensors")
    #expect(try relativeDifference(found, expected.tensor(field)) > 5 * Self.tolerance)
    #expect(
      try relativeDifference(found, expected.tensor("wrong.eps.\(field)")) < Self.tolerance)
  }

  /// The approximation of GELU is another function, and is refused.
  @Test(arguments: ["bert", "vit"]) func anotherGELUShows(_ name: String) throws {
    let expected = try SafeTensorsFile(path: Self.folder(name) + "/expected.safetensors")
    let found = try #require(
      try Self.outputs(Self.folder(name), inputs: name)["last_hidden_state"])
    #expect(
      try relativeDifference(found, expected.tensor("wrong.gelu.last_hidden_state"))
        > 5 * Self.tolerance)
    let temporary = try TemporaryFolder()
    let wrong = try changed(name, ["hidden_act": .string("gelu_new")], in: temporary)
    let refusal = message { _ = try ModelFiles.open(wrong) }
    #expect(refusal?.contains("gelu_new") == true && refusal?.contains("config.json") == true)
  }

  /// Answers are read through norm, then GELU.
  @Test func theOrderOfAHeadShows() throws {
    let name = "vilt-vqa"
    let expected = try SafeTensorsFile(path: Self.folder(name) + "/expected.safetensors")
    let found = try #require(try Self.outputs(Self.folder(name), inputs: name)["logits"])
    for wrong in ["wrong.order.logits", "wrong.head_eps.logits"] {
      #expect(
        try relativeDifference(found, expected.tensor(wrong)) > 5 * Self.tolerance, "\(wrong)")
    }
  }
}
