// Your own data: a folder with train.jsonl (or .csv), perhaps validation and test beside it, and
// pictures anywhere below it. Pairs have `image` and `caption`; questions have `image`, `question`
// and `answer` or `answers`.

internal import Foundation
public import TandemCore

public struct Table: Dataset {
  public static let name = "table"
  public static let summary = "your own JSON-lines or CSV files and a folder of pictures"

  private let folder: String
  private let split: Split
  private let file: TableFile

  /// - Parameter root: the folder that holds the files of the splits.
  public init(root: String, split: Split) throws {
    let candidates = ["jsonl", "csv"].map { "\(root)/\(split.rawValue).\($0)" }
    guard let path = candidates.first(where: FileManager.default.fileExists(atPath:)) else {
      throw DataError(
        "\(root): has no \(split.rawValue).jsonl or \(split.rawValue).csv "
          + "(fields: image, and caption or question with answer)")
    }
    folder = root
    self.split = split
    file = try TableFile(path: path)
  }

  public var count: Int { file.count }

  public func record(at index: Int) throws -> Record {
    let fields = try file.fields(index)
    func bad(_ reason: String) -> DataError {
      DataError(file: file.path, line: file.line(index), reason)
    }
    guard let image = fields["image"]?.first, !image.isEmpty else {
      throw bad("the field 'image' is missing")
    }
    guard let text = fields["caption"]?.first ?? fields["question"]?.first else {
      throw bad("needs a field 'caption' or 'question'; found \(fields.keys.sorted())")
    }
    let answers = fields["answers"] ?? fields["answer"] ?? []
    guard fields["question"] == nil || !answers.isEmpty || split == .test else {
      throw bad("the question has neither 'answer' nor 'answers'")
    }
    let path = image.hasPrefix("/") ? image : "\(folder)/\(image)"
    guard FileManager.default.fileExists(atPath: path) else {
      throw bad("the picture \(path) does not exist")
    }
    return Record(
      id: "\(split.rawValue)/\(index)", pictures: [path], texts: [text], answers: answers)
  }
}
