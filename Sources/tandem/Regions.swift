public import ArgumentParser
import Foundation
import TandemCore
import TandemImage
public import TandemNN
import TandemRecipes
public import TandemRegions
import TandemScenes
import TandemVision

extension FeatureType: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension RegionFormat: ExpressibleByArgument {}
extension BoxPolicy: ExpressibleByArgument {}

struct RegionsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "regions",
    abstract: "Region features: extract, convert, check and show them; train a detector.",
    discussion: """
      Example:
        tandem regions train data/scenes/coco/instances_train.json --output runs/detector
        tandem regions extract pictures/ --detector runs/detector --output features
        tandem regions convert features features.tsv --to lxmert
      """,
    subcommands: [
      RegionsExtract.self, RegionsTrain.self, RegionsEvaluate.self, RegionsConvert.self,
      RegionsCheck.self, RegionsShow.self,
    ])
}

struct RegionsExtract: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "extract",
    abstract: "Store the regions of pictures: features, boxes, classes, attributes.",
    discussion: """
      Examples:
        tandem regions extract photos/ --detector runs/detector --output features
        tandem regions extract photos.zip --detector runs/detector --boxes 36 --output features36
        tandem regions extract photos/ --crops data/efficientnet-lite0/weights.pth \\
          --given instances.json --output crops
        tandem regions extract photos/ --grid data/efficientnet-lite0/weights.pth --output grids
        tandem regions extract easy-vqa --split test --detector runs/detector --output features

      Stopped at any moment, the same command goes on. Pictures that cannot be read are counted
      and listed in failures.jsonl of the store.
      """)
  @Argument(
    help: ArgumentHelp(
      "A folder, a zip, a picture, or a data set with --split.", valueName: "pictures"))
  var source: String
  @Option(help: "train, validation or test of a data set.") var split: Split?
  @Option(help: "The folder that data sets lie in.") var root = "data"
  @Option(help: "A folder of `regions train`, or a file of torchvision or Detectron2.")
  var detector: String?
  @Option(help: "Names of a foreign detector's classes, a line each.") var classNames: String?
  @Option(help: "Names of its attributes, a line each.") var attributeNames: String?
  @Option(help: "EfficientNet-Lite0's weights: features of the given boxes cut out.")
  var crops: String?
  @Option(help: "EfficientNet-Lite0's weights: every cell of its last map is a region.")
  var grid: String?
  @Option(help: "The store to make or to go on with.") var output: String
  @Option(help: "Exactly so many boxes a picture, whatever their confidence.") var boxes: Int?
  @Option(help: "The fewest boxes a picture.") var fewest = 10
  @Option(help: "The most boxes a picture.") var most = 100
  @Option(help: "From this confidence on a box is kept.") var threshold = 0.2
  @Option(help: "COCO's instances: describe these boxes instead of finding some.")
  var given: String?
  @Flag(help: "Keep the classes and attributes that --given names, not those the network sees.")
  var knownLabels = false
  @Flag(help: "A box around the whole picture comes last.") var wholePicture = false
  @Flag(inversion: .prefixedNo, help: "Keep the probabilities of all classes.")
  var probabilities = true
  @Option(help: "float16 or float32.") var precision = FeatureType.float16
  @Option(help: "What a detector computes in: float32 or bfloat16, about twice as fast.")
  var compute = Precision.float32
  @Option(help: "Pictures that go through the network together.") var batch = 4
  @Option(help: "Threads that decode pictures.") var loaders = 1
  @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0

  func validate() throws {
    guard [detector, crops, grid].compactMap({ $0 }).count == 1 else {
      throw ValidationError("needs one of --detector, --crops and --grid")
    }
    if knownLabels, given == nil { throw ValidationError("--known-labels needs --given") }
    if grid != nil, given != nil { throw ValidationError("--grid has its own boxes") }
    guard fewest >= 0, most >= max(1, fewest), boxes.map({ $0 > 0 }) ?? true else {
      throw ValidationError("needs 0 ≤ --fewest ≤ --most and --boxes above 0")
    }
  }

  func run() throws {
    let console = Console()
    try Runtime.configure(threads: threads)
    let pictures =
      try split.map { try PictureList(dataset: source, root: root, split: $0) }
      ?? PictureList(path: source)
    let start = ContinuousClock.now
    var first: Int?
    let summary = try RegionExtraction.run(
      pictures, with: labelled(extractor()),
      given: given.map { try AnnotatedPictures.boxes(annotations: $0) },
      into: output,
      RegionExtraction.Settings(featureType: precision, batch: batch, loaders: loaders)
    ) { done, total, failures in
      if first == nil { first = done }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let rate = Double(done - (first ?? 0)) / max(seconds, 1e-9)
      let left = rate > 0 ? Double(total - done) / rate : 0
      console.progress(
        done, of: total,
        "pictures, \(fixed(rate, 1))/s, \(failures) failed, \(Console.clock(left)) left")
    }
    console.say(
      "\(output): \(summary.stored) pictures with \(summary.regions) regions stored, "
        + "\(summary.earlier) were there, \(summary.failures.count) failed, "
        + Console.clock(summary.seconds))
    for failure in summary.failures.prefix(5) { console.say("  \(failure.id): \(failure.reason)") }
    if summary.failures.count > 5 { console.say("  … all in \(output)/failures.jsonl") }
    console.next(["tandem regions check \(output)"])
    guard summary.stored + summary.earlier > 0 else {
      throw DataError("\(source): no picture could be stored")
    }
  }

  private func labelled(_ base: any RegionExtractor) throws -> any RegionExtractor {
    guard knownLabels, let given else { return base }
    return try LabelledExtractor(base, annotations: given)
  }

  private func extractor() throws -> any RegionExtractor {
    if let crops {
      return try CropExtractor(
        source: PickleWeights(path: crops), title: crops, addsWholePicture: wholePicture)
    }
    if let grid { return try GridExtractor(source: PickleWeights(path: grid), title: grid) }
    let selection =
      boxes.map { RegionSelection.exactly($0) }
      ?? RegionSelection(leastConfidence: threshold, least: fewest, most: most)
    return try DetectorExtractor(
      LoadedDetector.open(
        detector ?? "", names: (classNames, attributeNames), precision: compute),
      selection: selection,
      addsWholePicture: wholePicture,
      keepsProbabilities: probabilities)
  }
}

struct RegionsTrain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a detector on COCO-style annotations.",
    discussion: """
      Example:
        tandem data fetch scenes efficientnet-lite0
        tandem regions train data/scenes/coco/instances_train.json --pictures data/scenes/images/train \\
          --weights data/efficientnet-lite0/weights.pth --output runs/detector
      Stopped at any moment, the same command goes on from the last checkpoint.
      """)
  @Argument(help: ArgumentHelp("A COCO instances file.", valueName: "annotations"))
  var annotations: String
  @Option(help: "The folder of its pictures; without it that of the file.") var pictures: String?
  @Option(help: "A ready made detector: \(DetectorConfig.presetNames.joined(separator: ", ")).")
  var preset = "small-efficientnet-lite0"
  @Option(help: "Weights of the backbone.") var weights: String?
  @Flag(help: "Learn the annotations' attributes too, lists of words as Scenes have them.")
  var attributes = false
  @Option(help: "The folder to make or to go on with.") var output: String
  @Option var steps = DetectorTraining.Settings().steps
  @Option(help: "Pictures a step.") var batch = DetectorTraining.Settings().batch
  @Option var rate = DetectorTraining.Settings().learningRate
  @Option(help: "Factor on the backbone's learning rate.")
  var backboneMultiplier = DetectorTraining.Settings().backboneMultiplier
  @Option var seed: UInt64 = 1
  @Option(help: "Steps between checkpoints.")
  var checkpointEvery = DetectorTraining.Settings().checkpointEvery
  @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0

  func validate() throws {
    guard steps > 0, batch > 0, rate > 0, checkpointEvery > 0 else {
      throw ValidationError("--steps, --batch, --rate and --checkpoint-every must be above 0")
    }
  }

  func run() throws {
    let console = Console()
    try Runtime.configure(threads: threads)
    var settings = DetectorTraining.Settings()
    settings.steps = steps
    settings.batch = batch
    settings.learningRate = rate
    settings.backboneMultiplier = backboneMultiplier
    settings.seed = seed
    settings.checkpointEvery = checkpointEvery
    let data = try AnnotatedPictures(annotations: annotations, pictures: pictures)
    let training = try DetectorTraining(
      DetectorConfig(preset: preset), settings, on: data, learnsAttributes: attributes,
      weights: weights, at: output)
    console.say(
      "\(data.count) pictures, \(data.classNames.count) classes, \(training.weights) weights"
        + (training.step > 0 ? ", from step \(training.step)" : ""))
    let first = training.step
    let start = ContinuousClock.now
    let interrupt = InterruptFlag()
    try training.run(isInterrupted: { interrupt.isRaised }) { metrics in
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      let left = seconds / Double(metrics.step - first) * Double(steps - metrics.step)
      let loss = metrics.losses.values.reduce(0, +)
      console.progress(
        metrics.step, of: steps, "loss \(fixed(loss, 4)), \(Console.clock(left)) left")
    }
    console.next([
      "tandem regions evaluate \(output) VALIDATION.json",
      "tandem regions extract PICTURES --detector \(output) --output features",
    ])
  }
}

struct RegionsEvaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Average precision of a detector on annotated pictures, as COCO counts it.",
    discussion: """
      Example:
        tandem regions evaluate runs/detector data/scenes/coco/instances_test.json \\
          --pictures data/scenes/images/test
      """)
  @Argument(help: ArgumentHelp("The detector.", valueName: "detector")) var path: String
  @Argument(help: ArgumentHelp("A COCO instances file.", valueName: "annotations"))
  var annotations: String
  @Option(help: "The folder of its pictures; without it that of the file.") var pictures: String?
  @Option(help: "The most pictures; 0 for all.") var limit = 0
  @Flag(help: "Classes that the detector does not know count too: without labels only.")
  var unknownClasses = false
  @Option(help: "Threads inside an operator; 0 for all cores.") var threads = 0
  @Flag(help: "Print the results as JSON, with every class.") var json = false

  func run() throws {
    let console = Console(isQuiet: json)
    try Runtime.configure(threads: threads)
    let detector = try LoadedDetector.open(path)
    let data = try AnnotatedPictures(
      annotations: annotations, pictures: pictures, classNames: detector.classNames,
      other: unknownClasses ? 1 : nil)
    let start = ContinuousClock.now
    let found = try DetectorEvaluation.run(detector.network, on: data, limit: limit) {
      done, total in
      let left = (ContinuousClock.now - start) / .seconds(1) / Double(done) * Double(total - done)
      console.progress(done, of: total, "pictures, \(Console.clock(left)) left")
    }
    if json { return printLine(try JSONValue(encoding: found).pretty) }
    func line(_ title: String, _ value: Double?) {
      printLine("\(title)  \(value.map { fixed($0, 4) } ?? "—")")
    }
    console.closeLine()
    if !unknownClasses {
      line("mAP@0.5            ", found.classes.averagePrecisionAt50)
      line("mAP@0.5:0.95       ", found.classes.averagePrecision)
    }
    line("class-agnostic AP@0.5", found.agnostic.averagePrecisionAt50)
    line("class-agnostic AP@0.5:0.95", found.agnostic.averagePrecision)
    let classes = found.classes.classes.count { $0.objects > 0 }
    printLine(
      (unknownClasses ? "" : "\(classes) classes in ") + "\(found.classes.pictures) pictures, "
        + "\(fixed(found.secondsPerPicture * 1000, 1)) ms a picture")
  }
}

struct RegionsConvert: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "convert", abstract: "Convert region features from one format to another.",
    discussion: """
      Examples:
        tandem regions convert train2014_obj36.tsv features --to store
        tandem regions convert features feat_th0.2_max100_min10 --to uniter
      The source's format is found by looking at it. What the target cannot hold is listed.
      """)
  @Argument(help: "A file or folder of features.") var source: String
  @Argument(help: "What to write.") var target: String
  @Option(help: "\(RegionFormat.allCases.map(\.rawValue).joined(separator: ", ")).")
  var to: RegionFormat
  @Option(help: "The source's format, where it is not to be found out.") var from: RegionFormat?
  @Option(help: "Of a store: float16 or float32.") var precision = FeatureType.float16
  @Option(help: "Boxes beyond the picture: reject, clip or keep.") var boxes = BoxPolicy.reject
  @Option(help: "A folder of the pictures, where the source does not hold their sizes.")
  var pictures: String?
  @Option(help: "Names of the object classes, a line each, where the format keeps names.")
  var classNames: String?
  @Flag(help: "Leave bad records out and count them.") var skipBad = false
  @Flag(help: "Replace a file that is there.") var force = false

  func run() throws {
    let console = Console()
    let names = try classNames.map { path in
      try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }
    let reader = try RegionFormat.open(
      source, as: from, options: RegionReadingOptions(classNames: names))
    var converter = RegionConverter()
    converter.badRecords = skipBad ? .skip : .stop
    converter.boxes = boxes
    converter.writing = RegionWritingOptions(
      featureType: precision, classNames: names, replaces: force)
    if let pictures {
      let sizes = PictureSizes(folder: pictures)
      converter.imageSize = { id in try sizes.size(of: id).map { ($0.width, $0.height) } }
    }
    let start = ContinuousClock.now
    let report = try converter.convert(reader, to: to, at: target) { report in
      let done = report.written + report.skipped + report.alreadyThere
      guard let total = report.expected else { return console.count(done, "records") }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      console.progress(
        done, of: total,
        "records, \(Console.clock(seconds / Double(max(1, done)) * Double(total - done))) left")
    }
    console.closeLine()
    printLine(report.description)
  }
}

struct RegionsCheck: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Count what features hold and what is wrong in them.",
    discussion: """
      Example:
        tandem regions check features --wanted ids.txt
      """)
  @Argument(help: "A file or folder of features.") var source: String
  @Option(help: "The format, where it is not to be found out.") var from: RegionFormat?
  @Option(help: "A file with an identifier a line that should be there.") var wanted: String?

  func run() throws {
    let console = Console()
    let reader = try RegionFormat.open(source, as: from)
    let ids = try wanted.map { path in
      try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
    }
    let check = try RegionCheck.run(reader, wanted: ids) { done in
      guard let total = reader.expectedCount else { return console.count(done, "records") }
      console.progress(done, of: total, "records")
    }
    console.closeLine()
    printLine(check.summary)
    guard check.isClean else { throw DataError("\(source): something is wrong (see above)") }
  }
}

struct RegionsShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "Draw a picture with its boxes, labels and confidences.",
    discussion: """
      Examples:
        tandem regions show cat.jpg --detector runs/detector --output cat-regions.png
        tandem regions show photos/cat.jpg --features features --id cat --output cat-regions.png
      """)
  @Argument(help: "A JPEG, PNG or WebP file.") var picture: String
  @Option(help: "The PNG to write.") var output: String
  @Option(help: "A detector to look with.") var detector: String?
  @Option(help: "A store of regions.") var features: String?
  @Option(help: "The picture's identifier in the store; its name without ending if not given.")
  var id: String?
  @Option(help: "Leave out boxes below this confidence.") var threshold: Float = 0.2
  @Option(help: "The most boxes.") var most = 36

  func validate() throws {
    guard (detector == nil) != (features == nil) else {
      throw ValidationError("needs one of --detector and --features")
    }
  }

  func run() throws {
    let image = try Image(contentsOfFile: picture)
    let name = id ?? URL(filePath: picture).deletingPathExtension().lastPathComponent
    let drawn: Image
    if let features {
      let store = try FeatureStore(path: features)
      drawn = RegionDrawing.drawn(
        try store.record(of: name), on: image, names: store.header.classNames,
        attributes: store.header.attributeNames, leastConfidence: threshold, most: most)
    } else {
      let loaded = try LoadedDetector.open(detector ?? "")
      drawn = RegionDrawing.drawn(
        try loaded.network.detect([image]).first ?? [], on: image, names: loaded.classNames,
        leastConfidence: threshold, most: most)
    }
    try RegionDrawing.write(drawn, to: output)
    Console().say("\(output): \(drawn.width) × \(drawn.height)")
  }
}
