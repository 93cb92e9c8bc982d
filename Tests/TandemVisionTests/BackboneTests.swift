// Backbones and pyramids against the reference libraries, see make_vision.py.

import TandemNN
import TandemTorch
import TandemVision
import TestSupport
import Testing

@Suite struct BackboneTests {
  static let training = Mode(isTraining: true)

  /// Maps, then gradients of Σ map · cotangent, against what was kept of them.
  private func compare(
    _ name: String, _ maps: [Tensor], leaves: [String: Tensor], _ file: SafeTensorsFile
  ) throws {
    var total = try Tensor([Float(0)], [])
    for (place, map) in maps.enumerated() {
      let gap = try summaryDifference(map, file.tensor("\(name).map.\(place)"))
      #expect(gap < DeepTolerance.map, "\(name), map \(place): \(gap)")
      total = try total + (map * ruled("cotangent.\(place)", map.shape)).sum()
    }
    #expect(file.entries["\(name).map.\(maps.count)"] == nil)
    try total.backward()
    let names = file.entries.keys.filter { $0.hasPrefix("\(name).grad.") }
    #expect(names.count == leaves.count)
    for (leaf, tensor) in leaves {
      let gradient = try #require(try tensor.gradient(), "\(leaf)")
      let gap = try summaryDifference(gradient, file.tensor("\(name).grad.\(leaf)"))
      #expect(gap < DeepTolerance.gradient, "\(name), gradient of \(leaf): \(gap)")
    }
  }

  /// The picture that the script chose for a network.
  private func picture(
    _ name: String, count: Int = 1, _ file: SafeTensorsFile
  ) throws -> Tensor {
    let number = try #require(try file.integers(name + ".picture").first)
    return try leaf(ruled("picture.\(number)", [count, 3, 38, 45]))
  }

  private func leaves(_ store: ParameterStore, _ inputs: [String: Tensor]) -> [String: Tensor] {
    store.parameters.reduce(into: inputs) { $0[$1.name] = $1.value }
  }

  static let caffe: ResNetShape = {
    var shape = ResNetShape.resNet50
    shape.stridePlace = .first
    shape.isLastStageDilated = true
    return shape
  }()

  @Test(
    arguments: [
      ("resnet18", ResNetShape.resNet18), ("resnet50", .resNet50), ("resnet50-caffe", caffe),
    ])
  func resNetWithFrozenNorms(_ name: String, _ shape: ResNetShape) throws {
    let file = try Fixtures.tensors("vision/networks.safetensors")
    let (net, store) = try ruledModel { try ResNet(shape, at: $0) }
    let picture = try picture(name, file)
    let maps = try net(picture, Self.training)
    #expect(maps.map { $0.size(1) } == net.levels.map(\.channels))
    #expect(maps.map { $0.size(2) } == net.levels.map { (38 + $0.stride - 1) / $0.stride })
    try compare(name, maps, leaves: leaves(store, ["picture": picture]), file)
  }

  @Test func resNetWithTrainedNorms() throws {
    let file = try Fixtures.tensors("vision/networks.safetensors")
    var shape = ResNetShape.resNet18
    shape.norm = .trained()
    let (net, store) = try ruledModel { try ResNet(shape, at: $0) }
    let picture = try picture("resnet18-trained", count: 2, file)
    let quiet = try net(picture, .inference)
    for (place, map) in quiet.enumerated() {
      let gap = try summaryDifference(map, file.tensor("resnet18-trained.quiet.\(place)"))
      #expect(gap < DeepTolerance.map, "\(place): \(gap)")
    }
    let maps = try net(picture, Self.training)
    try compare("resnet18-trained", maps, leaves: leaves(store, ["picture": picture]), file)
    for norm in ["bn1", "layer4.1.bn2"] {
      for part in ["running_mean", "running_var"] {
        let found = try #require(store.buffers["\(norm).\(part)"])
        let expected = try file.tensor("resnet18-trained.after.\(norm).\(part)")
        #expect(try summaryDifference(found, expected) < DeepTolerance.map, "\(norm).\(part)")
      }
    }
    // The statistics moved, so the quiet network is another one; nothing stale is kept.
    let after = try withoutGradients { try net(picture, .inference) }
    #expect(try difference(after[3], quiet[3]) > 1e-2)
  }

  @Test func aStageOfItsOwnIsTheSameStage() throws {
    let (net, _) = try ruledModel { try ResNet(Self.caffe, at: $0) }
    let (head, _) = try ruledModel { try ResNetStage(Self.caffe, stage: 5, at: $0) }
    let picture = try ruled("picture", [1, 3, 64, 64])
    try withoutGradients {
      let maps = try net(picture, .inference)
      #expect(head.channels == 2048 && head.stride == 16)
      #expect(try difference(head(maps[2], .inference), maps[3]) == 0)
    }
  }

  @Test func keptKernelsAreMadeAgainWhenTheMastersChange() throws {
    let (net, store) = try ruledModel { try ResNet(.resNet18, stages: 1, at: $0) }
    try store.seal {
      ParameterGroup(
        decays: true, isFrozen: ResNet.isFrozen($0.name, stages: 1))
    }
    let picture = try ruled("picture", [1, 3, 32, 32])
    func map() throws -> Tensor { try withoutGradients { try net(picture, .inference)[0] } }
    let before = try map()
    #expect(try difference(map(), before) == 0)
    #expect(store["conv1.weight"]?.group.isFrozen == true)
    let weight = try #require(store["layer1.0.conv1.weight"])
    #expect(!weight.group.isFrozen)
    try withoutGradients { try weight.value.multiply(by: 2) }
    store.mastersChanged()
    #expect(try difference(map(), before) > 1e-2)
    // A frozen stem gives the rest its gradients and takes none.
    try net(picture, Self.training)[0].sum().backward()
    #expect(try largest(#require(try weight.value.gradient())) > 0)
    #expect(try store["conv1.weight"]?.value.gradient() == nil)
  }

  @Test func bfloat16IsClose() throws {
    let picture = try ruled("picture", [1, 3, 64, 64])
    let (wide, _) = try ruledModel { try ResNet(.resNet18, at: $0) }
    let (narrow, store) = try ruledModel(precision: .bfloat16) { try ResNet(.resNet18, at: $0) }
    for mode in [Self.training, .inference] {
      let expected = try wide(picture, mode)
      let found = try narrow(picture, mode)
      #expect(found[3].dtype == .bfloat16)
      let gap = try relativeDifference(found[3].to(.float32), expected[3])
      // Eight bits, seventeen layers.
      #expect(gap > 0 && gap < 2 * Tolerance.bfloat16, "\(gap)")
    }
    try narrow(picture, Self.training)[3].to(.float32).sum().backward()
    #expect(try store["conv1.weight"]?.value.gradient()?.dtype == .float32)
  }

  @Test func whatIsFrozen() {
    let names = ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer4.2.bn3.bias"]
    #expect(
      (0...5).map { stages in names.map { ResNet.isFrozen($0, stages: stages) } }
        == [
          [false, false, false, false], [true, true, false, false], [true, true, true, false],
          [true, true, true, false], [true, true, true, false], [true, true, true, true],
        ])
    let lite = ["_conv_stem.weight", "_blocks.1.x", "_blocks.10.x", "_conv_head.weight"]
    #expect(
      [0, 1, 2, 11, 16].map { blocks in
        lite.map { EfficientNetLite.isFrozen($0, blocks: blocks) }
      } == [
        [false, false, false, false], [true, false, false, false], [true, true, false, false],
        [true, true, true, false], [true, true, true, false],
      ])
  }

  /// Maps of given shapes, as a backbone's.
  private struct Given: Backbone {
    let levels: [FeatureLevel]
    let maps: [Tensor]
    func callAsFunction(_ pictures: Tensor, _ mode: Mode) -> [Tensor] { maps }
  }

  @Test func featurePyramid() throws {
    let file = try Fixtures.tensors("vision/networks.safetensors")
    let sizes = [[6, 17, 21], [10, 9, 11], [14, 5, 6]]
    let maps = try sizes.enumerated().map { try leaf(ruled("map.\($0)", [2] + $1)) }
    let body = Given(
      levels: zip(sizes, [4, 8, 16]).map { FeatureLevel(channels: $0[0], stride: $1) }, maps: maps)
    let (pyramid, store) = try ruledModel { try FeaturePyramid(body, channels: 8, at: $0) }
    #expect(pyramid.levels.map(\.stride) == [4, 8, 16, 32])
    let outputs = try pyramid(maps[0], Self.training)
    var all = leaves(store, [:])
    for (place, map) in maps.enumerated() { all["map.\(place)"] = map }
    try compare("pyramid", outputs, leaves: all, file)
    #expect(throws: VisionError.self) { try pyramid.pyramid([maps[0]]) }
  }

  @Test func whatCannotBeBuiltIsRefused() throws {
    let store = ParameterStore(seed: 1)
    let bad: [() throws -> Void] = [
      { _ = try ResNet(.resNet18, stages: 5, at: store.root / "a") },
      { _ = try ResNet(ResNetShape(blocks: [1], hasBottlenecks: true), at: store.root / "b") },
      { _ = try ResNetStage(.resNet18, stage: 1, at: store.root / "c") },
      { _ = try EfficientNetLite(imageSize: 8, at: store.root / "d") },
      {
        let lite = try EfficientNetLite(hasHead: false, at: store.root / "e")
        _ = try lite.grid(Tensor.zeros([1, 3, 32, 32]), .inference)
      },
    ]
    for make in bad { #expect(throws: VisionError.self) { try make() } }
  }

  /// The slope of a small network's output, against what autograd finds.
  @Test func finiteDifferences() throws {
    let store = ParameterStore(seed: 3)
    let path = store.root
    let first = try NormedConvolution(
      ConvolutionShape(3, 8, size: 3, stride: 2), .frozen, rectifier: .none, at: path / "a",
      norm: path / "an")
    let second = try NormedConvolution(
      ConvolutionShape(8, 8, size: 5, groups: 8), .trained(), rectifier: .none, at: path / "b",
      norm: path / "bn")
    func value(_ x: Tensor) throws -> Tensor {
      let a = try first(x, Self.training)
      let y = try second(a, adding: a, Self.training)
      return try (y * ruled("w", y.shape)).sum()
    }
    let x = try leaf(ruled("x", [2, 3, 11, 9]))
    let gradient = try #require(try value(x).gradients(of: [x])[0])
    let (slope, found) = try slopes(at: x, gradient: gradient, seed: 4) { try value($0).item() }
    #expect(abs(slope - found) < Tolerance.finiteDifference * max(abs(found), 1))
  }
}
