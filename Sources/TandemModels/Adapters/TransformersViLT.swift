// ViLT as Hugging Face transformers saves it: `config.json` and `model.safetensors` in a folder.
// Differs from ours: one projection each for queries, keys and values, and other names.

internal import Foundation
internal import TandemCore
public import TandemNN
public import TandemTorch

public struct TransformersViLT: WeightSource {
  public let config: ViLT.Config
  public let title: String
  /// Our names of what the file holds.
  public let names: [String]
  private let file: SafeTensorsFile
  /// From each of our names to theirs; several are laid end to end.
  private let origins: [String: [String]]

  /// Opens a folder.
  ///
  /// - Throws: `SettingsError` for a config that is no ViLT's, `SafeTensorsError` for a bad file.
  public init(folder: String) throws {
    title = folder
    config = try Self.config(JSONValue(contentsOfFile: folder + "/config.json"), folder)
    file = try SafeTensorsFile(path: folder + "/model.safetensors")
    var origins: [String: [String]] = [:]
    for theirs in file.entries.keys {
      for part in ["query", "key", "value"] where theirs.contains(".attention.attention.\(part).") {
        let parts = ["query", "key", "value"].map {
          theirs.replacingOccurrences(of: ".\(part).", with: ".\($0).")
        }
        let name = theirs.replacingOccurrences(of: "attention.attention.\(part)", with: "attn.qkv")
        origins[Self.renamed(name)] = parts
      }
      if !theirs.contains(".attention.attention.") { origins[Self.renamed(theirs)] = [theirs] }
    }
    self.origins = origins
    names = origins.keys.sorted()
  }

  public func weight(_ name: String) throws -> Tensor? {
    guard let parts = origins[name], parts.allSatisfy({ file.entries[$0] != nil }) else {
      return nil
    }
    let tensors = try parts.map { try file.copy($0) }
    return tensors.count == 1 ? tensors[0] : try Tensor.concatenated(tensors)
  }

  /// What each part of their names is called here, in the order it is replaced.
  private static let renames = [
    ("vilt.embeddings.text_embeddings.", "text_embeddings."),
    ("vilt.embeddings.token_type_embeddings.", "token_type_embeddings."),
    ("vilt.embeddings.patch_embeddings.projection.", "transformer.patch_embed.proj."),
    ("vilt.embeddings.cls_token", "transformer.cls_token"),
    ("vilt.embeddings.position_embeddings", "transformer.pos_embed"),
    ("vilt.encoder.layer.", "transformer.blocks."),
    ("vilt.layernorm.", "transformer.norm."),
    ("vilt.pooler.", "pooler."),
    (".layernorm_before.", ".norm1."),
    (".layernorm_after.", ".norm2."),
    (".attention.output.dense.", ".attn.proj."),
    (".intermediate.dense.", ".mlp.fc1."),
    (".output.dense.", ".mlp.fc2."),
    ("mlm_score.decoder.bias", "mlm_score.bias"),
  ]

  private static func renamed(_ theirs: String) -> String {
    renames.reduce(theirs) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
  }

  private static func config(_ json: JSONValue, _ folder: String) throws -> ViLT.Config {
    func integer(_ key: String) throws -> Int {
      guard case .integer(let value)? = json[key] else {
        throw SettingsError("\(folder)/config.json: \(key): expected a whole number")
      }
      return value
    }
    func number(_ key: String) throws -> Double {
      switch json[key] {
      case .number(let value)?: return value
      case .integer(let value)?: return Double(value)
      default: throw SettingsError("\(folder)/config.json: \(key): expected a number")
      }
    }
    guard json["model_type"] == .string("vilt") else {
      throw SettingsError(
        "\(folder)/config.json: model_type: expected \"vilt\", found "
          + (json["model_type"]?.compact ?? "nothing"))
    }
    var config = ViLT.Config()
    config.width = try integer("hidden_size")
    config.layers = try integer("num_hidden_layers")
    config.heads = try integer("num_attention_heads")
    config.feedForward = try integer("intermediate_size")
    config.vocabulary = try integer("vocab_size")
    config.textLength = try integer("max_position_embeddings")
    config.patchSize = try integer("patch_size")
    config.shorterSide = try integer("image_size")
    config.grid = config.shorterSide / max(1, config.patchSize)
    config.modalities = try integer("modality_type_vocab_size")
    config.dropout = try number("hidden_dropout_prob")
    config.attentionDropout = try number("attention_probs_dropout_prob")
    config.normEpsilon = try number("layer_norm_eps")
    return config
  }
}
