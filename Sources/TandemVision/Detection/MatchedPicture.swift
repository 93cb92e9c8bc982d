/// The detections of one picture and class beside its objects, for every area range and overlap.
struct MatchedPicture {
  enum Outcome {
    /// Took an object.
    case right
    /// Took none.
    case wrong
    /// Took a crowd or an object of another size, or is of another size itself.
    case ignored
  }

  /// Falling; no more than count.
  let scores: [Float]
  /// By area range, overlap and detection.
  let outcomes: [[[Outcome]]]
  /// Objects that count, by area range.
  let counted: [Int]

  init(
    objects: [AnnotatedObject], detections: [DetectedObject],
    settings: AveragePrecision.Settings
  ) {
    let best =
      detections.enumerated()
      .sorted { a, b in
        a.element.score != b.element.score
          ? a.element.score > b.element.score : a.offset < b.offset
      }
      .prefix(settings.detections.last ?? 0).map(\.element)
    scores = best.map(\.score)
    let overlaps = best.map { detection in
      objects.map { Self.overlap(detection.box, $0.box, isCrowd: $0.isCrowd) }
    }
    var outcomes: [[[Outcome]]] = []
    var counted: [Int] = []
    for range in settings.areas {
      let ignored = objects.map { object in
        object.isCrowd || !range.holds(object.area ?? Self.area(object.box))
      }
      counted.append(ignored.count { !$0 })
      // Objects that count come first.
      let order = objects.indices.filter { !ignored[$0] } + objects.indices.filter { ignored[$0] }
      outcomes.append(
        settings.overlaps.map { least in
          Self.matched(best, objects, overlaps, ignored, order, range, least: least)
        })
    }
    self.outcomes = outcomes
    self.counted = counted
  }

  /// Greedy: each detection, best first, takes the object it overlaps most among those still free;
  /// one that counts before any that does not, and of equal ones the last.
  private static func matched(
    _ detections: [DetectedObject], _ objects: [AnnotatedObject], _ overlaps: [[Double]],
    _ ignored: [Bool], _ order: [Int], _ range: AveragePrecision.AreaRange, least: Double
  ) -> [Outcome] {
    var taken = [Bool](repeating: false, count: objects.count)
    return detections.indices.map { detection in
      var most = min(least, 1 - 1e-10)
      var chosen: Int?
      for object in order {
        if taken[object], !objects[object].isCrowd { continue }
        if let chosen, !ignored[chosen], ignored[object] { break }
        if overlaps[detection][object] < most { continue }
        most = overlaps[detection][object]
        chosen = object
      }
      guard let chosen else {
        return range.holds(area(detections[detection].box)) ? .wrong : .ignored
      }
      taken[chosen] = true
      return ignored[chosen] ? .ignored : .right
    }
  }

  private static func area(_ box: Box) -> Double {
    (Double(box.x2) - Double(box.x1)) * (Double(box.y2) - Double(box.y1))
  }

  /// The share of the union that both cover; of the detection alone where the object is a crowd.
  private static func overlap(_ detection: Box, _ object: Box, isCrowd: Bool) -> Double {
    let width =
      min(Double(detection.x2), Double(object.x2)) - max(Double(detection.x1), Double(object.x1))
    let height =
      min(Double(detection.y2), Double(object.y2)) - max(Double(detection.y1), Double(object.y1))
    guard width > 0, height > 0 else { return 0 }
    let shared = width * height
    let whole = isCrowd ? area(detection) : area(detection) + area(object) - shared
    return whole > 0 ? shared / whole : 0
  }
}

extension AveragePrecision.AreaRange {
  func holds(_ area: Double) -> Bool { area >= smallest && area <= largest }
}
