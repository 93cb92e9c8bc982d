// Loading, one thread: reading pictures, cutting text into pieces.

internal import Foundation
internal import TandemCore
internal import TandemImage
internal import TandemText

/// JPEGs of 640×480 from disk, at ViLT's size.
struct DecodeComparison: ComparisonCase {
  private let files: [String]
  private let rule = ResizeRule.vilt(shorter: 384, multiple: 32)

  init(batch: Int, folder: String) {
    files = (0..<batch).map {
      "\(folder)/pictures/" + ($0 < 10 ? "0\($0)" : "\($0)") + ".jpg"
    }
  }

  /// The mean red, green and blue of each picture.
  func check() throws -> [Double] {
    try files.flatMap { file in
      let image = try picture(file)
      var sums = [0, 0, 0]
      for (place, value) in image.pixels.enumerated() { sums[place % 3] += Int(value) }
      return sums.map { Double($0) / Double(image.width * image.height) }
    }
  }

  func run() throws {
    for file in files { _ = try picture(file) }
  }

  private func picture(_ file: String) throws -> Image {
    try Image(contentsOfFile: file).resized(by: rule)
  }
}

/// Lines of an encyclopaedia in pieces of an uncased vocabulary, with offsets.
struct WordPieceComparison: ComparisonCase {
  private let tokenizer: WordPiece
  private let lines: [String]

  init(folder: String) throws {
    tokenizer = WordPiece(
      vocabulary: try Vocabulary(contentsOfFile: folder + "/vocab.txt"), lowercased: true)
    let text = try String(contentsOfFile: folder + "/lines.txt", encoding: .utf8)
    lines = text.utf8.split(separator: UInt8(ascii: "\n")).map { String(Substring($0)) }
  }

  /// How many pieces, the sum of their ids and of their ends, the sums modulo a million.
  func check() throws -> [Double] {
    var sums = [0, 0, 0]
    for line in lines {
      let text = tokenizer.encode(line)
      sums[0] += text.count
      for id in text.ids { sums[1] += Int(id) }
      for range in text.offsets { sums[2] += Int(range.upperBound) }
    }
    return [Double(sums[0]), Double(sums[1] % 1_000_000), Double(sums[2] % 1_000_000)]
  }

  func run() throws {
    for line in lines { _ = tokenizer.encode(line) }
  }
}
