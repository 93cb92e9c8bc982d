// The openings of Wikipedia articles as texts alone, for language learning beside pairs.

internal import Foundation
public import TandemCore
internal import TandemTorch

/// Stretches of whole sentences of English extracts. An article lies in one split, by its title.
public struct WikiExtracts: Dataset {
  public static let name = "wiki-extracts"
  public static let summary = "the openings of 10 000 Wikipedia articles: texts without pictures"
  /// A stretch ends with the sentence that reaches so many words.
  private static let words = 40

  private let texts: [String]
  private let split: Split

  public init(root: String, split: Split) throws {
    let path = "\(root)/wiki-extracts/en.json"
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DataError("\(path): no such file; `tandem data fetch wiki-extracts` makes it")
    }
    struct Article: Decodable { let extract: String? }
    let articles: [String: Article]
    do {
      articles = try JSONDecoder().decode([String: Article].self, from: data)
    } catch {
      throw DataError("\(path): \(JSONValue.explained(error))")
    }
    self.split = split
    texts = articles.keys.sorted().filter { Self.split(ofTitle: $0) == split }
      .flatMap { Self.stretches(articles[$0]?.extract ?? "") }
  }

  public var count: Int { texts.count }

  public func record(at index: Int) throws -> Record {
    guard texts.indices.contains(index) else {
      throw DataError("wiki-extracts has no record \(index) among \(texts.count)")
    }
    return Record(id: "\(split.rawValue)/\(index)", pictures: [], texts: [texts[index]])
  }

  /// Nine of ten articles are for training.
  static func split(ofTitle title: String) -> Split {
    switch stableHash(title) % 20 {
    case 0: .validation
    case 1: .test
    default: .train
    }
  }

  /// Whole sentences, put together until they reach the wanted length.
  static func stretches(_ text: String) -> [String] {
    var stretches: [String] = []
    var current: [Substring] = []
    for word in text.split(whereSeparator: \.isWhitespace) {
      current.append(word)
      if current.count >= words, let end = word.last, ".!?".contains(end) {
        stretches.append(current.joined(separator: " "))
        current = []
      }
    }
    if current.count >= words / 4 { stretches.append(current.joined(separator: " ")) }
    return stretches
  }
}
