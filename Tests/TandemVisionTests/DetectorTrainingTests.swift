import Foundation
import TandemImage
import TandemNN
import TandemTorch
import TandemVision
import Testing
import TestSupport

/// Detectors learn, and an interrupted training comes to the same.
@Suite struct DetectorTrainingTests {
  static let colors = [RGB(230, 40, 40), RGB(40, 200, 60), RGB(50, 60, 230)]

  /// Rectangles of three colours, which are their classes, on grey noise.
  static func rectangles(_ index: Int) throws -> DetectionExample {
    var stream = RandomStream(seed: UInt64(1000 + index))
    var pixels = (0..<64 * 64 * 3).map { _ in UInt8(100 + stream.below(40)) }
    var objects: [AnnotatedObject] = []
    while objects.count < 3 {
      let (width, height) = (12 + stream.below(20), 12 + stream.below(20))
      let (x, y) = (stream.below(64 - width), stream.below(64 - height))
      let box = Box(x1: Float(x), y1: Float(y), x2: Float(x + width), y2: Float(y + height))
      guard objects.allSatisfy({ $0.box.overlap(box) == 0 }) else { continue }
      let color = stream.below(3)
      objects.append(AnnotatedObject(box: box, label: color + 1))
      for row in y..<y + height {
        for column in x..<x + width {
          let place = 3 * (row * 64 + column)
          (pixels[place], pixels[place + 1], pixels[place + 2]) = (
            colors[color].red, colors[color].green, colors[color].blue
          )
        }
      }
    }
    return DetectionExample(
      image: try Image(width: 64, height: 64, pixels: pixels), objects: objects)
  }

  static let settings = DetectorTrainingSettings(
    seed: 4, steps: 300, pictures: 4, rate: 2e-3, optimizer: .adamW(), clip: 5, warmup: 20)

  @Test func fourPicturesAreLearnt() throws {
    let examples = try (0..<4).map(Self.rectangles)
    let training = try DetectorTraining(.tinyPlain, Self.settings)
    #expect(try training.evaluate(on: examples).averagePrecisionAt50 ?? 0 < 0.3)
    let clock = ContinuousClock()
    var totals: [Double] = []
    let time = try clock.measure { try training.run(on: examples) { totals.append($0.total) } }
    let result = try training.evaluate(on: examples)
    #expect(totals.count == 300)
    #expect(result.averagePrecisionAt50 ?? 0 >= 0.9, "\(result), last loss \(totals.last ?? 0)")
    #expect(time < .seconds(20))
    print(
      "four pictures: AP50", result.averagePrecisionAt50 ?? 0, "AP", result.averagePrecision ?? 0,
      "in", time)
  }

  @Test(arguments: [
    DetectorTrainingSettings.Optimizer.momentum(), .adamW(),
  ])
  func aResumedTrainingEqualsAnUninterruptedOne(
    optimizer: DetectorTrainingSettings.Optimizer
  ) throws {
    let examples = try (0..<5).map(Self.rectangles)
    var settings = Self.settings
    settings.steps = 8
    settings.pictures = 2
    settings.optimizer = optimizer
    settings.warmup = 2
    settings.schedule = .steps([5])
    let whole = try DetectorTraining(.tinyPlain, settings)
    var expected: [DetectorTraining.Step] = []
    try whole.run(on: examples) { expected.append($0) }

    let folder = try TemporaryFolder()
    let path = folder.path + "/checkpoint"
    let first = try DetectorTraining(.tinyPlain, settings)
    var steps: [DetectorTraining.Step] = []
    try first.run(on: examples, until: 3) { steps.append($0) }
    try first.save(to: path)
    try first.run(on: examples, until: 4)
    try DetectorTraining(resuming: path).save(to: path)
    let second = try DetectorTraining(resuming: path)
    #expect(second.step == 3 && second.settings == settings)
    try second.run(on: examples) { steps.append($0) }
    #expect(steps == expected)
    for parameter in whole.store.parameters {
      let other = try #require(second.store[parameter.name])
      #expect(try parameter.value.floats() == other.value.floats(), "\(parameter.name)")
    }
    let image = examples[0].image
    try second.save(to: path)
    let loaded = try DetectorCheckpoint.detector(path)
    #expect(try loaded.detector.detect([image]) == second.detector.detect([image]))
    #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
  }

  @Test func mirroringTwiceChangesNothing() throws {
    let example = try Self.rectangles(1)
    let back = example.mirrored().mirrored()
    #expect(back.image == example.image && back.objects == example.objects)
    let mirrored = example.mirrored()
    for object in mirrored.objects {
      let box = object.box
      let color = mirrored.image[Int(box.x1), Int(box.y1)]
      #expect(color == Self.colors[object.label - 1])
      #expect(mirrored.image[Int(box.x2) - 1, Int(box.y2) - 1] == color)
    }
  }

  @Test func ratesRiseAndFall() {
    var settings = DetectorTrainingSettings(steps: 100, rate: 1, warmup: 10)
    #expect(abs(settings.rate(at: 0) - 1e-3) < 1e-12)
    #expect(abs(settings.rate(at: 10) - 1) < 1e-12)
    #expect(abs(settings.rate(at: 55) - 0.5) < 1e-12)
    #expect(settings.rate(at: 100) < 1e-12)
    settings.schedule = .steps([40, 70], factor: 0.1)
    #expect(abs(settings.rate(at: 39) - 1) < 1e-12)
    #expect(abs(settings.rate(at: 40) - 0.1) < 1e-12)
    #expect(abs(settings.rate(at: 99) - 0.01) < 1e-12)
  }

  @Test func badTrainingsAreRefused() throws {
    var settings = Self.settings
    settings.rate = 0
    #expect(message { _ = try DetectorTraining(.tinyPlain, settings) } != nil)
    let training = try DetectorTraining(.tinyPlain, Self.settings)
    #expect(message { try training.run(on: [DetectionExample]()) } != nil)
    let missing = message { _ = try DetectorTraining(resuming: "/nowhere") }
    #expect(missing?.contains("/nowhere/detector.json") == true)
    settings.rate = 1e9
    settings.clip = 0
    settings.warmup = 0
    settings.optimizer = .momentum()
    let wild = try DetectorTraining(.tinyPlain, settings)
    let examples = try (0..<4).map(Self.rectangles)
    #expect(message { try wild.run(on: examples) }?.contains("rate") == true)
  }
}
