// Your own texts: a folder with train.txt, perhaps validation.txt and test.txt beside it, a text a
// line (as VL-BERT reads its text corpora).

internal import Foundation
public import TandemCore

public struct TextLines: Dataset {
  public static let name = "text"
  public static let summary = "your own texts, a line each, without pictures"

  private let path: String
  private let bytes: Data
  /// Where each line that is not empty begins and ends.
  private let lines: [Range<Int>]
  private let split: Split

  /// - Parameter root: the folder that holds the files of the splits.
  public init(root: String, split: Split) throws {
    let path = "\(root)/\(split.rawValue).txt"
    let bytes: Data
    do {
      bytes = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
    } catch {
      throw DataError("\(path): no such file, or it cannot be read")
    }
    var lines: [Range<Int>] = []
    var start = 0
    func end(at place: Int) {
      if bytes[start..<place].contains(where: { $0 > 32 }) { lines.append(start..<place) }
      start = place + 1
    }
    for (place, byte) in bytes.enumerated() where byte == 10 { end(at: place) }
    if start < bytes.count { end(at: bytes.count) }
    self.path = path
    self.bytes = bytes
    self.lines = lines
    self.split = split
  }

  public var count: Int { lines.count }

  public func record(at index: Int) throws -> Record {
    guard lines.indices.contains(index) else {
      throw DataError("\(path) has no text \(index) among \(lines.count)")
    }
    guard let text = String(bytes: bytes[lines[index]], encoding: .utf8) else {
      throw DataError(file: path, line: nil, "text \(index + 1) is not UTF-8")
    }
    return Record(id: "\(split.rawValue)/\(index)", pictures: [], texts: [text])
  }
}
