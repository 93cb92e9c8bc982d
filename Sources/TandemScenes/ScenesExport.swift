// What is made of finished scenes and their texts: the official formats, statements over several
// scenes, tables for training, and what an answer without looking is worth.

import Foundation
import TandemFiles

/// Writes beside each split's scenes:
/// - `coco/instances_<split>.json`, `coco/captions_<split>.json`,
/// - `vqa/questions_<split>.json`, `vqa/annotations_<split>.json`,
/// - `<split>/statements.jsonl` (two-picture statements, each with a true and a false pair),
///   `<split>/entailments.jsonl`,
/// - `captions/<split>.jsonl` and `questions/<split>.jsonl`: one picture with a caption, or with a
///   question and ten answers, a line.
public struct ScenesExport {
  public let directory: String
  public let settings: ScenesSettings
  private let lexicon: Lexicon
  private let texts: SceneTextWriter
  private let unseen: Set<String>

  /// Scenes that statements over several scenes are drawn from together.
  private static let chunk = 512
  /// Statements a chunk, and groups of hypotheses.
  private static let groups = 256

  public init(_ library: CutoutLibrary, _ settings: ScenesSettings, in directory: String) throws {
    self.directory = directory
    self.settings = settings
    lexicon = try Lexicon(library.classes + library.unseenClasses)
    texts = SceneTextWriter(lexicon)
    unseen = Set(library.unseenClasses.map(\.name))
  }

  /// The files it writes for a split, for a card.
  public static func files(_ split: SceneSplit) -> [String] {
    let name = split.rawValue
    return [
      "coco/instances_\(name).json", "coco/captions_\(name).json", "vqa/questions_\(name).json",
      "vqa/annotations_\(name).json", "\(name)/statements.jsonl", "\(name)/entailments.jsonl",
      "captions/\(name).jsonl", "questions/\(name).jsonl",
    ]
  }

  /// Writes every split, and learns and scores the blind baseline: training split to test split.
  ///
  /// - Returns: the baseline's figures; nil without both splits.
  /// - Throws: `SceneError`, `SceneTextError`, `FileError`.
  public func write(progress: (ScenesProgress) -> Void) throws -> BlindFigures? {
    for folder in ["coco", "vqa", "captions", "questions"] {
      try FileManager.default.createDirectory(
        atPath: "\(directory)/\(folder)", withIntermediateDirectories: true)
    }
    var baseline = BlindBaseline()
    for split in SceneSplit.allCases where settings.count(of: split) > 0 {
      try write(split, progress) { scene, texts in
        if split == .train { baseline.learn(texts) }
        if split == .test { baseline.score(texts, of: scene) }
      }
      try writeStatements(split) {
        if split == .train { baseline.learn($0) }
        if split == .test { baseline.score($0) }
      } triple: {
        if split == .train { baseline.learn($0) }
        if split == .test { baseline.score($0) }
      }
    }
    guard settings.count(of: .train) > 0, settings.count(of: .test) > 0 else { return nil }
    return baseline.figures
  }

  /// The classes that a split's pictures show, numbered as in all splits.
  private func categories(_ split: SceneSplit) -> [COCOCategory] {
    lexicon.categories.filter { unseen.contains($0.name) == (split == .testUnseenClasses) }
  }

  private func write(
    _ split: SceneSplit, _ progress: (ScenesProgress) -> Void,
    each: (Scene, SceneTexts) throws -> Void
  ) throws {
    let name = split.rawValue
    let captions = try LineFile("\(directory)/captions/\(name).jsonl")
    let questions = try LineFile("\(directory)/questions/\(name).jsonl")
    let total = settings.count(of: split)
    try COCOInstances.write(
      to: "\(directory)/coco/instances_\(name).json", categories: categories(split),
      description: "Composed scenes, \(name)"
    ) { instances in
      try COCOCaptions.write(
        to: "\(directory)/coco/captions_\(name).json", description: "Composed scenes, \(name)"
      ) { official in
        try VQAFiles.writeQuestions(
          to: "\(directory)/vqa/questions_\(name).json", subset: name
        ) { question in
          try VQAFiles.writeAnnotations(
            to: "\(directory)/vqa/annotations_\(name).json", subset: name
          ) { annotation in
            var done = 0
            try forEachScene(split) { scene, said in
              let facts = try SceneFacts(scene, lexicon)
              let image = facts.cocoImage(fileName: "\(scene.id).jpg")
              try instances.add(image, facts.cocoAnnotations())
              try official.add(image, said.captions.map(\.text))
              for one in said.vqaQuestions { try question(one) }
              for one in said.vqaAnnotations { try annotation(one) }
              try addRows(scene, said, split, captions, questions)
              try each(scene, said)
              done += 1
              if done % 256 == 0 || done == total {
                progress(
                  ScenesProgress(
                    split: split, step: "official formats", completed: done, total: total))
              }
            }
          }
        }
      }
    }
    try captions.close()
    try questions.close()
  }

  private struct CaptionRow: Encodable {
    let image: String
    let caption: String
  }

  private struct QuestionRow: Encodable {
    let image: String
    let question: String
    let answers: [String]
    let type: String
  }

  private func addRows(
    _ scene: Scene, _ texts: SceneTexts, _ split: SceneSplit, _ captions: LineFile,
    _ questions: LineFile
  ) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    // From the folder of the rows' file.
    let image = "../" + ScenesBuilder.imagePath(split, id: scene.id)
    for caption in texts.captions {
      try captions.append(try encoder.encode(CaptionRow(image: image, caption: caption.text)))
    }
    for one in texts.questions {
      try questions.append(
        try encoder.encode(
          QuestionRow(
            image: image, question: one.text, answers: one.answers.map(\.answer),
            type: one.type.rawValue)))
    }
  }

  private func writeStatements(
    _ split: SceneSplit, statement: (PairStatement) -> Void, triple: (EntailmentTriple) -> Void
  ) throws {
    let statements = try LineFile("\(directory)/\(split.rawValue)/statements.jsonl")
    let entailments = try LineFile("\(directory)/\(split.rawValue)/entailments.jsonl")
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    var chunk: [SceneFacts] = []
    var number = 0
    func finishChunk() throws {
      guard !chunk.isEmpty else { return }
      number += 1
      // Streams of their own, after those of the scenes' texts.
      var random = SceneRandom(seed: settings.seed &+ 2, split: split, id: number)
      let index = SceneIndex(chunk)
      for group in texts.pairStatements(Self.groups, among: index, using: &random) {
        try statements.append(try encoder.encode(group))
        group.statements.forEach(statement)
      }
      for group in texts.entailments(groups: Self.groups, among: index, using: &random) {
        for one in group {
          try entailments.append(try encoder.encode(one))
          triple(one)
        }
      }
      chunk = []
    }
    try forEachScene(split) { scene, _ in
      chunk.append(try SceneFacts(scene, lexicon))
      if chunk.count == Self.chunk { try finishChunk() }
    }
    try finishChunk()
    try statements.close()
    try entailments.close()
  }

  /// Reads a split's scenes with their texts, in order, in constant memory.
  private func forEachScene(
    _ split: SceneSplit, _ body: (Scene, SceneTexts) throws -> Void
  ) throws {
    let folder = "\(directory)/\(split.rawValue)"
    let scenes = try MappedFile(path: folder + "/scenes.jsonl")
    let said = try MappedFile(path: folder + "/language.jsonl")
    try scenes.withBytes { sceneBytes in
      try said.withBytes { textBytes in
        var (sceneStart, textStart) = (0, 0)
        func line(_ bytes: UnsafeRawBufferPointer, _ start: inout Int) -> Data? {
          guard start < bytes.count else { return nil }
          let end = bytes[start...].firstIndex(of: 10) ?? bytes.count
          defer { start = end + 1 }
          return Data(bytes[start..<end])
        }
        while let scene = line(sceneBytes, &sceneStart) {
          guard let texts = line(textBytes, &textStart) else {
            throw SceneError("\(folder)/language.jsonl: has fewer lines than scenes.jsonl")
          }
          try body(
            try JSONDecoder().decode(Scene.self, from: scene), try SceneTexts(jsonLine: texts))
        }
      }
    }
  }
}
