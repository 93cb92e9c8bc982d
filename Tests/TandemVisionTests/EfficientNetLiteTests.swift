// EfficientNet-Lite0 against efficientnet-lite-pytorch, see make_vision.py.

import Foundation
import TandemNN
import TandemTorch
import TandemVision
import TestSupport
import Testing

@Suite struct EfficientNetLiteTests {
  /// The picture that the script chose.
  private func picture(_ file: SafeTensorsFile) throws -> Tensor {
    let number = try #require(try file.integers("lite0.picture").first)
    return try leaf(ruled("picture.\(number)", [1, 3, 80, 64]))
  }

  @Test func mapsAndGradients() throws {
    let file = try Fixtures.tensors("vision/networks.safetensors")
    let (net, store) = try ruledModel { try EfficientNetLite(at: $0) }
    let picture = try picture(file)
    let mode = Mode(isTraining: true)
    let maps = try net(picture, mode) + [net.grid(picture, mode)]
    #expect(maps.dropLast().map { $0.size(1) } == net.levels.map(\.channels))
    #expect(maps.map(\.shape)[2...] == [[1, 320, 2, 2], [1, 1280, 2, 2]])
    var total = try Tensor([Float(0)], [])
    for (place, map) in maps.enumerated() {
      let gap = try summaryDifference(map, file.tensor("lite0.map.\(place)"))
      #expect(gap < DeepTolerance.map, "map \(place): \(gap)")
      total = try total + (map * ruled("cotangent.\(place)", map.shape)).sum()
    }
    try total.backward()
    let names = file.entries.keys.filter { $0.hasPrefix("lite0.grad.") }
    #expect(names.count == store.parameters.count + 1)
    for name in names {
      let leaf = String(name.dropFirst("lite0.grad.".count))
      let tensor = try leaf == "picture" ? picture : #require(store[leaf]).value
      let gap = try summaryDifference(#require(try tensor.gradient()), file.tensor(name))
      #expect(gap < DeepTolerance.gradient, "\(leaf): \(gap)")
    }
  }

  @Test func classifier() throws {
    let file = try Fixtures.tensors("vision/networks.safetensors")
    let (net, _) = try ruledModel { try EfficientNetLiteClassifier(at: $0) }
    let logits = try withoutGradients {
      try net(picture(file), .inference)
    }
    #expect(logits.shape == [1, 1000])
    #expect(try summaryDifference(logits, file.tensor("lite0.logits")) < DeepTolerance.map)
  }

  /// 7 × 7 cells of a picture of 224 × 224, and padding by the picture's own size on request.
  @Test func gridOfTheUsualPicture() throws {
    let store = ParameterStore(seed: 1)
    let net = try EfficientNetLite(at: store.root)
    let grid = try GridFeatures(EfficientNetLiteGrid(net))
    let cells = try withoutGradients {
      try grid(Tensor.zeros([1, 3, 224, 224]), .inference)
    }
    #expect(cells.rows.shape == [49, 1280] && grid.channels == 1280 && grid.stride == 32)
    let other = try EfficientNetLite(hasHead: false, imageSize: 240, at: store.root / "other")
    let maps = try withoutGradients { try other(Tensor.zeros([1, 3, 240, 240]), .inference) }
    #expect(maps.map { $0.size(3) } == [30, 15, 8])
  }

  private static let folder = ProcessInfo.processInfo.environment["TANDEM_EFFICIENTNET_LITE"]

  /// Photographs of a cat, a cup of coffee and a rocket, with the published weights.
  @Test(
    .enabled(
      if: folder != nil, "TANDEM_EFFICIENTNET_LITE names no folder that make_vision.py filled"))
  func publishedWeights() throws {
    let folder = try #require(Self.folder)
    let weights = try SafeTensorsFile(path: folder + "/efficientnet-lite0.safetensors")
    let pictures = try SafeTensorsFile(path: folder + "/pictures.safetensors")
    let store = ParameterStore(seed: 1, source: try GivenWeights(weights))
    let net = try EfficientNetLiteClassifier(at: store.root)
    try store.loadReport().check()
    // ImageNet: Egyptian cat, espresso, missile.
    for (name, label) in [("chelsea", 285), ("coffee", 967), ("rocket", 657)] {
      let pixels = try pictures.tensor(name).to(.float32).unsqueezed(0)
      let picture =
        try
        (pixels * (1 / 255 / EfficientNetLite.deviation)
        - Tensor.full([1], EfficientNetLite.mean / EfficientNetLite.deviation))
      let logits = try withoutGradients { try net(picture, .inference) }
      #expect(try logits.argmax(1).array(of: Int64.self) == [Int64(label)], "\(name)")
      let expected = try pictures.tensor(name + ".logits").unsqueezed(0)
      #expect(try relativeDifference(logits, expected) < 1e-4, "\(name)")
    }
  }
}
