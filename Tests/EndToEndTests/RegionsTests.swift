// Regions from the command line: a detector is trained, pictures become features, features change
// their format; what is bad gets an error and a code.

import Foundation
import TandemFiles
import TandemImage
import TandemScenes
import Testing

@Suite struct RegionsTests {
  private static let training = [
    "regions", "train", "pictures/instances.json", "--preset", "tiny-plain", "--output", "detector",
    "--steps", "6", "--batch", "2", "--checkpoint-every", "2",
  ]

  /// Pictures of squares with their boxes, and a detector of six steps.
  private func workspace(pictures: Int = 6, trained: Bool = true) throws -> Workspace {
    let work = try Workspace()
    try FileManager.default.createDirectory(
      atPath: work.file("pictures"), withIntermediateDirectories: true)
    let categories = ["dark", "light"].enumerated().map {
      COCOCategory(id: $0 + 1, name: $1, supercategory: "square")
    }
    try COCOInstances.write(
      to: work.file("pictures/instances.json"), categories: categories
    ) { writer in
      for index in 0..<pictures {
        var image = try Image(width: 64, height: 64, color: RGB(120, 120, 120))
        let (x, y) = (4 + 5 * index % 30, 6 + 7 * index % 30)
        let color: RGB = index % 2 == 0 ? .black : .white
        image.drawBox(x: x, y: y, width: 20, height: 16, color: color, thickness: 10)
        try AtomicFile.write(image.pngData(), to: work.file("pictures/\(index).png"))
        try writer.add(
          COCOImage(id: index, fileName: "\(index).png", width: 64, height: 64),
          [
            COCOAnnotation(
              id: index + 1, imageID: index, categoryID: index % 2 + 1, x: Double(x), y: Double(y),
              width: 20, height: 16, area: 320)
          ])
      }
    }
    if trained { try work.good(Self.training) }
    return work
  }

  private func extraction(_ more: String...) -> [String] {
    ["regions", "extract", "pictures", "--detector", "detector", "--output", "features"] + more
  }

  @Test func featuresGoThroughEveryFormatAndBack() throws {
    let work = try workspace()
    try work.good(extraction("--boxes", "5", "--precision", "float32"))
    let check = try work.succeed("regions", "check", "features")
    #expect(check.output.contains("6 pictures, 30 regions"), "\(check.output)")
    // Without attributes there is no LXMERT file; the others hold what they can.
    let refused = try work.finished(["regions", "convert", "features", "a.tsv", "--to", "lxmert"])
    #expect(refused.code == ExitCode.badData)
    #expect(refused.errors.contains("attribute ids") && !work.exists("a.tsv"))
    for (format, path) in [
      ("butd", "b.tsv"), ("vlbert", "vlbert.zip"), ("uniter", "feat_numbb5"), ("volta", "volta"),
      ("oscar", "oscar.tsv"), ("unimoRetrieval", "lines.txt"),
    ] {
      try work.succeed("regions", "convert", "features", path, "--to", format)
      let back = try work.succeed(
        "regions", "convert", path, "back-\(format)", "--to", "store", "--precision", "float32")
      #expect(back.output.contains("6"), "\(format): \(back.output)")
      try work.succeed("regions", "check", "back-\(format)")
    }
    // The bottom-up attention file holds features to the bit: the same file comes out of the copy.
    try work.succeed("regions", "convert", "back-butd", "b2.tsv", "--to", "butd")
    let first = FileManager.default.contents(atPath: work.file("b.tsv"))
    #expect(first != nil && first == FileManager.default.contents(atPath: work.file("b2.tsv")))
    // UNITER's boxes are fractions: with the pictures at hand they become pixels again.
    let fractions = ["regions", "convert", "feat_numbb5", "u.tsv", "--to", "butd"]
    #expect(try work.finished(fractions).errors.contains("picture size"))
    try work.good(fractions + ["--pictures", "pictures"])
    try work.succeed("regions", "check", "u.tsv")
    let named = try work.finished([
      "regions", "convert", "volta", "x", "--to", "store", "--from", "uniter",
    ])
    #expect(named.code == ExitCode.badData && named.errors.contains("VOLTA"))
  }

  @Test func anExtractionThatWasKilledGoesOn() throws {
    let work = try workspace(pictures: 60)
    let command = try RunningCommand(
      extraction("--batch", "1", "--boxes", "4"), in: work.path)
    let journal = work.file("features/journal.bin")
    let hasBegun = command.waits {
      ((try? FileManager.default.attributesOfItem(atPath: journal)[.size]) as? Int ?? 0) > 100
    }
    command.send(SIGKILL)
    let killed = try command.finish()
    #expect(hasBegun && killed.code == -SIGKILL)
    let outcome = try work.good(extraction("--batch", "1", "--boxes", "4"))
    #expect(outcome.errors.contains(" were there"), "\(outcome.errors)")
    let check = try work.succeed("regions", "check", "features")
    #expect(check.output.contains("60 pictures, 240 regions"), "\(check.output)")
    // Nothing is left to do, and nothing changes.
    let again = try work.good(extraction("--batch", "1", "--boxes", "4"))
    #expect(again.errors.contains("60 were there"), "\(again.errors)")
  }

  @Test func brokenPicturesAreListed() throws {
    let work = try workspace()
    try AtomicFile.write([UInt8]("not a picture".utf8), to: work.file("pictures/3.png"))
    let outcome = try work.good(extraction("--boxes", "4"))
    #expect(outcome.errors.contains("1 failed") && outcome.errors.contains("3.png"))
    #expect(work.exists("features/failures.jsonl"))
  }

  @Test func picturesAreShown() throws {
    let work = try workspace()
    try work.good(extraction("--boxes", "4"))
    for source in [["--features", "features"], ["--detector", "detector"]] {
      try work.good(
        ["regions", "show", "pictures/1.png", "--output", "shown.png", "--threshold", "0"] + source)
      let drawn = try Image(contentsOfFile: work.file("shown.png"))
      #expect(drawn.width == 512)
      #expect(drawn != (try Image(contentsOfFile: work.file("pictures/1.png"))))
      try FileManager.default.removeItem(atPath: work.file("shown.png"))
    }
  }

  @Test func trainingGoesOnAndEvaluates() throws {
    let work = try workspace(trained: false)
    let command = try RunningCommand(Self.training, in: work.path)
    let hasSaved = command.waits { work.exists("detector/checkpoint/state.json") }
    command.send(SIGKILL)
    _ = try command.finish()
    #expect(hasSaved)
    try work.good(Self.training)
    #expect(work.lines("detector/metrics.jsonl").count == 6)
    let found = try work.succeed("regions", "evaluate", "detector", "pictures/instances.json")
    #expect(found.output.contains("mAP@0.5"))
  }

  @Test(arguments: [
    (["regions", "extract", "pictures", "--output", "f"], ExitCode.usage, "--detector"),
    (
      ["regions", "extract", "nowhere", "--detector", "detector", "--output", "f"],
      ExitCode.badData, "nowhere"
    ),
    (["regions", "check", "pictures/0.png"], ExitCode.badData, "0.png"),
    (["regions", "convert", "pictures/0.png", "f", "--to", "nothing"], ExitCode.usage, "nothing"),
    (
      ["regions", "train", "pictures/0.png", "--output", "d"], ExitCode.badData, "0.png"
    ),
    (
      [
        "regions", "show", "pictures/0.png", "--output", "s.png", "--features", "pictures",
      ], ExitCode.badData, "header.json"
    ),
  ])
  func badCallsSayWhatIsWrong(arguments: [String], code: Int32, word: String) throws {
    let work = try workspace(pictures: 2)
    let outcome = try work.finished(arguments)
    #expect(outcome.code == code, "\(outcome.errors)")
    #expect(outcome.errors.contains(word), "\(outcome.errors)")
    #expect(!work.exists("f") && !work.exists("d/checkpoint") && !work.exists("s.png"))
  }
}

extension Workspace {
  func finished(_ arguments: [String]) throws -> Outcome {
    try start(arguments).finish()
  }

  @discardableResult
  func good(
    _ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Outcome {
    let outcome = try finished(arguments)
    try #require(
      outcome.code == ExitCode.good, "\(arguments.joined(separator: " "))\n\(outcome.errors)",
      sourceLocation: sourceLocation)
    return outcome
  }
}
