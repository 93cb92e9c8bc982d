// Writes a model as the transformers library keeps it.

internal import Foundation
internal import TandemCore
internal import TandemFiles
internal import TandemModels
internal import TandemNN
internal import TandemText
internal import TandemTorch
internal import TandemTrain

public enum HuggingFaceFolder {
  /// Writes config.json, model.safetensors and what else is at hand, aside first.
  ///
  /// - Returns: names of weights that the class of transformers has no place for.
  /// - Throws: `SettingsError` for a model that transformers does not have, `RunError` for a folder that
  ///   is not empty.
  public static func write(_ model: LoadedModel, to path: String) throws -> [String] {
    guard let adapter = AdapterCatalog.find(model: model.files.model), !adapter.modelType.isEmpty
    else {
      let known = AdapterCatalog.all.filter { !$0.modelType.isEmpty }.map { $0.modelName }
      throw SettingsError(
        "transformers has no \(model.files.model); it has \(known.joined(separator: ", "))")
    }
    try OutputFolder.prepare(path)
    return try write(adapter, model, path)
  }

  private static func write<A: FamilyAdapter>(
    _ adapter: A.Type, _ model: LoadedModel, _ path: String
  ) throws -> [String] {
    let config = try model.files.config.decoded(A.Model.Config.self)
    let export = try A.exported(config, model.heads.specifications)
    // A file without any head has names that begin below the model's own.
    let isBase = export.architecture.hasSuffix("Model") && !A.basePrefix.isEmpty
    let table = A.huggingFaceNames(export.architecture, isBase: isBase)
    var tensors: [String: Tensor] = [:]
    var left: [String] = []
    for (name, tensor) in model.store.tensors() {
      guard !export.leftOut.contains(where: name.hasPrefix) else {
        left.append(name)
        continue
      }
      let turned =
        try table.transposed.contains(name)
        ? tensor.detached().transposed(0, 1).contiguous() : tensor.detached()
      let theirs = table.theirs(name)
      let side = turned.size(0) / theirs.count
      for (place, part) in theirs.enumerated() {
        tensors[part] =
          theirs.count == 1 ? turned : try turned.narrow(0, from: place * side, side).contiguous()
      }
    }
    try AtomicDirectory.write(to: path) { folder in
      try SafeTensors.write(
        tensors, metadata: ["format": "pt"], to: folder + "/model.safetensors")
      try write(
        configuration(model, export, type: A.modelType), to: folder + "/config.json")
      try writeTokenizer(model, to: folder)
      try writeProcessor(model.files, to: folder)
    }
    return left.sorted()
  }

  private static func write(_ json: JSONValue, to path: String) throws {
    try AtomicFile.write(utf8: json.pretty + "\n", to: path)
  }

  private static func configuration(
    _ model: LoadedModel, _ export: HuggingFaceExport, type: String
  ) -> JSONValue {
    var fields = export.fields
    fields["model_type"] = .string(type)
    fields["architectures"] = .array([.string(export.architecture)])
    fields["dtype"] = .string("float32")
    let count = model.heads.answerCount
    if count > 0 {
      let answers = model.files.answers
      let labels = (0..<count).map { place in
        answers.count == count ? answers[place] : "LABEL_\(place)"
      }
      if !export.classesField.isEmpty { fields[export.classesField] = .integer(count) }
      fields["id2label"] = .object(
        Dictionary(
          uniqueKeysWithValues: labels.enumerated().map { ("\($0)", JSONValue.string($1)) }))
      fields["label2id"] = .object(
        Dictionary(labels.enumerated().map { ($1, JSONValue.integer($0)) }) { first, _ in first })
    }
    for (field, head) in [
      ("num_object_labels", model.heads.specifications.regionClasses),
      ("num_attr_labels", model.heads.specifications.regionAttributes),
    ] where type == "lxmert" {
      guard let head, let rows = model.store[head.decoder + ".weight"]?.shape.first else {
        continue
      }
      fields[field] = .integer(rows)
    }
    return .object(fields)
  }

  /// BERT's tokeniser over the model's vocabulary, or CLIP's.
  private static func writeTokenizer(_ model: LoadedModel, to folder: String) throws {
    guard let vocabulary = model.files.vocabulary else { return }
    var settings: [String: JSONValue] = ["model_max_length": .integer(model.input.textLength)]
    if model.files.model == CLIP.name {
      settings["tokenizer_class"] = .string("CLIPTokenizer")
      try writeMerges(vocabulary, model.files.textReader(), to: folder)
    } else {
      settings["tokenizer_class"] = .string("BertTokenizer")
      settings["do_lower_case"] = .bool(model.files.isLowercased)
      try AtomicFile.write(utf8: vocabulary.content, to: folder + "/vocab.txt")
    }
    try write(.object(settings), to: folder + "/tokenizer_config.json")
  }

  /// The list of merges, and the ids of the tokens that they make.
  private static func writeMerges(
    _ vocabulary: VocabularyText, _ reader: TextReader, to folder: String
  ) throws {
    let ids = (0..<reader.count).compactMap { id in
      reader.tokenizer.token(of: Int32(id)).map { ($0, JSONValue.integer(id)) }
    }
    try write(.object(Dictionary(ids) { first, _ in first }), to: folder + "/vocab.json")
    // The published list goes on behind the merges that count: all tokens but the 256 bytes, alone and
    // at a word's end, and the two special ones are made by one each.
    let merges = vocabulary.content.split(separator: "\n").dropFirst().prefix(
      reader.count - 2 * 256 - 2)
    let lines = ["#version: 0.2"] + merges.map(String.init)
    try AtomicFile.write(
      utf8: lines.joined(separator: "\n") + "\n", to: folder + "/merges.txt")
  }

  /// How pictures are brought to the model's size.
  private static func writeProcessor(_ files: ModelFiles, to folder: String) throws {
    var fields: [String: JSONValue] = [
      "do_normalize": .bool(true), "do_rescale": .bool(true), "do_resize": .bool(true),
      "rescale_factor": .number(1.0 / 255),
      "image_mean": files.config["mean"] ?? .null, "image_std": files.config["deviation"] ?? .null,
    ]
    switch files.model {
    case "vilt":
      let config = try files.config.decoded(ViLT.Config.self)
      fields["image_processor_type"] = .string("ViltImageProcessor")
      fields["size"] = .object(["shortest_edge": .integer(config.shorterSide)])
      fields["size_divisor"] = .integer(config.patchSize)
      fields["resample"] = .integer(3)
      fields["do_pad"] = .bool(true)
    case "vit":
      let config = try files.config.decoded(ViT.Config.self)
      fields["image_processor_type"] = .string("ViTImageProcessor")
      fields["size"] = .object([
        "height": .integer(config.gridHeight * config.patchSize),
        "width": .integer(config.gridWidth * config.patchSize),
      ])
      fields["resample"] = .integer(2)
    case "clip":
      let config = try files.config.decoded(CLIP.Config.self)
      fields["image_processor_type"] = .string("CLIPImageProcessor")
      fields["size"] = .object(["shortest_edge": .integer(config.imageSize)])
      fields["crop_size"] = .object([
        "height": .integer(config.imageSize), "width": .integer(config.imageSize),
      ])
      fields["do_center_crop"] = .bool(true)
      fields["do_convert_rgb"] = .bool(true)
      fields["resample"] = .integer(3)
    default: return
    }
    try write(.object(fields), to: folder + "/preprocessor_config.json")
  }
}
