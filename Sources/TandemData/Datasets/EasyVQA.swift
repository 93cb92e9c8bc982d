// easy-VQA (Victor Zhou 2019, PyPI `easy-vqa`): 5 000 pictures of one coloured shape, 48 248
// questions, 13 answers. The published train split is cut by picture: one picture in ten is for
// validation.

internal import Foundation
public import TandemCore
internal import TandemTorch

public struct EasyVQA: Dataset {
  public static let name = "easy-vqa"
  public static let summary = "questions about coloured shapes: 48 248 questions, 13 answers"

  private struct Entry: Sendable {
    let question: String
    let answer: String
    let image: Int
  }

  private let folder: String
  private let prefix: String
  private let entries: [Entry]

  public init(root: String, split: Split) throws {
    let published = split == .test ? "test" : "train"
    let file = "\(root)/easy-vqa/\(published)/questions.json"
    guard let data = FileManager.default.contents(atPath: file) else {
      throw DataError(file: file, "no such file; `tandem data fetch easy-vqa` fetches it")
    }
    guard let rows = try? JSONSerialization.jsonObject(with: data) as? [[Any]] else {
      throw DataError(file: file, "expected a JSON list of [question, answer, image number]")
    }
    folder = "\(root)/easy-vqa/\(published)/images"
    prefix = split.rawValue
    entries = try rows.enumerated().compactMap { number, row in
      guard row.count == 3, let question = row[0] as? String, let answer = row[1] as? String,
        let image = row[2] as? Int
      else {
        throw DataError(
          file: file, "entry \(number): expected [question, answer, image number], found \(row)")
      }
      guard split == .test || Self.isValidation(image) == (split == .validation) else {
        return nil
      }
      return Entry(question: question, answer: answer, image: image)
    }
  }

  static func isValidation(_ image: Int) -> Bool { mixed(UInt64(image)) % 10 == 0 }

  public var count: Int { entries.count }

  public func record(at index: Int) throws -> Record {
    guard entries.indices.contains(index) else {
      throw DataError("easy-vqa: no record \(index) among \(entries.count)")
    }
    let entry = entries[index]
    return Record(
      id: "\(prefix)/\(index)", pictures: ["\(folder)/\(entry.image).png"],
      texts: [entry.question], answers: [entry.answer])
  }
}
