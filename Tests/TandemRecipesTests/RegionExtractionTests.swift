import Foundation
import TandemFiles
import TandemImage
import TandemNN
import TandemRecipes
import TandemRegions
import TandemTorch
import TandemVision
import Testing

/// Extraction into a store: what is stored, what fails, and what happens when it is stopped.
@Suite struct RegionExtractionTests {
  /// An untrained detector in a folder, with pictures beside it.
  private func workspace(_ count: Int) throws -> (folder: Folder, detector: LoadedDetector) {
    let folder = try Folder()
    try FileManager.default.createDirectory(
      atPath: folder.path + "/pictures", withIntermediateDirectories: true)
    try DrawnPictures.write(count, to: folder.path + "/pictures")
    let pictures = try AnnotatedPictures(annotations: folder.path + "/pictures/instances.json")
    var settings = DetectorTraining.Settings()
    settings.steps = 2
    settings.batch = 1
    let training = try DetectorTraining(
      .tinyPlain, settings, on: pictures, weights: nil, at: folder.path + "/run")
    try training.run()
    return (folder, try LoadedDetector.open(folder.path + "/run"))
  }

  @Test func storedRegionsAreTheDetectors() throws {
    let (folder, detector) = try workspace(3)
    let pictures = try PictureList(path: folder.path + "/pictures")
    #expect(pictures.ids == ["0", "1", "2"])
    let extractor = DetectorExtractor(detector, selection: .exactly(7), addsWholePicture: true)
    let summary = try RegionExtraction.run(
      pictures, with: extractor, into: folder.path + "/store",
      RegionExtraction.Settings(featureType: .float32, batch: 2)
    ) { _, _, _ in }
    #expect(summary.stored == 3 && summary.failures.isEmpty && summary.regions == 24)
    let store = try FeatureStore(path: folder.path + "/store")
    #expect(store.header.classNames == DrawnPictures.names)
    for id in pictures.ids {
      let image = try Image(contentsOfFile: "\(folder.path)/pictures/\(id).png")
      let expected = try #require(
        try detector.network.regions([image], .exactly(7)).first)
      let record = try store.record(of: id)
      #expect(record.count == 8)
      #expect(record.boxes.suffix(4) == [0, 0, 64, 64])
      let own = record.features.prefix(7 * record.featureWidth)
      let difference = zip(own, expected.features).map { abs($0 - $1) }.max() ?? 1
      #expect(difference < 1e-4)
      #expect(record.objectIDs?.prefix(7).map { Int($0) + 1 } == expected.labels)
    }
  }

  @Test func brokenPicturesAreCountedAndNamed() throws {
    let (folder, detector) = try workspace(4)
    try AtomicFile.write([UInt8]("no picture".utf8), to: folder.path + "/pictures/1.png")
    let store = folder.path + "/store"
    let extractor = DetectorExtractor(detector, selection: .exactly(3))
    let pictures = try PictureList(path: folder.path + "/pictures")
    let summary = try RegionExtraction.run(
      pictures, with: extractor, into: store, RegionExtraction.Settings()
    ) { _, _, _ in }
    #expect(summary.stored == 3 && summary.failures.map(\.id) == ["1"])
    let list = try String(contentsOfFile: store + "/failures.jsonl", encoding: .utf8)
    #expect(list.contains("\"1\"") && list.contains("1.png"))
    // Mended, the same call adds the missing one and the list goes.
    try AtomicFile.write(
      DrawnPictures.drawn(1).image.pngData(), to: folder.path + "/pictures/1.png")
    let again = try RegionExtraction.run(
      pictures, with: extractor, into: store, RegionExtraction.Settings()
    ) { _, _, _ in }
    #expect(again.earlier == 3 && again.stored == 1 && again.failures.isEmpty)
    #expect(!FileManager.default.fileExists(atPath: store + "/failures.jsonl"))
    #expect(try FeatureStore(path: store).count == 4)
  }

  @Test func anotherDetectorDoesNotMixIn() throws {
    let (folder, detector) = try workspace(2)
    let pictures = try PictureList(path: folder.path + "/pictures")
    let store = folder.path + "/store"
    _ = try RegionExtraction.run(
      pictures, with: DetectorExtractor(detector, selection: .exactly(3)), into: store,
      RegionExtraction.Settings()
    ) { _, _, _ in }
    let error = #expect(throws: RegionError.self) {
      _ = try RegionExtraction.run(
        pictures, with: DetectorExtractor(detector, selection: .exactly(4)), into: store,
        RegionExtraction.Settings()
      ) { _, _, _ in }
    }
    #expect(error?.description.contains("boxes") == true)
  }

  @Test func givenBoxesAreDescribedInTheirOrder() throws {
    let (folder, detector) = try workspace(2)
    // The annotations may lie apart from the pictures.
    let annotations = folder.path + "/apart.json"
    try FileManager.default.moveItem(
      atPath: folder.path + "/pictures/instances.json", toPath: annotations)
    let given = try AnnotatedPictures.boxes(annotations: annotations)
    let store = folder.path + "/store"
    let summary = try RegionExtraction.run(
      PictureList(path: folder.path + "/pictures"),
      with: DetectorExtractor(detector, selection: .adaptive), given: given, into: store,
      RegionExtraction.Settings(featureType: .float32)
    ) { _, _, _ in }
    #expect(summary.stored == 2 && summary.regions == 6)
    let record = try FeatureStore(path: store).record(of: "1")
    #expect(
      record.boxes == given["1"]?.flatMap { [$0.x1, $0.y1, $0.x2, $0.y2] })
    // A picture without boxes, and one with a box beyond its edge, are failures.
    let bad = ["0": [Box(x1: 0, y1: 0, x2: 99, y2: 5)]]
    let failing = try RegionExtraction.run(
      PictureList(path: folder.path + "/pictures"),
      with: DetectorExtractor(detector, selection: .adaptive), given: bad,
      into: folder.path + "/other", RegionExtraction.Settings()
    ) { _, _, _ in }
    #expect(failing.stored == 0 && failing.failures.count == 2)
  }

  /// The network in both is EfficientNet-Lite0 with random weights.
  @Test func cropsAndGridsHaveTheirShapes() throws {
    let store = ParameterStore(seed: 3)
    _ = try EfficientNetLiteClassifier(at: store.root)
    let source = StoredWeights(store)
    let image = try DrawnPictures.drawn(0).image
    let boxes = [Box(x1: 2, y1: 3, x2: 30, y2: 40), Box(x1: 60, y1: 60, x2: 64, y2: 64)]
    let crops = try CropExtractor(source: source, title: "random", addsWholePicture: true)
    let record = try #require(try crops.regions([image], ids: ["a"], boxes: [boxes]).first)
    #expect(record.count == 3 && record.featureWidth == 1280 && record.shapeFault == nil)
    let sums = (0..<3).map { row in
      (record.classProbabilities ?? [])[row * 1001..<(row + 1) * 1001].reduce(0, +)
    }
    #expect(sums.allSatisfy { abs($0 - 1) < 1e-3 })
    // A box over everything is the whole picture.
    let all = [FasterRCNN.wholePicture(image.size)]
    let whole = try #require(try crops.regions([image], ids: ["a"], boxes: [all]).first)
    #expect(whole.features.prefix(1280) == whole.features.suffix(1280))

    let grid = try GridExtractor(source: source, title: "random")
    let cells = try #require(try grid.regions([image], ids: ["a"], boxes: nil).first)
    #expect(cells.count == 49 && cells.featureWidth == 1280 && cells.shapeFault == nil)
    #expect(cells.boxFaults.count == 0)
    #expect(cells.boxes.prefix(4).map { ($0 * 7).rounded() } == [0, 0, 64, 64])
    #expect(cells.boxes.suffix(4).map { ($0 * 7).rounded() } == [384, 384, 448, 448])
  }

  /// Classes and attributes are the annotations' own; a box around everything is background.
  @Test func knownLabelsTakeThePlaceOfSeenOnes() throws {
    let folder = try Folder()
    let file = folder.path + "/instances.json"
    try AtomicFile.write(
      utf8: """
        {"images": [{"id": 7, "file_name": "a.png", "width": 64, "height": 64}],
         "categories": [{"id": 3, "name": "cat"}, {"id": 9, "name": "dog"}],
         "annotations": [
          {"id": 1, "image_id": 7, "category_id": 9, "bbox": [2, 3, 28, 37], "area": 1036,
           "iscrowd": 0, "attributes": ["small", "red"]},
          {"id": 2, "image_id": 7, "category_id": 3, "bbox": [30, 30, 9, 9], "area": 81,
           "iscrowd": 0, "attributes": ["small"]}]}
        """, to: file)
    let store = ParameterStore(seed: 3)
    _ = try EfficientNetLiteClassifier(at: store.root)
    let base = try CropExtractor(
      source: StoredWeights(store), title: "random", addsWholePicture: true)
    let extractor = try LabelledExtractor(base, annotations: file)
    let header = extractor.header(.float32)
    #expect(header.classNames == ["cat", "dog"] && header.attributeNames == ["red", "small"])
    let image = try DrawnPictures.drawn(0).image
    let boxes = try #require(try AnnotatedPictures.boxes(annotations: file)["a"])
    let record = try #require(
      try extractor.regions([image], ids: ["a"], boxes: [boxes]).first)
    #expect(record.objectIDs == [1, 0, -1] && record.objectConfidences == [1, 1, 0])
    // "red" says more of the dog than "small", which both are.
    #expect(record.attributeIDs == [0, 1, -1] && record.attributeConfidences == [1, 1, 0])
    #expect(record.classProbabilities == [0, 0, 1, 0, 1, 0, 1, 0, 0])
    #expect(record.shapeFault == nil && record.featureWidth == 1280)
    #expect(throws: (any Error).self) {
      _ = try extractor.regions([image], ids: ["stranger"], boxes: [boxes])
    }
  }

  @Test func namesThatCollideAreRefused() throws {
    let folder = try Folder()
    let image = try DrawnPictures.drawn(0).image
    try AtomicFile.write(image.pngData(), to: folder.path + "/a.png")
    try AtomicFile.write(image.jpegData(), to: folder.path + "/a.jpg")
    let error = #expect(throws: (any Error).self) { _ = try PictureList(path: folder.path) }
    #expect("\(error.map { "\($0)" } ?? "")".contains("'a.jpg' and 'a.png'"))
    let empty = try Folder()
    #expect(throws: (any Error).self) { _ = try PictureList(path: empty.path) }
  }
}

/// The weights of one store as a source for another.
private struct StoredWeights: WeightSource {
  let store: ParameterStore
  init(_ store: ParameterStore) { self.store = store }
  var title: String { "a store" }
  var names: [String] { Array(store.tensors().keys) }
  func weight(_ name: String) throws -> Tensor? { try store.tensors()[name]?.clone() }
}
