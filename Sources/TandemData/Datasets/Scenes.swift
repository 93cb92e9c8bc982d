// Composed scenes: a picture with a caption, or with a question and the answers of ten annotators.

public import TandemCore

/// Captions of composed scenes, five a picture.
public struct SceneCaptions: Dataset {
  public static let name = "scenes-captions"
  public static let summary = "captions of composed scenes: 10 000 pictures to learn from"
  private let table: Table

  public init(root: String, split: Split) throws {
    table = try Table.ofScenes("captions", root, split)
  }

  public var count: Int { table.count }
  public func record(at index: Int) throws -> Record { try table.record(at: index) }
}

/// Questions about composed scenes, about six a picture, with ten answers each.
public struct SceneQuestions: Dataset {
  public static let name = "scenes-questions"
  public static let summary = "questions about composed scenes, ten answers each"
  private let table: Table

  public init(root: String, split: Split) throws {
    table = try Table.ofScenes("questions", root, split)
  }

  public var count: Int { table.count }
  public func record(at index: Int) throws -> Record { try table.record(at: index) }
}

extension Table {
  fileprivate static func ofScenes(_ kind: String, _ root: String, _ split: Split) throws -> Table {
    do {
      return try Table(root: "\(root)/scenes/\(kind)", split: split)
    } catch {
      throw DataError("\(error); `tandem data fetch scenes` makes the set")
    }
  }
}
