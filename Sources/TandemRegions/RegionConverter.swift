// From any format to any other, one record at a time.

import TandemFiles

/// Copies records from a reader to a writer, checks them on the way, and counts.
public struct RegionConverter: Sendable {
  /// What to do about a record that is wrong.
  public enum BadRecordPolicy: Sendable, Equatable {
    /// Stop at the first.
    case stop
    /// Leave it out and count it; the first few are listed.
    case skip
  }

  public var badRecords = BadRecordPolicy.stop
  public var boxes = BoxPolicy.reject
  /// Whether pictures without regions are taken. Otherwise they count as bad.
  public var allowsEmpty = false
  /// Whether records with NaN or infinite features, boxes or confidences are taken.
  public var allowsNonFinite = false
  /// Takes object ids and confidences from class probabilities where a record has only those.
  public var derivesObjects = true
  /// The pictures' sizes, for sources that do not hold them (UNITER, Oscar without labels).
  public var imageSize: (@Sendable (_ id: String) throws -> (width: Int, height: Int)?)?
  public var writing = RegionWritingOptions()

  public init() {}

  /// What was done so far, or in all.
  public struct Report: Sendable, Equatable, CustomStringConvertible {
    public var written = 0
    /// Regions of the records written.
    public var regions = 0
    /// Records that the target had already.
    public var alreadyThere = 0
    /// Bad records left out.
    public var skipped = 0
    /// The errors of the first skipped records.
    public var firstFaults: [RegionError] = []
    /// Records in the source, where it says so.
    public var expected: Int?
    public var loss = FormatLoss(lost: [], missing: [], notes: [])

    public var description: String {
      var lines = ["\(written) records with \(regions) regions written"]
      if alreadyThere > 0 { lines.append("\(alreadyThere) records were there already") }
      if skipped > 0 {
        lines.append("\(skipped) bad records left out:")
        lines += firstFaults.map { "  \($0)" }
        if skipped > firstFaults.count { lines.append("  and \(skipped - firstFaults.count) more") }
      }
      if !loss.isEmpty { lines.append("\(loss)") }
      return lines.joined(separator: "\n")
    }
  }

  private static let listed = 10

  /// Converts everything that `reader` has to `target` at `path`.
  ///
  /// A store that exists is gone on with: records it has are not read again. Memory does not grow
  /// with the number of records.
  ///
  /// - Parameters:
  ///   - reader: the source, at its start.
  ///   - target: the format to write.
  ///   - path: where to; see ``RegionFormat/writer(_:fitting:options:)``.
  ///   - progress: called after each record written, skipped or found there.
  /// - Returns: what was done.
  /// - Throws: the first bad record's `RegionError` under `.stop`; `RegionError` where the source
  ///   lacks what the target needs, holds no records, or the target cannot be written; `FileError`;
  ///   what `progress` throws, so that it can stop the conversion.
  public func convert(
    _ reader: any RegionReader, to target: RegionFormat, at path: String,
    progress: (Report) throws -> Void = { _ in }
  ) throws -> Report {
    var report = Report()
    report.expected = reader.expectedCount
    var held = reader.fields
    if imageSize != nil { held.insert(.imageSize) }
    report.loss = RegionFormat.lossReport(
      from: held, to: target, derivingObjects: derivesObjects)
    guard report.loss.missing.isEmpty else {
      throw RegionError(
        .badFile, path: path,
        "\(target.label) needs \(report.loss.missing.label), which \(reader.path) does not hold")
    }
    let seen = try IDTable()
    var writer: (any RegionWriter)?
    while true {
      do {
        let record = try reader.next { id in
          // The first record of a store is read before the store is known: write finds it then.
          guard let writer, try writer.contains(id) else { return true }
          guard seen.contains(Checksum.of(id), where: { _ in true }) else {
            try seen.insert(Checksum.of(id), 0)
            report.alreadyThere += 1
            try progress(report)
            return false
          }
          return true
        }
        guard let record else { break }
        try write(prepared(record, reader), &writer, seen, reader, target, path, &report)
      } catch let error as RegionError where badRecords == .skip && isOfRecord(error) {
        report.skipped += 1
        if report.firstFaults.count < Self.listed { report.firstFaults.append(error) }
      }
      try progress(report)
    }
    guard let writer else {
      throw RegionError(
        .badFile, path: reader.path,
        report.skipped > 0
          ? "all \(report.skipped) records are bad; the first: \(report.firstFaults[0])"
          : "expected records, found none")
    }
    if let names = reader.classNames { writer.setClassNames(names) }
    try writer.finish()
    return report
  }

  private func isOfRecord(_ error: RegionError) -> Bool {
    error.kind == .badRecord || error.kind == .duplicate
  }

  private func write(
    _ record: RegionRecord, _ writer: inout (any RegionWriter)?, _ seen: IDTable,
    _ reader: any RegionReader, _ target: RegionFormat, _ path: String, _ report: inout Report
  ) throws {
    let hash = Checksum.of(record.id)
    guard !seen.contains(hash, where: { _ in true }) else {
      throw RegionError(
        .duplicate, path: reader.path, place: .key(record.id),
        "a second record of this name; two pictures, or one given twice?")
    }
    let present = writer
    let open = try present ?? target.writer(path, fitting: record, options: options(reader))
    writer = open
    // Class names gathered while reading must be known before an object is named.
    if target == .oscar, let names = reader.classNames { open.setClassNames(names) }
    if present == nil, try open.contains(record.id) {
      report.alreadyThere += 1
    } else {
      try open.write(record)
      report.written += 1
      report.regions += record.count
    }
    try seen.insert(hash, 0)
  }

  private func options(_ reader: any RegionReader) -> RegionWritingOptions {
    var options = writing
    options.classNames = options.classNames ?? reader.classNames
    return options
  }

  /// The record as it is to be written. Throws `RegionError` (`badRecord`).
  private func prepared(_ record: RegionRecord, _ reader: any RegionReader) throws -> RegionRecord {
    func bad(_ reason: String) -> RegionError {
      RegionError(.badRecord, path: reader.path, place: .key(record.id), reason)
    }
    var record = derivesObjects ? record.derivingObjects() : record
    if !record.sizeIsKnown, let imageSize {
      guard let size = try imageSize(record.id) else { throw bad("no size given for this picture") }
      record = record.givenSize(width: size.width, height: size.height)
    }
    if record.count == 0, !allowsEmpty { throw bad("expected at least one region, found none") }
    if !allowsNonFinite, let field = record.firstNonFinite {
      throw bad("expected finite numbers, found NaN or infinity among the \(field.label)")
    }
    let (treated, fault) = record.applying(boxes)
    if let fault { throw bad(fault) }
    return treated
  }
}

extension RegionRecord {
  /// The first field with a NaN or an infinity, or nil.
  var firstNonFinite: RegionField? {
    func isBad(_ values: [Float]?) -> Bool {
      guard let values else { return false }
      // The exponent is all ones: counted without a branch, so that the loop becomes vector code.
      return values.withUnsafeBufferPointer { buffer in
        var found = UInt32(0)
        for value in buffer { found |= (value.bitPattern & 0x7F80_0000) == 0x7F80_0000 ? 1 : 0 }
        return found != 0
      }
    }
    if isBad(boxes) { return .boxes }
    if isBad(features) { return .features }
    if isBad(objectConfidences) { return .objectConfidences }
    if isBad(attributeConfidences) { return .attributeConfidences }
    if isBad(classProbabilities) { return .classProbabilities }
    return nil
  }
}
