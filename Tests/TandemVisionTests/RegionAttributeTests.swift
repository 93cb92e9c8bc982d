import Foundation
import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import Testing
import TestSupport

/// A C4 detector with a dilated fifth stage and attributes against one that is written out in the
/// fixture's script.
@Suite struct RegionAttributeTests {
  struct Fixture: Decodable {
    struct Regions: Decodable {
      let boxes: [Float]
      let confidences: [Float]
      let labels: [Int]
      let scores: [Float]
      let attributes: [Int]
      let attribute_scores: [Float]
      let features: [Float]
      let norms: [Float]
    }
    struct AttributeLoss: Decodable {
      let boxes: [Float]
      let labels: [Int]
      let attributes: [[Int]]
      let loss: Double
      let gradients: [String: Double]
    }
    let shapes: [String: [Int]]
    let weights: [String: [Float]]
    let proposals: [Float]
    let adaptive: Regions
    let few: Regions
    let exact: Regions
    let attribute_loss: AttributeLoss
  }

  static let config = DetectorConfig(
    preparation: PicturePreparation(
      shorter: [90], longer: 112, scale: 1, mean: [103, 116, 123], deviation: [57, 57, 57],
      isBlueFirst: true, multiple: 1),
    backbone: BackboneSettings(
      kind: .resNet,
      resNet: ResNetShape(
        blocks: [1, 1, 1, 1], hasBottlenecks: true, stridePlace: .first,
        isLastStageDilated: true),
      poolsAsCaffe: true),
    proposals: ProposalSettings(
      anchors: AnchorSettings(sizes: [[24, 48, 80]], form: .detectron), channels: 32,
      candidates: ByPhase(training: 50, inference: 50), kept: ByPhase(training: 0, inference: 25)),
    regions: RegionSettings(head: .lastStage, pooling: .max, bins: 7), classes: 6, attributes: 5)

  static func detector(
    _ config: DetectorConfig = config
  ) throws -> (FasterRCNN, ParameterStore, Fixture) {
    let fixture = try Fixtures.json(Fixture.self, "detection/c4.json")
    let store = ParameterStore(
      seed: 1, source: NamedWeights(shapes: fixture.shapes, given: fixture.weights))
    let detector = try FasterRCNN(config, at: store.root)
    try store.loadReport().check()
    return (detector, store, fixture)
  }

  @Test(arguments: ["adaptive", "few", "exact"])
  func regionsEqualTheWrittenOutDetector(name: String) throws {
    let (detector, _, fixture) = try Self.detector()
    let image = try namedPicture("c4", 112, 90)
    #expect(
      difference(coordinates(try detector.propose([image])[0].map(\.box)), fixture.proposals)
        < 1e-2)
    let (selection, expected) =
      switch name {
      case "adaptive": (RegionSelection(leastConfidence: 0.188, least: 4), fixture.adaptive)
      case "few": (RegionSelection(leastConfidence: 0.9, least: 4), fixture.few)
      default: (RegionSelection.exactly(8), fixture.exact)
      }
    let found = try detector.regions([image], selection)[0]
    #expect(found.count == expected.labels.count && found.featureWidth == 2048)
    #expect(found.labels == expected.labels)
    #expect(found.attributes == expected.attributes)
    #expect(difference(coordinates(found.boxes), expected.boxes) < 1e-2)
    #expect(difference(found.confidences, expected.confidences) < 1e-4)
    #expect(difference(found.scores, expected.scores) < 1e-4)
    #expect(difference(found.attributeScores, expected.attribute_scores) < 1e-4)
    let some = (0..<found.count).flatMap { region in
      stride(from: 0, to: 2048, by: 173).map { found.features[region * 2048 + $0] }
    }
    #expect(difference(some, expected.features) < 2e-3)
    #expect(found.classProbabilities.count == 7 * found.count)
    #expect(found.attributeProbabilities.count == 6 * found.count)
  }

  @Test func givenBoxesHaveTheFeaturesOfTheirProposals() throws {
    let (detector, _, fixture) = try Self.detector()
    let image = try namedPicture("c4", 112, 90)
    let all = try detector.regions([image], .exactly(25))[0]
    #expect(all.count == 25)
    let other = try namedPicture("another", 112, 90)
    let whole = FasterRCNN.wholePicture(other.size)
    let given = try detector.regions([image, other], boxes: [all.boxes, [whole]])
    #expect(difference(given[0].features, all.features) < 1e-4)
    #expect(given[0].labels == all.labels && given[0].attributes == all.attributes)
    #expect(given[1].boxes == [whole] && given[1].features.contains { $0 > 0 })
    #expect(Array(all.feature(3)) == Array(all.features[3 * 2048..<4 * 2048]))
    #expect(fixture.proposals.count == 100)
    let none = try detector.regions([image], boxes: [[]])[0]
    #expect(none.count == 0 && none.features.isEmpty && none.labels.isEmpty)
    #expect(message { _ = try detector.regions([image], boxes: []) } != nil)
  }

  @Test func attributeLossEqualsTheWrittenOutOne() throws {
    let (detector, store, fixture) = try Self.detector()
    try store.seal { ParameterGroup(decays: $0.decays) }
    let expected = fixture.attribute_loss
    let objects = zip(boxes(expected.boxes), zip(expected.labels, expected.attributes)).map {
      AnnotatedObject(box: $0, label: $1.0, attributes: $1.1)
    }
    var stream = RandomStream(seed: 1)
    // No proposals are kept, so that the objects' own boxes are all that is learnt from.
    let losses = try detector.losses(
      images: [namedPicture("c4", 112, 90)], targets: [objects], using: &stream)
    let loss = try #require(losses.attributes)
    #expect(abs(try loss.item() - expected.loss) < 1e-5)
    #expect(losses.named.map(\.name).last == "attributes")
    try loss.backward()
    for (name, norm) in expected.gradients {
      let parameter = try #require(store[name])
      let gradient = try #require(try parameter.value.gradient())
      #expect(abs(try gradient.norm().item() - norm) < 1e-3 * norm, "\(name)")
    }
  }

  @Test func withoutAttributesTheirLossIsZeroAndLearnsNothing() throws {
    let (detector, store, fixture) = try Self.detector()
    try store.seal { ParameterGroup(decays: $0.decays) }
    var stream = RandomStream(seed: 1)
    let object = AnnotatedObject(box: boxes(fixture.attribute_loss.boxes)[0], label: 2)
    let losses = try detector.losses(
      images: [namedPicture("c4", 112, 90)], targets: [[object]], using: &stream)
    let loss = try #require(losses.attributes)
    #expect(try loss.item() == 0)
    try loss.backward()
    let weight = try #require(store["roi_heads.box_predictor.fc_attr.weight"])
    #expect(try largest(try #require(try weight.value.gradient())) == 0)
  }
}
