internal import TandemCore
internal import TandemNN
internal import TandemTorch

/// Where VL-BERT's visual rows come from. An *object* is the whole picture, first, or a region of
/// it, as one sequence sees them; [END] follows a sequence's objects.
///
/// Shapes: U regions and P pictures that are distinct, X features that stand in for others, Q
/// distinct views of whole pictures, O objects, F feature width.
struct ObjectPlan {
  /// For each object its row in [U regions; X stand-ins; Q whole pictures; what hides a region].
  private(set) var appearances: [Int] = []
  /// For each object its box in [U regions; P whole pictures].
  private(set) var boxes: [Int] = []
  /// Where each sequence's objects lie among all.
  private(set) var layout = PackedLayout(lengths: [], sequenceKeys: [])
  /// For each sequence with a picture, the object that is the whole of it.
  private(set) var wholePictures: [Int] = []
  /// For each sequence its place in `wholePictures`; those without a picture come after them.
  private(set) var looksOfText: [Int] = []
  private(set) var hasTextAlone = false
  /// For each visual row its word: 0 for [IMG], 1 for that of hidden regions, 2 for [END].
  private(set) var words: [Int] = []
  /// For each visual row its object; −1 for [END], which is none.
  private(set) var objects: [Int] = []
  /// For each visual row its place: one for all of a sequence's objects, the next one for [END].
  private(set) var places: [Int] = []

  private let regions: RegionPlan
  private let unitCount: Int
  private let standInCount: Int
  /// A network makes whole pictures' features: one view for each distinct picture.
  private let seesPixels: Bool
  /// Boxes of whole pictures, [P, 4], over the picture's size.
  private(set) var wholeBoxes: [Float] = []
  /// For each view of a whole picture its rows in [U regions; X stand-ins].
  private var views: [[Int]] = []

  var hidesAny: Bool { regions.hidesAny }

  /// - Throws: `DataError` for a picture without a size in pixels.
  init(_ batch: PackedBatch) throws {
    regions = RegionPlan(batch)
    unitCount = batch.unitCount
    let width = batch.specification.regions?.featureWidth ?? 1
    standInCount = batch.replacements.count / width
    seesPixels = batch.specification.regions?.pixels != nil
    try layWholeBoxes(batch.pictures)
    layObjects(batch)
  }

  /// The box of a whole picture ends at its last pixel, as the published code has it.
  private mutating func layWholeBoxes(_ pictures: [PackedBatch.PackedPicture]) throws {
    for picture in pictures {
      guard picture.width > 0, picture.height > 0 else {
        throw DataError(
          "VL-BERT reads a picture's size in pixels, found \(picture.width)×\(picture.height): "
            + "extract its regions again with the size")
      }
      wholeBoxes += [
        0, 0, Float(picture.width - 1) / Float(picture.width),
        Float(picture.height - 1) / Float(picture.height),
      ]
    }
  }

  private mutating func layObjects(_ batch: PackedBatch) {
    var lengths: [Int] = []
    /// The view of a picture of which nothing is hidden or replaced: many captions may share it.
    var openViews: [Int: Int] = [:]
    /// Objects whose appearance is a whole picture's, and its view.
    var viewed: [(object: Int, view: Int)] = []
    var nextRow = 0
    if seesPixels { views = batch.pictures.map { _ in [] } }
    for sequence in 0..<batch.sequenceCount {
      let place = batch.pictureOfSequence[sequence]
      let textCount = batch.textLayout.rows(of: sequence).count
      var count = 0
      if place >= 0 {
        let rows = nextRow..<nextRow + batch.pictures[place].unitCount
        nextRow = rows.upperBound
        count = 1 + rows.count
        let isOpen = batch.hidden[sequence].isEmpty && batch.replaced[sequence].isEmpty
        var view = isOpen ? openViews[place] ?? views.count : views.count
        if seesPixels { view = place }
        if view == views.count { views.append(rows.compactMap(known)) }
        if isOpen { openViews[place] = view }
        viewed.append((boxes.count, view))
        looksOfText.append(wholePictures.count)
        wholePictures.append(boxes.count)
        objects += boxes.count..<boxes.count + count
        boxes += [unitCount + place] + regions.regions[rows]
        appearances += [0] + rows.map { known($0) ?? -1 }
        words += [0] + rows.map { regions.isHidden[$0] ? 1 : 0 }
      } else {
        looksOfText.append(-1)
        hasTextAlone = true
      }
      objects.append(-1)
      words.append(2)
      places += repeatElement(textCount, count: count) + [textCount + 1]
      lengths.append(count)
    }
    let firstView = unitCount + standInCount
    for (object, view) in viewed { appearances[object] = firstView + view }
    let hiddenRow = firstView + views.count
    appearances = appearances.map { $0 < 0 ? hiddenRow : $0 }
    looksOfText = looksOfText.map { $0 < 0 ? wholePictures.count : $0 }
    layout = PackedLayout(lengths: lengths, sequenceKeys: batch.visualLayout.sequenceKeys)
  }

  /// The row in [U regions; X stand-ins] that a region row shows; nil for a hidden one.
  private func known(_ row: Int) -> Int? {
    let content = regions.contents[row]
    return content == unitCount ? nil : content < unitCount ? content : content - 1
  }

  /// For each visual row the object whose look it has; for none, the row after the last one.
  ///
  /// - Parameter end: whether [END] has the look of the whole picture, where there is one.
  func looks(end: Bool) -> [Int] {
    var whole = -1
    return objects.map { object in
      if object < 0 {
        defer { whole = -1 }
        return end && whole >= 0 ? whole : boxes.count
      }
      if whole < 0 { whole = object }
      return object
    }
  }

  /// Features of regions, of stand-ins and of whole pictures, [U + X + Q, F].
  ///
  /// A whole picture's is the mean of what a sequence sees of it, over n + 10⁻⁵ as published: what
  /// is hidden must not show in it, so that it is a sequence's own where something is hidden. All
  /// of them are one product, whose factor is mostly zeros but small.
  ///
  /// - Parameter made: what a network in the model has made, in place of all that.
  func features(on device: Device, made: RegionNetwork.Features?) throws -> Tensor {
    if let made { return try .concatenated([made.regions_UF, made.wholes_PF]) }
    let known_UXF = try regions.features(on: device)
    let columns = unitCount + standInCount
    var shares = [Float](repeating: 0, count: views.count * columns)
    for (view, rows) in views.enumerated() {
      for row in rows { shares[view * columns + row] = 1 / (Float(rows.count) + 1e-5) }
    }
    let whole_QF = try Tensor(shares, [views.count, columns], on: device).matmul(known_UXF)
    return try .concatenated([known_UXF, whole_QF])
  }

  /// Boxes of regions and of whole pictures, [U + P, 4], over the picture's size.
  func allBoxes(on device: Device) throws -> Tensor {
    try .concatenated([
      regions.boxes(on: device),
      Tensor(wholeBoxes, [wholeBoxes.count / 4, 4], on: device),
    ])
  }
}
