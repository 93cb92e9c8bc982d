import Foundation
import TandemCore
import TandemData
import TandemImage
import TandemRegions
import TandemText
import TandemTorch
import Testing
import TestSupport

/// Twenty records of four pictures.
private struct FourPictures: Dataset {
  static let name = "four"
  static let summary = "for tests"
  let count = 20
  init() {}
  init(root: String, split: Split) throws {}
  func record(at index: Int) throws -> Record {
    Record(
      id: "train/\(index)", pictures: ["set/images/train/\(index % 4).jpg"],
      texts: ["red star \(index)"])
  }
}

@Suite struct RegionSourceTests {
  /// A store with so many regions a picture, named as pictures are.
  private func store(_ path: String, _ counts: [String: Int], width: Int = 6) throws {
    let writer = try FeatureStoreWriter(
      path: path,
      header: FeatureStoreHeader(featureType: .float32, featureWidth: width, classCount: 0))
    for (id, count) in counts.sorted(by: { $0.key < $1.key }) {
      try writer.write(
        RegionRecord(
          id: id, width: 100, height: 50,
          boxes: (0..<count).flatMap { [Float($0), 5, Float(50 + $0), 25] },
          features: (0..<count * width).map { Float($0) + Float(count) * 1000 },
          featureWidth: width))
    }
    try writer.finish()
    writer.close()
  }

  @Test func picturesAreFoundByTheirNames() throws {
    let folder = try TemporaryFolder()
    try store(folder.path + "/plain", ["0": 2, "train/1": 3])
    let source = try RegionSource(path: folder.path + "/plain", split: .train)
    let regions = try source.regions(ofPicture: "a/images/train/0.jpg")
    #expect(regions.count == 2 && regions.featureWidth == 6)
    // Fractions of the picture's width and height.
    #expect(regions.boxes == [0, 0.1, 0.5, 0.5, 0.01, 0.1, 0.51, 0.5])
    #expect(try source.regions(ofPicture: "a/images/train/1.jpg").count == 3)
    let missing = message { _ = try source.regions(ofPicture: "a/7.jpg") }
    #expect(missing?.contains("a/7.jpg") == true && missing?.contains("regions extract") == true)
  }

  /// Columns of known mean and deviation, one that never changes among them.
  @Test func featuresAreStandardized() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/store"
    let writer = try FeatureStoreWriter(
      path: path, header: FeatureStoreHeader(featureType: .float32, featureWidth: 3, classCount: 0))
    // Column 0: 1, 3, 5, 7 (mean 4, deviation √5); column 1: always 9; column 2: −2, 2, −2, 2.
    for (id, features) in [("0", [1, 9, -2, 3, 9, 2]), ("1", [5, 9, -2, 7, 9, 2] as [Float])] {
      try writer.write(
        RegionRecord(
          id: id, width: 10, height: 10, boxes: [0, 0, 5, 5, 5, 5, 9, 9], features: features,
          featureWidth: 3))
    }
    try writer.finish()
    writer.close()
    let scaling = try FeatureScaling(of: FeatureStore(path: path))
    #expect(scaling.mean == [4, 9, 0])
    #expect(abs(scaling.deviation[0] - Float(5).squareRoot()) < 1e-6)
    #expect(scaling.deviation[1] == 1 && scaling.deviation[2] == 2)
    let source = try RegionSource(path: path, split: .train, scaling: scaling)
    let found = try source.regions(ofPicture: "1.jpg").features
    let root = 1 / Float(5).squareRoot()
    for (value, wanted) in zip(found, [root, 0, -1, 3 * root, 0, 1]) {
      #expect(abs(value - wanted) < 1e-6)
    }
  }

  @Test func splitsMayHaveStoresOfTheirOwn() throws {
    let folder = try TemporaryFolder()
    try store(folder.path + "/validation", ["0": 1])
    try store(folder.path + "/train", ["0": 4])
    #expect(
      try RegionSource(path: folder.path, split: .validation).regions(ofPicture: "0.jpg").count == 1
    )
    #expect(
      try RegionSource(path: folder.path, split: .train).regions(ofPicture: "0.jpg").count == 4)
    #expect(message { _ = try RegionSource(path: folder.path, split: .test) } != nil)
  }

  private func builder(
    _ path: String, most: Int = .max, sampled: Int = 0
  ) throws -> ExampleBuilder {
    var reading = PictureReading(regions: try RegionSource(path: path, split: .train))
    reading.mostRegions = most
    reading.sampledRegions = sampled
    return ExampleBuilder(
      dataset: FourPictures(), tokenizer: try Toy.tokenizer(), reading: reading, textPieces: 6)
  }

  @Test func examplesHaveRegions() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/store"
    try store(path, ["0": 9, "1": 2, "2": 5, "3": 0])
    var stream = RandomStream(seed: 1)
    let whole = try builder(path).example(at: 0, using: &stream)
    #expect(whole.pictures[0].regions?.count == 9 && whole.pictures[0].image == nil)
    // The first ones, as detectors put the surest first.
    let cut = try builder(path, most: 4).example(at: 0, using: &stream)
    #expect(cut.pictures[0].regions?.boxes == Array(whole.pictures[0].regions?.boxes[..<16] ?? []))
    #expect(cut.pictures[0].key == whole.pictures[0].key)
    let empty = message { _ = try builder(path).example(at: 3, using: &stream) }
    #expect(empty?.contains("no region") == true)
  }

  /// Records whose pictures are files: one of 100 × 50 pixels, its left half red.
  private struct RealPicture: Dataset {
    static let name = "real"
    static let summary = "for tests"
    let count = 1
    let path: String
    init(folder: TemporaryFolder) throws {
      let pixels = (0..<50 * 100).flatMap { place -> [UInt8] in
        place % 100 < 50 ? [200, 0, 0] : [0, 0, 200]
      }
      path = try folder.file("0.png", Image(width: 100, height: 50, pixels: pixels).pngData())
    }
    init(root: String, split: Split) throws { throw DataError("made of a picture") }
    func record(at index: Int) throws -> Record {
      Record(id: "train/0", pictures: [path], texts: ["red star"])
    }
  }

  /// For a network in the model: pixels at its size, a store's boxes, mirrored together.
  @Test func pixelsAreReadBesideRegions() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/store"
    try store(path, ["0": 4])
    var reading = PictureReading(
      resize: .fit(shorter: 25, longer: 100, multiple: 1),
      regions: try RegionSource(path: path, split: .train))
    reading.mirrors = true
    reading.cacheBytes = 1 << 20
    let builder = ExampleBuilder(
      dataset: try RealPicture(folder: folder), tokenizer: try Toy.tokenizer(), reading: reading,
      textPieces: 6)
    var keys: [Bool: UInt64] = [:]
    for seed in 0..<20 {
      var stream = RandomStream(seed: UInt64(seed))
      let picture = try builder.example(at: 0, using: &stream).pictures[0]
      let image = try #require(picture.image)
      let regions = try #require(picture.regions)
      #expect(image.width == 50 && image.height == 25)
      #expect(regions.count == 4 && regions.features.isEmpty)
      let isMirrored = image.pixels[0] == 0
      #expect(regions.boxes[0] == (isMirrored ? 0.5 : 0))
      #expect(keys[isMirrored] == nil || keys[isMirrored] == picture.key)
      keys[isMirrored] = picture.key
    }
    #expect(keys.count == 2 && keys[true] != keys[false])
    // The store's picture is 100 × 50.
    reading.resize = .square(side: 30)
    let square = ExampleBuilder(
      dataset: try RealPicture(folder: folder), tokenizer: try Toy.tokenizer(), reading: reading,
      textPieces: 6)
    let refused = message {
      var stream = RandomStream(seed: 1)
      _ = try square.example(at: 0, using: &stream)
    }
    #expect(refused?.contains("0.png") == true && refused?.contains("30×30") == true)
  }

  @Test func cellsOfPixelsAreSampled() throws {
    let folder = try TemporaryFolder()
    var reading = PictureReading(resize: .multiple(of: 1))
    reading.cells = CellInput(stride: 10, pooling: 1)
    for (most, count) in [(0, 50), (7, 7), (60, 50)] {
      reading.sampledRegions = most
      let builder = ExampleBuilder(
        dataset: try RealPicture(folder: folder), tokenizer: try Toy.tokenizer(),
        reading: reading, textPieces: 6)
      func picture(_ seed: UInt64) throws -> Picture {
        var stream = RandomStream(seed: seed)
        return try builder.example(at: 0, using: &stream).pictures[0]
      }
      #expect(try (picture(1).cells?.count ?? 50) == count)
      #expect(try picture(1).cells == picture(1).cells && picture(1).key == picture(1).key)
      #expect(try (picture(1).key != picture(2).key) == (count < 50))
    }
    reading.cells = CellInput(stride: 40, pooling: 2)
    let large = ExampleBuilder(
      dataset: try RealPicture(folder: folder), tokenizer: try Toy.tokenizer(), reading: reading,
      textPieces: 6)
    var stream = RandomStream(seed: 1)
    #expect(try large.example(at: 0, using: &stream).pictures[0].cells == nil)
    reading.cells = CellInput(stride: 60, pooling: 2)
    let tooLarge = ExampleBuilder(
      dataset: large.dataset, tokenizer: large.tokenizer, reading: reading, textPieces: 6)
    let refused = message { _ = try tooLarge.example(at: 0, using: &stream) }
    #expect(refused?.contains("0.png") == true && refused?.contains("61 pixels") == true)
  }

  /// Drawn anew each time, in order, and equal for equal draws.
  @Test func cellsAreSampled() throws {
    let folder = try TemporaryFolder()
    let path = folder.path + "/store"
    try store(path, ["0": 9, "1": 2, "2": 5, "3": 1])
    let builder = try builder(path, sampled: 5)
    var seen = [Int](repeating: 0, count: 9)
    var keys: Set<UInt64> = []
    for seed in 0..<400 {
      var stream = RandomStream(seed: UInt64(seed))
      let picture = try builder.example(at: 0, using: &stream).pictures[0]
      let starts = try #require(picture.regions).boxes.enumerated().filter { $0.offset % 4 == 0 }
        .map { Int(($0.element * 100).rounded()) }
      #expect(starts.count == 5 && starts == starts.sorted() && Set(starts).count == 5)
      for start in starts { seen[start] += 1 }
      keys.insert(picture.key)
      var again = RandomStream(seed: UInt64(seed))
      #expect(try builder.example(at: 0, using: &again).pictures[0].key == picture.key)
    }
    #expect(keys.count == 400)
    // Five standard deviations of 400 draws of five of nine.
    #expect(seen.allSatisfy { abs($0 - 222) < 50 }, "\(seen)")
    var stream = RandomStream(seed: 1)
    #expect(try builder.example(at: 1, using: &stream).pictures[0].regions?.count == 2)
  }

  @Test func aShareOfTextsIsWrong() throws {
    let base = FourPictures()
    #expect((0..<20).allSatisfy { !WrongTexts(base, share: 0, seed: 1).isWrong($0) })
    let wrong = WrongTexts(base, share: 1, seed: 1)
    for index in 0..<20 {
      let (own, other) = (try base.record(at: index), try wrong.record(at: index))
      #expect(own.pictures == other.pictures && own.texts != other.texts)
      // The text is some other picture's.
      let number = try #require(other.texts[0].split(separator: " ").last.flatMap { Int($0) })
      #expect(number % 4 != index % 4)
      #expect(try wrong.record(at: index) == other)
    }
    let half = (0..<60).map { seed in
      (0..<20).count { WrongTexts(base, share: 0.3, seed: UInt64(seed)).isWrong($0) }
    }
    // Five standard deviations of 1200 draws of 0.3.
    #expect(abs(half.reduce(0, +) - 360) < 80)
  }

  @Test func textsAreLines() throws {
    let folder = try TemporaryFolder()
    _ = try folder.file("train.txt", Data("one line\n\n  \ntwo é lines\nlast".utf8))
    let texts = try TextLines(root: folder.path, split: .train)
    #expect(
      try (0..<texts.count).map { try texts.record(at: $0).texts[0] } == [
        "one line", "two é lines", "last",
      ])
    #expect(try texts.record(at: 0).pictures.isEmpty)
    #expect(message { _ = try texts.record(at: 3) } != nil)
    #expect(
      message { _ = try TextLines(root: folder.path, split: .test) }?.contains("test.txt") == true)
  }
}

@Suite struct VocabularySubsetTests {
  @Test func usedPiecesAndSingleCharactersStay() throws {
    let whole = try Vocabulary(tokens: Toy.tokens + ["x", "##y", "cat", "##ed"])
    let kept = try VocabularySubset.tokens(of: whole, in: [FourPictures()])
    // The records say "red star" and a number.
    #expect(
      kept == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "star", "##s", "x", "##y"])
    let small = WordPiece(vocabulary: try Vocabulary(tokens: kept))
    let old = WordPiece(vocabulary: whole)
    for index in 0..<20 {
      let text = try FourPictures().record(at: index).texts[0]
      #expect(
        small.encode(text).ids.map { small.token(of: $0) }
          == old.encode(text).ids.map { old.token(of: $0) })
    }
  }
}
