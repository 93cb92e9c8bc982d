// How good detections are, as COCO counts it (Lin et al. 2014, "Microsoft COCO"; the rules are those
// of the pycocotools evaluation of boxes).

/// Collects pictures, then says how well their objects were found.
///
/// A detection is right when it overlaps an object of its class that no better scored detection has
/// taken. Precision is read at 101 recalls from 0 to 1 and averaged, then over overlaps of 0.5 to
/// 0.95, then over classes that have objects.
public struct AveragePrecision: Sendable {
  /// Objects of some sizes; others, and detections of other sizes that hit nothing, do not count.
  public struct AreaRange: Sendable, Equatable, Codable {
    public var name: String
    /// Square pixels, both included.
    public var smallest: Double
    public var largest: Double

    public init(name: String, smallest: Double, largest: Double) {
      self.name = name
      self.smallest = smallest
      self.largest = largest
    }

    static let all = AreaRange(name: "all", smallest: 0, largest: 1e10)
  }

  public struct Settings: Sendable, Equatable, Codable {
    /// Least overlaps at which a detection is right, rising.
    public var overlaps: [Double]
    /// The first is the one that everything else is reported for.
    public var areas: [AreaRange]
    /// How many of the best detections of a picture and class count, rising; the last is the one
    /// that precision is reported for.
    public var detections: [Int]
    /// Labels do not matter.
    public var isClassAgnostic: Bool

    public init(
      overlaps: [Double] = Settings.cocoOverlaps, areas: [AreaRange] = Settings.cocoAreas,
      detections: [Int] = [1, 10, 100], isClassAgnostic: Bool = false
    ) {
      self.overlaps = overlaps
      self.areas = areas
      self.detections = detections
      self.isClassAgnostic = isClassAgnostic
    }

    /// 0.5, 0.55 … 0.95.
    public static let cocoOverlaps: [Double] = (0..<10).map { step in
      let width: Double = (0.95 - 0.5) / 9
      return step == 9 ? 0.95 : Double(step) * width + 0.5
    }

    /// All, below 32², between, above 96² pixels.
    public static let cocoAreas: [AreaRange] = [
      .all, AreaRange(name: "small", smallest: 0, largest: 1024),
      AreaRange(name: "medium", smallest: 1024, largest: 9216),
      AreaRange(name: "large", smallest: 9216, largest: 1e10),
    ]
  }

  public struct ClassResult: Sendable, Equatable, Codable {
    public var label: Int
    /// Objects that count: neither crowds nor of another size.
    public var objects: Int
    /// Nil where no object counts.
    public var averagePrecision: Double?
    public var averagePrecisionAt50: Double?
    public var averageRecall: Double?
  }

  /// Every number is 0 to 1, or nil where no object counts.
  public struct Result: Sendable, Equatable, Codable {
    /// The mean over overlaps and classes: COCO's AP.
    public var averagePrecision: Double?
    /// At an overlap of 0.5 and of 0.75; nil where the settings do not have it.
    public var averagePrecisionAt50: Double?
    public var averagePrecisionAt75: Double?
    /// By the name of the area range.
    public var averagePrecisionByArea: [String: Double]
    /// By the most detections of a picture.
    public var averageRecallByDetections: [Int: Double]
    public var averageRecallByArea: [String: Double]
    /// By label, rising; one of label 0 where labels do not matter.
    public var classes: [ClassResult]
    public var pictures: Int
  }

  public let settings: Settings
  private var pictures: [(objects: [AnnotatedObject], detections: [DetectedObject])] = []

  /// - Throws: `DetectionError` for settings without overlaps, areas or numbers of detections.
  public init(_ settings: Settings = Settings()) throws {
    guard !settings.overlaps.isEmpty, !settings.areas.isEmpty, !settings.detections.isEmpty,
      settings.detections == settings.detections.sorted(),
      settings.detections.allSatisfy({ $0 > 0 }), settings.overlaps.allSatisfy({ $0 > 0 })
    else {
      throw DetectionError(
        "AveragePrecision: needs overlaps above 0, area ranges and rising numbers of detections, "
          + "above 0, found \(settings.overlaps), \(settings.areas.map(\.name)), \(settings.detections)"
      )
    }
    self.settings = settings
  }

  /// One picture: what is in it and what was found in it.
  public mutating func add(objects: [AnnotatedObject], detections: [DetectedObject]) {
    pictures.append((objects, detections))
  }

  public func result() -> Result {
    let curves: [(label: Int, curves: Curves)] = labels.map { ($0, self.curves(of: $0)) }
    let last = settings.detections.count - 1
    func precision(_ overlap: Int?, area: Int, of some: [Curves]) -> Double? {
      mean(some.flatMap { $0.precision(overlap, area: area, limit: last) })
    }
    func recall(area: Int, limit: Int, of some: [Curves]) -> Double? {
      mean(some.flatMap { $0.recall(area: area, limit: limit) })
    }
    let all = curves.map(\.curves)
    let half = settings.overlaps.firstIndex { abs($0 - 0.5) < 1e-9 }
    let threeQuarters = settings.overlaps.firstIndex { abs($0 - 0.75) < 1e-9 }
    var byArea: [String: Double] = [:]
    var recallByArea: [String: Double] = [:]
    for (index, area) in settings.areas.enumerated() {
      byArea[area.name] = precision(nil, area: index, of: all)
      recallByArea[area.name] = recall(area: index, limit: last, of: all)
    }
    var recallByDetections: [Int: Double] = [:]
    for (index, most) in settings.detections.enumerated() {
      recallByDetections[most] = recall(area: 0, limit: index, of: all)
    }
    return Result(
      averagePrecision: precision(nil, area: 0, of: all),
      averagePrecisionAt50: half.flatMap { precision($0, area: 0, of: all) },
      averagePrecisionAt75: threeQuarters.flatMap { precision($0, area: 0, of: all) },
      averagePrecisionByArea: byArea, averageRecallByDetections: recallByDetections,
      averageRecallByArea: recallByArea,
      classes: curves.map { label, curves in
        ClassResult(
          label: label, objects: curves.objects[0],
          averagePrecision: precision(nil, area: 0, of: [curves]),
          averagePrecisionAt50: half.flatMap { precision($0, area: 0, of: [curves]) },
          averageRecall: recall(area: 0, limit: last, of: [curves]))
      },
      pictures: pictures.count)
  }

  private func mean(_ numbers: [Double]) -> Double? {
    numbers.isEmpty ? nil : numbers.reduce(0, +) / Double(numbers.count)
  }

  /// Every label that is annotated or found, rising; 0 alone where labels do not matter.
  private var labels: [Int] {
    if settings.isClassAgnostic { return [0] }
    var labels = Set<Int>()
    for picture in pictures {
      labels.formUnion(picture.objects.map(\.label))
      labels.formUnion(picture.detections.map(\.label))
    }
    return labels.sorted()
  }

  // MARK: one class

  /// What a class comes to: nothing for a size without objects.
  private struct Curves {
    /// Objects that count, by area range.
    var objects: [Int]
    /// Mean precision over recalls, by area, overlap and limit of detections.
    var precisions: [[[Double]]]
    var recalls: [[[Double]]]

    func precision(_ overlap: Int?, area: Int, limit: Int) -> [Double] {
      guard objects[area] > 0 else { return [] }
      return overlap.map { [precisions[area][$0][limit]] } ?? precisions[area].map { $0[limit] }
    }

    func recall(area: Int, limit: Int) -> [Double] {
      objects[area] > 0 ? recalls[area].map { $0[limit] } : []
    }
  }

  private func curves(of label: Int) -> Curves {
    let matched = pictures.map { picture in
      MatchedPicture(
        objects: settings.isClassAgnostic
          ? stableByLabel(picture.objects, \.label)
          : picture.objects.filter { $0.label == label },
        detections: settings.isClassAgnostic
          ? stableByLabel(picture.detections, \.label)
          : picture.detections.filter { $0.label == label },
        settings: settings)
    }
    var curves = Curves(objects: [], precisions: [], recalls: [])
    for area in settings.areas.indices {
      let count = matched.reduce(0) { $0 + $1.counted[area] }
      curves.objects.append(count)
      var precisions: [[Double]] = []
      var recalls: [[Double]] = []
      for overlap in settings.overlaps.indices {
        let both = settings.detections.map { limit in
          curve(matched, area: area, overlap: overlap, limit: limit, objects: count)
        }
        precisions.append(both.map(\.precision))
        recalls.append(both.map(\.recall))
      }
      curves.precisions.append(precisions)
      curves.recalls.append(recalls)
    }
    return curves
  }

  /// All labels together lie label after label, as the reference evaluation lays them.
  private func stableByLabel<Item>(_ items: [Item], _ label: (Item) -> Int) -> [Item] {
    items.enumerated()
      .sorted { (label($0.element), $0.offset) < (label($1.element), $1.offset) }
      .map(\.element)
  }

  /// The mean precision at 101 recalls, and the recall that is reached.
  private func curve(
    _ pictures: [MatchedPicture], area: Int, overlap: Int, limit: Int, objects: Int
  ) -> (precision: Double, recall: Double) {
    guard objects > 0 else { return (0, 0) }
    var found: [(score: Float, isRight: Bool)] = []
    for picture in pictures {
      let outcomes = picture.outcomes[area][overlap]
      for (score, outcome) in zip(picture.scores.prefix(limit), outcomes.prefix(limit))
      where outcome != .ignored {
        found.append((score, outcome == .right))
      }
    }
    let order = found.indices.sorted { a, b in
      found[a].score != found[b].score ? found[a].score > found[b].score : a < b
    }
    var right = 0
    var recalls: [Double] = []
    var precisions: [Double] = []
    for (place, index) in order.enumerated() {
      if found[index].isRight { right += 1 }
      recalls.append(Double(right) / Double(objects))
      precisions.append(Double(right) / Double(place + 1))
    }
    for place in stride(from: precisions.count - 1, to: 0, by: -1)
    where precisions[place] > precisions[place - 1] {
      precisions[place - 1] = precisions[place]
    }
    var sum = 0.0
    var place = 0
    for step in 0...100 {
      let recall = step == 100 ? 1 : Double(step) * 0.01
      while place < recalls.count, recalls[place] < recall { place += 1 }
      if place < precisions.count { sum += precisions[place] }
    }
    return (sum / 101, recalls.last ?? 0)
  }
}
