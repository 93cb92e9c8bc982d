public import TandemCore
internal import TandemFiles
public import TandemTorch

/// Which pictures and texts belong together in a split: what a false pair must avoid. Of a large
/// split it lies in a file, so that memory does not grow with the data.
public struct PairIndex: Sendable {
  private let pictures: SpilledArray<UInt64>
  private let texts: SpilledArray<UInt64>
  private let pairs: SpilledSet
  /// Pairs of pictures with texts that are not the first of their records.
  private let furtherPairs: SpilledSet
  private let groups: PictureGroups?
  /// Records that cannot be read: they make no pairs.
  private let unreadable: Set<Int>

  /// Reads every record of the split once, undecoded.
  ///
  /// - Parameters:
  ///   - badRecords: how many may be unreadable; they are left out.
  ///   - groupsPictures: whether `sibling` will be asked.
  public init(
    _ dataset: any Dataset, badRecords: Int = 0, groupsPictures: Bool = false,
    text: (Record) -> String
  ) throws {
    var bad = BadRecords(allowed: badRecords)
    var unreadable: Set<Int> = []
    pictures = try SpilledArray(count: dataset.count)
    texts = try SpilledArray(count: dataset.count)
    pairs = try SpilledSet(capacity: dataset.count)
    var further: [UInt64] = []
    for index in 0..<dataset.count {
      let record: Record
      do {
        record = try dataset.record(at: index)
      } catch {
        try bad.note("\(error)")
        unreadable.insert(index)
        continue
      }
      let picture = stableHash(record.pictures.first ?? "")
      let words = stableHash(text(record))
      pictures[index] = picture
      texts[index] = words
      pairs.insert(Self.pair(picture, words))
      further += record.texts.dropFirst().filter { $0 != record.texts[0] }
        .map { Self.pair(picture, stableHash($0)) }
    }
    furtherPairs = try SpilledSet(capacity: further.count)
    for pair in further { furtherPairs.insert(pair) }
    groups = groupsPictures ? try PictureGroups(pictures, leavingOut: unreadable) : nil
    self.unreadable = unreadable
    pictures.release()
    texts.release()
    pairs.release()
  }

  public var count: Int { pictures.count }

  public var unreadableCount: Int { unreadable.count }

  /// How many pictures of `other` this split has too.
  public func sharedPictureCount(with other: PairIndex) throws -> Int {
    let own = try SpilledSet(capacity: count)
    for index in 0..<count where !unreadable.contains(index) { own.insert(pictures[index]) }
    let shared = try SpilledSet(capacity: other.count)
    for index in 0..<other.count where !other.unreadable.contains(index) {
      if own.contains(other.pictures[index]) { shared.insert(other.pictures[index]) }
    }
    return shared.count
  }

  /// Whether some picture has two different texts; only where pictures are grouped.
  public var hasSecondTexts: Bool {
    furtherPairs.count > 0
      || groups?.hasGroup { texts[$0] != texts[$1] } == true
  }

  /// A record that shows the picture of record `index` with another text; nil where there is none.
  ///
  /// - Throws: `DataError` where pictures are not grouped.
  public func sibling(of index: Int, using stream: inout RandomStream) throws -> Int? {
    guard let groups else {
      throw DataError("records were not grouped by their pictures: no second text can be found")
    }
    return groups.member(with: pictures[index], using: &stream) { texts[$0] != texts[index] }
  }

  /// Whether some record shows the picture of record `picture` with the text of record `text`.
  public func belongs(picture: Int, text: Int) -> Bool {
    pictures[picture] == pictures[text]
      || pairs.contains(Self.pair(pictures[picture], texts[text]))
      || furtherPairs.contains(Self.pair(pictures[picture], texts[text]))
  }

  /// A record whose picture no record shows with the text of `text`, or whose text no record has
  /// with the picture of `picture`: the caller leaves the one it wants to replace open.
  public func stranger(
    to index: Int, replacingPicture: Bool, using stream: inout RandomStream
  ) throws -> Int {
    guard (0..<count).contains(index) else {
      throw DataError("there is no record \(index) among \(count)")
    }
    // Random draws end fast unless almost everything belongs together; then all are tried.
    for _ in 0..<64 {
      let other = stream.below(count)
      if isStranger(other, to: index, replacingPicture) { return other }
    }
    let start = stream.below(count)
    for step in 0..<count {
      let other = (start + step) % count
      if isStranger(other, to: index, replacingPicture) { return other }
    }
    throw DataError(
      "record \(index): every other record of the split has the same picture or the same text, "
        + "so no false pair can be made")
  }

  private func isStranger(_ other: Int, to index: Int, _ replacingPicture: Bool) -> Bool {
    if unreadable.contains(other) { return false }
    return replacingPicture
      ? !belongs(picture: other, text: index) : !belongs(picture: index, text: other)
  }

  private static func pair(_ picture: UInt64, _ text: UInt64) -> UInt64 {
    mixed(picture ^ mixed(text))
  }
}
