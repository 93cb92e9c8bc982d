// LXMERT's TSV (airsplay/lxmert, src/utils.py): img_id, img_h, img_w, objects_id, objects_conf,
// attrs_id, attrs_conf, num_boxes, boxes, features. Ids are int64, the rest float32, all in base64;
// boxes in pixels.

struct LXMERTLayout: LineLayout {
  var format: RegionFormat { .lxmert }
  var separator: UInt8 { 9 }
  var fieldCount: Int { 10 }

  func record(_ fields: [UnsafeRawBufferPointer], _ context: RecordContext) throws -> RegionRecord {
    let n = try context.regionCount(fields[7])
    let features = try context.floats(fields[9], "features", rows: n)
    return RegionRecord(
      id: fields[0].text, width: try context.pictureSide(fields[2], "the picture's width"),
      height: try context.pictureSide(fields[1], "the picture's height"),
      boxes: try context.floats(fields[8], "boxes", rows: n, columns: 4), features: features,
      featureWidth: context.columns(features, rows: n, otherwise: usualFeatureWidth),
      objectIDs: try context.int64s(fields[3], "object ids", rows: n),
      objectConfidences: try context.floats(fields[4], "object confidences", rows: n, columns: 1),
      attributeIDs: try context.int64s(fields[5], "attribute ids", rows: n),
      attributeConfidences: try context.floats(
        fields[6], "attribute confidences", rows: n, columns: 1))
  }

  func add(_ record: RegionRecord, to line: inout LineBuffer) {
    line.add("\(record.id)\t\(record.height)\t\(record.width)\t")
    line.add(base64: record.objectIDs ?? [])
    line.add(9)
    line.add(base64: record.objectConfidences ?? [])
    line.add(9)
    line.add(base64: record.attributeIDs ?? [])
    line.add(9)
    line.add(base64: record.attributeConfidences ?? [])
    line.add("\t\(record.count)\t")
    line.add(base64: record.boxes)
    line.add(9)
    line.add(base64: record.features)
  }
}
