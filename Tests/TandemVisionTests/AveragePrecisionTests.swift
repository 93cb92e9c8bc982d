import TandemVision
import Testing
import TestSupport

/// Evaluation against pycocotools on the same objects and detections.
@Suite struct AveragePrecisionTests {
  struct Case: Decodable {
    struct Object: Decodable {
      let image: Int
      let label: Int
      let box: [Float]
      let area: Double
      let crowd: Bool
    }
    struct Detection: Decodable {
      let image: Int
      let label: Int
      let box: [Float]
      let score: Float
    }
    struct Class: Decodable {
      let label: Int
      let ap: Double?
      let ap50: Double?
      let recall: Double?
    }
    let pictures: Int
    let agnostic: Bool
    let objects: [Object]
    let detections: [Detection]
    let stats: [Double?]
    let classes: [Class]

    func result() throws -> AveragePrecision.Result {
      var evaluation = try AveragePrecision(.init(isClassAgnostic: agnostic))
      func box(_ sides: [Float]) -> Box {
        Box(x1: sides[0], y1: sides[1], x2: sides[0] + sides[2], y2: sides[1] + sides[3])
      }
      for picture in 0..<pictures {
        evaluation.add(
          objects: objects.filter { $0.image == picture }.map {
            AnnotatedObject(
              box: box($0.box), label: $0.label, isCrowd: $0.crowd, area: $0.area)
          },
          detections: detections.filter { $0.image == picture }.map {
            DetectedObject(box: box($0.box), label: $0.label, score: $0.score)
          })
      }
      return evaluation.result()
    }
  }

  private func isEqual(_ found: Double?, _ expected: Double?) -> Bool {
    guard let found, let expected else { return found == nil && expected == nil }
    return abs(found - expected) < 1e-6
  }

  @Test(arguments: [0, 1, 2]) func equalsPycocotools(index: Int) throws {
    let example = try Fixtures.json([Case].self, "detection/evaluation.json")[index]
    let result = try example.result()
    let numbers: [Double?] = [
      result.averagePrecision, result.averagePrecisionAt50, result.averagePrecisionAt75,
      result.averagePrecisionByArea["small"], result.averagePrecisionByArea["medium"],
      result.averagePrecisionByArea["large"], result.averageRecallByDetections[1],
      result.averageRecallByDetections[10], result.averageRecallByDetections[100],
      result.averageRecallByArea["small"], result.averageRecallByArea["medium"],
      result.averageRecallByArea["large"],
    ]
    #expect(numbers.count == example.stats.count)
    for (place, (found, expected)) in zip(numbers, example.stats).enumerated() {
      #expect(isEqual(found, expected), "number \(place): \(found as Any), \(expected as Any)")
    }
    for expected in example.classes {
      let found = result.classes.first { $0.label == expected.label }
      #expect(isEqual(found?.averagePrecision, expected.ap), "class \(expected.label)")
      #expect(isEqual(found?.averagePrecisionAt50, expected.ap50), "class \(expected.label)")
      #expect(isEqual(found?.averageRecall, expected.recall), "class \(expected.label)")
    }
  }

  @Test func perfectDetectionsAreOneAndNoneAreZero() throws {
    let box = Box(x1: 2, y1: 3, x2: 60, y2: 40)
    var perfect = try AveragePrecision()
    perfect.add(
      objects: [AnnotatedObject(box: box, label: 2)],
      detections: [DetectedObject(box: box, label: 2, score: 0.3)])
    #expect(perfect.result().averagePrecision == 1)
    var empty = try AveragePrecision()
    empty.add(objects: [AnnotatedObject(box: box, label: 2)], detections: [])
    #expect(empty.result().averagePrecision == 0)
    #expect(try AveragePrecision().result().averagePrecision == nil)
  }

  @Test func badSettingsAreRefused() {
    #expect(message { _ = try AveragePrecision(.init(detections: [])) } != nil)
    #expect(message { _ = try AveragePrecision(.init(detections: [10, 1])) } != nil)
    #expect(message { _ = try AveragePrecision(.init(overlaps: [0])) } != nil)
  }
}
