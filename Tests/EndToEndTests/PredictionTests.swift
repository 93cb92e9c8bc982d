// Predictions on the command line: each way to ask, and whole files of questions.

import Foundation
import TandemCore
import Testing

@Suite struct PredictionTests {
  @Test func aQuestionIsAnsweredMostProbableFirst() throws {
    let work = try Workspace.trained()
    let ask = [
      "predict", "answers", "--image", Workspace.picture, "--question", Workspace.question,
    ]
    let ranked = try parsed(work.start(ask + ["--json"]).finish().output).array
    let chances = ranked.compactMap { $0["probability"]?.number }
    #expect(Set(ranked.compactMap { $0["answer"]?.string }) == ["red", "green", "blue"])
    #expect(chances == chances.sorted(by: >))
    #expect(abs(chances.reduce(0, +) - 1) < 1e-5)
    let people = try work.start(ask).finish()
    #expect(people.lines.count == 3)
    #expect(people.lines[0].hasSuffix(" %  " + (ranked[0]["answer"]?.string ?? "")))
  }

  @Test func everyMaskIsFilled() throws {
    let work = try Workspace.trained()
    let lines = try work.succeed(
      "predict", "pretrained", "--image", Workspace.picture, "--mask",
      "a [MASK] square on a [MASK] ground", "--json"
    ).lines.map { try parsed($0).array }
    #expect(lines.count == 2)
    for ranked in lines {
      #expect(ranked.count == 5)
      #expect(ranked.allSatisfy { Words.vocabulary.contains($0["answer"]?.string ?? "") })
      let chances = ranked.compactMap { $0["probability"]?.number }
      #expect(chances == chances.sorted(by: >) && chances.allSatisfy { (0...1).contains($0) })
    }
  }

  @Test func aTextIsScoredAgainstAPicture() throws {
    let work = try Workspace.trained()
    let ask = ["predict", "pretrained", "--image", Workspace.picture, "--text", "a red square"]
    let match = try #require(parsed(work.start(ask + ["--json"]).finish().output)["match"]?.number)
    #expect((0...1).contains(match))
    let people = try work.start(ask).finish().output
    #expect(people == "match  " + String(format: "%.2f", match * 100) + " %\n")
  }

  @Test func aFileOfQuestionsIsAnsweredInOrder() throws {
    let work = try Workspace.trained()
    let places = [19, 16, 18, 17, 16]
    try work.write(questions(places), to: "questions/asked.jsonl")
    try work.succeed(
      "predict", "answers", "--input", "questions/asked.jsonl", "--output", "given.jsonl")
    let lines = try work.lines("given.jsonl").map { try parsed($0) }
    #expect(lines.map { $0["image"]?.string } == places.map { "pictures/\($0).png" })
    #expect(lines[1] == lines[4])
    let alone = try parsed(
      work.succeed(
        "predict", "answers", "--image", Workspace.picture, "--question", Workspace.question,
        "--json"
      ).output)
    #expect(lines[1]["ranked"] == alone)
  }

  @Test func aFileThatWasCutOffIsGoneOnWith() throws {
    let work = try Workspace.trained()
    try work.write(questions(Array(0..<20) + [3, 1, 4]), to: "questions/asked.jsonl")
    let ask = ["predict", "answers", "--input", "questions/asked.jsonl", "--output"]
    #expect(try work.start(ask + ["whole.jsonl"]).finish().code == 0)
    let whole = try work.bytes("whole.jsonl")
    // Two lines and a half, as a power cut leaves them.
    let second = whole.indices.filter { whole[$0] == 10 }[1]
    try work.write(Array(whole[...(second + 30)]), to: "cut.jsonl")
    #expect(try work.start(ask + ["cut.jsonl"]).finish().code == 0)
    #expect(try work.bytes("cut.jsonl") == whole)
    // A finished file stays as it is.
    #expect(try work.start(ask + ["cut.jsonl"]).finish().code == 0)
    #expect(try work.bytes("cut.jsonl") == whole)
  }

  @Test func aKilledPredictionIsGoneOnWith() throws {
    let work = try Workspace.trained()
    let places = (0..<1500).map { $0 % 20 }
    try work.write(questions(places), to: "questions/asked.jsonl")
    let ask = ["predict", "answers", "--input", "questions/asked.jsonl", "--output"]
    let killed = try work.start(ask + ["cut.jsonl"])
    let wasRunning = killed.waits { work.lines("cut.jsonl").count >= 5 }
    killed.send(SIGKILL)
    #expect(try killed.finish().code == -SIGKILL)
    try #require(wasRunning && work.lines("cut.jsonl").count < places.count)
    #expect(try work.start(ask + ["cut.jsonl"]).finish().code == 0)
    #expect(try work.start(ask + ["whole.jsonl"]).finish().code == 0)
    #expect(try work.bytes("cut.jsonl") == work.bytes("whole.jsonl"))
  }

  @Test func anOutputThatAnswersOtherQuestionsIsLeftAlone() throws {
    let work = try Workspace.trained()
    try work.write(questions([0, 1, 2]), to: "questions/asked.jsonl")
    try work.write("milk\nbread\n", to: "shopping.txt")
    try work.fail(
      [
        "predict", "answers", "--input", "questions/asked.jsonl", "--output", "shopping.txt",
      ], code: ExitCode.badData, saying: ["shopping.txt:1", "questions/asked.jsonl"])
    try work.write("a\nb\nc\nd\n", to: "long.txt")
    try work.fail(
      ["predict", "answers", "--input", "questions/asked.jsonl", "--output", "long.txt"],
      code: ExitCode.badData, saying: ["long.txt", "4 lines", "3 questions"])
  }

  private func questions(_ places: [Int]) -> String {
    places.map { place in
      let line: JSONValue = [
        "image": .string("pictures/\(place).png"), "question": .string(Workspace.question),
      ]
      return line.compact + "\n"
    }.joined()
  }
}
