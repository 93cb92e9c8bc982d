// Bad data: every message names the file and the line or the picture, and nothing is harmed.

import Foundation
import TandemCore
import TandemImage
import Testing

@Suite struct BadDataTests {
  private static let pretrain = ["pretrain", "pretrain.json", "--output", "run"]
  private static let finetune = ["finetune", "finetune.json", "--output", "run"]

  @Test(arguments: [("", "empty"), ("\n  \n\n", "no records")])
  func anEmptyTable(content: String, sign: String) throws {
    let work = try Workspace.withData()
    try work.write(content, to: "captions/train.jsonl")
    try work.fail(Self.pretrain, code: ExitCode.badData, saying: ["captions", "train", sign])
    try work.fail(
      ["data", "check", "table", "--root", "nowhere"], code: ExitCode.badData,
      saying: ["nowhere", "train.jsonl"])
  }

  @Test func aMissingPicture() throws {
    let work = try Workspace.withData()
    try FileManager.default.removeItem(atPath: work.file("captions/pictures/4.png"))
    let parts = ["captions/train.jsonl:5", "captions/pictures/4.png"]
    try work.fail(Self.pretrain, code: ExitCode.badData, saying: parts)
    let check = try work.tandem("data", "check", "table", "--root", "captions")
    #expect(check.code == ExitCode.badData)
    for part in parts { #expect(check.errors.contains(part)) }
  }

  @Test(arguments: [
    ("{\"image\": \"pictures/0.png\"}\n", "caption"),
    ("{\"caption\": \"a red square\"}\n", "image"),
    ("{\"image\": \"pictures/0.png\", \"caption\": \n", "JSON"),
    ("{\"image\": \"pictures/0.png\", \"question\": \"what is it\"}\n", "answer"),
  ])
  func aRecordThatLacksAField(line: String, sign: String) throws {
    let work = try Workspace.withData()
    let good = try work.text("captions/train.jsonl")
    try work.write(good + "\n" + line, to: "captions/train.jsonl")
    try work.fail(
      Self.pretrain, code: ExitCode.badData, saying: ["captions/train.jsonl:14", sign])
  }

  @Test func captionsThatAreNotUTF8() throws {
    let work = try Workspace.withData()
    var bytes = try work.bytes("captions/train.jsonl")
    let place = try #require(Array(String(decoding: bytes, as: UTF8.self).utf8).firstIndex(of: 10))
    // The second line's caption gets a byte of Latin-1.
    let letter = try #require(bytes[place...].firstIndex(of: UInt8(ascii: "q")))
    bytes[letter] = 0xE9
    try work.write(bytes, to: "captions/train.jsonl")
    try work.fail(
      Self.pretrain, code: ExitCode.badData, saying: ["captions/train.jsonl:2", "UTF-8"])
  }

  @Test(arguments: ["truncated.png", "truncated.jpg", "huge.png", "text.png", "empty.png"])
  func aPictureThatCannotBeRead(name: String) throws {
    let work = try Workspace.withData()
    let picture = try Scene(3).picture()
    let whole = try name.hasSuffix("jpg") ? picture.jpegData() : picture.pngData()
    let (bytes, sign): ([UInt8], String) =
      switch name {
      case "huge.png": (Self.pngHeader(width: 30_000, height: 20_000), "30000x20000")
      case "text.png": (Array("not a picture at all".utf8), "text.png")
      case "empty.png": ([], "empty.png")
      default: (Array(whole.prefix(whole.count * 2 / 3)), "truncated")
      }
    try work.write(bytes, to: "captions/pictures/\(name)")
    let line: JSONValue = ["image": .string("pictures/\(name)"), "caption": "a red square"]
    try work.write(
      try work.text("captions/train.jsonl") + line.compact + "\n", to: "captions/train.jsonl")
    // Every record is met once in 13 steps of one example.
    try work.fail(
      Self.pretrain + ["--set", "batch.examples=1", "--set", "steps=13"], code: ExitCode.badData,
      saying: ["captions/pictures/\(name)", sign, "data.badRecords allows 0"])
    try work.fail(
      ["embed", "run", "--image", "captions/pictures/\(name)"], code: ExitCode.workFailed,
      saying: ["run"])
  }

  @Test(arguments: ["truncated.jpg", "huge.png", "missing.png"])
  func aPictureThatCannotBeAskedAbout(name: String) throws {
    let work = try Workspace.trained()
    let jpeg = try Scene(3).picture().jpegData()
    try work.write(Array(jpeg.prefix(jpeg.count * 2 / 3)), to: "truncated.jpg")
    try work.write(Self.pngHeader(width: 30_000, height: 20_000), to: "huge.png")
    try work.fail(
      ["predict", "answers", "--image", name, "--question", Workspace.question],
      code: ExitCode.badData, saying: [name])
  }

  /// A PNG that says how large it is and then ends: 600 million pixels in 33 bytes.
  private static func pngHeader(width: UInt32, height: UInt32) -> [UInt8] {
    func big(_ value: UInt32) -> [UInt8] {
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }
    let chunk = Array("IHDR".utf8) + big(width) + big(height) + [8, 2, 0, 0, 0]
    var register = ~UInt32(0)
    for byte in chunk {
      register ^= UInt32(byte)
      for _ in 0..<8 { register = register & 1 == 1 ? 0xEDB8_8320 ^ register >> 1 : register >> 1 }
    }
    return [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10] + big(13) + chunk + big(~register)
  }

  @Test func anAnswerOutsideTheVocabulary() throws {
    let work = try Workspace.withData()
    try work.fail(
      Self.finetune + ["--set", "objectives.0.options.answers=[\"red\",\"blue\"]"],
      code: ExitCode.badData, saying: ["train/", "'green'", "vocabulary of 2 answers"])
    // The same questions may be left out on purpose.
    try work.succeed(
      "finetune", "finetune.json", "--output", "run2", "--set",
      "objectives.0.options.answers=[\"red\",\"blue\"]", "--set",
      "objectives.0.options.dropsUnknown=true")
  }

  @Test func captionsHaveNoAnswersToLearn() throws {
    let work = try Workspace.withData()
    try work.fail(
      Self.finetune + ["--set", "data.root=captions"], code: ExitCode.badData, saying: ["answer"])
  }

  @Test(arguments: [
    ("without [MASK]", "[MASK]"), ("a token twice", "again on line \(Words.vocabulary.count + 1)"),
    ("an empty line", "line 3"),
    ("not UTF-8", "UTF-8"), ("missing", "no such file"),
  ])
  func aVocabularyThatCannotServe(flaw: String, sign: String) throws {
    let work = try Workspace.withData()
    var tokens = Words.vocabulary
    switch flaw {
    case "without [MASK]": tokens.removeAll { $0 == "[MASK]" }
    case "a token twice": tokens.append("red")
    case "an empty line": tokens.insert("", at: 2)
    default: break
    }
    var bytes = Array((tokens.joined(separator: "\n") + "\n").utf8)
    if flaw == "not UTF-8" { bytes[bytes.count - 2] = 0xFF }
    try work.write(bytes, to: "vocabulary.txt")
    if flaw == "missing" {
      try FileManager.default.removeItem(atPath: work.file("vocabulary.txt"))
    }
    try work.fail(Self.pretrain, code: ExitCode.badData, saying: ["vocabulary.txt", sign])
  }

  @Test func onePictureInTwoSplitsIsFound() throws {
    let work = try Workspace.withData()
    try work.write(
      try work.text("captions/test.jsonl") + work.lines("captions/train.jsonl")[0] + "\n",
      to: "captions/test.jsonl")
    let check = try work.tandem("data", "check", "table", "--root", "captions")
    #expect(check.code == ExitCode.badData)
    #expect(check.errors.contains("captions/pictures/0.png is in train and in test"))
  }

  @Test func aBadLineOfQuestionsIsNamedAndTheAnswersBeforeItAreKept() throws {
    let work = try Workspace.trained()
    let good = work.lines("questions/test.jsonl")
    try work.write(
      (good[..<2] + ["{\"image\": \"pictures/16.png\"}"] + good[2...]).joined(separator: "\n"),
      to: "questions/asked.jsonl")
    let outcome = try work.tandem(
      "predict", "answers", "--input", "questions/asked.jsonl", "--output", "given.jsonl")
    #expect(outcome.code == ExitCode.badData)
    #expect(outcome.errors.contains("questions/asked.jsonl:3"))
    #expect(work.lines("given.jsonl").count == 2)
    // Mended, the file is gone on with.
    try work.write(good.joined(separator: "\n"), to: "questions/asked.jsonl")
    try work.succeed(
      "predict", "answers", "--input", "questions/asked.jsonl", "--output", "given.jsonl")
    #expect(work.lines("given.jsonl").count == 4)
  }
}

@Suite struct BadRecordsTests {
  /// Twelve good records, and one whose picture is broken or missing.
  private static func damaged(_ flaw: String) throws -> Workspace {
    let work = try Workspace.withData()
    if flaw == "broken" {
      try work.write([1, 2, 3], to: "captions/pictures/4.png")
    } else {
      try FileManager.default.removeItem(atPath: work.file("captions/pictures/4.png"))
    }
    return work
  }

  @Test(arguments: ["broken", "missing"]) func oneMayBeAllowed(flaw: String) throws {
    let work = try Self.damaged(flaw)
    // Four rounds over the data meet the record four times; it is one bad record.
    try work.succeed(
      "pretrain", "pretrain.json", "--output", "run", "--set", "data.badRecords=1", "--set",
      "steps=12")
    let examples = try work.lines("run/metrics.jsonl").map { try parsed($0) }
      .filter { $0["kind"] == "train" }.compactMap { $0["examples"]?.number }
    #expect(examples.reduce(0, +) == 4 * 11)
    let state = try work.json(work.lastCheckpoint("run") + "/state.json")
    #expect(state["skipped"]?.array.count == 1)
  }

  @Test func moreThanAllowedStopTheRun() throws {
    let work = try Self.damaged("broken")
    try work.write([1, 2, 3], to: "captions/pictures/7.png")
    try work.fail(
      [
        "pretrain", "pretrain.json", "--output", "run", "--set", "data.badRecords=1", "--set",
        "steps=12",
      ], code: ExitCode.badData, saying: ["2 bad records so far", "data.badRecords allows 1"])
  }

  @Test func evaluationsCountThemToo() throws {
    let work = try Workspace.trained()
    try work.write([1, 2, 3], to: "captions/pictures/13.png")
    try work.write([1, 2, 3], to: "questions/pictures/13.png")
    for run in ["pretrained", "answers"] {
      try work.fail(
        ["evaluate", run, "--split", "validation"], code: ExitCode.badData,
        saying: ["pictures/13.png", "data.badRecords allows 0"])
    }
  }

  @Test func aTaskCountsThemToo() throws {
    let work = try Workspace.withData()
    try FileManager.default.removeItem(atPath: work.file("questions/pictures/4.png"))
    try work.fail(
      ["finetune", "finetune.json", "--output", "run"], code: ExitCode.badData,
      saying: ["questions/train.jsonl:5"])
    try work.succeed(
      "finetune", "finetune.json", "--output", "other", "--set", "data.badRecords=1")
  }
}
