// A temporary folder with all that a tiny run needs: a vocabulary, pictures, tables, recipes.

import Foundation
import TandemCore
import TandemFiles
import TandemImage
import Testing

/// A folder of its own for one test, gone with it. The command runs inside it, so that every path
/// is relative.
final class Workspace {
  let path: String

  /// An empty one; `withData` fills it.
  init() throws {
    path =
      FileManager.default.temporaryDirectory
      .appendingPathComponent("tandem-end-to-end-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// With a vocabulary, a table of captions (`captions`), one of questions (`questions`) and the
  /// recipes `pretrain.json` and `finetune.json`.
  static func withData() throws -> Workspace {
    let work = try Workspace()
    try work.write(Words.vocabulary.joined(separator: "\n") + "\n", to: "vocabulary.txt")
    for (split, places) in [("train", 0..<12), ("validation", 12..<16), ("test", 16..<20)] {
      var captions: [JSONValue] = []
      var questions: [JSONValue] = []
      for place in places {
        let scene = Scene(place)
        let image = "pictures/\(place).png"
        for table in ["captions", "questions"] {
          try work.write(scene.picture().pngData(), to: "\(table)/\(image)")
        }
        captions.append(["image": .string(image), "caption": .string(scene.caption)])
        questions.append([
          "image": .string(image), "question": .string("what colour is the square"),
          "answer": .string(scene.shape),
        ])
      }
      try work.write(lines: captions, to: "captions/\(split).jsonl")
      try work.write(lines: questions, to: "questions/\(split).jsonl")
    }
    try work.write(Recipes.pretraining, to: "pretrain.json")
    try work.write(Recipes.finetuning, to: "finetune.json")
    return work
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: file(name)) }

  func write(_ bytes: [UInt8], to name: String) throws {
    let url = URL(fileURLWithPath: file(name))
    try FileManager.default.createDirectory(
      at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }

  func write(_ text: String, to name: String) throws { try write(Array(text.utf8), to: name) }

  func write(_ value: JSONValue, to name: String) throws { try write(value.pretty, to: name) }

  func write(lines: [JSONValue], to name: String) throws {
    try write(lines.map { $0.compact + "\n" }.joined(), to: name)
  }

  func bytes(_ name: String) throws -> [UInt8] {
    [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
  }

  func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

  /// The lines of a text file; none where there is no such file.
  func lines(_ name: String) -> [String] {
    ((try? text(name)) ?? "").split(separator: "\n").map(String.init)
  }

  func json(_ name: String) throws -> JSONValue { try JSONValue(contentsOfFile: file(name)) }

  /// Every file below the folder with its SHA-256.
  func contents() throws -> [String: String] {
    var sums: [String: String] = [:]
    let names = FileManager.default.enumerator(atPath: path)
    while let name = names?.nextObject() as? String {
      var isFolder: ObjCBool = false
      let isThere = FileManager.default.fileExists(atPath: file(name), isDirectory: &isFolder)
      if isThere, !isFolder.boolValue {
        sums[name] = try SHA256Digest.ofFile(at: file(name)).hexadecimal
      }
    }
    return sums
  }

  // MARK: the command

  func start(_ arguments: [String], wrapper: [String] = []) throws -> RunningCommand {
    try RunningCommand(arguments, in: path, wrapper: wrapper)
  }

  func tandem(_ arguments: String...) throws -> Outcome { try start(arguments).finish() }

  /// Runs the command, which must succeed, and gives its output.
  @discardableResult
  func succeed(
    _ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try start(arguments).finish()
    try #require(
      outcome.code == ExitCode.good, "\(arguments.joined(separator: " "))\n\(outcome.errors)",
      sourceLocation: sourceLocation)
    return outcome
  }

  /// Runs the command, which must end with `code`, say each of `parts` on standard error, print
  /// nothing that looks like a result, and leave every file there was as it was.
  func fail(
    _ arguments: [String], code: Int32, saying parts: [String],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let before = try contents()
    let outcome = try start(arguments).finish()
    let line = "tandem \(arguments.joined(separator: " ")): \(outcome.errors)"
    #expect(outcome.code == code, Comment(rawValue: line), sourceLocation: sourceLocation)
    for part in parts {
      #expect(
        outcome.errors.contains(part), "'\(part)' is not said by \(line)",
        sourceLocation: sourceLocation)
    }
    #expect(outcome.output.isEmpty, Comment(rawValue: line), sourceLocation: sourceLocation)
    let after = try contents()
    for (name, sum) in before {
      #expect(
        after[name] == sum, "\(name) was changed or removed by \(line)",
        sourceLocation: sourceLocation)
    }
  }
}

/// The words of the tiny world.
enum Words {
  static let colours = ["red", "green", "blue"]
  static let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
  static let vocabulary =
    special + colours + ["a", "on", "ground", "square", "the", "what", "colour", "is", "in", "of"]
    + "abcdefghijklmnopqrstuvwxyz".dropFirst().map { String($0) }
    + ["##s", "##ed", "##er", "##y", "##ing", "##ly", "0", "1", "2", ".", ",", "?", "!"]
}

/// A square of one colour on a ground of another, told apart by its place and size.
struct Scene {
  let shape: String
  let ground: String
  private let left: Int
  private let top: Int

  init(_ place: Int) {
    shape = Words.colours[place % 3]
    ground = Words.colours[(place + 1 + place / 3 % 2) % 3]
    left = 2 + place % 5 * 3
    top = 2 + place / 5 * 3
  }

  var caption: String { "a \(shape) square on a \(ground) ground" }

  /// 32 by 32 pixels.
  func picture() throws -> Image {
    let side = 32
    var pixels: [UInt8] = []
    for y in 0..<side {
      for x in 0..<side {
        let isShape = (left..<left + 14).contains(x) && (top..<top + 14).contains(y)
        pixels += Self.channels(isShape ? shape : ground)
      }
    }
    return try Image(width: side, height: side, pixels: pixels)
  }

  private static func channels(_ colour: String) -> [UInt8] {
    Words.colours.map { $0 == colour ? 220 : 30 }
  }
}

/// Recipes of six steps on the tiny world. One thread and one kernel: several tests share the
/// machine, and the figures of two runs can be compared to the last digit.
enum Recipes {
  static let pretraining: JSONValue = recipe(
    stage: "pretrain", table: "captions",
    objectives: [
      ["name": "mlm", "options": ["atLeastOne": true]], ["name": "itm"],
      ["name": "wpa", "weight": 0.1],
    ])

  static let finetuning: JSONValue = recipe(
    stage: "finetune", table: "questions", objectives: [["name": "vqa"]])

  static func recipe(stage: String, table: String, objectives: JSONValue) -> JSONValue {
    [
      "name": .string("tiny/\(stage)"), "stage": .string(stage),
      "model": [
        "name": "vilt", "preset": "tiny",
        "config": ["vocabulary": .integer(Words.vocabulary.count)],
      ],
      "data": [
        "dataset": "table", "root": .string(table), "vocabulary": "vocabulary.txt",
      ],
      "objectives": objectives, "steps": 6, "batch": ["examples": 4],
      "optimizer": ["learningRate": 0.001],
      "compute": ["threads": 1, "linearKernel": "plain"], "evaluation": ["records": 4],
    ]
  }
}
