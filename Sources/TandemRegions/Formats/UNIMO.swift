// UNIMO's two line formats (PaddlePaddle/Research, NLP/UNIMO, src/reader): float32 in base64, boxes
// in pixels.
//
// Retrieval: image; width; height; number of boxes; boxes; features; class probabilities, between
// tabs. The published reader for testing takes height before width.
// Captioning, between semicolons: image; caption; tokens; sentences; positions; segment labels; node
// starts; node ends; height; width; number of boxes; boxes; class probabilities; attribute
// probabilities; features; label. Only the last eight concern regions.

import TandemFiles

struct UNIMORetrievalLayout: LineLayout {
  let order: UNIMOSizeOrder

  var format: RegionFormat { .unimoRetrieval }
  var separator: UInt8 { 9 }
  var fieldCount: Int { 7 }

  init(order: UNIMOSizeOrder) { self.order = order }

  /// The order given, or else the one in which the boxes of the first lines fit their pictures.
  init(path: String, order: UNIMOSizeOrder?) throws {
    if let order {
      self.order = order
      return
    }
    let trial = try LineRegionReader(
      path: path, layout: UNIMORetrievalLayout(order: .widthHeight))
    var fits = true
    var fitsExchanged = true
    var looked = 0
    while looked < 64, let record = try? trial.next() {
      var exchanged = record
      (exchanged.width, exchanged.height) = (record.height, record.width)
      fits = fits && record.boxFaults.outside == 0
      fitsExchanged = fitsExchanged && exchanged.boxFaults.outside == 0
      looked += 1
    }
    self.order = !fits && fitsExchanged ? .heightWidth : .widthHeight
  }

  func record(_ fields: [UnsafeRawBufferPointer], _ context: RecordContext) throws -> RegionRecord {
    let n = try context.regionCount(fields[3])
    let features = try context.floats(fields[5], "features", rows: n)
    let probabilities = try context.floats(fields[6], "class probabilities", rows: n)
    let first = try context.pictureSide(fields[1], "the picture's size")
    let second = try context.pictureSide(fields[2], "the picture's size")
    return RegionRecord(
      id: fields[0].text, width: order == .widthHeight ? first : second,
      height: order == .widthHeight ? second : first,
      boxes: try context.floats(fields[4], "boxes", rows: n, columns: 4), features: features,
      featureWidth: context.columns(features, rows: n, otherwise: usualFeatureWidth),
      classProbabilities: probabilities,
      classCount: context.columns(probabilities, rows: n, otherwise: 1601))
  }

  func add(_ record: RegionRecord, to line: inout LineBuffer) {
    line.add("\(record.id)\t\(record.width)\t\(record.height)\t\(record.count)\t")
    line.add(base64: record.boxes)
    line.add(9)
    line.add(base64: record.features)
    line.add(9)
    line.add(base64: record.classProbabilities ?? [])
  }
}

struct UNIMOCaptioningLayout: LineLayout {
  var format: RegionFormat { .unimoCaptioning }
  var separator: UInt8 { UInt8(ascii: ";") }
  var fieldCount: Int { 16 }

  func record(_ fields: [UnsafeRawBufferPointer], _ context: RecordContext) throws -> RegionRecord {
    let n = try context.regionCount(fields[10])
    let features = try context.floats(fields[14], "features", rows: n)
    // Some lines leave the probabilities empty: the published reader does not look at them.
    let probabilities =
      fields[12].isEmpty && n > 0
      ? nil : try context.floats(fields[12], "class probabilities", rows: n)
    return RegionRecord(
      id: fields[0].text, width: try context.pictureSide(fields[9], "the picture's width"),
      height: try context.pictureSide(fields[8], "the picture's height"),
      boxes: try context.floats(fields[11], "boxes", rows: n, columns: 4), features: features,
      featureWidth: context.columns(features, rows: n, otherwise: usualFeatureWidth),
      classProbabilities: probabilities,
      classCount: probabilities.map { context.columns($0, rows: n, otherwise: 1601) } ?? 0)
  }

  func add(_ record: RegionRecord, to line: inout LineBuffer) {
    line.add("\(record.id);;;;;;;;\(record.height);\(record.width);\(record.count);")
    line.add(base64: record.boxes)
    line.add(separator)
    line.add(base64: record.classProbabilities ?? [])
    line.add(";;")
    line.add(base64: record.features)
    line.add(";0")
  }
}
