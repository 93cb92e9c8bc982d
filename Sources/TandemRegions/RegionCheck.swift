// Looking a file of regions through before it is trusted.

import TandemFiles

/// What a file holds, and what is wrong in it.
public struct RegionCheck: Sendable, Equatable {
  /// Smallest, largest and quantiles of some numbers.
  public struct Distribution: Sendable, Equatable {
    public private(set) var count = 0
    public private(set) var minimum = 0.0
    public private(set) var maximum = 0.0
    public private(set) var sum = 0.0
    /// How many fell into each of the bins that the numbers were sorted into.
    public private(set) var bins: [Int]
    private let width: Double

    /// - Parameters:
    ///   - bins: how many; numbers beyond the last count into it.
    ///   - width: of one bin; the first starts at 0.
    init(bins: Int, width: Double) {
      self.bins = [Int](repeating: 0, count: bins)
      self.width = width
    }

    mutating func add(_ value: Double) {
      guard value.isFinite else { return }
      minimum = count == 0 ? value : min(minimum, value)
      maximum = count == 0 ? value : max(maximum, value)
      count += 1
      sum += value
      bins[Int(min(max(value / width, 0), Double(bins.count - 1)))] += 1
    }

    public var mean: Double { count == 0 ? 0 : sum / Double(count) }

    /// The lower edge of the bin in which the fraction `part` of the numbers is reached.
    public func quantile(_ part: Double) -> Double {
      let wanted = max(1, Int((Double(count) * part).rounded(.up)))
      var reached = 0
      for (index, members) in bins.enumerated() {
        reached += members
        if reached >= wanted { return Double(index) * width }
      }
      return maximum
    }
  }

  public internal(set) var path = ""
  public internal(set) var format = RegionFormat.store
  /// Fields that every readable record has.
  public internal(set) var fields: Set<RegionField> = []
  public internal(set) var records = 0
  public internal(set) var regions = 0
  /// Records that could not be read, and the errors of the first.
  public internal(set) var unreadable = 0
  public internal(set) var firstFaults: [RegionError] = []
  /// Records with a NaN or an infinity.
  public internal(set) var nonFinite = 0
  /// Regions whose box is reversed, empty or outside.
  public internal(set) var boxFaults = BoxFaults()
  /// Records with at least one such box.
  public internal(set) var recordsWithBoxFaults = 0
  public internal(set) var withoutRegions = 0
  /// The feature width of the first record with regions, and the number of records that differ.
  public internal(set) var featureWidth: Int?
  public internal(set) var otherWidths = 0
  public internal(set) var duplicates = 0
  public internal(set) var firstDuplicates: [String] = []
  /// Wanted identifiers that the file does not have; nil where no list was given.
  public internal(set) var missing: Int?
  public internal(set) var firstMissing: [String] = []
  public internal(set) var boxCounts = Distribution(bins: 1001, width: 1)
  public internal(set) var confidences = Distribution(bins: 100, width: 0.01)

  static let listed = 10

  /// Whether nothing is wrong.
  public var isClean: Bool {
    unreadable == 0 && nonFinite == 0 && boxFaults.count == 0 && withoutRegions == 0
      && otherWidths == 0 && duplicates == 0 && (missing ?? 0) == 0
  }

  /// Reads everything that `reader` has, once.
  ///
  /// - Parameters:
  ///   - reader: at its start.
  ///   - wanted: identifiers that should be there.
  ///   - progress: called after every record, with their number so far.
  /// - Throws: `RegionError` where the file as a whole cannot be read; `FileError`; what `progress`
  ///   throws.
  public static func run(
    _ reader: any RegionReader, wanted: (some Sequence<String>)? = [String]?.none,
    progress: (Int) throws -> Void = { _ in }
  ) throws -> RegionCheck {
    var check = RegionCheck()
    check.path = reader.path
    check.format = reader.format
    check.fields = Set(RegionField.allCases)
    let seen = try IDTable()
    while true {
      do {
        guard let record = try reader.next() else { break }
        try check.add(record, seen)
      } catch let error as RegionError where error.kind == .badRecord {
        check.unreadable += 1
        if check.firstFaults.count < listed { check.firstFaults.append(error) }
      }
      try progress(check.records + check.unreadable)
    }
    if check.records == 0 { check.fields = [] }
    if let wanted {
      check.missing = 0
      for id in wanted where !seen.contains(Checksum.of(id), where: { _ in true }) {
        check.missing = (check.missing ?? 0) + 1
        if check.firstMissing.count < listed { check.firstMissing.append(id) }
      }
    }
    return check
  }

  private mutating func add(_ record: RegionRecord, _ seen: IDTable) throws {
    records += 1
    regions += record.count
    fields.formIntersection(record.fields)
    let hash = Checksum.of(record.id)
    if seen.contains(hash, where: { _ in true }) {
      duplicates += 1
      if firstDuplicates.count < Self.listed { firstDuplicates.append(record.id) }
    } else {
      try seen.insert(hash, 0)
    }
    boxCounts.add(Double(record.count))
    if record.count == 0 {
      withoutRegions += 1
    } else {
      if let featureWidth, record.featureWidth != featureWidth { otherWidths += 1 }
      featureWidth = featureWidth ?? record.featureWidth
    }
    if record.firstNonFinite != nil { nonFinite += 1 }
    let faults = record.boxFaults
    boxFaults.reversed += faults.reversed
    boxFaults.outside += faults.outside
    boxFaults.empty += faults.empty
    if faults.count > 0 { recordsWithBoxFaults += 1 }
    for confidence in record.objectConfidences ?? [] { confidences.add(Double(confidence)) }
  }

  /// A page of text for a person.
  public var summary: String {
    var lines = [
      "\(path): \(format.label)",
      "  \(records) pictures, \(regions) regions, \(fields.label)",
    ]
    if let featureWidth { lines.append("  features of width \(featureWidth)") }
    if boxCounts.count > 0 {
      lines.append(
        "  regions a picture: \(Int(boxCounts.minimum)) to \(Int(boxCounts.maximum)), "
          + "median \(Int(boxCounts.quantile(0.5))), mean \(Self.short(boxCounts.mean))")
    }
    if confidences.count > 0 {
      lines.append(
        "  object confidence: \(Self.short(confidences.minimum)) to "
          + "\(Self.short(confidences.maximum)), median \(Self.short(confidences.quantile(0.5))), "
          + "lowest tenth below \(Self.short(confidences.quantile(0.1) + 0.01))")
    }
    func fault(_ count: Int, _ text: String) {
      if count > 0 { lines.append("  ! \(count) \(text)") }
    }
    func list(_ items: [String], of count: Int) {
      lines += items.map { "      \($0)" }
      if count > items.count { lines.append("      and \(count - items.count) more") }
    }
    fault(unreadable, "records cannot be read:")
    if unreadable > 0 { list(firstFaults.map(\.description), of: unreadable) }
    fault(nonFinite, "records with NaN or infinity")
    fault(boxFaults.reversed, "boxes are reversed")
    fault(boxFaults.empty, "boxes have no area")
    fault(boxFaults.outside, "boxes reach outside their picture")
    fault(withoutRegions, "pictures have no regions")
    fault(otherWidths, "records have features of another width")
    fault(duplicates, "identifiers stand there a second time:")
    if duplicates > 0 { list(firstDuplicates, of: duplicates) }
    fault(missing ?? 0, "wanted pictures are missing:")
    if let missing, missing > 0 { list(firstMissing, of: missing) }
    if isClean { lines.append("  nothing is wrong") }
    return lines.joined(separator: "\n")
  }

  /// Two decimals.
  private static func short(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let digits = abs(hundredths) % 100
    return "\(hundredths < 0 ? "-" : "")\(abs(hundredths) / 100).\(digits < 10 ? "0" : "")\(digits)"
  }
}
