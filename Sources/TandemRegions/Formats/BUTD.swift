// The original bottom-up attention TSV (peteanderson80/bottom-up-attention): image_id, image_w,
// image_h, num_boxes, boxes, features; float32 in base64, boxes in pixels.

struct BUTDLayout: LineLayout {
  var format: RegionFormat { .butd }
  var separator: UInt8 { 9 }
  var fieldCount: Int { 6 }

  func record(_ fields: [UnsafeRawBufferPointer], _ context: RecordContext) throws -> RegionRecord {
    let n = try context.regionCount(fields[3])
    let features = try context.floats(fields[5], "features", rows: n)
    return RegionRecord(
      id: fields[0].text, width: try context.pictureSide(fields[1], "the picture's width"),
      height: try context.pictureSide(fields[2], "the picture's height"),
      boxes: try context.floats(fields[4], "boxes", rows: n, columns: 4), features: features,
      featureWidth: context.columns(features, rows: n, otherwise: usualFeatureWidth))
  }

  func add(_ record: RegionRecord, to line: inout LineBuffer) {
    line.add("\(record.id)\t\(record.width)\t\(record.height)\t\(record.count)\t")
    line.add(base64: record.boxes)
    line.add(9)
    line.add(base64: record.features)
  }
}
