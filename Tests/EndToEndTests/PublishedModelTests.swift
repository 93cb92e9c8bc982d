// Published models that are asked without a run of ours.

import Foundation
import TandemCore
import TandemImage
import TandemTorch
import Testing

@Suite struct PublishedModelTests {
  /// A fixture of transformers' with a vocabulary of its 41 words: the special ones, then w5 to w40.
  private func folder(_ name: String, in work: Workspace) throws {
    let fixture = PackageFolder.fixture("huggingface/\(name)")
    for file in ["config.json", "model.safetensors"] {
      try work.write(
        [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(fixture)/\(file)"))), to: "\(name)/\(file)"
      )
    }
    try work.write(
      (Words.special + (5..<41).map { "w\($0)" }).joined(separator: "\n") + "\n",
      to: "\(name)/vocab.txt")
  }

  private func ranked(_ outcome: Outcome) throws -> [(answer: String, probability: Double)] {
    guard case .array(let items)? = JSONValue(parsing: outcome.output) else {
      Issue.record("no list: \(outcome.output)")
      return []
    }
    return items.map { ($0["answer"]?.string ?? "", $0["probability"]?.number ?? -1) }
  }

  /// A run, the folder of transformers it goes out as and the model that comes back answer alike.
  @Test func aFolderAnswersAsItsRun() throws {
    let work = try Workspace.trained()
    try work.succeed("export", "answers", "--output", "out")
    try work.succeed("import", "out", "--output", "model")
    let answers = try ["answers", "out", "model"].map { model in
      try ranked(
        work.succeed(
          "predict", model, "--image", Workspace.picture, "--question", Workspace.question,
          "--json"))
    }
    #expect(answers[0].count > 1)
    for other in answers.dropFirst() {
      #expect(other.map(\.answer) == answers[0].map(\.answer))
      for (found, wanted) in zip(other, answers[0]) {
        #expect(abs(found.probability - wanted.probability) < 1e-5)
      }
    }
    try work.write(
      lines: [["image": "captions/pictures/1.png", "question": "a"]], to: "asked.jsonl")
    try work.succeed("predict", "model", "--input", "asked.jsonl", "--output", "given.jsonl")
    #expect(work.lines("given.jsonl").count == 1)
  }

  @Test func maskedWordsAndMatchingOfAPretrainedFolder() throws {
    let work = try Workspace.trained()
    try work.succeed("export", "pretrained", "--output", "out")
    try work.succeed("import", "pretrained", "--output", "model")
    for arguments in [["--mask", "a [MASK] square"], ["--text", "a red square"]] {
      let outputs = try ["pretrained", "model"].map { model in
        try work.start(["predict", model, "--image", Workspace.picture] + arguments).finish()
      }
      #expect(outputs[0].code == ExitCode.good && !outputs[0].output.isEmpty)
      #expect(outputs[0].output == outputs[1].output)
    }
    // transformers keeps masked words and no matching.
    try work.fail(
      ["predict", "out", "--image", Workspace.picture, "--text", "a"], code: ExitCode.workFailed,
      saying: ["out has no head for matching: it has heads for mlm"])
  }

  /// BERT's most probable words are those of its logits.
  @Test func wordsOfATextAlone() throws {
    let work = try Workspace()
    try folder("bert-masked-lm", in: work)
    let found = try ranked(
      work.succeed("predict", "bert-masked-lm", "--mask", "w7 [MASK] w9", "--json"))
    try SafeTensors.write(
      ["input_ids": Tensor([2, 7, 4, 9, 3] as [Int64], [1, 5])], to: work.file("in.safetensors"))
    try work.succeed(
      "forward", "bert-masked-lm", "--inputs", "in.safetensors", "--output", "out.safetensors")
    let logits = try SafeTensorsFile(path: work.file("out.safetensors")).tensor("logits").floats()
    let row = logits[2 * 41..<3 * 41].map(Double.init)
    let sum = row.reduce(0) { $0 + exp($1) }
    let best = row.indices.sorted { row[$0] > row[$1] }.prefix(found.count)
    #expect(found.count == 5)
    for (place, id) in best.enumerated() {
      #expect(found[place].answer == (Words.special + (5..<41).map { "w\($0)" })[id])
      #expect(abs(found[place].probability - exp(row[id]) / sum) < 1e-5)
    }
    try work.write(Scene(1).picture().pngData(), to: "a.png")
    try work.fail(
      ["predict", "bert-masked-lm", "--image", "a.png", "--mask", "[MASK]"], code: ExitCode.usage,
      saying: ["--image", "bert reads texts alone"])
  }

  /// Answers stand in the folder, are given beside a file, or are numbers.
  @Test func namesOfAnswers() throws {
    let work = try Workspace()
    try work.write(Scene(1).picture().pngData(), to: "a.png")
    try folder("vilt-vqa", in: work)
    func answers(_ model: String) throws -> Set<String> {
      Set(
        try ranked(
          work.succeed("predict", model, "--image", "a.png", "--question", "w5", "--json")
        ).map(\.answer))
    }
    let all: Set = ["no", "two", "red", "blue", "left", "right"]
    #expect(try !answers("vilt-vqa").isEmpty && answers("vilt-vqa").isSubset(of: all))
    try work.write("a\nb\nc\nd\ne\nf\n", to: "answers.txt")
    try work.write("a\nb\n", to: "few.txt")
    try work.succeed("import", "vilt-vqa", "--answers", "answers.txt", "--output", "model")
    #expect(try answers("model").isSubset(of: ["a", "b", "c", "d", "e", "f"]))
    try work.fail(
      ["import", "vilt-vqa", "--answers", "few.txt", "--output", "other"], code: ExitCode.badData,
      saying: ["few.txt: 2 answers, the head has rows for 6"])
    #expect(!work.exists("other"))
    if case .object(var fields) = try work.json("vilt-vqa/config.json") {
      fields["id2label"] = .object(
        Dictionary(uniqueKeysWithValues: (0..<6).map { ("\($0)", .string("LABEL_\($0)")) }))
      try work.write(.object(fields), to: "vilt-vqa/config.json")
    }
    #expect(try answers("vilt-vqa").allSatisfy { $0.hasPrefix("#") })
  }

  @Test func whatAModelCannotBeAsked() throws {
    let work = try Workspace()
    try work.write(Scene(1).picture().pngData(), to: "a.png")
    try folder("lxmert-vqa", in: work)
    let question = ["predict", "lxmert-vqa", "--image", "a.png", "--question", "w5"]
    try work.fail(question, code: ExitCode.usage, saying: ["--regions", "lxmert reads regions"])
    try work.fail(
      ["evaluate", "lxmert-vqa"], code: ExitCode.workFailed,
      saying: ["lxmert-vqa is a model", "finetune"])
    try FileManager.default.removeItem(atPath: work.file("lxmert-vqa/vocab.txt"))
    try work.fail(question, code: ExitCode.usage, saying: ["no vocabulary", "--vocabulary"])
    try work.write(Words.special.joined(separator: "\n") + "\n", to: "words.txt")
    try work.succeed("import", "lxmert-vqa", "--vocabulary", "words.txt", "--output", "model")
    #expect(try work.text("model/vocabulary.txt") == work.text("words.txt"))
    #expect(try work.json("model/model.json")["lowercased"] == .bool(true))
    for (word, isLowercased) in [("ℝ", true), ("The", false)] {
      try work.write((Words.special + [word]).joined(separator: "\n") + "\n", to: "words.txt")
      try work.succeed("import", "lxmert-vqa", "--vocabulary", "words.txt", "--output", word)
      #expect(try work.json("\(word)/model.json")["lowercased"] == .bool(isLowercased))
    }
    try work.write(
      (Words.special + (5..<99).map { "w\($0)" }).joined(separator: "\n") + "\n", to: "more.txt")
    try work.fail(
      ["import", "lxmert-vqa", "--vocabulary", "more.txt", "--output", "other"],
      code: ExitCode.badData, saying: ["more.txt", "99 tokens", "41"])
  }

  // MARK: what stands where

  /// Folders above the output are made; a file or a link of that name stays what it is.
  @Test func outputs() throws {
    let work = try Workspace()
    try folder("bert-masked-lm", in: work)
    try work.succeed("import", "bert-masked-lm", "--output", "a/b/model/")
    #expect(work.exists("a/b/model/model.json"))
    try work.write("precious", to: "file")
    try FileManager.default.createSymbolicLink(
      atPath: work.file("link"), withDestinationPath: "nowhere")
    for command in ["import", "export"] {
      for output in ["file", "link", "a/b/model"] {
        try work.fail(
          [command, "a/b/model", "--output", output], code: ExitCode.workFailed,
          saying: [output, "name another --output"])
      }
    }
    try work.fail(
      ["import", "vocabulary-that-is-not-there", "--output", "c/d"], code: ExitCode.badData,
      saying: ["vocabulary-that-is-not-there"])
    #expect(!work.exists("c"))
    try work.fail(
      ["forward", "a/b/model", "--inputs", "x", "--output", "./x"], code: ExitCode.usage,
      saying: ["--output"])
  }

  /// Sizes that no machine holds end in a message.
  @Test(arguments: ["vocab_size", "hidden_size", "num_hidden_layers", "intermediate_size"])
  func sizesThatCannotBe(_ key: String) throws {
    let work = try Workspace()
    try folder("bert-masked-lm", in: work)
    guard case .object(var fields) = try work.json("bert-masked-lm/config.json") else { return }
    for size in [1_000_000_000, Int.max, -1] {
      fields[key] = .integer(size)
      try work.write(.object(fields), to: "bert-masked-lm/config.json")
      let outcome = try work.tandem("import", "bert-masked-lm", "--output", "model")
      #expect(outcome.code == ExitCode.badData, "\(key) \(size): \(outcome.errors)")
      #expect(!work.exists("model"))
    }
  }

  @Test func whatIsNoFileOfWeights() throws {
    let work = try Workspace()
    try folder("bert-masked-lm", in: work)
    try work.write(
      "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", to: "model.safetensors")
    try work.fail(
      ["import", "model.safetensors", "--output", "m"], code: ExitCode.badData,
      saying: ["model.safetensors", "git lfs pull"])
    try FileManager.default.removeItem(atPath: work.file("bert-masked-lm/model.safetensors"))
    for part in ["", "."] {
      try work.write(
        JSONValue.object(["weight_map": .object(["a": .string(part)])]),
        to: "bert-masked-lm/model.safetensors.index.json")
      try work.fail(
        ["import", "bert-masked-lm", "--output", "m"], code: ExitCode.badData, saying: ["missing"])
    }
    try work.write("{", to: "bert-masked-lm/config.json")
    try work.fail(
      ["import", "bert-masked-lm", "--output", "m"], code: ExitCode.badData,
      saying: ["config.json", "JSON"])
  }
}
