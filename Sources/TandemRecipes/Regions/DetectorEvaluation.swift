internal import TandemData
internal import TandemImage
public import TandemVision

/// How well a detector finds the objects of annotated pictures, as COCO counts it.
public struct DetectorEvaluation: Codable, Sendable, Equatable {
  /// With labels: mean over classes.
  public let classes: AveragePrecision.Result
  /// Whatever the label.
  public let agnostic: AveragePrecision.Result
  /// Seconds a picture, decoding not counted.
  public let secondsPerPicture: Double

  public static func run(
    _ detector: FasterRCNN, on pictures: AnnotatedPictures, batch: Int = 8, limit: Int = 0,
    progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
  ) throws -> DetectorEvaluation {
    var classes = try AveragePrecision()
    var agnostic = try AveragePrecision(AveragePrecision.Settings(isClassAgnostic: true))
    let total = limit > 0 ? min(limit, pictures.count) : pictures.count
    let entries = pictures.entries
    let loader = OrderedPrefetch<Image>(0..<total, workers: 1, capacity: 2 * batch) {
      try Image(contentsOfFile: entries[$0].file)
    }
    var done = 0
    var seconds = 0.0
    while done < total {
      var images: [Image] = []
      while images.count < batch, let image = try loader.next() { images.append(image) }
      guard !images.isEmpty else { break }
      let start = ContinuousClock.now
      let found = try detector.detect(images)
      seconds += (ContinuousClock.now - start) / .seconds(1)
      for detections in found {
        classes.add(objects: entries[done].objects, detections: detections)
        agnostic.add(objects: entries[done].objects, detections: detections)
        done += 1
      }
      progress(done, total)
    }
    return DetectorEvaluation(
      classes: classes.result(), agnostic: agnostic.result(),
      secondsPerPicture: seconds / Double(max(1, done)))
  }
}
