// The bytes of one record: a prefix of 64 bytes, then sections that start at multiples of 64.

/// Where the parts of a record lie, from its first byte.
///
/// Little-endian throughout. Prefix: magic (4), length of the identifier (4), length of the whole
/// record (8), regions (4), width (4), height (4), zero (4), hash of the identifier (8), zero (16),
/// checksum (8) of all other bytes. Sections, each padded with zeros to 64 bytes: identifier, boxes
/// (float32), features, class probabilities (both the store's type), object ids (int32), object
/// confidences (float32), attribute ids, attribute confidences; those the store does not hold are
/// empty.
struct RecordLayout {
  static let prefixCount = 64
  static let magic: UInt32 = 0x5247_5254  // "TRGR"

  let id: Range<Int>
  let boxes: Range<Int>
  let features: Range<Int>
  let classProbabilities: Range<Int>
  let objectIDs: Range<Int>
  let objectConfidences: Range<Int>
  let attributeIDs: Range<Int>
  let attributeConfidences: Range<Int>
  /// Bytes of the whole record.
  let count: Int

  init(header: FeatureStoreHeader, idCount: Int, regions: Int) {
    var next = Self.prefixCount
    func section(_ count: Int) -> Range<Int> {
      let range = next..<(next + count)
      next = (range.upperBound + 63) / 64 * 64
      return range
    }
    func optional(_ field: RegionField, _ count: Int) -> Range<Int> {
      section(header.holds(field) ? count : 0)
    }
    let width = header.featureType.byteCount
    id = section(idCount)
    boxes = section(regions * 16)
    features = section(regions * header.featureWidth * width)
    classProbabilities = optional(.classProbabilities, regions * header.classCount * width)
    objectIDs = optional(.objectIDs, regions * 4)
    objectConfidences = optional(.objectConfidences, regions * 4)
    attributeIDs = optional(.attributeIDs, regions * 4)
    attributeConfidences = optional(.attributeConfidences, regions * 4)
    count = next
  }
}

/// A record's prefix.
struct RecordPrefix {
  var idCount: Int
  var count: Int
  var regions: Int
  var width: Int
  var height: Int
  var hash: UInt64
  var checksum: UInt64

  /// The prefix at the start of `bytes`, or nil where there is none.
  init?(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count >= RecordLayout.prefixCount,
      bytes.loadUnaligned(as: UInt32.self) == RecordLayout.magic
    else { return nil }
    func number(_ offset: Int) -> Int {
      Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    idCount = number(4)
    let length = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    guard length <= UInt64(Int.max) else { return nil }
    count = Int(length)
    regions = number(16)
    width = number(20)
    height = number(24)
    hash = bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self)
    checksum = bytes.loadUnaligned(fromByteOffset: 56, as: UInt64.self)
  }

  /// The record that starts `bytes`, whole and unharmed, or nil.
  static func verified(
    _ bytes: UnsafeRawBufferPointer, header: FeatureStoreHeader
  ) -> RecordPrefix? {
    guard let prefix = RecordPrefix(bytes), prefix.count <= bytes.count,
      RecordLayout(header: header, idCount: prefix.idCount, regions: prefix.regions).count
        == prefix.count,
      checksum(UnsafeRawBufferPointer(rebasing: bytes[..<prefix.count])) == prefix.checksum
    else { return nil }
    return prefix
  }

  static func checksum(_ record: UnsafeRawBufferPointer) -> UInt64 {
    let seed = Checksum.of(UnsafeRawBufferPointer(rebasing: record[..<56]))
    return Checksum.of(
      UnsafeRawBufferPointer(rebasing: record[RecordLayout.prefixCount...]), seed: seed)
  }
}

/// Puts a record into the bytes that the store keeps.
struct RecordEncoder {
  let header: FeatureStoreHeader
  private(set) var bytes: [UInt8] = []

  init(header: FeatureStoreHeader) { self.header = header }

  /// Fills `bytes`.
  ///
  /// - Returns: what keeps this record out of the store, or nil.
  mutating func encode(_ record: RegionRecord, hash: UInt64) -> String? {
    if let fault = record.shapeFault ?? mismatch(record) { return fault }
    let layout = RecordLayout(
      header: header, idCount: record.id.utf8.count, regions: record.count)
    if bytes.count != layout.count {
      bytes = [UInt8](repeating: 0, count: layout.count)
    }
    let type = header.featureType
    let fits = bytes.withUnsafeMutableBytes { target in
      // Padding must be zero: the checksum covers it.
      target.initializeMemory(as: UInt8.self, repeating: 0)
      func number(_ value: Int, _ offset: Int) {
        target.storeBytes(
          of: UInt32(truncatingIfNeeded: value), toByteOffset: offset, as: UInt32.self)
      }
      target.storeBytes(of: RecordLayout.magic, as: UInt32.self)
      number(record.id.utf8.count, 4)
      target.storeBytes(of: UInt64(layout.count), toByteOffset: 8, as: UInt64.self)
      number(record.count, 16)
      number(header.holds(.imageSize) ? record.width : 1, 20)
      number(header.holds(.imageSize) ? record.height : 1, 24)
      target.storeBytes(of: hash, toByteOffset: 32, as: UInt64.self)
      func part(_ range: Range<Int>) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: target[range])
      }
      func copy<Value: BitwiseCopyable>(_ values: [Value]?, _ range: Range<Int>) {
        guard let values, !range.isEmpty else { return }
        values.withUnsafeBytes { part(range).copyMemory(from: $0) }
      }
      func store(_ values: [Float]?, _ range: Range<Int>) -> Bool {
        guard let values, !range.isEmpty else { return true }
        switch type {
        case .float32:
          copy(values, range)
          return true
        case .float16:
          return values.withUnsafeBufferPointer { HalfPrecision.narrow($0, into: part(range)) }
        }
      }
      copy(Array(record.id.utf8), layout.id)
      copy(record.boxes, layout.boxes)
      copy(record.objectIDs, layout.objectIDs)
      copy(record.objectConfidences, layout.objectConfidences)
      copy(record.attributeIDs, layout.attributeIDs)
      copy(record.attributeConfidences, layout.attributeConfidences)
      let fits =
        store(record.features, layout.features)
        && store(record.classProbabilities, layout.classProbabilities)
      let sum = RecordPrefix.checksum(UnsafeRawBufferPointer(target))
      target.storeBytes(of: sum, toByteOffset: 56, as: UInt64.self)
      return fits
    }
    return fits
      ? nil : "a feature is larger than float16 holds (65504); make the store with float32"
  }

  private func mismatch(_ record: RegionRecord) -> String? {
    // A picture without regions has no width of its own.
    if record.count > 0, record.featureWidth != header.featureWidth {
      return "expected features of width \(header.featureWidth), found \(record.featureWidth)"
    }
    let missing = Set(header.fields).subtracting(record.fields)
    if !missing.isEmpty { return "the store holds \(missing.label), and this record does not" }
    if header.holds(.classProbabilities), record.count > 0, record.classCount != header.classCount {
      return
        "expected \(header.classCount) class probabilities a region, found \(record.classCount)"
    }
    if record.id.utf8.count > 1 << 16 { return "the identifier is longer than 65536 bytes" }
    if max(record.width, record.height) > Int(Int32.max) || record.count > Int(Int32.max) {
      return "found \(record.count) regions in a picture of \(record.width) × \(record.height)"
    }
    return nil
  }
}
