// Pictures and names of things from free packages: emoji in three drawing styles, Tux Paint stamps,
// Openclipart. Splits share no concept and no picture.

public import TandemCore

public struct Pictograms: Dataset {
  public static let name = "pictograms"
  public static let summary = "emoji, stamps and clip art with their names: a retrieval set"

  private let table: Table

  public init(root: String, split: Split) throws {
    do {
      table = try Table(root: "\(root)/pictograms", split: split)
    } catch {
      throw DataError("\(error); `tandem data fetch pictograms` makes the set")
    }
  }

  public var count: Int { table.count }

  public func record(at index: Int) throws -> Record { try table.record(at: index) }
}
