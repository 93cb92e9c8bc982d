// A data set of any size, made up: pictures that cost what a camera's do, and captions as long as
// people write them.

internal import Foundation
internal import TandemFiles
internal import TandemImage
internal import TandemTorch

/// A folder with `train.jsonl`, pictures and a vocabulary; gone with this object.
final class SyntheticTable {
  let folder: String
  /// Mean bytes of a picture's file.
  let pictureBytes: Int

  /// - Parameters:
  ///   - records: pairs of a picture and a caption; pictures come up again and again.
  ///   - pictures: distinct ones.
  ///   - side: their height in pixels; the width is 4/3 of it.
  init(records: Int, pictures: Int, side: Int) throws {
    let manager = FileManager.default
    folder =
      manager.temporaryDirectory.path(percentEncoded: false)
      + "/tandem-bench-\(UUID().uuidString)"
    try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
    var stream = RandomStream(seed: 11)
    var bytes = 0
    for number in 0..<pictures {
      let data = try Self.picture(width: side * 4 / 3, height: side, &stream).jpegData()
      bytes += data.count
      try Data(data).write(to: URL(fileURLWithPath: "\(folder)/\(number).jpg"))
    }
    pictureBytes = bytes / max(1, pictures)
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    let words = (0..<1000).map { "word\($0)" }
    try AtomicFile.write(
      utf8: (special + words).joined(separator: "\n") + "\n", to: folder + "/vocab.txt")
    try writeRecords(records, pictures, words, &stream)
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  /// Line by line: what is made must not lie in memory.
  private func writeRecords(
    _ records: Int, _ pictures: Int, _ words: [String], _ stream: inout RandomStream
  ) throws {
    let path = folder + "/train.jsonl"
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    let file = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    var text = ""
    for record in 0..<records {
      // 5 to 19 words, 12 on average.
      let length = 5 + stream.below(8) + stream.below(8)
      let caption = (0..<length).map { _ in words[stream.below(words.count)] }
      text += "{\"image\": \"\(record % pictures).jpg\", "
      text += "\"caption\": \"\(caption.joined(separator: " "))\"}\n"
      if text.utf8.count > 1 << 20 || record == records - 1 {
        try file.write(contentsOf: Data(text.utf8))
        text = ""
      }
    }
    try file.close()
  }

  /// Colours that run into one another, hard edges, and mild noise.
  private static func picture(
    width: Int, height: Int, _ stream: inout RandomStream
  ) throws -> Image {
    let boxes = (0..<24).map { _ in
      (
        x: stream.below(width), y: stream.below(height), width: 8 + stream.below(width / 4),
        height: 8 + stream.below(height / 4), shade: stream.below(160)
      )
    }
    let tilt = (0..<6).map { _ in 0.5 + 2 * stream.uniform() }
    var pixels = [UInt8](repeating: 0, count: 3 * width * height)
    for y in 0..<height {
      for x in 0..<width {
        let box = boxes.last {
          x >= $0.x && x < $0.x + $0.width && y >= $0.y && y < $0.y + $0.height
        }
        for channel in 0..<3 {
          let wave =
            sin(tilt[channel] * Double(x) * 6 / Double(width))
            + cos(tilt[channel + 3] * Double(y) * 6 / Double(height))
          let noise = Double(stream.below(17)) - 8
          let value = Double(box?.shade ?? 60) + 35 * wave + noise
          pixels[3 * (y * width + x) + channel] = UInt8(min(255, max(0, value + 40)))
        }
      }
    }
    return try Image(width: width, height: height, pixels: pixels)
  }
}
