public import TandemCore
internal import TandemTorch

/// A data set some of whose records have another one's texts, for asking what noise does to
/// objectives. The same records are wrong each time.
public struct WrongTexts: Dataset {
  public static let name = "wrong-texts"
  public static let summary = "a data set some of whose texts are wrong"

  private let base: any Dataset
  private let share: Double
  private let seed: UInt64

  /// - Parameter share: of the records, in 0...1.
  public init(_ base: any Dataset, share: Double, seed: UInt64) {
    self.base = base
    self.share = share
    self.seed = seed
  }

  public init(root: String, split: Split) throws {
    throw DataError("wrong texts need a data set: --set data.wrongTexts=0.1")
  }

  public var count: Int { base.count }

  /// Whether a record has another one's texts.
  public func isWrong(_ index: Int) -> Bool {
    var stream = RandomStream(seed: seed).child(UInt64(index))
    return count > 1 && stream.uniform() < share
  }

  public func record(at index: Int) throws -> Record {
    var record = try base.record(at: index)
    guard isWrong(index) else { return record }
    var stream = RandomStream(seed: seed).child(UInt64(index)).child("other")
    // Another picture's text, unless almost all records have the same picture.
    for _ in 0..<16 {
      let other = try base.record(at: stream.below(count))
      guard other.pictures != record.pictures else { continue }
      record.texts = other.texts
      record.answers = other.answers
      return record
    }
    return record
  }
}
