// Easy-VQA: synthetic pictures of one coloured shape, with questions and one-word answers.
// Victor Zhou, https://github.com/vzhou842/easy-VQA

import Foundation
import TandemFiles

/// Makes `easy-vqa/{train,test}/images/N.png`, `{train,test}/questions.json`, `answers.txt`.
public struct EasyVQAFetcher: DatasetFetcher {
  public static let name = "easy-vqa"
  public static let summary = "5 000 drawings of one shape, 48 248 questions, 13 answers"
  public static let licence = "MIT"

  private static let wheel = WheelPackage(
    name: "easy-vqa", version: "1.0",
    sha256: "fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f")

  public init() {}

  public func build(
    in directory: String, packages: PackageDownload, progress: (FetchProgress) -> Void
  ) throws -> DatasetCard {
    let wheel = try packages.wheel(Self.wheel, progress: progress)
    progress(FetchProgress(subject: Self.name, step: "unpacking"))
    let prefix = "easy_vqa/data/"
    try Archive.unpack(packages.path(of: wheel), to: directory) { name in
      guard name.hasPrefix(prefix), !name.hasSuffix(".md") else { return nil }
      return String(name.dropFirst(prefix.count))
    }

    var card = DatasetCard(
      name: Self.name, summary: Self.summary, source: "PyPI package easy-vqa 1.0",
      licence: Self.licence, packages: [wheel], counts: [:])
    try card.addFile("answers.txt", in: directory)
    for split in ["train", "test"] {
      let path = "\(split)/questions.json"
      let questions = try countQuestions(directory + "/" + path)
      try card.addFile(path, in: directory)
      try card.addFolder("\(split)/images", in: directory)
      card.counts[split] = [
        "images": card.folders.last?.files ?? 0, "questions": questions,
      ]
    }
    card.notes = [
      "The set has no validation split: take one from train, by image.",
      "Train and test ask the same 107 questions in words, of different images.",
    ]
    return card
  }

  private func countQuestions(_ path: String) throws -> Int {
    let data = FileManager.default.contents(atPath: path) ?? Data()
    guard let list = try JSONSerialization.jsonObject(with: data) as? [[Any]] else {
      throw FetchError("\(path): expected a list of [question, answer, image] lists")
    }
    return list.count
  }
}
