internal import Foundation
internal import TandemCore
internal import TandemData
internal import TandemFiles

/// Answers a file of questions, in order; a run that was cut off goes on where it stopped.
public enum BatchPrediction {
  /// - Parameters:
  ///   - input: `.jsonl` or `.csv` with `image` and `question`; paths are relative to the file.
  ///   - output: a line an answer; complete lines that are there already are kept.
  public static func run(
    _ predictor: Predictor, input: String, output: String, progress: (Int, Int) -> Void
  ) throws {
    let table = try TableFile(path: input)
    let folder = parentDirectory(of: input)
    let manager = FileManager.default
    var done = 0
    var kept = Data()
    if let earlier = manager.contents(atPath: output) {
      // The last line of a run that was killed may be cut: only whole lines count.
      let end = earlier.lastIndex(of: 10).map { $0 + 1 } ?? 0
      kept = earlier.prefix(end)
      done = kept.reduce(0) { $0 + ($1 == 10 ? 1 : 0) }
      guard done <= table.count else {
        throw DataError(
          "\(output) has \(done) lines, more than the \(table.count) questions of \(input)")
      }
      try check(kept, output, answers: table)
    }
    try AtomicFile.write([UInt8](kept), to: output)
    guard let file = FileHandle(forWritingAtPath: output)
    else { throw DataError("\(output): cannot be written") }
    defer { try? file.close() }
    try file.seekToEnd()
    for index in done..<table.count {
      let fields = try table.fields(index)
      guard let image = fields["image"]?.first, let question = fields["question"]?.first else {
        throw DataError(
          file: input, line: table.line(index), "needs the fields 'image' and 'question'")
      }
      let path = image.hasPrefix("/") || folder == "." ? image : "\(folder)/\(image)"
      let ranked = try predictor.answers(image: path, question: question)
      let line = JSONValue.object([
        "image": .string(image), "question": .string(question),
        "ranked": try JSONValue(encoding: ranked),
      ])
      try file.write(contentsOf: Data((line.compact + "\n").utf8))
      progress(index + 1, table.count)
    }
  }

  /// Whether each line there is answers the question in its place: nothing else is written over.
  private static func check(_ kept: Data, _ output: String, answers table: TableFile) throws {
    let lines = kept.split(separator: 10, omittingEmptySubsequences: false).dropLast()
    for (index, line) in lines.enumerated() {
      let fields = try table.fields(index)
      let answer = JSONValue(parsing: String(decoding: line, as: UTF8.self))
      guard let image = fields["image"]?.first, let question = fields["question"]?.first,
        answer?["image"] == .string(image), answer?["question"] == .string(question)
      else {
        throw DataError(
          file: output, line: index + 1,
          "does not answer \(table.path):\(table.line(index)); name another --output")
      }
    }
  }
}
