import Foundation
import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import Testing
import TestSupport

/// What holds for every detector.
@Suite struct DetectorTests {
  /// The presets that are small enough to be built and run in a test.
  static let small = ["small-efficientnet-lite0", "tiny-plain", "tiny-c4-resnet18"]

  static func picture(_ index: Int) throws -> Image {
    try namedPicture("picture\(index)", 70 + 8 * index, 90 - 16 * index)
  }

  static let objects = [
    AnnotatedObject(box: Box(x1: 10, y1: 12, x2: 50, y2: 44), label: 1, attributes: [1, 3]),
    AnnotatedObject(box: Box(x1: 20, y1: 30, x2: 66, y2: 70), label: 3),
    AnnotatedObject(box: Box(x1: 0, y1: 0, x2: 60, y2: 60), label: 2, isCrowd: true),
  ]

  @Test(arguments: small) func everyTrainedWeightGetsAGradient(preset: String) throws {
    let config = try DetectorConfig(preset: preset)
    let store = ParameterStore(seed: 3)
    let detector = try FasterRCNN(config, at: store.root / "detector")
    try store.seal {
      ParameterGroup(
        decays: $0.decays,
        isFrozen: FasterRCNN.isFrozen(String($0.name.dropFirst("detector.".count)), config))
    }
    #expect(config.backbone.frozen == 0 || store.parameters.contains { $0.group.isFrozen })
    var stream = RandomStream(seed: 5)
    let losses = try detector.losses(
      images: [Self.picture(0), Self.picture(1)], targets: [Self.objects, []], using: &stream)
    #expect(losses.named.count == (config.attributes > 0 ? 5 : 4))
    for (name, value) in losses.named {
      let number = try value.item()
      #expect(number.isFinite && number >= 0, "\(name)")
    }
    try losses.total().backward()
    for parameter in store.parameters where !parameter.group.isFrozen {
      let gradient = try #require(try parameter.value.gradient(), "\(parameter.name)")
      let isUnused = parameter.name.contains("fpn.layer_blocks") || parameter.name.contains("bias")
      #expect(try isUnused || largest(gradient) > 0, "\(parameter.name)")
    }
  }

  @Test(arguments: small) func detectionsLieInTheirPictures(preset: String) throws {
    var config = try DetectorConfig(preset: preset)
    config.regions.leastScore = 0
    let store = ParameterStore(seed: 3)
    let detector = try FasterRCNN(config, at: store.root)
    let images = [try Self.picture(0), try Self.picture(1)]
    for (image, found) in zip(images, try detector.detect(images)) {
      #expect(!found.isEmpty && found.count <= config.regions.detections)
      #expect(found.map(\.score) == found.map(\.score).sorted(by: >))
      for object in found {
        #expect((1...config.classes).contains(object.label))
        #expect(object.box.x1 >= 0 && object.box.x2 <= Float(image.width) + 1e-3)
        #expect(object.box.y1 >= 0 && object.box.y2 <= Float(image.height) + 1e-3)
      }
    }
    for (image, regions) in zip(images, try detector.regions(images, .exactly(5))) {
      #expect(regions.count == 5 && regions.size == image.size)
      #expect(regions.features.count == 5 * detector.featureWidth)
      #expect(regions.confidences == regions.confidences.sorted(by: >))
    }
  }

  /// A picture in a batch is seen as alone, where the others ask for no more padding.
  @Test func batchesDoNotMixPictures() throws {
    let config = DetectorConfig.tinyPlain
    let detector = try FasterRCNN(config, at: ParameterStore(seed: 3).root)
    let images = try (0..<3).map { try namedPicture("same\($0)", 64, 64) }
    let together = try detector.regions(images, .exactly(6))
    for (image, expected) in zip(images, together) {
      let alone = try detector.regions([image], .exactly(6))[0]
      #expect(difference(coordinates(alone.boxes), coordinates(expected.boxes)) < 1e-3)
      #expect(difference(alone.features, expected.features) < 1e-4)
    }
  }

  @Test func oneBoxForAllClasses() throws {
    var config = DetectorConfig.tinyPlain
    config.regions.isClassAgnostic = true
    config.regions.leastScore = 0
    let store = ParameterStore(seed: 3)
    let detector = try FasterRCNN(config, at: store.root)
    #expect(store["roi_heads.box_predictor.bbox_pred.weight"]?.shape == [4, 64])
    var stream = RandomStream(seed: 5)
    let losses = try detector.losses(
      images: [Self.picture(0)], targets: [Self.objects], using: &stream)
    #expect(try losses.boxes.item() > 0)
    #expect(try !detector.detect([Self.picture(0)])[0].isEmpty)
  }

  @Test func lossesAreAFunctionOfTheSeed() throws {
    let store = ParameterStore(seed: 3)
    let detector = try FasterRCNN(.tinyPlain, at: store.root)
    func total(_ seed: UInt64) throws -> Double {
      var stream = RandomStream(seed: seed)
      return try detector.losses(
        images: [Self.picture(0)], targets: [Self.objects], using: &stream
      ).total().item()
    }
    let first = try total(1)
    #expect(try total(1) == first)
    #expect(try total(2) != first)
  }

  @Test func presetsAreWholeAndReadable() throws {
    for name in DetectorConfig.presetNames {
      let config = try DetectorConfig(preset: name)
      try config.check()
      let text = try JSONEncoder().encode(config)
      #expect(try JSONDecoder().decode(DetectorConfig.self, from: text) == config)
    }
    let error = message { _ = try DetectorConfig(preset: "huge") }
    #expect(error?.contains("huge") == true && error?.contains("tiny-plain") == true)
  }

  @Test func preparationKeepsTheAspect() throws {
    let rule = PicturePreparation(shorter: [600], longer: 1000, rounding: .nearest)
    #expect(rule.size(for: PixelSize(width: 500, height: 375), shorter: 600).width == 800)
    let wide = rule.size(for: PixelSize(width: 1200, height: 300), shorter: 600)
    #expect(wide == PixelSize(width: 1000, height: 250))
    let batch = try PicturePreparation(shorter: [32], longer: 64).batch([
      Image(width: 16, height: 16, color: .white), Image(width: 64, height: 40, color: .black),
    ])
    #expect(batch.pixels.shape == [2, 3, 32, 64])
    #expect(batch.sizes == [PixelSize(width: 32, height: 32), PixelSize(width: 51, height: 32)])
    let numbers = try batch.pixels.floats()
    #expect(abs(numbers[0] - (1 - 0.485) / 0.229) < 1e-5 && numbers[40] == 0)
    let box = Box(x1: 4, y1: 2, x2: 60, y2: 33)
    let back = batch.toOriginal(batch.toBatch(box, picture: 1), picture: 1)
    #expect(difference(coordinates([back]), coordinates([box])) < 1e-4)
  }

  @Test func wrongAnnotationsAreRefused() throws {
    let detector = try FasterRCNN(.tinyC4, at: ParameterStore(seed: 3).root)
    func refusal(_ objects: [AnnotatedObject]) throws -> String {
      let image = try Self.picture(0)
      return try #require(
        message {
          var stream = RandomStream(seed: 1)
          _ = try detector.losses(images: [image], targets: [objects], using: &stream)
        })
    }
    let box = Box(x1: 1, y1: 1, x2: 20, y2: 20)
    #expect(try refusal([AnnotatedObject(box: box, label: 5)]).contains("label 5"))
    #expect(try refusal([AnnotatedObject(box: box, label: 0)]).contains("label 0"))
    #expect(
      try refusal([AnnotatedObject(box: box, label: 1, attributes: [4])]).contains("attribute 4"))
    let huge = Box(x1: 1, y1: 1, x2: 1e30, y2: 20)
    #expect(try refusal([AnnotatedObject(box: huge, label: 1)]).contains("no area"))
    let image = try Self.picture(0)
    for box in [huge, Box(x1: .nan, y1: 1, x2: 5, y2: 20), Box(x1: 9, y1: 1, x2: 5, y2: 20)] {
      #expect(message { _ = try detector.regions([image], boxes: [[box]]) } != nil)
    }
    let thin = Box(x1: 5, y1: 1, x2: 5, y2: 20)
    #expect(try refusal([AnnotatedObject(box: thin, label: 1)]).contains("no area"))
  }

  @Test func configsThatDoNotFitAreRefused() {
    func refusal(_ change: (inout DetectorConfig) -> Void) -> String? {
      var config = DetectorConfig.tinyPlain
      change(&config)
      return message { _ = try FasterRCNN(config, at: ParameterStore(seed: 1).root) }
    }
    #expect(refusal { $0.classes = 0 } != nil)
    #expect(refusal { $0.regions.head = .lastStage } != nil)
    #expect(refusal { $0.preparation.deviation = [0, 1, 1] } != nil)
    #expect(refusal { $0.proposals.anchors.sizes = [] } != nil)
    #expect(refusal { $0.proposals.anchors.sizes = [[8], [16, 24], [32], [64]] } != nil)
    #expect(refusal { $0.proposals.coding.weights = [1] } != nil)
    #expect(refusal { $0.backbone.widths = [] } != nil)
    #expect(refusal { $0.regions.sampler.foreground = 2 } != nil)
    #expect(refusal { $0.proposals.candidates.inference = 0 } != nil)
    #expect(refusal { $0.preparation.longer = .max } != nil)
    #expect(refusal { _ in } == nil)
  }
}
