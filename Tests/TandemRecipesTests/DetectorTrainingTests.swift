import Foundation
import TandemImage
import TandemRecipes
import TandemVision
import Testing

/// Detectors learn, and an interrupted training comes to the same.
@Suite struct DetectorTrainingTests {
  private func settings(steps: Int) -> DetectorTraining.Settings {
    var settings = DetectorTraining.Settings()
    settings.steps = steps
    settings.learningRate = 2e-3
    settings.backboneMultiplier = 1
    settings.averaging = 0.95
    settings.mirrors = false
    settings.seed = 4
    settings.checkpointEvery = 100
    return settings
  }

  @Test func fourPicturesAreLearnt() throws {
    let data = try Folder()
    try DrawnPictures.write(4, to: data.path)
    let pictures = try AnnotatedPictures(annotations: data.path + "/instances.json")
    #expect(pictures.classNames == DrawnPictures.names && pictures.count == 4)
    let output = data.path + "/run"
    let training = try DetectorTraining(
      .tinyPlain, settings(steps: 300), on: pictures, weights: nil, at: output)
    var first = 0.0
    var last = 0.0
    try training.run(isInterrupted: { false }) { metrics in
      let loss = metrics.losses.values.reduce(0, +)
      if metrics.step == 1 { first = loss }
      last = loss
    }
    #expect(last < first / 4)
    let detector = try LoadedDetector.open(output)
    #expect(detector.classNames == DrawnPictures.names)
    let found = try DetectorEvaluation.run(detector.network, on: pictures)
    #expect(found.classes.averagePrecisionAt50 ?? 0 >= 0.9, "\(found.classes)")
    #expect(found.agnostic.averagePrecisionAt50 ?? 0 >= 0.9)
  }

  /// Which of two words is true of a box is learned beside its class.
  @Test func attributesAreLearnt() throws {
    let data = try Folder()
    try DrawnPictures.write(4, to: data.path)
    let pictures = try AnnotatedPictures(annotations: data.path + "/instances.json")
    #expect(pictures.attributeNames == ["tall", "wide"])
    let output = data.path + "/run"
    try DetectorTraining(
      .tinyPlain, settings(steps: 300), on: pictures, learnsAttributes: true, weights: nil,
      at: output
    ).run()
    let detector = try LoadedDetector.open(output)
    #expect(detector.attributeNames == ["tall", "wide"])
    var right = 0
    var count = 0
    for entry in pictures.entries {
      let image = try Image(contentsOfFile: entry.file)
      let found = try detector.network.regions([image], boxes: [entry.objects.map(\.box)])
      let seen = try #require(found.first)
      #expect(seen.attributes.count == entry.objects.count)
      for (attribute, object) in zip(seen.attributes, entry.objects) {
        right += object.attributes == [attribute] ? 1 : 0
        count += 1
      }
    }
    #expect(count == 12 && right >= 11, "\(right) of \(count)")
  }

  /// Stopped after any step, the same call goes on; weights and metrics are those of one sitting.
  @Test func aStoppedTrainingGoesOnExactly() throws {
    let data = try Folder()
    try DrawnPictures.write(5, to: data.path)
    let pictures = try AnnotatedPictures(annotations: data.path + "/instances.json")
    var settings = settings(steps: 8)
    settings.mirrors = true
    settings.batch = 2
    settings.checkpointEvery = 3
    func train(_ name: String, stopAt: Int?) throws {
      let training = try DetectorTraining(
        .tinyPlain, settings, on: pictures, weights: nil, at: "\(data.path)/\(name)")
      var step = training.step
      try training.run(isInterrupted: { step == stopAt }, report: { step = $0.step })
    }
    try train("whole", stopAt: nil)
    #expect(throws: (any Error).self) { try train("parts", stopAt: 4) }
    try train("parts", stopAt: nil)
    for file in ["weights", "averaged", "optimizer"] {
      let name = "checkpoint/\(file).safetensors"
      let whole = FileManager.default.contents(atPath: "\(data.path)/whole/\(name)")
      #expect(whole != nil)
      #expect(
        whole == FileManager.default.contents(atPath: "\(data.path)/parts/\(name)"), "\(file)")
    }
    let lines = try String(contentsOfFile: "\(data.path)/parts/metrics.jsonl", encoding: .utf8)
      .split(separator: "\n")
    #expect(lines.count == 8)
  }

  @Test func otherSettingsAreRefused() throws {
    let data = try Folder()
    try DrawnPictures.write(2, to: data.path)
    let pictures = try AnnotatedPictures(annotations: data.path + "/instances.json")
    let output = data.path + "/run"
    _ = try DetectorTraining(
      .tinyPlain, settings(steps: 2), on: pictures, weights: nil, at: output)
    let error = #expect(throws: (any Error).self) {
      _ = try DetectorTraining(
        .tinyPlain, settings(steps: 3), on: pictures, weights: nil, at: output)
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("other settings"))
  }

  @Test func annotationsOfUnknownClassesAreRefused() throws {
    let data = try Folder()
    try DrawnPictures.write(2, to: data.path)
    let path = data.path + "/instances.json"
    let error = #expect(throws: (any Error).self) {
      _ = try AnnotatedPictures(annotations: path, classNames: ["red", "green"])
    }
    #expect("\(error.map { "\($0)" } ?? "")".contains("'blue'"))
    let loose = try AnnotatedPictures(
      annotations: path, classNames: ["red", "green"], other: 1)
    #expect(loose.entries.flatMap(\.objects).allSatisfy { $0.label <= 2 })
  }
}
