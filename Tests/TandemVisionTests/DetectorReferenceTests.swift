import Foundation
import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import Testing
import TestSupport

/// A whole detector against torchvision's, of the same weights and pictures.
@Suite struct DetectorReferenceTests {
  struct Fixture: Decodable {
    struct Detections: Decodable {
      let boxes: [Float]
      let labels: [Int]
      let scores: [Float]
    }
    struct Gradient: Decodable {
      let norm: Double
      let step: Int
      let values: [Float]
    }
    let shapes: [String: [Int]]
    let weights: [String: [Float]]
    let sizes: [[Int]]
    let proposals: [[Float]]
    let detections: [Detections]
    let losses: [String: Double]
    let gradients: [String: Gradient]
  }

  static let config: DetectorConfig = {
    var config = DetectorConfig.torchvisionResNet50
    config.classes = 4
    config.preparation.shorter = [224]
    config.preparation.longer = 340
    config.backbone.resNet = .resNet18
    config.proposals.anchors.sizes = [[24], [48], [96], [160], [256]]
    config.proposals.candidates = ByPhase(training: 60, inference: 40)
    config.proposals.kept = ByPhase(training: 200, inference: 120)
    config.proposals.sampler.count = 100_000
    config.regions.head = .twoLayers(width: 64)
    config.regions.sampler.count = 100_000
    config.regions.leastScore = 0.3
    config.regions.overlap = 0.4
    config.regions.detections = 20
    return config
  }()

  static func images() throws -> [Image] {
    [try namedPicture("picture0", 80, 60), try namedPicture("picture1", 64, 96)]
  }

  static let targets: [[AnnotatedObject]] = [
    [
      AnnotatedObject(box: Box(x1: 4, y1: 6, x2: 40, y2: 50), label: 1),
      AnnotatedObject(box: Box(x1: 30, y1: 10, x2: 75, y2: 40), label: 3),
    ],
    [
      AnnotatedObject(box: Box(x1: 2, y1: 20, x2: 30, y2: 90), label: 2),
      AnnotatedObject(box: Box(x1: 10, y1: 5, x2: 60, y2: 60), label: 4),
      AnnotatedObject(box: Box(x1: 35, y1: 40, x2: 60, y2: 90), label: 1),
    ],
  ]

  private func detector() throws -> (FasterRCNN, ParameterStore, Fixture) {
    let fixture = try Fixtures.json(Fixture.self, "detection/torchvision.json")
    let store = ParameterStore(
      seed: 1, source: NamedWeights(shapes: fixture.shapes, given: fixture.weights))
    let detector = try FasterRCNN(Self.config, at: store.root)
    try store.loadReport().check()
    return (detector, store, fixture)
  }

  @Test func proposalsAndDetectionsEqualTorchvision() throws {
    let (detector, _, fixture) = try detector()
    let images = try Self.images()
    let batch = try Self.config.preparation.batch(images)
    #expect(batch.sizes.map { [$0.height, $0.width] } == fixture.sizes)
    for (picture, found) in try detector.propose(images).enumerated() {
      let inBatch = found.map { batch.toBatch($0.box, picture: picture) }
      // Many scores round to 1, so that only what is proposed can be compared, not its order.
      let expected = boxes(fixture.proposals[picture])
      #expect(inBatch.count == expected.count)
      #expect(expected.contains { $0.area > 180 * 180 } && expected.contains { $0.area < 400 })
      for box in expected {
        let nearest = inBatch.map { difference(coordinates([$0]), coordinates([box])) }.min()
        #expect(nearest ?? .infinity < 2e-2)
      }
    }
    for (found, expected) in zip(try detector.detect(images), fixture.detections) {
      #expect(found.map(\.label) == expected.labels)
      #expect(difference(found.map(\.score), expected.scores) < 1e-4)
      #expect(difference(coordinates(found.map(\.box)), expected.boxes) < 2e-2)
      #expect(Set(found.map(\.label)).count > 2)
    }
  }

  @Test func lossesAndGradientsEqualTorchvision() throws {
    let (detector, store, fixture) = try detector()
    try store.seal { ParameterGroup(decays: $0.decays) }
    var stream = RandomStream(seed: 1)
    let losses = try detector.losses(
      images: Self.images(), targets: Self.targets, using: &stream)
    let names = [
      "objectness": "loss_objectness", "proposal_boxes": "loss_rpn_box_reg",
      "classes": "loss_classifier", "boxes": "loss_box_reg",
    ]
    #expect(losses.attributes == nil)
    for (name, value) in losses.named {
      let expected = try #require(fixture.losses[names[name] ?? ""])
      let found = try value.item()
      #expect(abs(found - expected) < 1e-4 * max(expected, 0.01), "\(name): \(found), \(expected)")
    }
    try losses.total().backward()
    #expect(fixture.gradients.count > 15)
    for (name, expected) in fixture.gradients {
      let parameter = try #require(store[name])
      let gradient = try #require(try parameter.value.gradient())
      let norm = try gradient.norm().item()
      #expect(abs(norm - expected.norm) < 2e-3 * expected.norm, "\(name)")
      let values = try gradient.floats()
      let some = expected.values.indices.map { values[$0 * expected.step] }
      // The single numbers are about as large as this.
      let size = expected.norm / Double(values.count).squareRoot()
      #expect(difference(some, expected.values) < 2e-2 * size + 1e-9, "\(name)")
    }
  }

  @Test func namesAndShapesAreThoseOfThePublishedDetector() throws {
    let published = try Fixtures.json([String: [Int]].self, "detection/published-names.json")
    struct Empty: WeightSource {
      let title = "empty"
      let shapes: [String: [Int]]
      var names: [String] { Array(shapes.keys) }
      func weight(_ name: String) throws -> Tensor? {
        try shapes[name].map { try Tensor.zeros($0) }
      }
    }
    let store = ParameterStore(seed: 1, source: Empty(shapes: published))
    let detector = try FasterRCNN(.torchvisionResNet50, at: store.root)
    try store.loadReport().check()
    #expect(published.count > 250)
    #expect(detector.featureWidth == 1024)
    // torchvision's default trains C3 and up.
    let frozen = store.parameters.map(\.name).filter {
      FasterRCNN.isFrozen($0, .torchvisionResNet50)
    }
    #expect(frozen.contains("backbone.body.conv1.weight"))
    #expect(frozen.contains("backbone.body.layer1.2.conv3.weight"))
    #expect(!frozen.contains { $0.contains("layer2") || !$0.hasPrefix("backbone.body.") })
  }
}
